import type { Channel } from '../ports.ts';
import { isKnownToAnswer, owesAnswer } from '../rules/following.ts';
import { believedBy } from '../rules/gap.ts';
import { mayReturn, replayedAfter, seenBeforeLogout } from '../rules/lease.ts';
import { type Rejection, UNKNOWN_ENDPOINT } from '../rules/reasons.ts';
import type { SessionState, Subscription } from '../rules/session-state.ts';
import { lastTold } from '../rules/told.ts';
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

  later(work: () => Promise<unknown>): void {
    this.#parts.background.later(work);
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
      const before = (await session.state())?.subscriptions.get(id);
      const decision = await session.decide({ kind: 'connect', id, node: this.#options.nodeId });
      if (!decision.ok) return decision;
      const { state } = decision;
      const subscription = state?.subscriptions.get(id);
      if (!state || !subscription) return UNKNOWN_ENDPOINT;
      const missed = await this.#sinceLastSeen(state, before, subscription, since);
      this.#parts.activity.counts.connected += 1;
      const connected = (first: Missed): SubscriberSocket =>
        session.audience.connect(subscription, channel, state, first, this);
      if (missed) return connected(missed);
      if (before?.presence?.is !== 'away') return connected(this.#missed.standing(state, session.log));
      const believed = believedBy(state, before.presence);
      if (believed) return connected(this.#missed.rightScreen(state, session.log, believed, since !== undefined));
      const socket = connected(this.#missed.standing(state, session.log));
      await session.decide({ kind: 'deny', ids: [id], reason: UNKNOWN_SINCE });
      return socket;
    });
  }

  /**
   * Whether the answer of a subscriber that comes before its last connection is known to be gone may have been lost with that: nobody
   * waits for it any more, so that it is asked for once more (ERR-8).
   * @param seen number of the last event that it has seen
   */
  #lostAnswer(state: SessionState, before: Subscription, seen: number): boolean {
    if (before.presence?.is === 'away' || seen < lastTold(state, before, this.#options.derivesOpens)) return false;
    // Without a socket here the last connection was to another node, or has just ended.
    return this.#session.audience.sockets.get(before.id)?.owesAnswer ?? isKnownToAnswer(before);
  }

  /** What the log has for a subscriber that returns. @returns undefined where it is new, or the log no longer has all of it */
  async #sinceLastSeen(
    state: SessionState,
    before: Subscription | undefined,
    subscription: Subscription,
    since: string | undefined,
  ): Promise<Missed | undefined> {
    if (since === undefined || before === undefined || !mayReturn(before)) return undefined;
    const { log } = this.#session;
    const seen = log.seenUpTo(since) ?? seenBeforeLogout(state, subscription);
    if (seen === undefined) return undefined;
    const after = Math.max(seen, replayedAfter(state, subscription));
    const read = await this.#missed.fromLog(state, log, after, state.nextNumber - 1);
    const { derivesOpens } = this.#options;
    const isOwed = owesAnswer(state, subscription.id, derivesOpens, after) || this.#lostAnswer(state, before, after);
    if (!read || !isOwed) return read;
    return this.#missed.askedAgain(state, log, after, subscription, derivesOpens, read);
  }
}
