import { createHash } from 'node:crypto';
import { Cluster, type Redis } from 'ioredis';

export type RedisClient = Redis | Cluster;
export type Reply = string | number | null | readonly Reply[];

/** A Lua script that runs by its digest, and is sent whole where the server does not have it. */
export class Script {
  readonly #lua: string;
  readonly #sha: string;

  constructor(lua: string) {
    this.#lua = lua.trim();
    this.#sha = createHash('sha1').update(this.#lua).digest('hex');
  }

  async run(client: RedisClient, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply> {
    try {
      return (await client.evalsha(this.#sha, keys.length, ...keys, ...args)) as Reply;
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return (await client.eval(this.#lua, keys.length, ...keys, ...args)) as Reply;
    }
  }

  /**
   * Runs it and waits, on the one connection that it went through, for replicas to have what it wrote.
   * @returns its reply, and how many replicas have what it wrote
   */
  async runAndWait(
    client: RedisClient,
    keys: readonly string[],
    args: readonly (string | number)[],
    replicas: number,
    ms: number,
  ): Promise<{ readonly reply: Reply; readonly reached: number }> {
    const run = async (command: 'evalsha' | 'eval', script: string) => {
      const wait = ['wait', replicas, ms];
      const [ran, waited] =
        (await client.pipeline([[command, script, keys.length, ...keys, ...args], wait]).exec()) ?? [];
      return { error: ran?.[0] ?? waited?.[0], reply: ran?.[1] as Reply, reached: Number(waited?.[1]) };
    };
    let result = await run('evalsha', this.#sha);
    if (result.error?.message.startsWith('NOSCRIPT')) result = await run('eval', this.#lua);
    if (!result.error) return result;
    // A pipeline does not follow its shard by itself.
    if (client instanceof Cluster && result.error.message.startsWith('MOVED')) client.refreshSlotsCache();
    throw result.error;
  }
}
