import type { SubscriptionRequest } from '@lockstep/fhircast';
import type { Callbacks, Clock, Cursors, Ids } from './ports.ts';
import { eventList } from './spelling.ts';
import type { Subscription } from './state.ts';
import type { Spelling } from './versions.ts';
import { callbackUrl, type ReadBacklog, Webhook, type WebhookEvents, type WebhookOptions } from './webhook.ts';

export interface WebhookPorts {
  readonly callbacks: Callbacks;
  readonly cursors: Cursors;
  readonly clock: Clock;
  readonly ids: Ids;
}

/** A subscription that waits for its callback's word. */
interface Asking {
  readonly topic: string;
  readonly subscription: Subscription;
  cancelled: boolean;
}

/** Whether one is a renewal of the other (SUB-6). */
export function isSameSubscriber(one: Subscription, other: Subscription): boolean {
  return one.callback === other.callback && one.clientId === other.clientId && one.user === other.user;
}

/** What the Hub asks callbacks beside delivering events: whether they want it, and telling them that it is over (WEB-1, WEB-3). */
export class Webhooks {
  readonly #ports: WebhookPorts;
  readonly #options: WebhookOptions;
  readonly #asking = new Set<Asking>();

  constructor(ports: WebhookPorts, options: WebhookOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /** Why a subscription form cannot be served, if so (WEB-2, WEB-4). */
  async refusal(request: SubscriptionRequest, secretRequired: boolean): Promise<string | undefined> {
    if (request.callback === undefined) return 'hub.callback is missing';
    if (secretRequired && request.secret === undefined) return 'hub.secret is missing';
    return this.#ports.callbacks.refusal(request.callback);
  }

  /** How many subscriptions of a session wait for their callback's word. */
  asking(topic: string): number {
    let count = 0;
    for (const one of this.#asking) if (one.topic === topic) count += 1;
    return count;
  }

  /** Takes subscriptions back that wait for their callback's word: it will not count. @returns whether there were any */
  cancel(matches: (topic: string, subscription: Subscription) => boolean): boolean {
    const found = [...this.#asking].filter((one) => !one.cancelled && matches(one.topic, one.subscription));
    for (const one of found) one.cancelled = true;
    return found.length > 0;
  }

  /** Of several requests for one callback the last that was confirmed counts, in whatever order the callback answers. */
  #overtake(asking: Asking): void {
    for (const one of this.#asking) {
      if (one === asking) return;
      if (one.topic === asking.topic && isSameSubscriber(one.subscription, asking.subscription)) one.cancelled = true;
    }
  }

  /** Intent verification: only a 2xx whose body is the challenge confirms (WEB-1). */
  async verify(mode: 'subscribe' | 'unsubscribe', topic: string, subscription: Subscription): Promise<boolean> {
    const asking: Asking = { topic, subscription, cancelled: false };
    if (mode === 'subscribe') this.#asking.add(asking);
    try {
      const challenge = this.#ports.ids.secret();
      const lease = Math.max(1, Math.ceil((subscription.expiresAt - this.#ports.clock.now()) / 1000));
      const url = this.#url(topic, subscription, mode, { challenge, lease_seconds: String(lease) });
      const { status, body } = await this.#ports.callbacks.get(url, 0);
      const confirmed = !asking.cancelled && status >= 200 && status < 300 && body === challenge;
      if (confirmed) this.#overtake(asking);
      return confirmed;
    } finally {
      this.#asking.delete(asking);
    }
  }

  /** Denial by GET; whether it arrives changes nothing (WEB-3). */
  async deny(topic: string, subscription: Subscription, reason: string): Promise<void> {
    this.forget(topic, subscription.id);
    // Often it is denied because it is dead: others go first.
    await this.#ports.callbacks.get(this.#url(topic, subscription, 'denied', { reason }), 1);
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

  forget(topic: string, subscription: string): void {
    this.#ports.cursors.forget(topic, subscription);
  }

  async open(topic: string, subscription: Subscription, events: WebhookEvents, read: ReadBacklog): Promise<Webhook> {
    const { callbacks, cursors, clock } = this.#ports;
    // What was published before the subscription is not for it.
    const cursor = (await cursors.load(topic, subscription.id)) ?? subscription.after ?? 0;
    const saving: WebhookEvents = {
      ...events,
      advanced: (hook, number) => {
        cursors.save(topic, hook.subscription.id, number);
        events.advanced(hook, number);
      },
    };
    return new Webhook(topic, subscription, cursor, { callbacks, clock, events: saving, read }, this.#options);
  }
}
