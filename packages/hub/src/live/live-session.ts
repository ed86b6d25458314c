import type { Commit, CommitResult, Listening, LogHead, LogPosition } from '@lockstep/store';
import { type Channel, pausedFor, runningTime } from '../ports.ts';
import { type Decision, type Done, done, type Publish, type SessionCommand } from '../rules/commands.ts';
import { heartbeat } from '../rules/heartbeat.ts';
import { nextDeadline } from '../rules/lease.ts';
import type { Rejection } from '../rules/reasons.ts';
import type { SessionState } from '../rules/session-state.ts';
import { fromEntry } from '../stored/log-record.ts';
import { loggedOut, written } from '../stored/session-commit.ts';
import {
  announcedRedelivery,
  type EndedWhy,
  NOTICE_UNDER_WAY,
  noteOf,
  redeliveryIn,
  UNKNOWN_WHY,
} from '../stored/session-notices.ts';
import { applyParts, fromParts } from '../stored/session-record.ts';
import { Audience } from './audience.ts';
import { Deadline } from './deadline.ts';
import { Delivery } from './delivery.ts';
import { reportEffects } from './effect-reports.ts';
import { HeldLog } from './held-log.ts';
import { isInLog, withLog } from './logged-before.ts';
import { MissedEvents } from './missed-events.ts';
import { JobQueue } from './queue.ts';
import { isUndone, newsSince } from './reread-session.ts';
import {
  type CommandMaker,
  commandOf,
  type LiveSessionOptions,
  type LiveSessionParts,
  type SessionHere,
} from './session-parts.ts';
import { SocketSubscribers } from './socket-subscribers.ts';
import { SubscriberReports } from './subscriber-reports.ts';
import type { SubscriberSocket } from './subscriber-socket.ts';
import { WebhookSubscribers } from './webhook-subscribers.ts';

const SESSION_ENDED = 'The session has ended';

/**
 * One session on this node: its state as last seen, the subscribers connected here, and a queue that does one thing at a
 * time, so that every subscriber gets the events in one order (PUB-3).
 */
export class LiveSession implements SessionHere {
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
  readonly #sockets: SocketSubscribers;
  /** Absent where there are no webhooks. */
  readonly #webhooks: WebhookSubscribers | undefined;
  readonly #missed: MissedEvents;
  readonly #deadline: Deadline;
  #log: HeldLog;
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
  #undone: SessionState | undefined;
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
    const lastSent = (): string | undefined => this.#log.idOf(this.deliveredUpTo);
    this.audience = new Audience(topic, parts.clock, this.#reports, options, lastSent);
    this.#sockets = new SocketSubscribers(this, this.#missed, parts, options);
    const { webhooks: calls, pages, background } = parts;
    const { nodeId, derivesOpens } = options;
    const shared = { pages, background, listener: this.#reports, missed: this.#missed };
    this.#webhooks = calls && new WebhookSubscribers(this, { calls, ...shared, nodeId, derivesOpens });
  }

  /** The state as last seen, where it is in memory. */
  get known(): SessionState | undefined {
    return this.#state;
  }

  get log(): HeldLog {
    return this.#log;
  }

  get deliveredUpTo(): number {
    return this.#delivered?.offset ?? 0;
  }

  get undone(): SessionState | undefined {
    return this.#undone;
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

  /** Decides one command and carries out what follows from it, once everything queued before has ended: at once where nothing is. */
  execute(make: CommandMaker): Promise<Decision> {
    if (!this.#jobs.begin()) return this.#jobs.run(() => this.decide(make));
    try {
      return this.#jobs.until(this.decide(make));
    } catch (error) {
      this.#jobs.end();
      return Promise.reject(error);
    }
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
    const now = await this.#parts.store.revision(this.topic);
    return now?.revision !== this.#revision || now.epoch !== this.#epoch;
  }

  /**
   * Decides a command and makes the decision durable, then carries out what follows. Call within `run`. Where all that is needed is in
   * memory, as for nearly every event, the decision is with the store before this returns. When another node was first, the command is
   * decided again on what that node left (CON-8): also where it is refused, or changes nothing.
   */
  decide(make: CommandMaker): Promise<Decision> {
    return this.#decideFromMemory(make) ?? this.#decideFromStore(make, this.#state !== undefined);
  }

  /** @returns undefined where the session, or what its log holds of the command, has to be read first: nothing has happened then */
  #decideFromMemory(make: CommandMaker): Promise<Decision> | undefined {
    const before = this.#state;
    if (!before) return undefined;
    const command = commandOf(make, before);
    if (this.#isDone(command) || this.#needsLog(command)) return undefined;
    return this.#decided(before, command, make, true);
  }

  /** @param mayBeBehind whether another node may have changed the session since it was read */
  async #decideFromStore(make: CommandMaker, mayBeBehind: boolean): Promise<Decision> {
    const before = await this.state();
    const command = commandOf(make, before);
    if (this.#isDone(command)) return done(before);
    const known = this.#needsLog(command) ? await withLog(command, this.#log, this.topic, this.#parts.store) : command;
    return this.#decided(before, known, make, mayBeBehind);
  }

  /** Decides a command on what another node has left (CON-8). */
  async #decideAgain(make: CommandMaker): Promise<Decision> {
    await this.#reload(NOTICE_UNDER_WAY);
    return this.#decideFromStore(make, false);
  }

  /** Whether the command's commit was made already, though its answer was lost, or a second attempt at it refused. */
  #isDone(command: SessionCommand): boolean {
    return 'eventId' in command && this.#log.numberOf(command.eventId) !== undefined;
  }

  #needsLog(command: SessionCommand): command is Publish {
    return command.kind === 'publish' && isInLog(command, this.#log);
  }

  #decided(
    before: SessionState | undefined,
    command: SessionCommand,
    make: CommandMaker,
    mayBeBehind: boolean,
  ): Promise<Decision> {
    const { clock, decide } = this.#parts;
    const now = clock.now();
    this.usedAt = now;
    const decision = decide(before, command, now, pausedFor(clock));
    return decision.ok && decision.state !== before
      ? this.#commit(before, decision, now, make)
      : this.#unchanged(decision, make, mayBeBehind);
  }

  async #unchanged(decision: Decision, make: CommandMaker, mayBeBehind: boolean): Promise<Decision> {
    if (mayBeBehind && (await this.#isBehind())) return this.#decideAgain(make);
    if (!decision.ok) return decision;
    for (const effect of decision.effects) if (effect.kind === 'redeliver') await this.#redelivered(effect.number);
    return decision;
  }

  /** Makes a decision durable, then carries out what follows. Where another node was first, its command is decided again. */
  #commit(before: SessionState | undefined, decision: Done, now: number, make: CommandMaker): Promise<Decision> {
    const { state, effects } = decision;
    if (!state) return this.#erase(before, decision, make);
    const held = { revision: this.#revision, epoch: this.#epoch };
    const { commit, appended, why } = written(this.topic, before, state, effects, held, now);
    const { store, clock, activity, background } = this.#parts;
    const decidedAt = runningTime(clock);
    const uncertainties = this.#uncertainties;
    const stored = (result: CommitResult): Decision | Promise<Decision> => {
      activity.committed(decidedAt);
      if (!result.ok) return this.#decideAgain(make);
      // The store may have lost it since, as when its connection broke just after its answer.
      this.#state = uncertainties === this.#uncertainties ? state : undefined;
      this.#revision = result.revision;
      this.#epoch = result.epoch;
      if (!before) this.#delivered = { offset: 0, epoch: result.epoch };
      if (loggedOut(before, state)) this.#log.eraseBefore(state.loggedOutAt);
      for (const { logged, accepted } of appended) this.#broadcast(new Delivery(logged, accepted), result.epoch);
      const webhooks = this.#webhooks;
      reportEffects(this.topic, before, effects, { activity, webhooks });
      if (webhooks && state.subscriptions !== before?.subscriptions) background.later(() => webhooks.tend());
      this.#changed(before, state, why);
      this.#correctRepeats(before, state, commit.append);
      return decision;
    };
    const failed = (error: unknown): never => {
      // It may have happened all the same: no answer is given from a state that may be stale.
      this.#uncertain(this);
      throw error;
    };
    return store.commit(commit).then(stored, failed);
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

  async #erase(before: SessionState | undefined, decision: Done, make: CommandMaker): Promise<Decision> {
    const { store, activity } = this.#parts;
    for (const effect of decision.effects) {
      if (effect.kind !== 'erase') continue;
      const { reason } = effect;
      // Another node may have let somebody in since.
      if (!(await store.erase(this.topic, { revision: this.#revision, epoch: this.#epoch ?? '' }))) {
        return this.#decideAgain(make);
      }
      for (const subscription of before?.subscriptions.values() ?? []) this.#webhooks?.ended(subscription, reason);
      this.endAll(reason);
      activity.observe(this.topic, { kind: 'session-ended', reason });
    }
    return decision;
  }

  /** Here and on the other nodes. */
  async #redelivered(number: number): Promise<void> {
    await this.#redeliver(number);
    await this.#parts.store.announce(this.topic, announcedRedelivery(number));
  }

  #broadcast(delivery: Delivery, epoch: string): void {
    this.#delivered = { offset: delivery.number, epoch };
    this.#log.append(delivery.id, delivery.number);
    this.audience.deliver(delivery);
  }

  /**
   * Who was sent events that the store has lost takes them for repeats when they come once more, since they have their ids (PUB-3): it
   * is sent how things stand with them (SUB-11).
   * @param before the state before them
   * @param sent among them what was sent just now
   */
  #correctRepeats(before: SessionState | undefined, state: SessionState, sent: readonly Pick<LogHead, 'id'>[]): void {
    if (!before || !this.#log.takeLost(sent)) return;
    this.#sockets.correct(before, state);
    this.#webhooks?.correct(before, state);
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
      this.#webhooks?.lost(SESSION_ENDED);
      this.endAll(SESSION_ENDED);
      return undefined;
    }
    const before = this.#state;
    const state = fromParts(this.topic, stored.parts);
    const log = new HeldLog(this.#options.logCount);
    log.replace(stored.log);
    const told = this.#told;
    const undone = isUndone(this.#delivered, stored);
    log.keepLost(this.#log, undone);
    if (undone) this.#undone = told;
    const sent = { delivered: this.#delivered, log: this.#log, told };
    const news = this.audience.empty
      ? undefined
      : await newsSince(sent, { stored, state, log }, this.audience, this.#missed, this.#sockets);
    this.#delivered = stored.position;
    news?.();
    this.#revision = stored.revision;
    this.#epoch = stored.epoch;
    this.#log = log;
    // What was read before it became uncertain is not kept after it.
    this.#state = uncertainties === this.#uncertainties ? state : undefined;
    this.#changed(before, state, why);
    this.#correctRepeats(told, state, stored.log);
    return state;
  }

  /** Connects a subscriber, see `SocketSubscribers`. */
  connect(id: string, channel: Channel, since?: string): Promise<SubscriberSocket | Rejection> {
    return this.#sockets.connect(id, channel, since);
  }

  /** Takes a socket out whose channel is gone, and says so to the others where it has to be (ERR-3). */
  disconnected(socket: SubscriberSocket, code: number, isSilent?: boolean): void {
    if (this.audience.detach(socket)) this.#reports.disconnected(socket, code, isSilent);
  }

  /** Begins to call the webhooks that this node is to call. */
  async tendCallbacks(): Promise<void> {
    await this.#webhooks?.tend();
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
    this.#correctRepeats(before, state, commit.append);
  }

  /** Does what another node announced. Call within `run`. */
  async announced(body: string): Promise<void> {
    await this.#redeliver(redeliveryIn(body));
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
    this.#undone = undefined;
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
