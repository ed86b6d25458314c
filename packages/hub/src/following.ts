import { type StoreNotice, StoreUnavailable } from '@lockstep/store';
import type { Connections } from './connections.ts';
import type { Nodes } from './ports.ts';
import type { Runtime } from './runtime.ts';
import type { Announcement, Topic } from './topic.ts';
import type { WebhookSubscriptions } from './webhook-subscriptions.ts';

/** Topics read again at the same time after a gap. */
const RESYNCED_AT_ONCE = 64;

/** Follows what the store and the other nodes tell. */
export class Following {
  readonly #runtime: Runtime;
  readonly #connections: Connections;
  readonly #callbacks: WebhookSubscriptions;
  /** Topics that are to be read again, since notices may have been missed. */
  readonly #doubted = new Set<Topic>();
  #resyncing = false;
  /** Nodes that are gone, each with what cancels the end of their subscribers' grace time. */
  readonly #gone = new Map<string, () => void>();

  constructor(runtime: Runtime, connections: Connections, callbacks: WebhookSubscriptions) {
    this.#runtime = runtime;
    this.#connections = connections;
    this.#callbacks = callbacks;
  }

  /** Starts to follow the store and to wait for the subscribers that were connected before a restart. */
  async start(): Promise<void> {
    const { nodeId, graceMs } = this.#runtime.options;
    this.#runtime.untilStop(this.#runtime.ports.store.watch((notice) => this.#noticed(notice)));
    const waiting = await this.#runtime.ports.store.lookup(`node:${nodeId}`);
    if (waiting.length > 0)
      this.#runtime.after(graceMs, () => this.#runtime.later(() => this.#connections.dropMissing(waiting, nodeId)));
    for (const name of waiting) await this.#callbacks.resume(this.#runtime.topics.of(name));
    const { nodes } = this.#runtime.ports;
    if (nodes) this.#runtime.untilStop(nodes.watch((node, alive) => this.#nodeChanged(nodes, node, alive)));
  }

  #noticed(notice: StoreNotice): void {
    if (notice.kind === 'gap') {
      if (notice.topic === undefined) this.#doubtAll();
      else if (this.#runtime.topics.has(notice.topic)) this.doubt(this.#runtime.topics.of(notice.topic));
      return;
    }
    const topic = this.#runtime.topics.live(notice.topic);
    if (!topic) return;
    if (notice.kind === 'commit') {
      const { revision } = notice;
      // One of this node's own is known, unless its answer was lost.
      if (!topic.knows(revision)) this.#follow(topic, () => topic.follow(revision, notice.epoch, () => notice.commit));
    } else if (!notice.local && notice.kind === 'erased') {
      this.#follow(topic, async () => topic.endAll('The session has ended'));
    } else if (!notice.local && notice.kind === 'announcement') {
      const { redeliver } = JSON.parse(notice.body) as Announcement;
      this.#follow(topic, () => topic.redeliver(redeliver));
    }
  }

  /** Does what a notice asks for; while the store is away, the topic is read again afterwards. */
  #follow(topic: Topic, work: () => Promise<void>): void {
    topic.run(work).catch((error: unknown) => {
      if (error instanceof StoreUnavailable) this.doubt(topic);
      else this.#runtime.ports.failed?.(error);
    });
  }

  #doubtAll(): void {
    for (const topic of this.#runtime.topics.all()) this.doubt(topic);
  }

  /** The topic may have missed something: it is read again. */
  doubt(topic: Topic): void {
    topic.doubt();
    if (topic.audience.empty) return;
    this.#doubted.add(topic);
    if (this.#resyncing) return;
    this.#resyncing = true;
    this.#runtime.later(() => this.#resync());
  }

  /** Reads doubted topics again, some at a time, for as long as the store is away. */
  async #resync(): Promise<void> {
    while (this.#doubted.size > 0 && !this.#runtime.stopping) {
      const some = [...this.#doubted].slice(0, RESYNCED_AT_ONCE);
      const results = await Promise.all(some.map((topic) => this.#readAgain(topic)));
      const away = results.find((error) => error !== undefined);
      if (away) throw away;
    }
    this.#resyncing = false;
  }

  /** @returns that the store is away, if so */
  async #readAgain(topic: Topic): Promise<StoreUnavailable | undefined> {
    try {
      await topic.run(() => topic.resync());
    } catch (error) {
      if (error instanceof StoreUnavailable) return error;
      this.#runtime.ports.failed?.(error);
    }
    this.#doubted.delete(topic);
    return undefined;
  }

  /** A node is gone, or back. Its callbacks are called from here; its subscribers may come back to any node (ERR-3). */
  #nodeChanged(nodes: Nodes, node: string, alive: boolean): void {
    this.#gone.get(node)?.();
    this.#gone.delete(node);
    if (alive) return;
    // What it had committed it may not have told.
    this.#doubtAll();
    this.#runtime.later(() => this.#callbacks.adopt(node));
    const cancel = this.#runtime.after(this.#runtime.options.graceMs, () => {
      this.#gone.delete(node);
      this.#runtime.later(async () => {
        await this.#connections.dropMissing(await this.#runtime.ports.store.lookup(`node:${node}`), node);
        await nodes.forget(node);
      });
    });
    this.#gone.set(node, cancel);
  }
}
