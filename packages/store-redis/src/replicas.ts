import { StoreUnavailable } from '@lockstep/store';
import type { Connection } from './connection.ts';

interface Waiting {
  readonly generation: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Waits until replicas have what was written; one `WAIT` answers for everything written before it. */
export class Replicas {
  readonly #connection: Connection;
  readonly #count: number;
  readonly #timeoutMs: number;
  #waiting: Waiting[] = [];
  #running = false;

  /** @param timeoutMs less than the connection's own for a command */
  constructor(connection: Connection, count: number, timeoutMs: number) {
    this.#connection = connection;
    this.#count = count;
    this.#timeoutMs = timeoutMs;
  }

  get required(): boolean {
    return this.#count > 0;
  }

  /**
   * Resolves once enough replicas have what this connection has written.
   * @param generation of the connection that wrote it
   * @throws StoreUnavailable when they do not in time, or nobody can tell any more
   */
  confirm(generation: number): Promise<void> {
    if (!this.required) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ generation, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        const reached = await this.#connection.call((client) => client.wait(this.#count, this.#timeoutMs));
        for (const { generation, resolve, reject } of batch) {
          if (reached >= this.#count && generation === this.#connection.generation) resolve();
          else reject(new StoreUnavailable('Too few replicas have confirmed the write', 1));
        }
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running = false;
  }
}
