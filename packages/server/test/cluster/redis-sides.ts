/** What a cluster of Hubs keeps its state on: one Redis, one with a replica that takes over, or a Redis Cluster. */
import { cpSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { RedisProcess, startCluster } from '@lockstep/store-redis/testing';

export interface RedisSide {
  /** The server that takes writes now; of a cluster any of those. */
  readonly primary: RedisProcess;
  /** Address of all nodes; without one each reaches the primary by a wire of its own. */
  readonly url?: string;
  /** What the nodes are told beside it. */
  readonly env?: NodeJS.ProcessEnv;
  remove(): Promise<void>;
}

/** Nothing is accepted that is only in one place, and nothing is taken that has no second place to go to. */
const CAREFUL = { 'min-replicas-to-write': '1', 'min-replicas-max-lag': '2' };
/** ms after which a shard's primary counts as gone. */
const IMPATIENT = { appendfsync: 'always', 'cluster-node-timeout': '2000' };
const CONFIRMED = { LOCKSTEP_REDIS_REPLICAS: '1' };

export class Single implements RedisSide {
  readonly primary: RedisProcess;

  private constructor(primary: RedisProcess) {
    this.primary = primary;
  }

  static async start(settings?: Readonly<Record<string, string>>): Promise<Single> {
    return new Single(await RedisProcess.start(settings));
  }

  /**
   * Copies what it holds.
   * @returns what puts the copy in its place; told what to do while it is away
   */
  async copy(): Promise<(away: () => Promise<unknown>) => Promise<void>> {
    const { primary } = this;
    const [files, copy] = [join(primary.folder, 'appendonlydir'), join(primary.folder, 'copy')];
    await primary.kill();
    cpSync(files, copy, { recursive: true });
    await primary.restart();
    return async (away) => {
      await primary.kill();
      await away();
      rmSync(files, { recursive: true });
      renameSync(copy, files);
      await primary.restart();
    };
  }

  remove(): Promise<void> {
    return this.primary.remove();
  }
}

/** A primary and its replica. The test itself decides who is which; the nodes' wires lead to the primary. */
export class Pair implements RedisSide {
  readonly env = CONFIRMED;
  #primary: RedisProcess;
  #replica: RedisProcess;

  private constructor(primary: RedisProcess, replica: RedisProcess) {
    this.#primary = primary;
    this.#replica = replica;
  }

  static async start(): Promise<Pair> {
    const primary = await RedisProcess.start(CAREFUL);
    const replica = await RedisProcess.start({ ...CAREFUL, replicaof: `127.0.0.1 ${primary.port}` });
    await replica.inSync();
    return new Pair(primary, replica);
  }

  get primary(): RedisProcess {
    return this.#primary;
  }

  get replica(): RedisProcess {
    return this.#replica;
  }

  /** The primary dies, the replica takes over, and the other comes back as its replica. */
  async failOver(between: () => Promise<unknown> = async () => undefined): Promise<void> {
    const old = this.#primary;
    await old.kill();
    await this.#promote();
    await between();
    await old.restart({ replicaof: `127.0.0.1 ${this.#primary.port}` });
    await this.#replica.inSync();
  }

  /** The replica takes over from a primary that nobody reaches for a time, and that goes on where it was. */
  async failOverFrozen(between: () => Promise<unknown>): Promise<void> {
    const old = this.#primary;
    old.signal('SIGSTOP');
    await this.#promote();
    await between();
    old.signal('SIGCONT');
    await between();
    await old.command('REPLICAOF', '127.0.0.1', String(this.#primary.port));
    await this.#replica.inSync();
  }

  /** The replica stops confirming, so that commits wait for it; then it takes over, and the primary follows it at once. */
  async demote(between: () => Promise<unknown>): Promise<void> {
    const old = this.#primary;
    this.#replica.signal('SIGSTOP');
    await between();
    this.#replica.signal('SIGCONT');
    await this.#promote();
    await old.command('REPLICAOF', '127.0.0.1', String(this.#primary.port));
    await this.#replica.inSync();
  }

  async #promote(): Promise<void> {
    await this.#replica.command('REPLICAOF', 'NO', 'ONE');
    [this.#primary, this.#replica] = [this.#replica, this.#primary];
  }

  async remove(): Promise<void> {
    await Promise.all([this.#primary.remove(), this.#replica.remove()]);
  }
}

/** Three servers that share the slots, each with a replica that takes over by itself. */
export class Shards implements RedisSide {
  readonly env = CONFIRMED;
  readonly url: string;
  readonly #shards: [primary: RedisProcess, replica: RedisProcess][];

  private constructor(servers: readonly RedisProcess[]) {
    this.url = `redis+cluster://${servers.map(({ port }) => `127.0.0.1:${port}`).join()}`;
    const half = servers.length / 2;
    this.#shards = servers.slice(0, half).map((primary, i) => [primary, servers[half + i]!]);
  }

  static async start(): Promise<Shards> {
    return new Shards(await startCluster(3, { ...CAREFUL, ...IMPATIENT }, { replicas: true }));
  }

  get primary(): RedisProcess {
    return this.#shards[0]![0];
  }

  get primaries(): readonly RedisProcess[] {
    return this.#shards.map(([primary]) => primary);
  }

  get size(): number {
    return this.#shards.length;
  }

  /** A shard's primary dies, its replica takes over, and the other comes back as its replica. */
  async failOver(shard: number, between: () => Promise<unknown> = async () => undefined): Promise<void> {
    const [old, heir] = this.#shards[shard]!;
    await old.kill();
    await heir.until(/^role:master/m, 'replication');
    await between();
    await old.restart();
    await old.until(/^role:slave/m, 'replication');
    await old.inSync();
    this.#shards[shard] = [heir, old];
  }

  /** A shard's primary is not reached for a time; whoever has the shard afterwards has a replica again. */
  async freeze(shard: number, between: () => Promise<unknown>): Promise<void> {
    const [one, other] = this.#shards[shard]!;
    one.signal('SIGSTOP');
    await between();
    one.signal('SIGCONT');
    for (;;) {
      for (const [primary, replica] of [
        [one, other],
        [other, one],
      ] as const) {
        if (!/^role:slave[\s\S]*^master_link_status:up/m.test(await replica.command('INFO', 'replication'))) continue;
        this.#shards[shard] = [primary, replica];
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async remove(): Promise<void> {
    await Promise.all(this.#shards.flat().map((server) => server.remove()));
  }
}
