import { StoreUnavailable } from '@lockstep/store';
import type { RedisConnection } from './connection.ts';
import type { Reply, Script } from './script.ts';

interface Waiting {
  readonly generation: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface ReplicaOptions {
  /** Replicas that must have a write. */
  readonly count: number;
  /** ms that they may take, less than the connection's own for a command. */
  readonly timeoutMs: number;
  /** Whether the client is a cluster's, with a connection to each shard. */
  readonly cluster: boolean;
}

const TOO_FEW = 'Too few replicas have confirmed the write';

/** Writes that only count once replicas have them. */
export class Replicas {
  readonly #connection: RedisConnection;
  readonly #options: ReplicaOptions;
  #waiting: Waiting[] = [];
  #running = false;

  constructor(connection: RedisConnection, options: ReplicaOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  get required(): boolean {
    return this.#options.count > 0;
  }

  /**
   * Runs a script, and waits until enough replicas have what it wrote.
   * @param counts whether a reply with this meaning must be confirmed: not where nothing was written
   * @throws StoreUnavailable when they do not in time, or that can no longer be known
   */
  async run(
    script: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
    counts: (reply: Reply) => boolean = () => true,
  ): Promise<Reply> {
    const connection = this.#connection;
    if (!this.required) return connection.run(script, keys, args);
    const { count, timeoutMs, cluster } = this.#options;
    if (!cluster) {
      const { generation } = connection;
      const reply = await connection.run(script, keys, args);
      if (counts(reply)) await this.#confirm(generation);
      return reply;
    }
    const { reply, reached } = await connection.call((client) =>
      script.runAndWait(client, keys, args, count, timeoutMs),
    );
    if (counts(reply) && reached < count) throw new StoreUnavailable(TOO_FEW, 1);
    return reply;
  }

  /** One `WAIT` answers for everything that the connection wrote before it. */
  #confirm(generation: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ generation, resolve, reject });
      if (!this.#running) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#running = true;
    const { count, timeoutMs } = this.#options;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        const reached = await this.#connection.call((client) => client.wait(count, timeoutMs));
        for (const { generation, resolve, reject } of batch) {
          if (reached >= count && generation === this.#connection.generation) resolve();
          else reject(new StoreUnavailable(TOO_FEW, 1));
        }
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running = false;
  }
}
