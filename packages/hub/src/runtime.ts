import { StoreUnavailable } from '@lockstep/store';
import { DEFAULTS, type HubOptions, type HubPorts, type Settings } from './options.ts';
import type { Access, AuditRecord, Observation } from './ports.ts';
import type { Decision } from './session.ts';
import type { Subscription } from './state.ts';
import type { Topic } from './topic.ts';
import { type TopicNeeds, Topics } from './topics.ts';
import { Webhooks } from './webhooks.ts';

/** What the parts of a Hub share: its settings and ports, its topics, timers, and what is told of them. */
export class Runtime {
  readonly options: Settings;
  readonly ports: HubPorts;
  readonly topics: Topics;
  /** Absent where there are no webhooks. */
  readonly webhooks: Webhooks | undefined;
  readonly counts = {
    published: 0,
    refused: 0,
    delivered: 0,
    answered: 0,
    syncErrors: 0,
    ignoredFrames: 0,
    connected: 0,
  };
  readonly #timers = new Set<() => void>();
  readonly #ends: (() => void)[] = [];
  #stopping = false;

  constructor(options: HubOptions, ports: HubPorts, needs: TopicNeeds) {
    this.options = { ...DEFAULTS, ...options };
    this.ports = ports;
    const { profile, retryMs, hubUrl } = this.options;
    const { callbacks, cursors, clock, ids } = ports;
    this.webhooks =
      callbacks && cursors
        ? new Webhooks(
            { callbacks, cursors, clock, ids },
            { derivesOpens: profile.derivesOpens, retryMs, spelling: profile.spelling, hubUrl },
          )
        : undefined;
    this.topics = new Topics(this.options, ports, this.webhooks, needs);
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** From here on nothing runs that nobody waits for. */
  stop(): void {
    this.#stopping = true;
    for (const end of this.#ends) end();
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  /** @param end called when the Hub stops */
  untilStop(end: () => void): void {
    this.#ends.push(end);
  }

  /** Calls back once, unless the Hub stops before. @returns what cancels it */
  after(ms: number, run: () => void): () => void {
    const cancel = this.ports.clock.after(ms, () => {
      this.#timers.delete(cancel);
      if (!this.stopping) run();
    });
    this.#timers.add(cancel);
    return () => {
      this.#timers.delete(cancel);
      cancel();
    };
  }

  /** Does what nobody waits for. While the store is away it is tried again: nobody must be forgotten for that. */
  later(work: () => Promise<unknown>): void {
    work().catch((error: unknown) => {
      if (error instanceof StoreUnavailable) this.after(error.retryAfterSeconds * 1000, () => this.later(work));
      else this.ports.failed?.(error);
    });
  }

  every(ms: number, run: () => void): void {
    this.after(ms, () => {
      run();
      this.every(ms, run);
    });
  }

  observe(topic: string, observation: Observation): void {
    this.ports.observer?.observe(topic, this.ports.clock.now(), observation);
  }

  observeSubscription(topic: string, kind: 'subscribed' | 'renewed' | 'connected', subscription: Subscription): void {
    const { id, subscriberName, events, expiresAt } = subscription;
    this.observe(topic, { kind, subscription: id, subscriber: subscriberName, events, expiresAt });
  }

  observeLink(
    topic: Topic,
    link: { readonly subscription: Subscription },
    what:
      | { kind: 'delivered'; eventId: string; event: string }
      | { kind: 'answered'; eventId: string; status: number; ms: number }
      | { kind: 'unanswered'; eventId: string }
      | { kind: 'dropped'; code: number },
  ): void {
    if (!this.ports.observer) return;
    const { id, subscriberName } = link.subscription;
    this.observe(topic.name, { ...what, subscription: id, subscriber: subscriberName });
  }

  observePublished(topic: Topic, decision: Decision, clientId?: string): void {
    if (!this.ports.observer || !decision.ok || !decision.accepted) return;
    const { number, message } = decision.accepted;
    this.observe(topic.name, {
      kind: 'published',
      number,
      eventId: message.id,
      event: message.event['hub.event'],
      ...(clientId && { clientId }),
    });
  }

  audit(
    transaction: AuditRecord['transaction'],
    access: Access,
    topic: string,
    status: number,
    subscriberName?: string,
  ): void {
    const { clientId, user } = access;
    this.ports.audit?.record({
      transaction,
      at: this.ports.clock.now(),
      status,
      topic,
      clientId,
      ...(user && { user }),
      ...(subscriberName && { subscriberName }),
    });
  }
}
