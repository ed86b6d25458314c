import type { Channel } from '../ports.ts';
import { isKnownToAnswer, owesAnswer } from '../rules/following.ts';
import { type Believed, believedAfter, believedBy, openContexts, openOrClosed } from '../rules/gap.ts';
import { mayReturn, replayedAfter, seenBeforeLogout } from '../rules/lease.ts';
import { type Rejection, UNKNOWN_ENDPOINT } from '../rules/reasons.ts';
import type { SessionState, Subscription } from '../rules/session-state.ts';
import { lastSentAgain } from '../rules/told.ts';
import type { CaughtUpSession, DeliveryPage, Missed } from './catch-up.ts';
import { type MissedEvents, within } from './missed-events.ts';
import { type LiveSessionOptions, type LiveSessionParts, type SessionHere, UNKNOWN_SINCE } from './session-parts.ts';
import type { SubscriberSocket } from './subscriber-socket.ts';

/** The subscribers of one session that connect to this node by WebSocket, and what they catch up with. */
export class SocketSubscribers implements CaughtUpSession {
  readonly #session: SessionHere;
  readonly #missed: MissedEvents;
  readonly #parts: LiveSessionParts;
  readonly #options: LiveSessionOptions;
  /** Who is catching up and is to be sent how things stand after it, by subscription, with what it may believe open. */
  #toCorrect: Map<string, readonly Believed[]> | undefined;

  constructor(session: SessionHere, missed: MissedEvents, parts: LiveSessionParts, options: LiveSessionOptions) {
    this.#session = session;
    this.#missed = missed;
    this.#parts = parts;
    this.#options = options;
  }

  get deliveredUpTo(): number {
    return this.#session.deliveredUpTo;
  }

  async page(after: number): Promise<DeliveryPage | undefined> {
    const page = await this.#parts.pages.readBytes(this.#session.topic, after);
    return within(page, this.deliveredUpTo);
  }

  caughtUp(subscription: string): void {
    this.#session.audience.caughtUp(subscription, this.#session.known);
    this.#correctOne(subscription);
  }

  later(work: () => Promise<unknown>): void {
    this.#parts.background.later(work);
  }

  /**
   * Sends everybody how things stand, under new ids: those who are up to date at once, the others once they are.
   * @param before what those were told who are up to date
   */
  correct(before: SessionState, state: SessionState): void {
    const { audience, log } = this.#session;
    const first = this.#missed.correction(state, log, openContexts(before));
    // Of an earlier time only those are left who went away while they were catching up.
    const toCorrect = new Map<string, readonly Believed[]>();
    this.#toCorrect = toCorrect;
    for (const [id, socket] of [...audience.sockets]) {
      if (socket.caughtUpTo !== undefined) toCorrect.set(id, openOrClosed(before));
      else socket.bring({ first, after: this.deliveredUpTo }, this);
    }
  }

  /** Who has caught up is sent how things stand where it is still to be sent that. */
  #correctOne(subscription: string): void {
    const believed = this.#toCorrect?.get(subscription);
    if (believed === undefined) return;
    this.#toCorrect?.delete(subscription);
    const session = this.#session;
    this.later(() =>
      session.run(async () => {
        const state = await session.current();
        const socket = session.audience.sockets.get(subscription);
        // Whoever has come back since was sent how things stand then.
        if (!state || !socket || socket.caughtUpTo !== undefined) return;
        const first = this.#missed.correction(state, session.log, believed);
        socket.bring({ first, after: this.deliveredUpTo }, this);
      }),
    );
  }

  /** A subscriber that is catching up does not find the next entry: it goes on after a logout, or has to start afresh. */
  lost(subscription: string, after: number): Promise<number | undefined> {
    const session = this.#session;
    return session.run(async () => {
      const state = await session.current();
      // What was read just now may have brought it elsewhere.
      if (!state || session.audience.sockets.get(subscription)?.caughtUpTo !== after) return undefined;
      const from = Math.max(after, state.loggedOutAt - 1);
      if (from > after) return from;
      await session.decide({ kind: 'deny', ids: [subscription], reason: UNKNOWN_SINCE });
      return undefined;
    });
  }

  /**
   * Connects a subscriber: confirmation, then what it missed since an event or the standing opens, then live (SUB-7, SUB-8,
   * SUB-11).
   */
  connect(id: string, channel: Channel, since?: string): Promise<SubscriberSocket | Rejection> {
    const session = this.#session;
    return session.run(async () => {
      let before: Subscription | undefined;
      let seen: number | undefined;
      const takenOver = session.audience.sockets.get(id);
      let owes = false;
      // Decided again where another node was first: what that left counts.
      const decision = await session.decide((held) => {
        before = held?.subscriptions.get(id);
        seen = held && before && this.#seen(held, before, since);
        // Without a socket here its last connection has just ended, or is to another node.
        owes = takenOver?.owesAnswer ?? (before !== undefined && isKnownToAnswer(before));
        return { kind: 'connect', id, node: this.#options.nodeId, seen, owes };
      });
      if (!decision.ok) return decision;
      const { state } = decision;
      const subscription = state?.subscriptions.get(id);
      if (!state || !subscription) return UNKNOWN_ENDPOINT;
      const missed =
        (await this.#sinceLastSeen(state, subscription, seen)) ?? (await this.#instead(state, before, owes, since));
      this.#parts.activity.counts.connected += 1;
      const first = missed ?? this.#missed.standing(state, session.log);
      const isNew = before?.presence?.is === 'awaited';
      const socket = session.audience.connect(subscription, channel, state, first, this, isNew);
      if (!missed) await session.decide({ kind: 'deny', ids: [id], reason: UNKNOWN_SINCE });
      return socket;
    });
  }

  /** Number of the last event that a subscriber has seen; undefined where it is new, or does not say, or the log does not know. */
  #seen(state: SessionState, before: Subscription, since: string | undefined): number | undefined {
    if (since === undefined || !mayReturn(before)) return undefined;
    const { log } = this.#session;
    const seen = log.seenUpTo(since) ?? seenBeforeLogout(state, before);
    if (seen === undefined) log.lose(since);
    return seen;
  }

  /** What the log has for a subscriber that returns. @returns undefined where the log does not have all of it */
  async #sinceLastSeen(
    state: SessionState,
    subscription: Subscription,
    seen: number | undefined,
  ): Promise<Missed | undefined> {
    if (seen === undefined) return undefined;
    const { log } = this.#session;
    const after = Math.max(seen, replayedAfter(state, subscription));
    const read = await this.#missed.fromLog(state, log, after, state.nextNumber - 1);
    const { derivesOpens } = this.#options;
    if (!read || !owesAnswer(state, subscription.id, derivesOpens, after)) return read;
    return this.#missed.askedAgain(state, log, after, subscription, derivesOpens, read);
  }

  /**
   * What a subscriber is sent that does not say what it has seen, or says what the log does not have.
   * @param before the subscription as it was
   * @param owes see the command `connect`
   * @returns undefined where nobody knows what it shows
   */
  async #instead(
    state: SessionState,
    before: Subscription | undefined,
    owes: boolean,
    since: string | undefined,
  ): Promise<Missed | undefined> {
    const { log, undone } = this.#session;
    const { derivesOpens } = this.#options;
    const presence = before?.presence;
    const takesOver = presence?.is === 'connected';
    const isBack = takesOver ? owes : presence?.is === 'away';
    // It may have been sent what the store has lost since, whatever its presence was before that.
    const isUnknown = since !== undefined && log.seenUpTo(since) === undefined;
    if (!isBack && !isUnknown) return this.#missed.standing(state, log);
    if (takesOver && before && lastSentAgain(state, before, derivesOpens)?.name === 'UserLogout') {
      const read = await this.#missed.fromLog(state, log, state.loggedOutAt - 1, state.nextNumber - 1);
      if (read) return read;
    }
    const believed = presence?.is === 'away' ? believedBy(state, presence) : believedAfter(state, state.nextNumber - 1);
    const lost = isUnknown && undone ? openContexts(undone) : [];
    return believed && this.#missed.rightScreen(state, log, [...lost, ...believed], since !== undefined);
  }
}
