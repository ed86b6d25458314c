import type { Callbacks, Clock, Cursors, Ids } from '../ports.ts';
import type { Subscription } from '../rules/session-state.ts';
import type { Spelling } from '../rules/versions.ts';
import type { ReadBacklog } from './callback-queue.ts';
import { callbackUrl } from './callback-request.ts';
import { eventList } from './spelling.ts';
import { type CallbackListener, type CallbackOptions, SubscriberCallback } from './subscriber-callback.ts';

/** What the Hub calls a webhook subscriber for: verification, deliveries, denial (WEB-1 to WEB-3). */
export class WebhookCalls {
  readonly #callbacks: Callbacks;
  readonly #cursors: Cursors;
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #options: CallbackOptions;

  constructor(callbacks: Callbacks, cursors: Cursors, clock: Clock, ids: Ids, options: CallbackOptions) {
    this.#callbacks = callbacks;
    this.#cursors = cursors;
    this.#clock = clock;
    this.#ids = ids;
    this.#options = options;
  }

  /** Why a callback's address may not be called, if so (WEB-4). */
  refusal(callback: string): Promise<string | undefined> {
    return this.#callbacks.refusal(callback);
  }

  /** Intent verification: only a 2xx whose body is the challenge confirms (WEB-1). */
  async verify(mode: 'subscribe' | 'unsubscribe', topic: string, subscription: Subscription): Promise<boolean> {
    const challenge = this.#ids.secret();
    const lease = Math.max(1, Math.ceil((subscription.expiresAt - this.#clock.now()) / 1000));
    const url = this.#url(topic, subscription, mode, { challenge, lease_seconds: String(lease) });
    const { status, body } = await this.#callbacks.get(url, 0);
    return status >= 200 && status < 300 && body === challenge;
  }

  /** Denial by GET; whether it arrives changes nothing (WEB-3). */
  async deny(topic: string, subscription: Subscription, reason: string): Promise<void> {
    this.forget(topic, subscription.id);
    // Often it is denied because it is dead: others go first.
    await this.#callbacks.get(this.#url(topic, subscription, 'denied', { reason }), 1);
  }

  forget(topic: string, subscription: string): void {
    this.#cursors.forget(topic, subscription);
  }

  /** Starts to deliver to a callback where it was left. */
  async open(
    topic: string,
    subscription: Subscription,
    listener: CallbackListener,
    read: ReadBacklog,
  ): Promise<SubscriberCallback> {
    // What was published before the subscription is not for it.
    const cursor = (await this.#cursors.load(topic, subscription.id)) ?? subscription.after ?? 0;
    const ports = { callbacks: this.#callbacks, clock: this.#clock, listener, read };
    return new SubscriberCallback(topic, subscription, cursor, ports, this.#options);
  }

  advanced(topic: string, subscription: string, number: number): void {
    this.#cursors.save(topic, subscription, number);
  }

  #url(topic: string, subscription: Subscription, mode: string, more: Readonly<Record<string, string>>): string {
    const spelling: Spelling = subscription.spelling ?? this.#options.spelling;
    const fields: Record<string, string> = {
      'hub.mode': mode,
      'hub.topic': spelling.topic ?? topic,
      'hub.events': eventList(subscription.events, spelling),
    };
    for (const [name, value] of Object.entries(more)) fields[`hub.${name}`] = value;
    return callbackUrl(subscription.callback ?? '', fields);
  }
}
