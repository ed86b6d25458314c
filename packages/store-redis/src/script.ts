import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';

export type Client = Redis | Cluster;
export type Reply = string | number | null | readonly Reply[];

/** A Lua script that runs by its digest, and is sent whole where the server does not have it. */
export class Script {
  readonly #lua: string;
  readonly #sha: string;

  constructor(lua: string) {
    this.#lua = lua.trim();
    this.#sha = createHash('sha1').update(this.#lua).digest('hex');
  }

  async run(client: Client, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply> {
    try {
      return (await client.evalsha(this.#sha, keys.length, ...keys, ...args)) as Reply;
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return (await client.eval(this.#lua, keys.length, ...keys, ...args)) as Reply;
    }
  }
}
