import { readSyncErrorCause } from '@lockstep/fhircast';
import {
  type Commit,
  type CommitResult,
  holdsPosition,
  type Listening,
  type LogEntry,
  type LogPosition,
  type SessionStore,
  type StoredSession,
} from '@lockstep/store';
import { type Channel, type Clock, type Ids, pausedFor } from '../ports.ts';
import {
  type Decision,
  type Done,
  done,
  type Effect,
  type KnownEvent,
  type Publish,
  type SessionCommand,
} from '../rules/commands.ts';
import type { Decide } from '../rules/decide.ts';
import { owesAnswer } from '../rules/following.ts';
import { believedAfter, believedBy, openContexts, openOrClosed } from '../rules/gap.ts';
import { heartbeat } from '../rules/heartbeat.ts';
import { mayReturn, nextDeadline, replayedAfter, seenBeforeLogout } from '../rules/lease.ts';
import type { Policy } from '../rules/policy.ts';
import { type Rejection, UNKNOWN_ENDPOINT } from '../rules/reasons.ts';
import type { SessionState } from '../rules/session-state.ts';
import { UNSUBSCRIBED } from '../rules/subscribe.ts';
import { indexChange } from '../stored/index-keys.ts';
import { fromEntry, knownEvent, toEntry, toLogged } from '../stored/log-record.ts';
import { applyParts, diffParts, fromParts } from '../stored/session-record.ts';
import type { Activity } from './activity.ts';
import { Audience, type AudienceOptions, type Ended } from './audience.ts';
import type { Background } from './background.ts';
import type { CaughtUpSession, Missed } from './catch-up.ts';
import { Deadline } from './deadline.ts';
import { Delivery } from './delivery.ts';
import { HeldLog } from './held-log.ts';
import type { LogPages } from './log-pages.ts';
import { MissedEvents, within } from './missed-events.ts';
import { JobQueue } from './queue.ts';
import type { Backlog } from './subscriber-callback.ts';
import { SubscriberReports } from './subscriber-reports.ts';
import type { SubscriberSocket } from './subscriber-socket.ts';
import type { WebhookCalls } from './webhook-calls.ts';

const SESSION_ENDED = 'The session has ended';

const UNKNOWN_SINCE = 'What happened since is no longer known: subscribe again';

/** What every session of a node works with. */
export interface LiveSessionParts {
  readonly store: SessionStore;
  readonly pages: LogPages;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly decide: Decide;
  readonly policy: Policy;
  readonly background: Background;
  readonly activity: Activity;
  /** Absent where there are no webhooks. */
  readonly webhooks?: WebhookCalls | undefined;
}

export interface LiveSessionOptions extends AudienceOptions {
  /** How many event ids are remembered to recognize retries: as many as the log keeps. */
  readonly logCount: number;
  /** Whether other nodes commit too. */
  readonly shared: boolean;
}

/** Said to the other nodes without a commit: an entry is to be delivered again to those that have not acknowledged it. */
interface Announcement {
  readonly redeliver: number;
}

/** Said to the other nodes with a commit: why subscriptions ended. */
interface Note {
  readonly ended: readonly Ended[];
}

/** What is known of why subscriptions have ended. */
interface EndedWhy extends Note {
  /** More is in a notice of another node that is still under way. */
  readonly more?: boolean;
}

const UNKNOWN_WHY: EndedWhy = { ended: [] };
const NOTICE_UNDER_WAY: EndedWhy = { ended: [], more: true };

function noteOf({ note }: Commit): Note {
  return note === undefined ? UNKNOWN_WHY : (JSON.parse(note) as Note);
}

/** Whether a logout lies between two states. */
function loggedOut(before: SessionState | undefined, after: SessionState): boolean {
  return after.loggedOutAt > (before?.loggedOutAt ?? 0);
}

/**
 * One session on this node: its state as last seen, the subscribers connected here, and a queue that does one thing at a
 * time, so that every subscriber gets the events in one order (PUB-3).
 */
export class LiveSession {
  readonly topic: string;
  readonly audience: Audience;
  /** ms since the epoch of the last use, for eviction. */
  usedAt = 0;
  readonly #parts: LiveSessionParts;
  readonly #options: LiveSessionOptions;
  /** Called where the last commit may or may not have happened: the session is to be read again (`resync`). */
  readonly #uncertain: (session: LiveSession) => void;
  readonly #jobs = new JobQueue();
  readonly #reports: SubscriberReports;
  readonly #missed: MissedEvents;
  /** What subscribers catch up with. */
  readonly #caughtUp: CaughtUpSession;
  readonly #deadline: Deadline;
  /** Stale while the state is not loaded. */
  #log: HeldLog;
  /** Webhooks that are to be sent the standing opens first (SUB-8). */
  readonly #fresh = new Set<string>();
  #state: SessionState | undefined;
  /** How often what is known here became uncertain. */
  #uncertainties = 0;
  #revision = 0;
  /** The history that the revision is of; undefined where it is not known. */
  #epoch: string | undefined;
  /** The last entry that went out to the audience; undefined before anything is known. */
  #delivered: LogPosition | undefined;
  /** The state that the audience here was brought in line with last. */
  #told: SessionState | undefined;
  /** That the store tells what other nodes do here. */
  #listening: Listening | undefined;

  constructor(
    topic: string,
    parts: LiveSessionParts,
    options: LiveSessionOptions,
    uncertain: (session: LiveSession) => void,
  ) {
    this.topic = topic;
    this.#parts = parts;
    this.#options = options;
    this.#uncertain = uncertain;
    this.#reports = new SubscriberReports(this, options.nodeId, parts);
    this.#missed = new MissedEvents(topic, parts.pages, () => this.#reports.made());
    this.#log = new HeldLog(options.logCount);
    this.#deadline = new Deadline(parts.clock, parts.background, () => {
      this.#reports.timePassed(() => this.#watchDeadline(this.#state));
    });
    const deliveredUpTo = (): number => this.#delivered?.offset ?? 0;
    const lastSent = (): string | undefined => this.#log.idOf(deliveredUpTo());
    this.audience = new Audience(topic, parts.clock, this.#reports, options, lastSent);
    this.#caughtUp = {
      get deliveredUpTo() {
        return deliveredUpTo();
      },
      page: async (after) => within(await parts.pages.readBytes(topic, after), deliveredUpTo()),
      lost: (subscription, after) => this.#lost(subscription, after),
      later: (work) => parts.background.later(work),
    };
  }

  /** The state as last seen, where it is in memory. */
  get known(): SessionState | undefined {
    return this.#state;
  }

  get idle(): boolean {
    return this.#jobs.idle;
  }

  /** Whether nothing here needs the session to be kept in memory. */
  get unused(): boolean {
    return this.idle && this.audience.empty && !this.#deadline.isSet;
  }

  /** Drops what can be read from the store again. */
  forget(): void {
    if (this.idle) this.forgetStale();
  }

  /** Nothing here needs the session any more: what other nodes do in it is not told from now on. */
  release(): void {
    this.forgetStale();
    this.#listening?.end();
    this.#listening = undefined;
  }

  /** Runs the job once everything queued before has ended. */
  run<T>(job: () => Promise<T>): Promise<T> {
    this.usedAt = this.#parts.clock.now();
    return this.#jobs.run(job);
  }

  /** Decides one command and carries out what follows from it, once everything queued before has ended. */
  execute(command: SessionCommand | ((state: SessionState | undefined) => SessionCommand)): Promise<Decision> {
    return this.run(() => this.decide(command));
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
    return (await this.#isBehind()) ? this.#reload(NOTICE_UNDER_WAY) : this.state();
  }

  async #isBehind(): Promise<boolean> {
    if (!this.#options.shared || this.#state === undefined) return false;
    return (await this.#parts.store.revision(this.topic)) !== this.#revision;
  }

  /**
   * Decides a command and makes the decision durable, then carries out what follows. Call within `run`. When another node was
   * first, the command is decided again on what that node left (CON-8): also where it is refused, or changes nothing.
   */
  async decide(make: SessionCommand | ((state: SessionState | undefined) => SessionCommand)): Promise<Decision> {
    const { clock, decide } = this.#parts;
    for (let read = false; ; read = true) {
      const held = this.#state;
      const before = held ?? (await this.state());
      const given = typeof make === 'function' ? make(before) : make;
      // Its commit was made, though its answer was lost, or a second attempt at it refused.
      if ('eventId' in given && this.#log.numberOf(given.eventId) !== undefined) return done(before);
      const command = given.kind === 'publish' && this.#isInLog(given) ? await this.#withLog(given) : given;
      const now = clock.now();
      const decision = decide(before, command, now, pausedFor(clock));
      const changes = decision.ok && decision.state !== before;
      if (!changes && held && !read && (await this.#isBehind())) {
        await this.#reload(NOTICE_UNDER_WAY);
        continue;
      }
      if (!decision.ok) return decision;
      if (changes && !(await this.#commit(before, decision, now))) {
        await this.#reload(NOTICE_UNDER_WAY);
        continue;
      }
      await this.#redelivered(decision.effects);
      return decision;
    }
  }

  /** Whether the log may hold something of an event that is published: of most it does not, and they need not wait for it. */
  #isInLog({ request: { message, definition } }: Publish): boolean {
    return definition.name === 'SyncError' || this.#log.numberOf(message.id) !== undefined;
  }

  /** What the log holds of an event that is published (PUB-7), and of the one that a SyncError is about (ERR-8). */
  async #withLog(command: Publish): Promise<Publish> {
    const { message, definition } = command.request;
    const known = await this.#known(message.id);
    if (definition.name !== 'SyncError') return { ...command, ...known };
    const { eventId = '' } = readSyncErrorCause(message.event.context);
    const about = this.#log.numberOf(eventId) ?? this.#log.numberOfOriginal(eventId);
    return { ...command, ...known, ...(about !== undefined && { about }) };
  }

  /**
   * PUB-7: what the log holds under the id of an event that is published. A logout erases ids with their events: a retry of such
   * an event is an event of its own, decided on the empty session that the logout left.
   */
  async #known(eventId: string): Promise<{ readonly known?: KnownEvent }> {
    const number = this.#log.numberOf(eventId);
    if (number === undefined) return {};
    const [entry] = (await this.#parts.store.readLog(this.topic, number - 1, { limit: 1 })) ?? [];
    return { known: entry?.number === number ? knownEvent(entry) : { number } };
  }

  async #commit(before: SessionState | undefined, { state, effects }: Done, now: number): Promise<boolean> {
    if (!state) return this.#erase(before, effects);
    const deliveries: Delivery[] = [];
    const append: LogEntry[] = [];
    const ended: Ended[] = [];
    for (const effect of effects) {
      if (effect.kind === 'ended') ended.push({ ids: effect.ids, reason: effect.reason });
      if (effect.kind !== 'event') continue;
      const logged = toLogged(effect.event);
      append.push(toEntry(logged, now));
      deliveries.push(new Delivery(logged, effect.event));
    }
    const index = indexChange(before, state);
    const note: Note = { ended };
    let result: CommitResult;
    try {
      result = await this.#parts.store.commit({
        topic: this.topic,
        expected: before ? this.#revision : 0,
        ...(before && this.#epoch !== undefined && { epoch: this.#epoch }),
        parts: diffParts(before, state),
        append,
        at: now,
        // PUB-10: what was said before a logout goes from the log as it goes from contexts and content.
        ...(loggedOut(before, state) && { dropUpTo: state.loggedOutAt - 1 }),
        ...(index && { index }),
        ...(ended.length > 0 && { note: JSON.stringify(note) }),
      });
    } catch (error) {
      // It may have happened all the same: no answer is given from a state that may be stale.
      this.#uncertain(this);
      throw error;
    }
    if (!result.ok) return false;
    this.#state = state;
    this.#revision = result.revision;
    this.#epoch = result.epoch;
    if (!before) this.#delivered = { offset: 0, epoch: result.epoch };
    if (loggedOut(before, state)) this.#log.eraseBefore(state.loggedOutAt);
    for (const delivery of deliveries) this.#broadcast(delivery, result.epoch);
    this.#carryOut(before, state, effects);
    this.#changed(before, state, note);
    return true;
  }

  /** What else follows from a decision of this node. */
  #carryOut(before: SessionState | undefined, state: SessionState, effects: readonly Effect[]): void {
    const { activity, background, webhooks } = this.#parts;
    for (const effect of effects) {
      if (effect.kind === 'begun') activity.observe(this.topic, { kind: 'session-started' });
      else if (effect.kind === 'subscribed' || effect.kind === 'renewed') {
        const { subscription, kind } = effect;
        activity.subscription(this.topic, kind, subscription);
        if (kind === 'subscribed' && subscription.channel === 'webhook') this.#fresh.add(subscription.id);
      } else if (effect.kind === 'event') {
        if (effect.event.fingerprint === undefined) activity.published(this.topic, effect.event);
      } else if (effect.kind === 'ended') {
        for (const id of effect.ids) {
          const subscription = before?.subscriptions.get(id);
          if (!subscription) continue;
          const { subscriberName: subscriber, channel } = subscription;
          activity.observe(this.topic, { kind: 'denied', subscription: id, subscriber, reason: effect.reason });
          if (channel !== 'webhook' || !webhooks) continue;
          // One that unsubscribed itself knows.
          if (effect.reason === UNSUBSCRIBED) webhooks.forget(this.topic, id);
          else background.later(() => webhooks.deny(this.topic, subscription, effect.reason));
        }
      }
    }
    if (webhooks && state.subscriptions !== before?.subscriptions) background.later(() => this.tendCallbacks());
  }

  /** What a new state means for who is connected here, and for the time that something happens next by itself. */
  #changed(before: SessionState | undefined, after: SessionState, { ended, more = false }: EndedWhy): void {
    this.#told = after;
    if (before?.subscriptions !== after.subscriptions) {
      for (const id of this.audience.reconcile(after, ended, more)) this.#reports.connectedHere(id);
      this.#watchDeadline(after);
    }
    if (before?.following !== after.following) this.audience.tellFollowing(after);
  }

  async #erase(before: SessionState | undefined, effects: readonly Effect[]): Promise<boolean> {
    const { store, activity, background, webhooks } = this.#parts;
    for (const effect of effects) {
      if (effect.kind !== 'erase') continue;
      const { reason } = effect;
      // Another node may have let somebody in since: then it is decided again.
      if (!(await store.erase(this.topic, { revision: this.#revision, epoch: this.#epoch ?? '' }))) return false;
      for (const subscription of before?.subscriptions.values() ?? []) {
        if (subscription.channel !== 'webhook' || !webhooks) continue;
        background.later(() => webhooks.deny(this.topic, subscription, reason));
      }
      this.endAll(reason);
      activity.observe(this.topic, { kind: 'session-ended', reason });
    }
    return true;
  }

  async #redelivered(effects: readonly Effect[]): Promise<void> {
    for (const effect of effects) {
      if (effect.kind !== 'redeliver') continue;
      const announcement: Announcement = { redeliver: effect.number };
      await this.#redeliver(effect.number);
      await this.#parts.store.announce(this.topic, JSON.stringify(announcement));
    }
  }

  #broadcast(delivery: Delivery, epoch: string): void {
    this.#delivered = { offset: delivery.number, epoch };
    this.#log.append(delivery.id, delivery.number);
    this.audience.deliver(delivery);
  }

  /** Decides `elapse` when something in the session happens next by itself. */
  #watchDeadline(state: SessionState | undefined): void {
    this.#deadline.set(state && nextDeadline(state, this.#options.nodeId, this.#parts.policy));
  }

  /** Sends an entry again to the subscribers here that have not acknowledged it (PUB-7). */
  async #redeliver(number: number): Promise<void> {
    const [entry] = (await this.#parts.store.readLog(this.topic, number - 1, { limit: 1 })) ?? [];
    if (entry?.number === number) this.audience.redeliver(new Delivery(fromEntry(entry)));
  }

  /**
   * Reads the session again, and delivers what the connected subscribers have not been sent. The state is the caller's even
   * where it became uncertain meanwhile.
   * @param why what is known of why subscriptions have ended
   */
  async #reload(why: EndedWhy = UNKNOWN_WHY): Promise<SessionState | undefined> {
    // What is committed after it was read is told.
    this.#listening ??= this.#parts.store.listen(this.topic);
    await this.#listening.ready;
    const uncertainties = this.#uncertainties;
    const stored = await this.#parts.store.load(this.topic);
    if (!stored) {
      this.#denyCallbacks(SESSION_ENDED);
      this.endAll(SESSION_ENDED);
      return undefined;
    }
    const before = this.#state;
    const state = fromParts(this.topic, stored.parts);
    const log = new HeldLog(this.#options.logCount);
    log.replace(stored.log);
    const bring = this.audience.empty ? undefined : await this.#whatToBring(state, stored, log);
    this.#delivered = stored.position;
    bring?.();
    this.#revision = stored.revision;
    this.#epoch = stored.epoch;
    this.#log = log;
    // What was read before it became uncertain is not kept after it.
    this.#state = uncertainties === this.#uncertainties ? state : undefined;
    this.#changed(before, state, why);
    return state;
  }

  /** The session is gone without a message: its store may have lost it. */
  #denyCallbacks(reason: string): void {
    const { background, webhooks } = this.#parts;
    if (!webhooks) return;
    for (const { subscription } of this.audience.callbacks.values()) {
      background.later(() => webhooks.deny(this.topic, subscription, reason));
    }
  }

  /**
   * What the subscribers here have to be sent so that they are up to date with what was read.
   * @returns sends it; undefined where nothing is missing
   */
  async #whatToBring(state: SessionState, stored: StoredSession, log: HeldLog): Promise<(() => void) | undefined> {
    const last = stored.position.offset;
    const delivered = this.#delivered?.offset ?? 0;
    const undone = this.#isUndone(stored);
    if (delivered === last && !undone) return undefined;
    const from = undone ? this.#log.newAfter(stored.log) : delivered;
    const read = from === undefined ? undefined : await this.#missed.fromLog(state, log, from, last);
    // Subscribers that were sent what is gone are sent how things stand now (SUB-11).
    const correcting = (of: typeof openContexts): readonly Delivery[] => {
      if (!undone && read) return [];
      return this.#missed.correction(state, log, this.#told ? of(this.#told) : [], read && from);
    };
    const logFrom = read ? (from ?? 0) : last;
    const rest = { first: read?.first ?? [], after: read?.after ?? last };
    const upToDate = correcting(openContexts);
    // Who was still catching up may have been sent an open, and not yet its close.
    const behind = correcting(openOrClosed);
    return () => {
      for (const socket of [...this.audience.sockets.values()]) {
        if (undone) socket.goBack(from ?? 0);
        const { caughtUpTo } = socket;
        // Who has not come as far yet goes on with the log.
        if (caughtUpTo !== undefined && (!undone || caughtUpTo <= (from ?? -1))) continue;
        const earlier = caughtUpTo === undefined ? upToDate : behind;
        socket.bring({ ...rest, first: [...earlier, ...rest.first] }, this.#caughtUp);
      }
      for (const callback of this.audience.callbacks.values()) {
        if (undone) callback.goBack(logFrom, behind);
        else callback.catchUp();
      }
    };
  }

  /** A subscriber that is catching up does not find the next entry: it goes on after a logout, or has to start afresh. */
  #lost(subscription: string, after: number): Promise<number | undefined> {
    return this.run(async () => {
      const state = await this.current();
      // What was read just now may have brought it elsewhere.
      if (!state || this.audience.sockets.get(subscription)?.caughtUpTo !== after) return undefined;
      const from = Math.max(after, state.loggedOutAt - 1);
      if (from > after) return from;
      await this.decide({ kind: 'deny', ids: [subscription], reason: UNKNOWN_SINCE });
      return undefined;
    });
  }

  /** Whether the store has lost what was sent: it came back from a copy, and may have given the numbers to others since. */
  #isUndone(stored: StoredSession): boolean {
    const delivered = this.#delivered;
    if (delivered === undefined || delivered.offset < stored.start.offset) return false;
    return !holdsPosition(stored, delivered);
  }

  /**
   * Connects a subscriber: confirmation, then what it missed since an event or the standing opens, then live (SUB-7, SUB-8,
   * SUB-11).
   */
  connect(id: string, channel: Channel, since?: string): Promise<SubscriberSocket | Rejection> {
    return this.run(async () => {
      const before = (await this.state())?.subscriptions.get(id);
      const decision = await this.decide({ kind: 'connect', id, node: this.#options.nodeId });
      if (!decision.ok) return decision;
      const { state } = decision;
      const subscription = state?.subscriptions.get(id);
      if (!state || !subscription) return UNKNOWN_ENDPOINT;
      const returns = since !== undefined && before !== undefined && mayReturn(before);
      const log = this.#log;
      const seen = returns ? (log.seenUpTo(since) ?? seenBeforeLogout(state, subscription)) : undefined;
      const after = seen && Math.max(seen, replayedAfter(state, subscription));
      const read =
        after === undefined ? undefined : await this.#missed.fromLog(state, log, after, state.nextNumber - 1);
      this.#parts.activity.counts.connected += 1;
      const connected = (missed: Missed): SubscriberSocket =>
        this.audience.connect(subscription, channel, state, missed, this.#caughtUp);
      const { derivesOpens } = this.#options;
      if (read && owesAnswer(state, id, derivesOpens, after)) {
        return connected(this.#missed.askedAgain(state, log, after ?? 0, subscription, derivesOpens, read));
      }
      if (read) return connected(read);
      if (before?.presence?.is !== 'away') return connected(this.#missed.standing(state, log));
      const believed = believedBy(state, before.presence);
      if (believed) return connected(this.#missed.rightScreen(state, log, believed, since !== undefined));
      const socket = connected(this.#missed.standing(state, log));
      await this.decide({ kind: 'deny', ids: [id], reason: UNKNOWN_SINCE });
      return socket;
    });
  }

  /** Takes a socket out whose channel is gone, and says so to the others where it has to be (ERR-3). */
  disconnected(socket: SubscriberSocket, code: number): void {
    if (this.audience.detach(socket)) this.#reports.disconnected(socket, code);
  }

  /** Starts the webhooks that this node calls. */
  tendCallbacks(): Promise<void> {
    return this.run(async () => {
      const { webhooks } = this.#parts;
      const state = await this.state();
      if (!webhooks || !state) return;
      for (const subscription of state.subscriptions.values()) {
        const { id, channel, node } = subscription;
        if (channel !== 'webhook' || node !== this.#options.nodeId || this.audience.callbacks.has(id)) continue;
        const callback = await webhooks.open(this.topic, subscription, this.#reports, (after, limit) =>
          this.#backlog(id, after, limit),
        );
        this.audience.callbacks.set(id, callback);
        if (this.#fresh.delete(id)) callback.begin(this.#missed.standing(state, this.#log).first);
        callback.catchUp();
      }
    });
  }

  /** The next events for a webhook that is done with everything up to a number. */
  async #backlog(subscription: string, after: number, limit: number): Promise<Backlog> {
    const entries = await this.#parts.pages.read(this.topic, after, limit);
    if (entries) return this.#page(entries);
    const callback = this.audience.callbacks.get(subscription);
    const returns = callback?.returns;
    const state = await this.run(() => this.current());
    if (!state) return { deliveries: [], more: false };
    // What was read just now has brought it elsewhere.
    if (callback?.returns !== returns) return { deliveries: [], more: true };
    const afterLogout = await this.#parts.pages.read(this.topic, Math.max(after, state.loggedOutAt - 1), limit);
    if (afterLogout) return this.#page(afterLogout);
    const gapUpTo = state.nextNumber - 1;
    const believed = believedAfter(state, after);
    if (!believed) {
      await this.run(() => this.decide({ kind: 'deny', ids: [subscription], reason: UNKNOWN_SINCE }));
      return { deliveries: [], gapUpTo, more: false };
    }
    return { deliveries: this.#missed.correction(state, this.#log, believed), gapUpTo, more: false };
  }

  #page(entries: readonly LogEntry[]): Backlog {
    const deliveries = entries.map((entry) => new Delivery(fromEntry(entry)));
    return {
      deliveries,
      more: (deliveries.at(-1)?.number ?? Number.POSITIVE_INFINITY) < (this.#delivered?.offset ?? 0),
    };
  }

  /** Whether a commit of this revision changes nothing here: it is known, or nothing here needs it. */
  knows(revision: number): boolean {
    return this.#state === undefined ? this.unused : revision <= this.#revision;
  }

  /** Takes over what another node committed. Call within `run`. */
  async follow(revision: number, epoch: string, commit: Commit): Promise<void> {
    const note = noteOf(commit);
    this.audience.explain(note.ended);
    if (this.knows(revision)) return;
    const before = this.#state;
    if (this.audience.empty && !this.#deadline.isSet) return this.forgetStale();
    if (!before || revision !== this.#revision + 1) return void (await this.#reload(note));
    const state = applyParts(before, commit.parts);
    this.#state = state;
    this.#revision = revision;
    this.#epoch = epoch;
    if (loggedOut(before, state)) this.#log.eraseBefore(state.loggedOutAt);
    for (const entry of commit.append) this.#broadcast(new Delivery(fromEntry(entry)), epoch);
    this.#changed(before, state, note);
  }

  /** Does what another node announced. Call within `run`. */
  async announced(body: string): Promise<void> {
    await this.#redeliver((JSON.parse(body) as Announcement).redeliver);
  }

  /** The state here is no longer the latest, and nothing here needs it now. */
  forgetStale(): void {
    this.#state = undefined;
    this.#log.clear();
  }

  /** Notices may have been missed: the state is read again before anything is answered from it. */
  markUncertain(): void {
    this.#state = undefined;
    this.#uncertainties += 1;
  }

  /** Reads everything again, and delivers what was missed. Call within `run`. */
  async resync(): Promise<void> {
    this.markUncertain();
    if (!this.audience.empty) await this.#reload();
  }

  /** The session is gone: every subscriber here is denied (SES-5). */
  endAll(reason: string): void {
    this.audience.endAll(reason);
    this.forgetStale();
    this.#revision = 0;
    this.#epoch = undefined;
    this.#watchDeadline(undefined);
  }

  /** Sends a heartbeat to those who asked for it. */
  beat(): void {
    const { heartbeatMs } = this.#parts.policy;
    this.audience.beat((lastSeen) => heartbeat(this.topic, this.#reports.made(), heartbeatMs, lastSeen));
  }

  /** Closes every socket with 1012: subscribers return, and no loss is reported (SUB-11). */
  close(): Promise<void> {
    return this.run(async () => this.audience.close());
  }
}
