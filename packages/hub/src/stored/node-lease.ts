import { type RecordStore, StoreUnavailable } from '@lockstep/store';
import type { Clock, Nodes } from '../ports.ts';

const KIND = 'node';

export interface NodeLeaseOptions {
  /** This node's name; no two that run may have the same. */
  readonly nodeId: string;
  /** ms between signs of life. */
  readonly beatMs?: number;
  /** Signs of life that a node may miss before it counts as gone. */
  readonly mayMiss?: number;
}

interface Known {
  revision: number;
  missed: number;
  gone: boolean;
}

/**
 * Tells by records which nodes are alive: each writes its own from time to time. Clocks are not compared: a node is gone
 * when its record stays the same while this one was written several times, so that no node is taken for
 * gone while the store is unreachable.
 */
export class NodeLease implements Nodes {
  readonly #records: RecordStore;
  readonly #clock: Clock;
  readonly #nodeId: string;
  readonly #beatMs: number;
  readonly #mayMiss: number;
  readonly #failed: (error: unknown) => void;
  readonly #known = new Map<string, Known>();
  readonly #listeners = new Set<(node: string, alive: boolean) => void>();
  #cancel: (() => void) | undefined;
  #stopped = false;

  /** @param failed called with what went wrong other than the store's absence */
  constructor(
    records: RecordStore,
    clock: Clock,
    { nodeId, beatMs = 3000, mayMiss = 4 }: NodeLeaseOptions,
    failed: (error: unknown) => void,
  ) {
    this.#records = records;
    this.#clock = clock;
    this.#nodeId = nodeId;
    this.#beatMs = beatMs;
    this.#mayMiss = mayMiss;
    this.#failed = failed;
  }

  async start(): Promise<void> {
    await this.#beat();
    this.#schedule();
  }

  /** Says that this node is gone, so that the others need not find out. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#sign('stopped');
  }

  watch(listener: (node: string, alive: boolean) => void): () => void {
    this.#listeners.add(listener);
    for (const [node, { gone }] of this.#known) if (gone) listener(node, false);
    return () => this.#listeners.delete(listener);
  }

  alive(node: string): boolean {
    return node === this.#nodeId ? !this.#stopped : this.#known.get(node)?.gone === false;
  }

  /** The other nodes that are alive, as far as is known. */
  others(): readonly string[] {
    return [...this.#known].flatMap(([node, { gone }]) => (gone ? [] : [node]));
  }

  async forget(node: string): Promise<void> {
    await this.#records.delete(KIND, node);
    // A store that comes back with an older copy has its record again, perhaps the same: then it is found gone once more.
    this.#known.delete(node);
  }

  #schedule(): void {
    this.#cancel = this.#clock.after(this.#beatMs, () => {
      this.#beat()
        .catch((error: unknown) => {
          if (!(error instanceof StoreUnavailable)) this.#failed(error);
        })
        .finally(() => {
          if (!this.#stopped) this.#schedule();
        });
    });
  }

  #sign(state: 'alive' | 'stopped'): Promise<unknown> {
    return this.#records.put(KIND, this.#nodeId, { body: JSON.stringify(state) }, this.#clock.now());
  }

  async #beat(): Promise<void> {
    await this.#sign('alive');
    const records = await this.#records.list(KIND, this.#clock.now());
    if (this.#stopped) return;
    const listed = new Set(records.map(({ id }) => id));
    for (const node of this.#known.keys()) if (!listed.has(node)) this.#known.delete(node);
    for (const { id, revision, body } of records) {
      if (id !== this.#nodeId) this.#look(id, revision, body === '"stopped"');
    }
  }

  #look(node: string, revision: number, stopped: boolean): void {
    const known = this.#known.get(node) ?? { revision: 0, missed: 0, gone: false };
    this.#known.set(node, known);
    const same = known.revision === revision;
    known.missed = same ? known.missed + 1 : 0;
    known.revision = revision;
    const gone = stopped || known.missed > this.#mayMiss;
    if (gone === known.gone) return;
    known.gone = gone;
    for (const listener of this.#listeners) listener(node, !gone);
  }
}
