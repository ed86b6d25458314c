import type { LogEntry } from '@lockstep/store';
import { isToBeAskedAgain } from '../rules/following.ts';
import { believedAfter, openContexts, openOrClosed } from '../rules/gap.ts';
import type { SessionState, Subscription } from '../rules/session-state.ts';
import { UNSUBSCRIBED } from '../rules/subscribe.ts';
import { lastSentAgain, lastStandingOpen, lastTold } from '../rules/told.ts';
import { fromEntry } from '../stored/log-record.ts';
import type { Background } from './background.ts';
import type { Backlog } from './callback-queue.ts';
import { Delivery } from './delivery.ts';
import type { LogPages } from './log-pages.ts';
import type { MissedEvents } from './missed-events.ts';
import { type SessionHere, UNKNOWN_SINCE } from './session-parts.ts';
import type { CallbackListener } from './subscriber-callback.ts';
import type { WebhookCalls } from './webhook-calls.ts';

export interface WebhookParts {
  readonly calls: WebhookCalls;
  readonly pages: LogPages;
  readonly background: Background;
  readonly listener: CallbackListener;
  readonly missed: MissedEvents;
  readonly nodeId: string;
  readonly derivesOpens: boolean;
}

/** The subscribers of one session whose callbacks this node calls. */
export class WebhookSubscribers {
  readonly #session: SessionHere;
  readonly #parts: WebhookParts;
  /** Those that are to be sent the standing opens first (SUB-8). */
  #fresh: Set<string> | undefined;

  constructor(session: SessionHere, parts: WebhookParts) {
    this.#session = session;
    this.#parts = parts;
  }

  /** A subscription was made. */
  subscribed({ id, channel }: Subscription): void {
    if (channel !== 'webhook') return;
    this.#fresh ??= new Set();
    this.#fresh.add(id);
  }

  /** A subscription has ended: its callback is told, unless it unsubscribed itself. */
  ended(subscription: Subscription, reason: string): void {
    if (subscription.channel !== 'webhook') return;
    const { calls, background } = this.#parts;
    const { topic } = this.#session;
    if (reason === UNSUBSCRIBED) calls.forget(topic, subscription.id);
    else background.later(() => calls.deny(topic, subscription, reason));
  }

  /** The session is gone without a message: its store may have lost it. */
  lost(reason: string): void {
    for (const { subscription } of this.#session.audience.callbacks.values()) this.ended(subscription, reason);
  }

  /**
   * Sends everybody how things stand, under new ids, once they have been sent what has happened until now.
   * @param before what those were told who are up to date
   */
  correct(before: SessionState, state: SessionState): void {
    const { audience, log, deliveredUpTo } = this.#session;
    const events = this.#parts.missed.correction(state, log, openOrClosed(before));
    for (const callback of audience.callbacks.values()) callback.sendAfter(deliveredUpTo, events);
  }

  /** Begins to call those that this node is to call, once everything queued before has ended. */
  tend(): Promise<void> {
    const { calls, derivesOpens, listener, missed, nodeId } = this.#parts;
    const session = this.#session;
    const { topic, audience } = session;
    return session.run(async () => {
      const state = await session.state();
      if (!state) return;
      for (const subscription of state.subscriptions.values()) {
        const { id, channel, node } = subscription;
        if (channel !== 'webhook' || node !== nodeId || audience.callbacks.has(id)) continue;
        const callback = await calls.open(topic, subscription, listener, (after, limit) =>
          this.#backlog(id, after, limit),
        );
        audience.callbacks.set(id, callback);
        if (this.#fresh?.delete(id)) callback.begin(missed.standing(state, session.log).first);
        else if (session.undone) {
          // Its cursor is of the copy too, and does not say what it was sent since.
          const believed = [...openContexts(session.undone), ...state.closed];
          callback.sendAfter(session.deliveredUpTo, missed.correction(state, session.log, believed));
        } else if (isToBeAskedAgain(state, id, derivesOpens, callback.doneUpTo)) {
          callback.begin(await this.#askedAgain(state, subscription));
        }
        callback.catchUp();
      }
    });
  }

  /** What asks a callback once more: the standing opens, which no log keeps for it, or what it was told of last (SUB-8, ERR-8). */
  async #askedAgain(state: SessionState, subscription: Subscription): Promise<readonly Delivery[]> {
    const { missed, derivesOpens } = this.#parts;
    const { log } = this.#session;
    const upTo = state.nextNumber - 1;
    if (lastSentAgain(state, subscription, derivesOpens)?.name === 'UserLogout') {
      return (await missed.fromLog(state, log, state.loggedOutAt - 1, upTo))?.first ?? [];
    }
    const standing = missed.standing(state, log);
    const last = lastStandingOpen(state, subscription, derivesOpens);
    const isAll = last !== undefined && last.number >= lastTold(state, subscription, derivesOpens);
    return isAll ? standing.first : missed.askedAgain(state, log, upTo, subscription, derivesOpens, standing).first;
  }

  /** The next events for a callback that is done with everything up to a number. */
  async #backlog(subscription: string, after: number, limit: number): Promise<Backlog> {
    const session = this.#session;
    const { pages, missed } = this.#parts;
    const entries = await pages.read(session.topic, after, limit);
    if (entries) return this.#page(entries);
    const callback = session.audience.callbacks.get(subscription);
    const returns = callback?.returns;
    const state = await session.run(() => session.current());
    if (!state) return { deliveries: [], more: false };
    // What was read just now has brought it elsewhere.
    if (callback?.returns !== returns) return { deliveries: [], more: true };
    const afterLogout = await pages.read(session.topic, Math.max(after, state.loggedOutAt - 1), limit);
    if (afterLogout) return this.#page(afterLogout);
    const gapUpTo = state.nextNumber - 1;
    const believed = believedAfter(state, after);
    if (!believed) {
      await session.run(() => session.decide({ kind: 'deny', ids: [subscription], reason: UNKNOWN_SINCE }));
      return { deliveries: [], gapUpTo, more: false };
    }
    return { deliveries: missed.correction(state, session.log, believed), gapUpTo, more: false };
  }

  #page(entries: readonly LogEntry[]): Backlog {
    const deliveries = entries.map((entry) => new Delivery(fromEntry(entry)));
    const last = deliveries.at(-1)?.number ?? Number.POSITIVE_INFINITY;
    return { deliveries, more: last < this.#session.deliveredUpTo };
  }
}
