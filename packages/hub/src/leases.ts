import type { SubscriptionRequest } from '@lockstep/fhircast';
import type { Link } from './link.ts';
import type { Access } from './ports.ts';
import type { Runtime } from './runtime.ts';
import type { Decision, DenyOnly } from './session.ts';
import type { SessionState, Subscription } from './state.ts';
import type { Topic } from './topic.ts';
import type { SubscriptionRules } from './versions.ts';

/** Why a subscription ended that its subscriber asked to end. */
export const UNSUBSCRIBED = 'Unsubscribed';

const LEASE_ENDED = 'The lease has ended';

/** How long subscriptions last, and how they end (SUB-5). */
export class Leases {
  readonly #runtime: Runtime;
  /** Ends the watch over the lease of a subscription that nobody is connected to, by its id. */
  readonly #unconnected = new Map<string, () => void>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** A new subscription: its lease ends with its token at the latest (SUB-5). */
  grant(
    access: Access,
    request: SubscriptionRequest,
    events: readonly string[],
    { spelling }: SubscriptionRules,
  ): Subscription {
    const { defaultLeaseSeconds, maxLeaseSeconds, acknowledgements } = this.#runtime.options;
    const now = this.#runtime.ports.clock.now();
    const lease = Math.min(request.leaseSeconds ?? defaultLeaseSeconds, maxLeaseSeconds) * 1000;
    return {
      id: this.#runtime.ports.ids.secret(),
      channel: request.channel,
      subscriberName: request.subscriberName ?? access.clientName,
      events,
      expiresAt: Math.min(now + lease, access.expiresAt),
      clientId: access.clientId,
      ...(access.user && { user: access.user }),
      grantId: access.grantId,
      tokenId: access.tokenId,
      acknowledgements: access.switches.acknowledgements ?? acknowledgements,
      renewals: 0,
      ...(spelling !== this.#runtime.options.profile.spelling && { spelling }),
    };
  }

  /** Ends subscriptions and tells their subscribers why; a webhook that unsubscribed itself knows. */
  deny(topic: Topic, ids: readonly string[], reason: string, only: DenyOnly = {}): Promise<Decision> {
    return topic.run(async () => {
      let before: SessionState | undefined;
      const decision = await topic.execute((state) => {
        before = state;
        return { kind: 'deny', ids, reason, ...only };
      });
      if (decision.ok) {
        for (const id of decision.denied?.ids ?? []) {
          const subscription = before?.subscriptions.get(id);
          if (!subscription) continue;
          const subscriber = subscription.subscriberName;
          this.#runtime.observe(topic.name, { kind: 'denied', subscription: id, subscriber, reason });
          if (subscription.channel === 'webhook' && reason !== UNSUBSCRIBED) {
            this.#runtime.later(async () => this.#runtime.webhooks?.deny(topic.name, subscription, reason));
          }
        }
      }
      return decision;
    });
  }

  /** Nobody may ever connect, or it is a webhook: the lease ends all the same (SUB-5). */
  watchUnconnected(topic: Topic, { id, expiresAt }: Subscription): void {
    this.endUnconnected(id);
    const cancel = this.#runtime.after(expiresAt - this.#runtime.ports.clock.now(), () => {
      this.#unconnected.delete(id);
      this.#runtime.later(() => this.#expireUnconnected(topic, id));
    });
    this.#unconnected.set(id, cancel);
  }

  /** Somebody has connected: from here on `watch` ends the lease. */
  endUnconnected(id: string): void {
    this.#unconnected.get(id)?.();
    this.#unconnected.delete(id);
  }

  async #expireUnconnected(topic: Topic, id: string): Promise<void> {
    const state = await topic.run(() => topic.state());
    const subscription = state?.subscriptions.get(id);
    if (!subscription || topic.audience.links.has(id)) return;
    await this.deny(topic, [id], LEASE_ENDED, { expired: true });
  }

  /** Ends a connected subscriber's subscription with its lease (SUB-5). */
  watch(topic: Topic, link: Link): void {
    link.cancelLease?.();
    if (link.closed) return;
    const { id, expiresAt } = link.subscription;
    link.cancelLease = this.#runtime.after(Math.max(1, expiresAt - this.#runtime.ports.clock.now()), () =>
      this.#runtime.later(async () => {
        await this.deny(topic, [id], LEASE_ENDED, { expired: true });
        // Still open, it was renewed, here or elsewhere.
        this.watch(topic, link);
      }),
    );
  }
}
