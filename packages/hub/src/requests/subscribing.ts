import { grantEvents, type SubscriptionRequest } from '@lockstep/fhircast';
import type { SessionStore } from '@lockstep/store';
import type { Activity } from '../live/activity.ts';
import type { LiveSessions } from '../live/live-sessions.ts';
import type { Ids } from '../ports.ts';
import type { Access, AccessEnd } from '../rules/permission.ts';
import type { Policy } from '../rules/policy.ts';
import type { Rejection } from '../rules/reasons.ts';
import { unusableTopic } from '../rules/session.ts';
import type { Subscription } from '../rules/session-state.ts';
import { formProblem } from '../rules/subscribe.ts';
import { type SubscriptionRules, subscriptionRules } from '../rules/versions.ts';
import { accessKey } from '../stored/index-keys.ts';
import { type Answer, answerOf } from './answers.ts';
import type { CallbackCheck } from './callback-check.ts';
import type { Sessions } from './sessions.ts';
import type { Topics } from './topics.ts';

/** The WebSocket URL to connect to; none for a webhook, which is verified next (WEB-1). */
export interface Subscribed {
  readonly endpoint?: string;
}

export interface SubscribingParts {
  readonly store: SessionStore;
  readonly ids: Ids;
  readonly policy: Policy;
  readonly nodeId: string;
  /** Makes the WebSocket URL of an endpoint. */
  readonly endpointUrl: (id: string) => string;
  readonly live: LiveSessions;
  readonly topics: Topics;
  readonly sessions: Sessions;
  readonly callbacks: CallbackCheck;
  readonly activity: Activity;
}

/** The rules with the topic as the subscriber wrote it. */
function respelt(rules: SubscriptionRules, written: string, own: string): SubscriptionRules {
  return written === own ? rules : { ...rules, spelling: { ...rules.spelling, topic: written } };
}

/** What subscribers ask for, and the end of their access (SUB, TOK-6). */
export class Subscribing {
  readonly #parts: SubscribingParts;

  constructor(parts: SubscribingParts) {
    this.#parts = parts;
  }

  /** `hub.mode=subscribe` (SUB-1 to SUB-6). */
  async subscribe(access: Access, request: SubscriptionRequest): Promise<Answer<Subscribed>> {
    const answer = await this.#subscribe(access, request);
    const status = answer.ok ? 202 : answer.status;
    this.#parts.activity.audit('RAD-146', access, request.topic, status, request.subscriberName);
    return answer;
  }

  async #subscribe(access: Access, written: SubscriptionRequest): Promise<Answer<Subscribed>> {
    const { policy, topics, live, callbacks, ids, nodeId } = this.#parts;
    const found = this.#rules(access, written);
    const wrong = formProblem(written, found);
    if (wrong) return answerOf(wrong, found.name);
    const wanted = grantEvents(written.events, access.scopes).length > 0;
    const name = written.subscriberName ?? access.clientName;
    const own = await topics.own(access, written.topic, wanted ? name : undefined);
    if (!own.ok) return own;
    const rules = respelt(found, written.topic, own.value);
    const session = live.of(own.value);
    const request = { ...written, topic: own.value };
    const unstarted = wanted && policy.createsSessions ? await this.#startMissing(access, own.value) : undefined;
    if (unstarted) {
      live.dropUnused(session);
      return answerOf(unstarted, rules.name);
    }
    const decision = await session.execute({
      kind: 'subscribe',
      access,
      request,
      id: ids.secret(),
      rules,
      node: nodeId,
      asking: callbacks.asking(own.value),
    });
    if (!decision.ok) {
      live.dropUnused(session);
      const unusable = decision.code === 'unknown-topic' ? unusableTopic(own.value, policy) : undefined;
      return answerOf(unusable ?? decision, rules.name);
    }
    for (const effect of decision.effects) {
      if (effect.kind === 'verify') {
        const refusal = await callbacks.subscribe(session, effect.subscription);
        if (refusal) return answerOf(refusal, rules.name);
      } else if (effect.kind === 'subscribed' || effect.kind === 'renewed') return this.#endpoint(effect.subscription);
    }
    return { ok: true, value: {} };
  }

  #endpoint({ id }: Subscription): Answer<Subscribed> {
    return { ok: true, value: { endpoint: this.#parts.endpointUrl(id) } };
  }

  /** SUB-12: a subscription may start the session of its topic. */
  async #startMissing(access: Access, topic: string): Promise<Rejection | undefined> {
    const session = this.#parts.live.of(topic);
    if (await session.run(() => session.current())) return undefined;
    return this.#parts.sessions.startFor(access, topic);
  }

  /** `hub.mode=unsubscribe` (SUB-9). */
  async unsubscribe(access: Access, request: SubscriptionRequest): Promise<Answer<Subscribed>> {
    const answer = await this.#unsubscribe(access, request);
    const status = answer.ok ? 202 : answer.status;
    this.#parts.activity.audit('RAD-152', access, request.topic, status, request.subscriberName);
    return answer;
  }

  async #unsubscribe(access: Access, written: SubscriptionRequest): Promise<Answer<Subscribed>> {
    const { topics, live, callbacks } = this.#parts;
    const own = await topics.own(access, written.topic);
    if (!own.ok) return own;
    const request = { ...written, topic: own.value };
    const rules = this.#rules(access, request);
    const session = live.of(own.value);
    const decision = await session.execute({ kind: 'unsubscribe', access, request, rules });
    // One that still waits for its callback's word is simply taken back.
    const isWebhook = request.channel === 'webhook' && rules.channels.includes('webhook');
    const pending = isWebhook && callbacks.cancel(access, own.value, request.callback);
    if (!decision.ok) {
      live.dropUnused(session);
      return pending && decision.code === 'unknown-endpoint' ? { ok: true, value: {} } : answerOf(decision, rules.name);
    }
    for (const effect of decision.effects) {
      if (effect.kind === 'verify') callbacks.unsubscribe(session, effect.subscription);
      const [id] = effect.kind === 'ended' ? effect.ids : [];
      if (id !== undefined && !isWebhook) return { ok: true, value: { endpoint: this.#parts.endpointUrl(id) } };
    }
    return { ok: true, value: {} };
  }

  /** Ends subscriptions whose access has ended, wherever they are connected (TOK-6). */
  async accessEnded(end: AccessEnd): Promise<void> {
    const { store, live, callbacks } = this.#parts;
    callbacks.accessEnded(end);
    for (const topic of await store.lookup(accessKey(end))) {
      const session = live.of(topic);
      await session.execute({ kind: 'access-ended', end });
    }
  }

  #rules(access: Access, request: SubscriptionRequest): SubscriptionRules {
    return subscriptionRules(request, access.switches, this.#parts.policy.profile);
  }
}
