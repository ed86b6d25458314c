import type { TimelineEntry } from '@lockstep/console/wire';
import type { Clock, Hub, NodeLease, Subscription } from '@lockstep/hub';
import { type SessionStore, StoreUnavailable } from '@lockstep/store';
import { type Inspector, toTimeline } from './inspector.ts';

/** No session has this name: topics that the Hub mints are UUIDs. */
const CHANNEL = 'lockstep:views';
/** ms after which a node says again what it watches, and after which one that did not is taken to be gone. */
const RENEW = 10_000;
const FORGET = 30_000;
/** What happens within this time goes to the other nodes in one message, ms. */
const BATCH = 15;
const BATCH_OF_ALL = 250;
/** How long other nodes may take to answer, ms: what they say later is not shown. */
const ANSWER = 1000;
/** Entries of a session that another node is sent, and how many of them in one message. */
const MOST = 2000;
const CHUNK = 500;

type Entries = readonly TimelineEntry[];

/** What nodes send each other about the views that are open: never an endpoint, never patient data. */
type Message = { readonly node: string } & (
  | { readonly kind: 'watch'; readonly topics: readonly string[]; readonly all: boolean }
  | { readonly kind: 'seen'; readonly topic: string; readonly entries: Entries }
  | { readonly kind: 'changed' }
  /** Asks what happened in a session. */
  | { readonly kind: 'ask'; readonly id: number; readonly topic: string }
  | {
      readonly kind: 'answer';
      readonly to: string;
      readonly id: number;
      readonly entries: Entries;
      readonly last: boolean;
    }
);

/** What other nodes have answered so far. */
interface Question {
  readonly waiting: Set<string>;
  readonly entries: TimelineEntry[];
  readonly answered: () => void;
}

/** A node that has views open, and what ends the watches for it here. */
interface Viewer {
  seenAt: number;
  readonly ends: Map<string | undefined, () => void>;
}

export interface SharedViewsOptions {
  readonly inspector: Inspector;
  readonly hub: Hub;
  readonly sessions: SessionStore;
  readonly nodeId: string;
  readonly clock: Clock;
  /** The nodes that share the store, where there may be others. */
  readonly nodes?: NodeLease;
  readonly failed: (error: unknown) => void;
}

function inOrder(entries: Entries): TimelineEntry[] {
  return [...entries].sort((a, b) => a.seq - b.seq);
}

/**
 * What the console shows of sessions, whichever nodes they happen at. Each node remembers what it did; while a view is open
 * the others pass theirs on. Nothing is sent where no view is open.
 */
export class SharedViews {
  readonly #options: SharedViewsOptions;
  /** Views open here, by topic; undefined is the list of all sessions. */
  readonly #watched = new Map<string | undefined, Set<(entries: Entries) => void>>();
  readonly #viewers = new Map<string, Viewer>();
  readonly #questions = new Map<number, Question>();
  #nextId = 1;
  readonly #ends: (() => void)[] = [];
  #cancelRenewal: () => void = () => undefined;

  constructor(options: SharedViewsOptions) {
    this.#options = options;
    if (!options.nodes) return;
    this.#ends.push(
      options.sessions.listen(CHANNEL).end,
      options.sessions.watch((notice) => {
        if (notice.kind === 'gap' && notice.topic === undefined) this.#missed();
        else if (notice.kind === 'announcement' && notice.topic === CHANNEL && !notice.local)
          this.#heard(JSON.parse(notice.body) as Message);
      }),
    );
    this.#renew();
  }

  /** What is remembered of a session at any node, oldest first. */
  async timeline(topic: string): Promise<Entries> {
    const told = await this.#ask(topic);
    return inOrder([...this.#own(topic), ...told.entries]);
  }

  #own(topic: string): Entries {
    return this.#options.inspector.recent(topic).map(toTimeline);
  }

  /** Whether a subscriber can be reached now, at whichever node. @param here ids of those that are connected at this node */
  isConnected({ id, node, presence }: Subscription, here: ReadonlySet<string>): boolean {
    const { nodes, nodeId } = this.#options;
    if (here.has(id)) return true;
    return node !== undefined && node !== nodeId && presence?.is !== 'away' && nodes?.alive(node) === true;
  }

  /**
   * Tells what happens in a session from now on, or in any (then without entries, and not what is delivered and answered).
   * @returns ends it, once the other nodes were asked to pass on what they see
   */
  async watch(topic: string | undefined, listener: (entries: Entries) => void): Promise<() => void> {
    const end = this.#options.inspector.watch(topic, (_, entry) => {
      if (topic !== undefined) listener([toTimeline(entry)]);
      else if (changesList(entry.observation.kind)) listener([]);
    });
    const listeners = this.#watched.get(topic) ?? new Set();
    this.#watched.set(topic, listeners);
    listeners.add(listener);
    await this.#tellWatched();
    return () => {
      end();
      listeners.delete(listener);
      if (listeners.size > 0 || this.#watched.get(topic) !== listeners) return;
      this.#watched.delete(topic);
      void this.#tellWatched();
    };
  }

  #tellWatched(): Promise<void> {
    const topics = [...this.#watched.keys()].filter((topic) => topic !== undefined);
    return this.#say({ kind: 'watch', topics, all: this.#watched.has(undefined) });
  }

  /** Says what is watched here as long as something is, and forgets who says it no more. */
  #renew(): void {
    const { clock } = this.#options;
    this.#cancelRenewal = clock.after(RENEW, () => {
      if (this.#watched.size > 0) void this.#tellWatched();
      for (const [node, viewer] of this.#viewers) {
        if (viewer.seenAt < clock.now() - FORGET) this.#endViewer(node);
      }
      this.#renew();
    });
  }

  /** Entries may have been missed: they are asked for again. Who shows them knows which it has. */
  #missed(): void {
    if (this.#watched.size === 0) return;
    void this.#tellWatched();
    for (const topic of this.#watched.keys()) {
      if (topic === undefined) this.#show(topic, []);
      else void this.#ask(topic).then(({ entries }) => this.#show(topic, inOrder(entries)));
    }
  }

  #show(topic: string | undefined, entries: Entries): void {
    for (const listener of this.#watched.get(topic) ?? []) listener(entries);
  }

  /** Asks the other nodes, and waits for those that are alive. */
  async #ask(topic: string): Promise<Pick<Question, 'entries'>> {
    const { nodes, clock } = this.#options;
    const waiting = new Set(nodes?.others());
    const entries: TimelineEntry[] = [];
    if (waiting.size === 0) return { entries };
    const id = this.#nextId++;
    await new Promise<void>((resolve) => {
      const cancel = clock.after(ANSWER, resolve);
      const answered = (): void => {
        cancel();
        resolve();
      };
      this.#questions.set(id, { waiting, entries, answered });
      void this.#say({ kind: 'ask', id, topic });
    });
    this.#questions.delete(id);
    return { entries };
  }

  #heard(message: Message): void {
    switch (message.kind) {
      case 'watch':
        this.#viewer(message.node, [...message.topics, ...(message.all ? [undefined] : [])]);
        break;
      case 'seen':
        this.#show(message.topic, message.entries);
        break;
      case 'changed':
        this.#show(undefined, []);
        break;
      case 'ask':
        this.#answer(message.node, message.id, message.topic);
        break;
      case 'answer':
        if (message.to === this.#options.nodeId) this.#answered(message);
    }
  }

  #answered({ id, node, entries, last }: Extract<Message, { kind: 'answer' }>): void {
    const question = this.#questions.get(id);
    if (!question) return;
    question.entries.push(...entries);
    if (last) question.waiting.delete(node);
    if (question.waiting.size === 0) question.answered();
  }

  #answer(to: string, id: number, topic: string): void {
    const entries = this.#own(topic).slice(-MOST);
    for (let from = 0; from === 0 || from < entries.length; from += CHUNK) {
      const chunk = entries.slice(from, from + CHUNK);
      void this.#say({ kind: 'answer', to, id, entries: chunk, last: from + CHUNK >= entries.length });
    }
  }

  /** Another node has these views open now. */
  #viewer(node: string, topics: readonly (string | undefined)[]): void {
    const viewer = this.#viewers.get(node) ?? { seenAt: 0, ends: new Map() };
    this.#viewers.set(node, viewer);
    viewer.seenAt = this.#options.clock.now();
    for (const [topic, end] of viewer.ends) {
      if (topics.includes(topic)) continue;
      end();
      viewer.ends.delete(topic);
    }
    for (const topic of topics) if (!viewer.ends.has(topic)) viewer.ends.set(topic, this.#passOn(topic));
    if (topics.length === 0) this.#viewers.delete(node);
  }

  #endViewer(node: string): void {
    for (const end of this.#viewers.get(node)?.ends.values() ?? []) end();
    this.#viewers.delete(node);
  }

  /** Passes on what happens here, some of it in one message. @returns ends it */
  #passOn(topic: string | undefined): () => void {
    let batch: TimelineEntry[] = [];
    let cancel: (() => void) | undefined;
    const flush = (): void => {
      cancel = undefined;
      const entries = batch;
      batch = [];
      void this.#say(topic === undefined ? { kind: 'changed' } : { kind: 'seen', topic, entries });
    };
    const end = this.#options.inspector.watch(topic, (_, entry) => {
      if (topic === undefined && !changesList(entry.observation.kind)) return;
      if (topic !== undefined) batch.push(toTimeline(entry));
      cancel ??= this.#options.clock.after(topic === undefined ? BATCH_OF_ALL : BATCH, flush);
    });
    return () => {
      end();
      cancel?.();
    };
  }

  /** What cannot be said now is not said: views catch up when notices arrive again. */
  async #say(message: Message extends infer Each ? (Each extends Message ? Omit<Each, 'node'> : never) : never) {
    const { nodes, sessions, nodeId, failed } = this.#options;
    if (!nodes) return;
    try {
      await sessions.announce(CHANNEL, JSON.stringify({ ...message, node: nodeId }));
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) failed(error);
    }
  }

  close(): void {
    this.#cancelRenewal();
    for (const end of this.#ends) end();
    for (const node of [...this.#viewers.keys()]) this.#endViewer(node);
  }
}

/** The list of sessions says who is there, not who was sent what. */
function changesList(kind: TimelineEntry['kind']): boolean {
  return kind !== 'delivered' && kind !== 'answered';
}
