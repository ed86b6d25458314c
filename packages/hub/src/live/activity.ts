import {
  type AuditRecord,
  type AuditTrail,
  type Clock,
  type Observation,
  type Observer,
  runningTime,
} from '../ports.ts';
import type { Accepted } from '../rules/commands.ts';
import type { Access } from '../rules/permission.ts';
import type { Subscription } from '../rules/session-state.ts';

/** Counts since the start, for metrics. */
export interface Counts {
  published: number;
  refused: number;
  delivered: number;
  answered: number;
  syncErrors: number;
  ignoredFrames: number;
  /** Now, by WebSocket. */
  connected: number;
}

/** What happens in the Hub, for metrics, inspection and audit. */
export class Activity {
  readonly counts: Counts = {
    published: 0,
    refused: 0,
    delivered: 0,
    answered: 0,
    syncErrors: 0,
    ignoredFrames: 0,
    connected: 0,
  };
  readonly #clock: Clock;
  readonly #observer: Observer | undefined;
  readonly #audit: AuditTrail | undefined;
  readonly #committed: ((ms: number) => void) | undefined;

  /** @param committed is given how long each commit took, ms */
  constructor(clock: Clock, observer?: Observer, audit?: AuditTrail, committed?: (ms: number) => void) {
    this.#clock = clock;
    this.#observer = observer;
    this.#audit = audit;
    this.#committed = committed;
  }

  /** A decision is durable. @param since when it was made, ms of running time */
  committed(since: number): void {
    this.#committed?.(runningTime(this.#clock) - since);
  }

  /** Whether there is an observer: without one nothing is reported. */
  get isObserved(): boolean {
    return this.#observer !== undefined;
  }

  /** @param at when it happened, ms since the epoch */
  observe(topic: string, observation: Observation, at = this.#clock.now()): void {
    this.#observer?.observe(topic, at, observation);
  }

  subscription(topic: string, kind: 'subscribed' | 'renewed' | 'connected', subscription: Subscription): void {
    if (!this.#observer) return;
    const { id, subscriberName, events, expiresAt } = subscription;
    this.observe(topic, { kind, subscription: id, subscriber: subscriberName, events, expiresAt });
  }

  published(topic: string, { number, message }: Accepted, clientId?: string): void {
    const event = message.event['hub.event'];
    if (clientId === undefined && event === 'SyncError') this.counts.syncErrors += 1;
    this.observe(topic, { kind: 'published', number, eventId: message.id, event, ...(clientId && { clientId }) });
  }

  audit(
    transaction: AuditRecord['transaction'],
    access: Access,
    topic: string,
    status: number,
    subscriberName?: string,
  ): void {
    const { clientId, user } = access;
    this.#audit?.record({
      transaction,
      at: this.#clock.now(),
      status,
      topic,
      clientId,
      ...(user && { user }),
      ...(subscriberName && { subscriberName }),
    });
  }
}
