import type { Effect } from '../rules/commands.ts';
import type { SessionState } from '../rules/session-state.ts';
import type { Activity } from './activity.ts';
import type { WebhookSubscribers } from './webhook-subscribers.ts';

/** Who is told of what this node has decided, once it is durable. */
export interface EffectListeners {
  readonly activity: Activity;
  /** Absent where there are no webhooks. */
  readonly webhooks: Pick<WebhookSubscribers, 'subscribed' | 'ended'> | undefined;
}

function reportEnded(
  topic: string,
  before: SessionState | undefined,
  { ids, reason }: Extract<Effect, { readonly kind: 'ended' }>,
  { activity, webhooks }: EffectListeners,
): void {
  for (const id of ids) {
    const subscription = before?.subscriptions.get(id);
    if (!subscription) continue;
    const { subscriberName: subscriber } = subscription;
    activity.observe(topic, { kind: 'denied', subscription: id, subscriber, reason });
    webhooks?.ended(subscription, reason);
  }
}

/**
 * Tells observers and webhooks what follows from a decision.
 * @param before the session before it, which holds the subscriptions that it has ended
 */
export function reportEffects(
  topic: string,
  before: SessionState | undefined,
  effects: readonly Effect[],
  listeners: EffectListeners,
): void {
  const { activity, webhooks } = listeners;
  for (const effect of effects) {
    if (effect.kind === 'event') {
      // Who publishes reports what it published.
      if (effect.event.fingerprint === undefined) activity.published(topic, effect.event);
    } else if (effect.kind === 'begun') activity.observe(topic, { kind: 'session-started' });
    else if (effect.kind === 'subscribed' || effect.kind === 'renewed') {
      activity.subscription(topic, effect.kind, effect.subscription);
      if (effect.kind === 'subscribed') webhooks?.subscribed(effect.subscription);
    } else if (effect.kind === 'ended') reportEnded(topic, before, effect, listeners);
  }
}
