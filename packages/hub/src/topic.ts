import {
  type Commit,
  type CommitResult,
  holdsPosition,
  type LogPosition,
  type SessionStore,
  type StoredSession,
  StoreUnavailable,
} from '@lockstep/store';
import { Audience, type AudienceOptions, type Denied, standing } from './audience.ts';
import type { Delivery } from './delivery.ts';
import { originalIds } from './derive.ts';
import { fromEntry, toDelivery, toEntry } from './entries.ts';
import { indexChange } from './index-keys.ts';
import { JobQueue } from './job-queue.ts';
import type { Link, LinkEvents } from './link.ts';
import { applyParts, diffParts, fromParts } from './parts.ts';
import type { Channel, Clock } from './ports.ts';
import { type Command, type Decision, decide } from './session.ts';
import type { SessionState, Subscription } from './state.ts';
import type { Version } from './versions.ts';
import type { Backlog, ReadBacklog, Webhook } from './webhook.ts';

type Done = Extract<Decision, { ok: true }>;
type Refusal = Extract<Decision, { ok: false }>;

export interface TopicOptions extends AudienceOptions {
  readonly profile: Version;
  /** How many event ids are remembered to recognize retries: as many as the log keeps. */
  readonly logCount: number;
  /** Whether other nodes commit too. */
  readonly shared: boolean;
  /** Told of a topic whose last commit may or may not have happened: it is to be read again (`resync`). */
  readonly doubted: (topic: Topic) => void;
  /** Makes the sender to a webhook's callback; absent where there are no webhooks. */
  readonly openWebhook?: (topic: Topic, subscription: Subscription, read: ReadBacklog) => Promise<Webhook>;
}

/** Said to the other nodes without a commit: an entry is to be delivered again to those that have not acknowledged it. */
export interface Announcement {
  readonly redeliver: number;
}

/** Said to the other nodes with a commit: why subscriptions ended. */
interface Note {
  readonly denied: Denied;
}

const NO_SESSION: Refusal = { ok: false, status: 404, reason: 'There is no such hub.topic' };

/**
 * One session on this node: its state as last seen, the subscribers connected here, and a queue that does one thing at a
 * time, so that every subscriber gets the events in one order (PUB-3).
 */
export class Topic {
  readonly name: string;
  readonly audience: Audience;
  /** What the links of this topic tell. */
  linkEvents: LinkEvents | undefined;
  /** ms since the epoch of the last use, for eviction. */
  usedAt = 0;
  readonly #store: SessionStore;
  readonly #clock: Clock;
  readonly #options: TopicOptions;
  readonly #jobs = new JobQueue();
  #state: SessionState | undefined;
  /** How often what is known here was doubted. */
  #doubts = 0;
  #revision = 0;
  /** The history that the revision is of; undefined where it is not known. */
  #epoch: string | undefined;
  /** Numbers of the held log entries by event id; stale while the state is not loaded. */
  #log = new Map<string, number>();
  /** The last entry that went out to the links; undefined before anything is known. */
  #delivered: LogPosition | undefined;

  constructor(name: string, store: SessionStore, clock: Clock, options: TopicOptions) {
    this.name = name;
    this.#store = store;
    this.#clock = clock;
    this.#options = options;
    this.audience = new Audience(name, clock, options);
  }

  get idle(): boolean {
    return this.#jobs.idle;
  }

  /** Drops what can be read from the store again. */
  forget(): void {
    if (!this.idle) return;
    this.#state = undefined;
    this.#log = new Map();
  }

  /** Runs the job once everything queued before has ended. */
  run<T>(job: () => Promise<T>): Promise<T> {
    this.usedAt = this.#clock.now();
    return this.#jobs.run(job);
  }

  /** The session's state. Call within `run`. @returns undefined when there is no such session */
  async state(): Promise<SessionState | undefined> {
    return this.#state ?? this.#reload();
  }

  /**
   * The session's state as it is now, whichever node has answered for it last: that node's notice may still be under way. Call
   * within `run`. @returns undefined when there is no such session
   */
  async current(): Promise<SessionState | undefined> {
    return (await this.#isBehind()) ? this.#reload() : this.state();
  }

  async #isBehind(): Promise<boolean> {
    if (!this.#options.shared || this.#state === undefined) return false;
    return (await this.#store.revision(this.name)) !== this.#revision;
  }

  /**
   * Reads the session anew, and delivers what the connected subscribers have not been sent. The state is the caller's even
   * where it is doubted at once.
   */
  async #reload(): Promise<SessionState | undefined> {
    const doubts = this.#doubts;
    const stored = await this.#store.load(this.name);
    if (!stored) {
      this.endAll('The session has ended');
      return undefined;
    }
    const state = fromParts(this.name, stored.parts);
    const log = new Map(stored.log.map(({ id, number }) => [id, number]));
    if (!this.audience.empty) await this.#catchUp(state, stored, log);
    this.#delivered = stored.position;
    this.#revision = stored.revision;
    this.#epoch = stored.epoch;
    this.#log = log;
    this.audience.reconcile(state);
    // What was read before a doubt is not kept after it.
    this.#state = doubts === this.#doubts ? state : undefined;
    return state;
  }

  async #catchUp(state: SessionState, stored: StoredSession, log: ReadonlyMap<string, number>): Promise<void> {
    const last = stored.position.offset;
    const delivered = this.#delivered?.offset ?? 0;
    const undone = this.#isUndone(stored);
    if (delivered === last && !undone) return;
    const from = undone ? this.#lastShared(log) : delivered;
    const missed = from === undefined ? undefined : await this.#store.readLog(this.name, from);
    // What was committed since the state was read comes with the next notice.
    const deliveries = missed?.filter(({ number }) => number <= last).map((entry) => fromEntry(entry));
    // Subscribers that were sent what is gone are told how things stand now.
    const opens = undone || !deliveries ? standing(state) : [];
    const earlier = deliveries ? opens.filter(({ number }) => number <= (from ?? 0)) : opens;
    for (const link of [...this.audience.links.values()]) {
      for (const delivery of [...earlier, ...(deliveries ?? [])]) link.deliver(delivery);
    }
    for (const hook of this.audience.hooks.values()) hook.catchUp(undone ? from : undefined);
  }

  /** Whether the store has lost what was sent: it came back from a copy, and may have given the numbers to others since. */
  #isUndone(stored: StoredSession): boolean {
    const delivered = this.#delivered;
    if (delivered === undefined || delivered.offset < stored.start.offset) return false;
    return !holdsPosition(stored, delivered);
  }

  /** Number of the last entry that was sent and still stands; undefined where that is not known. */
  #lastShared(log: ReadonlyMap<string, number>): number | undefined {
    const [first] = this.#log.values();
    let shared = first === 1 ? 0 : undefined;
    for (const [id, number] of this.#log) if (log.get(id) === number) shared = number;
    return shared;
  }

  /** Creates the session. Call within `run`. @returns false when the topic exists */
  async create(state: SessionState): Promise<boolean> {
    const parts = diffParts(undefined, state);
    const index = indexChange(undefined, state);
    const { changedAt: at } = state;
    const result = await this.#store.commit({
      topic: this.name,
      expected: 0,
      parts,
      append: [],
      at,
      ...(index && { index }),
    });
    if (!result.ok) return false;
    this.#state = state;
    this.#revision = result.revision;
    this.#epoch = result.epoch;
    this.#log = new Map();
    this.#delivered = { offset: 0, epoch: result.epoch };
    return true;
  }

  /**
   * Decides a command and makes the decision durable, then sends what goes out. Call within `run`. When another node was
   * first, the command is decided again on what that node left (CON-8): also where it is refused, or changes nothing.
   */
  async execute(command: Command | ((state: SessionState) => Command), eventId?: string): Promise<Decision> {
    for (let read = false; ; read = true) {
      const held = this.#state;
      const before = held ?? (await this.state());
      if (!before) return NO_SESSION;
      const now = this.#clock.now();
      const knownAs = eventId === undefined ? undefined : this.#log.get(eventId);
      const given = typeof command === 'function' ? command(before) : command;
      const decided = given.kind === 'publish' && knownAs !== undefined ? { ...given, knownAs } : given;
      const decision = decide(before, decided, now, this.#options.profile);
      const changes = decision.ok && decision.state !== before;
      if (!changes && held && !read && (await this.#isBehind())) {
        await this.#reload();
        continue;
      }
      if (!decision.ok) return decision;
      if (decision.redeliver !== undefined) {
        await this.redeliver(decision.redeliver);
        await this.#store.announce(this.name, JSON.stringify({ redeliver: decision.redeliver } satisfies Announcement));
      }
      if (!changes) return decision;
      if (await this.#commit(before, decision, now)) return decision;
      await this.#reload();
    }
  }

  async #commit(before: SessionState, decision: Done, now: number): Promise<boolean> {
    const { state, accepted, denied } = decision;
    const delivery = accepted && toDelivery(accepted);
    const index = indexChange(before, state);
    const result = await this.#attempt({
      topic: this.name,
      expected: this.#revision,
      ...(this.#epoch !== undefined && { epoch: this.#epoch }),
      parts: diffParts(before, state),
      append: delivery ? [toEntry(delivery, now)] : [],
      at: now,
      ...(index && { index }),
      ...(denied && { note: JSON.stringify({ denied } satisfies Note) }),
    });
    if (!result.ok) return false;
    this.#state = state;
    this.#revision = result.revision;
    this.#epoch = result.epoch;
    if (delivery) this.#broadcast(delivery, result.epoch);
    if (state.subscriptions !== before.subscriptions) this.audience.reconcile(state, denied);
    return true;
  }

  async #attempt(commit: Commit): Promise<CommitResult> {
    try {
      return await this.#store.commit(commit);
    } catch (error) {
      // It may have happened all the same: nobody is answered from a state that may be stale.
      this.doubt();
      if (error instanceof StoreUnavailable) this.#options.doubted(this);
      throw error;
    }
  }

  #broadcast(delivery: Delivery, epoch: string): void {
    this.#log.set(delivery.id, delivery.number);
    if (this.#log.size > this.#options.logCount) this.#log.delete(this.#log.keys().next().value ?? '');
    this.#delivered = { offset: delivery.number, epoch };
    this.audience.deliver(delivery);
  }

  /** Sends an entry again to the subscribers here that have not acknowledged it (PUB-7). Call within `run`. */
  async redeliver(number: number): Promise<void> {
    const [entry] = (await this.#store.readLog(this.name, number - 1)) ?? [];
    if (entry?.number !== number) return;
    this.audience.redeliver(fromEntry(entry));
  }

  /**
   * Starts the webhooks that this node calls. Call within `run`.
   * @param fresh the new subscription that is to be sent the standing opens first (SUB-8)
   */
  async tendHooks(fresh?: string): Promise<void> {
    const open = this.#options.openWebhook;
    const state = await this.state();
    if (!open || !state) return;
    for (const subscription of state.subscriptions.values()) {
      const { id, channel, node } = subscription;
      if (channel !== 'webhook' || node !== this.#options.nodeId || this.audience.hooks.has(id)) continue;
      const hook = await open(this, subscription, (after) => this.#backlog(after));
      this.audience.hooks.set(id, hook);
      if (id === fresh) hook.begin(standing(state));
      hook.catchUp();
    }
  }

  async #backlog(after: number): Promise<Backlog> {
    const entries = await this.#store.readLog(this.name, after);
    if (entries) return { deliveries: entries.map((entry) => fromEntry(entry)) };
    const state = await this.run(() => this.state());
    return state ? { deliveries: standing(state), gapUpTo: state.nextNumber - 1 } : { deliveries: [] };
  }

  /**
   * Connects a subscriber: confirmation, then what it missed since an event or the standing opens, then live (SUB-7, SUB-8,
   * SUB-11). Call within `run`.
   */
  async connect(id: string, channel: Channel, events: LinkEvents, since?: string): Promise<Link | Refusal> {
    const decision = await this.execute({ kind: 'connect', id, node: this.#options.nodeId });
    if (!decision.ok) return decision;
    const { state } = decision;
    const subscription = state.subscriptions.get(id);
    if (!subscription) return NO_SESSION;
    const after = since === undefined ? undefined : this.#seen(since);
    const missed = after === undefined ? undefined : await this.#store.readLog(this.name, after);
    // What was committed since the state was read comes with the next notice.
    const sent = missed?.filter(({ number }) => number < state.nextNumber).map((entry) => fromEntry(entry));
    return this.audience.connect(subscription, channel, events, state, sent);
  }

  /** Number of the last entry that a subscriber has seen, if it is held. */
  #seen(eventId: string): number | undefined {
    const number = this.#log.get(eventId);
    if (number !== undefined) return number;
    // Of several opens derived from one event it may have seen only this one: they are sent again.
    const original = originalIds(eventId).find((id) => this.#log.has(id));
    return original === undefined ? undefined : this.#log.get(original)! - 1;
  }

  /** Whether a commit of this revision changes nothing here: it is known, or nobody here needs it. */
  knows(revision: number): boolean {
    return this.#state === undefined ? this.idle && this.audience.empty : revision <= this.#revision;
  }

  /** Takes over what was committed elsewhere, or here without its answer. Call within `run`. */
  async follow(revision: number, epoch: string, commit: () => Commit): Promise<void> {
    if (this.knows(revision)) return;
    if (this.audience.empty) return this.forgetStale();
    const before = this.#state;
    if (!before || revision !== this.#revision + 1) return void (await this.#reload());
    this.#apply(before, revision, epoch, commit());
  }

  #apply(before: SessionState, revision: number, epoch: string, commit: Commit): void {
    this.#state = applyParts(before, commit.parts);
    this.#revision = revision;
    this.#epoch = epoch;
    for (const entry of commit.append) this.#broadcast(fromEntry(entry), epoch);
    const note = commit.note === undefined ? undefined : (JSON.parse(commit.note) as Note);
    this.audience.reconcile(this.#state, note?.denied);
  }

  /** The state here is no longer the latest, and nobody here needs it now. */
  forgetStale(): void {
    this.#state = undefined;
    this.#log = new Map();
  }

  /** Notices may have been missed: the state is read anew before anything is answered from it. */
  doubt(): void {
    this.#state = undefined;
    this.#doubts += 1;
  }

  /** Reads everything anew, and delivers what was missed. Call within `run`. */
  async resync(): Promise<void> {
    this.doubt();
    if (!this.audience.empty) await this.#reload();
  }

  /** The session is gone: every subscriber here is told so (SES-5). */
  endAll(reason: string): void {
    this.audience.endAll(reason);
    this.forgetStale();
    this.#revision = 0;
    this.#epoch = undefined;
  }
}
