import type { SubscriptionRequest } from '@lockstep/fhircast';
import { StoreUnavailable } from '@lockstep/store';
import { owns } from './access.ts';
import { type Answer, noEndpoint, refuse } from './answer.ts';
import { type Leases, UNSUBSCRIBED } from './leases.ts';
import type { Access } from './ports.ts';
import type { Runtime } from './runtime.ts';
import type { Subscription } from './state.ts';
import type { SyncErrors } from './sync-errors.ts';
import type { Topic } from './topic.ts';
import type { SubscriptionRules } from './versions.ts';
import type { WebhookAttempt, WebhookEvents } from './webhook.ts';
import { isSameSubscriber, type Webhooks } from './webhooks.ts';

const GONE = 410;

/** The WebSocket URL to connect to; none for a webhook, which is verified next (WEB-1). */
export interface Subscribed {
  readonly endpoint?: string;
}

/** Subscriptions that are served by calling a webhook back (WEB). */
export class WebhookSubscriptions {
  readonly #runtime: Runtime;
  readonly #leases: Leases;
  readonly #errors: SyncErrors;

  constructor(runtime: Runtime, leases: Leases, errors: SyncErrors) {
    this.#runtime = runtime;
    this.#leases = leases;
    this.#errors = errors;
  }

  /** WEB-1: accepted at once; nothing is delivered before the callback has confirmed. */
  async subscribe(
    access: Access,
    request: SubscriptionRequest,
    events: readonly string[],
    rules: SubscriptionRules,
  ): Promise<Answer<Subscribed>> {
    if (!this.#runtime.webhooks) return refuse(400, 'hub.channel.type webhook is not supported');
    const problem = await this.#runtime.webhooks.refusal(request, rules.secretRequired);
    if (problem) return refuse(400, problem);
    const { callback, secret } = request;
    const subscription: Subscription = {
      ...this.#leases.grant(access, request, events, rules),
      ...(callback && { callback }),
      ...(secret && { secret }),
      node: this.#runtime.options.nodeId,
    };
    const webhooks = this.#runtime.webhooks;
    this.#runtime.later(() => this.#confirm(webhooks, this.#runtime.topics.of(request.topic), subscription));
    return { ok: true, value: {} };
  }

  async #confirm(webhooks: Webhooks, topic: Topic, subscription: Subscription): Promise<void> {
    const { id, subscriberName: subscriber } = subscription;
    if (!(await webhooks.verify('subscribe', topic.name, subscription))) {
      const reason = 'The callback did not confirm the subscription';
      this.#runtime.observe(topic.name, { kind: 'denied', subscription: id, subscriber, reason });
      return;
    }
    const confirmed = await topic.run(async () => {
      const state = await topic.current();
      if (!state || subscription.expiresAt <= this.#runtime.ports.clock.now()) return undefined;
      const held = [...state.subscriptions.values()].find((one) => isSameSubscriber(one, subscription));
      const decision = await topic.execute((now) =>
        held
          ? { kind: 'renew', subscription: { ...subscription, id: held.id, after: held.after ?? 0 } }
          : { kind: 'subscribe', subscription: { ...subscription, after: now.nextNumber - 1 } },
      );
      if (!decision.ok) return undefined;
      await topic.tendHooks(held ? undefined : id);
      return { kept: decision.state.subscriptions.get(held?.id ?? id), kind: held ? 'renewed' : 'subscribed' } as const;
    });
    if (!confirmed?.kept) {
      // It was told that it is subscribed, and it is not.
      await webhooks.deny(topic.name, subscription, 'The session has ended');
      return;
    }
    this.#runtime.observeSubscription(topic.name, confirmed.kind, confirmed.kept);
    this.#leases.watchUnconnected(topic, confirmed.kept);
  }

  /** WEB-3: the callback is asked before its subscription ends, where its version wants that. */
  async unsubscribe(
    access: Access,
    request: SubscriptionRequest,
    mine: readonly Subscription[],
    rules: SubscriptionRules,
  ): Promise<Answer<Subscribed>> {
    const { topic: name, callback } = request;
    const subscription = mine.find((one) => one.callback !== undefined && one.callback === callback);
    const webhooks = this.#runtime.webhooks;
    if (!webhooks) return noEndpoint(rules);
    // One that still waits for its callback's word is simply taken back.
    const pending = webhooks.cancel((topic, one) => topic === name && one.callback === callback && owns(access, one));
    if (!subscription) return pending ? { ok: true, value: {} } : noEndpoint(rules);
    this.#runtime.later(async () => {
      if (rules.verifiesUnsubscribe && !(await webhooks.verify('unsubscribe', name, subscription))) return;
      await this.#leases.deny(this.#runtime.topics.of(name), [subscription.id], UNSUBSCRIBED);
      webhooks.forget(name, subscription.id);
    });
    return { ok: true, value: {} };
  }

  /** After a restart, callbacks are called again where they were left (WEB-3). */
  resume(topic: Topic): Promise<void> {
    return topic.run(async () => {
      await topic.tendHooks();
      for (const hook of topic.audience.hooks.values()) this.#leases.watchUnconnected(topic, hook.subscription);
    });
  }

  /** Callbacks of a node that is gone are called from here. */
  async adopt(from: string): Promise<void> {
    if (!this.#runtime.webhooks) return;
    for (const name of await this.#runtime.ports.store.lookup(`node:${from}`)) {
      const topic = this.#runtime.topics.of(name);
      const decision = await topic.run(() => topic.execute({ kind: 'adopt', from, to: this.#runtime.options.nodeId }));
      if (decision.ok) await this.resume(topic);
    }
  }

  /** What the sender to a topic's callback tells. */
  events(topic: Topic): WebhookEvents {
    return {
      delivered: (hook, eventId, event) => {
        this.#runtime.counts.delivered += 1;
        this.#runtime.observeLink(topic, hook, { kind: 'delivered', eventId, event });
      },
      answered: (hook, attempt, status, ms) => {
        this.#runtime.counts.answered += 1;
        this.#runtime.observeLink(topic, hook, { kind: 'answered', eventId: attempt.id, status, ms });
        if (status >= 200 && status < 300) return;
        this.#runtime.later(async () => {
          await this.#errors.refusedEvent(topic, hook, attempt, status);
          // WebSub, section 7: the subscription has been deleted over there.
          if (status === GONE) await this.#leases.deny(topic, [hook.subscription.id], 'The callback is gone');
        });
      },
      gaveUp: (hook, attempt, status) => {
        this.#runtime.observeLink(topic, hook, { kind: 'unanswered', eventId: attempt.id });
        this.#runtime.later(() => this.#undeliverable(topic, hook, attempt, status));
      },
      advanced: () => undefined,
      failed: (_, error) => {
        if (!(error instanceof StoreUnavailable)) this.#runtime.ports.failed?.(error);
      },
    };
  }

  /** WEB-3: given up into ERR-2; a callback that stays dead is unsubscribed like any unresponsive subscriber (ERR-4). */
  async #undeliverable(
    topic: Topic,
    hook: { readonly subscription: Subscription; readonly misses: number },
    attempt: WebhookAttempt,
    status: number,
  ): Promise<void> {
    const { id, subscriberName } = hook.subscription;
    const unresponsive = hook.misses >= this.#runtime.options.maxMisses;
    if (attempt.originalName !== 'SyncError') {
      await this.#errors.report(topic, id, {
        eventId: attempt.originalId,
        eventName: attempt.originalName,
        subscriberName,
        diagnostics: `${subscriberName} could not be sent ${attempt.originalName}: ${status === 0 ? 'nobody answered' : `it answered ${status}`}.`,
      });
    }
    if (unresponsive)
      await this.#leases.deny(topic, [id], `${this.#runtime.options.maxMisses} events in a row could not be delivered`);
  }
}
