import type { Activity } from '../live/activity.ts';
import type { Background } from '../live/background.ts';
import type { LiveSession } from '../live/live-session.ts';
import type { WebhookCalls } from '../live/webhook-calls.ts';
import { type Access, type AccessEnd, endedWith, owns } from '../rules/permission.ts';
import { type Rejection, refuse } from '../rules/reasons.ts';
import type { Subscription } from '../rules/session-state.ts';
import { isSameCallback, UNSUBSCRIBED } from '../rules/subscribe.ts';

/** A subscription that waits for its callback's word. */
interface Asking {
  readonly topic: string;
  readonly subscription: Subscription;
  cancelled: boolean;
}

export interface CallbackCheckParts {
  /** Absent where there are no webhooks. */
  readonly webhooks?: WebhookCalls | undefined;
  readonly background: Background;
  readonly activity: Activity;
}

/** Asks webhook callbacks whether they want what was asked for in their name (WEB-1, WEB-3). */
export class CallbackCheck {
  readonly #parts: CallbackCheckParts;
  readonly #asking = new Set<Asking>();

  constructor(parts: CallbackCheckParts) {
    this.#parts = parts;
  }

  /** How many subscriptions of a session wait for their callback's word. */
  asking(topic: string): number {
    let count = 0;
    for (const one of this.#asking) if (one.topic === topic) count += 1;
    return count;
  }

  /** Takes back what still waits for its callback's word: it will not count. @returns whether there was any */
  cancel(access: Access, topic: string, callback: string | undefined): boolean {
    return this.#cancel(
      (one) => one.topic === topic && one.subscription.callback === callback && owns(access, one.subscription),
    );
  }

  accessEnded(end: AccessEnd): void {
    this.#cancel(({ subscription }) => endedWith(end, subscription));
  }

  #cancel(matches: (one: Asking) => boolean): boolean {
    const found = [...this.#asking].filter((one) => !one.cancelled && matches(one));
    for (const one of found) one.cancelled = true;
    return found.length > 0;
  }

  /**
   * WEB-1: nothing is delivered before the callback has confirmed. Nothing waits for that.
   * @returns why the callback may not be called, if so (WEB-4)
   */
  async subscribe(session: LiveSession, subscription: Subscription): Promise<Rejection | undefined> {
    const { webhooks, background } = this.#parts;
    if (!webhooks) return refuse('invalid', 'hub.channel.type webhook is not supported');
    const asking: Asking = { topic: session.topic, subscription, cancelled: false };
    this.#asking.add(asking);
    let problem: string | undefined = 'The callback could not be looked into';
    try {
      problem = await webhooks.refusal(subscription.callback ?? '');
    } finally {
      if (problem !== undefined) this.#asking.delete(asking);
    }
    if (problem !== undefined) return refuse('invalid', problem);
    background.later(() => this.#confirm(session, asking));
    return undefined;
  }

  async #confirm(session: LiveSession, asking: Asking): Promise<void> {
    const { webhooks, activity } = this.#parts;
    const { subscription } = asking;
    if (!webhooks) return;
    let confirmed = false;
    try {
      confirmed = (await webhooks.verify('subscribe', session.topic, subscription)) && !asking.cancelled;
      if (confirmed) this.#overtake(asking);
    } finally {
      this.#asking.delete(asking);
    }
    if (!confirmed) {
      const { id, subscriberName: subscriber } = subscription;
      const reason = 'The callback did not confirm the subscription';
      activity.observe(session.topic, { kind: 'denied', subscription: id, subscriber, reason });
      return;
    }
    const decision = await session.execute({ kind: 'confirm', subscription });
    // It was confirmed, and it is not subscribed.
    if (!decision.ok) await webhooks.deny(session.topic, subscription, 'The session has ended');
  }

  /** Of several requests for one callback the last that was confirmed counts, in whatever order the callback answers. */
  #overtake(asking: Asking): void {
    for (const one of this.#asking) {
      if (one === asking) return;
      if (one.topic === asking.topic && isSameCallback(one.subscription, asking.subscription)) one.cancelled = true;
    }
  }

  /** WEB-3: the callback is asked before its subscription ends, where its version wants that. Nothing waits for that. */
  unsubscribe(session: LiveSession, subscription: Subscription): void {
    const { webhooks, background } = this.#parts;
    if (!webhooks) return;
    background.later(async () => {
      if (!(await webhooks.verify('unsubscribe', session.topic, subscription))) return;
      await session.execute({ kind: 'deny', ids: [subscription.id], reason: UNSUBSCRIBED, left: true });
    });
  }
}
