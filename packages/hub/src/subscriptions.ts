import { grantEvents, type SubscriptionRequest } from '@lockstep/fhircast';
import { owns } from './access.ts';
import { type Answer, NO_TOPIC, noEndpoint, type Refusal, refuse } from './answer.ts';
import { subscriberKey } from './index-keys.ts';
import { type Leases, UNSUBSCRIBED } from './leases.ts';
import type { Access, AccessEnd } from './ports.ts';
import type { Runtime } from './runtime.ts';
import type { Decision } from './session.ts';
import type { Sessions } from './sessions.ts';
import type { SessionState, Subscription } from './state.ts';
import { type SubscriptionRules, subscriptionRules } from './versions.ts';
import type { Subscribed, WebhookSubscriptions } from './webhook-subscriptions.ts';

/** The rules with a topic of the subscriber's own writing. */
function respelt(rules: SubscriptionRules, topic: string): SubscriptionRules {
  return { ...rules, spelling: { ...rules.spelling, topic } };
}

/** The unguessable part of an endpoint's URL. */
function endpointId(endpoint: string): string {
  return endpoint.split('?')[0]?.split('/').pop()?.trim() ?? '';
}

/** What subscribers ask for, and the end of their access (SUB, TOK-6). */
export class Subscriptions {
  readonly #runtime: Runtime;
  readonly #sessions: Sessions;
  readonly #leases: Leases;
  readonly #callbacks: WebhookSubscriptions;

  constructor(runtime: Runtime, sessions: Sessions, leases: Leases, callbacks: WebhookSubscriptions) {
    this.#runtime = runtime;
    this.#sessions = sessions;
    this.#leases = leases;
    this.#callbacks = callbacks;
  }

  /** `hub.mode=subscribe` (SUB-1 to SUB-6). */
  async subscribe(access: Access, request: SubscriptionRequest): Promise<Answer<Subscribed>> {
    const answer = await this.#subscribe(access, request);
    this.#runtime.audit('RAD-146', access, request.topic, answer.ok ? 202 : answer.status, request.subscriberName);
    return answer;
  }

  async #subscribe(access: Access, written: SubscriptionRequest): Promise<Answer<Subscribed>> {
    const found = this.#rules(access, written);
    if (!found.channels.includes(written.channel)) return this.#wrongChannel(found);
    if (found.subscriberNameRequired && !written.subscriberName) return refuse(400, 'subscriber.name is missing');
    const events = grantEvents(written.events, access.scopes);
    const name = written.subscriberName ?? access.clientName;
    const own = await this.#sessions.ownTopic(access, written.topic, events.length > 0 ? name : undefined);
    if (!own.ok) return own;
    const request = { ...written, topic: own.value };
    const rules = own.value === written.topic ? found : respelt(found, written.topic);
    const session = await this.#sessions.joined(access, request.topic, events.length > 0);
    if (!session) return this.#sessions.unusable(request.topic) ?? NO_TOPIC;
    if (events.length === 0) return refuse(403, "None of hub.events is covered by the token's fhircast/….read scopes");
    if (request.endpoint && request.channel === 'websocket') {
      return this.#renew(access, request, request.endpoint, events, rules);
    }
    const full = this.#full(session);
    if (full) return full;
    if (request.channel === 'webhook') return this.#callbacks.subscribe(access, request, events, rules);
    const subscription = this.#leases.grant(access, request, events, rules);
    const topic = this.#runtime.topics.of(request.topic);
    const decision = await topic.run(async (): Promise<Decision> => {
      // Of many that ask at once, each was early enough until now.
      const state = await topic.state();
      return (state && this.#full(state)) ?? topic.execute({ kind: 'subscribe', subscription });
    });
    if (!decision.ok) return decision;
    this.#runtime.observeSubscription(request.topic, 'subscribed', subscription);
    this.#leases.watchUnconnected(topic, subscription);
    return { ok: true, value: { endpoint: this.#runtime.options.endpointUrl(subscription.id) } };
  }

  /** Why nobody else may subscribe to the session, if so: what each event costs is bounded. */
  #full(session: SessionState): Refusal | undefined {
    const { maxSubscriptionsPerSession } = this.#runtime.options;
    const asking = this.#runtime.webhooks?.asking(session.topic) ?? 0;
    if (this.#sessions.unexpired(session).length + asking < maxSubscriptionsPerSession) return undefined;
    return refuse(429, `The session has ${maxSubscriptionsPerSession} subscriptions already`);
  }

  /** SUB-6: the same endpoint, other events, another lease. */
  async #renew(
    access: Access,
    request: SubscriptionRequest,
    endpoint: string,
    events: readonly string[],
    rules: SubscriptionRules,
  ): Promise<Answer<{ readonly endpoint: string }>> {
    const id = endpointId(endpoint);
    const topic = this.#runtime.topics.of(request.topic);
    const decision = await topic.run(async (): Promise<Decision> => {
      const held = (await topic.state())?.subscriptions.get(id);
      if (!held || !owns(access, held) || held.expiresAt <= this.#runtime.ports.clock.now()) return noEndpoint(rules);
      const { subscriberName = held.subscriberName } = request;
      const subscription = { ...this.#leases.grant(access, request, events, rules), id, subscriberName };
      return topic.execute({ kind: 'renew', subscription: { ...subscription, ...(held.node && { node: held.node }) } });
    });
    if (!decision.ok) return decision;
    const renewed = decision.state.subscriptions.get(id);
    const link = topic.audience.links.get(id);
    if (link) this.#leases.watch(topic, link);
    else if (renewed) this.#leases.watchUnconnected(topic, renewed);
    if (renewed) this.#runtime.observeSubscription(request.topic, 'renewed', renewed);
    return { ok: true, value: { endpoint: this.#runtime.options.endpointUrl(id) } };
  }

  /** `hub.mode=unsubscribe` (SUB-9). */
  async unsubscribe(access: Access, request: SubscriptionRequest): Promise<Answer<Subscribed>> {
    const answer = await this.#unsubscribe(access, request);
    this.#runtime.audit('RAD-152', access, request.topic, answer.ok ? 202 : answer.status, request.subscriberName);
    return answer;
  }

  async #unsubscribe(access: Access, written: SubscriptionRequest): Promise<Answer<Subscribed>> {
    const own = await this.#sessions.ownTopic(access, written.topic);
    if (!own.ok) return own;
    const request = { ...written, topic: own.value };
    const rules = this.#rules(access, request);
    if (!rules.channels.includes(request.channel)) return this.#wrongChannel(rules);
    if (rules.endpointRequired && !request.endpoint) return refuse(400, 'hub.channel.endpoint is missing');
    const session = await this.#sessions.joined(access, request.topic);
    if (!session) return NO_TOPIC;
    const mine = [...session.subscriptions.values()].filter((one) => owns(access, one));
    if (request.channel === 'webhook') return this.#callbacks.unsubscribe(access, request, mine, rules);
    const asked = request.endpoint === undefined ? undefined : endpointId(request.endpoint);
    const matching = mine.filter((one) =>
      asked === undefined
        ? request.subscriberName === undefined || one.subscriberName === request.subscriberName
        : one.id === asked,
    );
    if (matching.length > 1) {
      return refuse(400, 'hub.channel.endpoint is missing, and more than one subscription could be meant');
    }
    const [subscription] = matching;
    if (!subscription) return noEndpoint(rules);
    const decision = await this.#leases.deny(this.#runtime.topics.of(request.topic), [subscription.id], UNSUBSCRIBED);
    if (!decision.ok) return decision;
    return { ok: true, value: { endpoint: this.#runtime.options.endpointUrl(subscription.id) } };
  }

  /** Ends subscriptions whose access has ended, wherever they are connected (TOK-6). */
  async accessEnded(end: AccessEnd): Promise<void> {
    const { grantId, clientId, tokenId, user, reason } = end;
    const ends = (one: Subscription): boolean =>
      (grantId === undefined || one.grantId === grantId) &&
      (clientId === undefined || one.clientId === clientId) &&
      (tokenId === undefined || one.tokenId === tokenId) &&
      (user === undefined || one.user === user);
    this.#runtime.webhooks?.cancel((_, subscription) => ends(subscription));
    const key = grantId ? `grant:${grantId}` : clientId ? `client:${clientId}` : user ? subscriberKey(user) : 'all';
    for (const name of await this.#runtime.ports.store.lookup(key)) {
      const state = await this.#runtime.topics.load(name);
      const ids = [...(state?.subscriptions.values() ?? [])].filter(ends).map(({ id }) => id);
      if (ids.length > 0) await this.#leases.deny(this.#runtime.topics.of(name), ids, reason);
    }
  }

  #rules(access: Access, request: SubscriptionRequest): SubscriptionRules {
    return subscriptionRules(request, access.switches, this.#runtime.options.profile);
  }

  #wrongChannel({ channels }: SubscriptionRules): Refusal {
    return refuse(400, `hub.channel.type must be ${channels.join(' or ')}`);
  }
}
