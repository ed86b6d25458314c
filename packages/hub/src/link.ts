import { parseSubscriberMessage } from '@lockstep/fhircast';
import type { Delivery, Sendable } from './delivery.ts';
import { Interest } from './interest.ts';
import type { Channel, Clock } from './ports.ts';
import { bytesOf } from './spelling.ts';
import type { Subscription } from './state.ts';

/** Events sent to a subscriber that it has not acknowledged are remembered up to this number (PUB-7). */
const MAX_PENDING = 64;

/** An event that a subscriber was sent and has not acknowledged with 2xx. */
export interface Pending {
  readonly id: string;
  /** Id and name of the original where the event was derived (DER-3). */
  readonly originalId: string;
  readonly originalName: string;
  readonly sentAt: number;
  /** Whether no answer is waited for any more. */
  settled: boolean;
  /** Whether it was refused: that is reported once. */
  refused: boolean;
}

export interface LinkEvents {
  delivered(link: Link, eventId: string, event: string): void;
  /** The subscriber answered. `pending` is missing when nothing it was sent has that id (or it answered before). */
  answered(link: Link, pending: Pending | undefined, eventId: string, status: number, reason?: string): void;
  /** The subscriber let the time for an answer pass (ERR-4). */
  unanswered(link: Link, pending: Pending): void;
  /** Nothing is sent through this link any more, for whatever reason. */
  ended(link: Link): void;
  /** More is waiting to be sent than the limit allows (ERR-7). */
  overflowed(link: Link): void;
}

export interface LinkOptions {
  readonly answerMs: number;
  readonly maxBufferedBytes: number;
  readonly derivesOpens: boolean;
}

/** A subscriber that is reached through a channel right now: what it is sent, and what it answers. */
export class Link {
  readonly channel: Channel;
  subscription: Subscription;
  /** Deadlines that passed in a row without an answer (ERR-4). */
  misses = 0;
  /** Frames that were no answer (ERR-1). */
  ignored = 0;
  closed = false;
  cancelLease: (() => void) | undefined;
  readonly #clock: Clock;
  readonly #events: LinkEvents;
  readonly #options: LinkOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #interest: Interest;
  #armed: boolean;
  #cancelTimer: (() => void) | undefined;

  constructor(subscription: Subscription, channel: Channel, clock: Clock, events: LinkEvents, options: LinkOptions) {
    this.subscription = subscription;
    this.channel = channel;
    this.#clock = clock;
    this.#events = events;
    this.#options = options;
    this.#armed = subscription.acknowledgements === 'strict';
    this.#interest = new Interest(options.derivesOpens);
    this.grant(subscription);
  }

  /** Takes over a renewed subscription (SUB-6). */
  grant(subscription: Subscription): void {
    this.subscription = subscription;
    this.#interest.grant(subscription.events);
  }

  /** Sends a message that asks for no answer: a confirmation, a denial, a pong. */
  say(message: unknown): void {
    if (!this.closed) this.channel.send(JSON.stringify(message));
  }

  /** Sends the event if it was subscribed to, or else the opens derived from it that were (PUB-3, DER-1, DER-2). */
  deliver(delivery: Delivery): void {
    if (this.closed || delivery.except === this.subscription.id) return;
    for (const event of this.#interest.select(delivery)) this.#send(event, delivery);
  }

  /** Delivers again unless the event was acknowledged with 2xx (PUB-7). */
  redeliver(delivery: Delivery): void {
    const waiting = [...this.#pending.values()].filter((pending) => pending.originalId === delivery.id);
    if (this.closed || waiting.length === 0) return;
    for (const sendable of [delivery.sendable, ...(delivery.key.endsWith('-open') ? delivery.derived : [])]) {
      if (waiting.some((pending) => pending.id === sendable.id)) this.#send(sendable, delivery);
    }
  }

  #send(event: Sendable, original: Delivery): void {
    const { spelling } = this.subscription;
    this.channel.send(spelling ? bytesOf(event, spelling) : event.bytes);
    if (this.channel.buffered > this.#options.maxBufferedBytes) {
      this.#events.overflowed(this);
      return;
    }
    // A SyncError about an unanswered SyncError would never end.
    if (original.key !== 'syncerror') this.#expect(event.id, original);
    this.#events.delivered(this, event.id, event.name);
  }

  #expect(id: string, original: Delivery): void {
    this.#pending.delete(id);
    this.#pending.set(id, {
      id,
      originalId: original.id,
      originalName: original.name,
      sentAt: this.#clock.now(),
      settled: false,
      refused: false,
    });
    if (this.#pending.size > MAX_PENDING) {
      const [oldest] = this.#pending.keys();
      if (oldest !== undefined) this.#pending.delete(oldest);
    }
    this.#schedule();
  }

  /** One timer a link, for the oldest event waiting; answers do not touch it. */
  #schedule(): void {
    if (!this.#armed || this.closed || this.#cancelTimer) return;
    const next = this.#nextWaiting();
    if (!next) return;
    const ms = Math.max(0, next.sentAt + this.#options.answerMs - this.#clock.now());
    this.#cancelTimer = this.#clock.after(ms, () => {
      this.#cancelTimer = undefined;
      this.#expire();
      this.#schedule();
    });
  }

  #nextWaiting(): Pending | undefined {
    for (const pending of this.#pending.values()) if (!pending.settled) return pending;
    return undefined;
  }

  #expire(): void {
    const deadline = this.#clock.now() - this.#options.answerMs;
    for (const pending of this.#pending.values()) {
      if (pending.settled) continue;
      if (pending.sentAt > deadline) break;
      pending.settled = true;
      this.misses += 1;
      this.#events.unanswered(this, pending);
      if (this.closed) return;
    }
  }

  /** Takes a text frame from the subscriber (ERR-1). */
  received(text: string): void {
    const message = parseSubscriberMessage(text);
    if (message.kind === 'ping') this.say({ type: 'pong' });
    else if (message.kind === 'answer') this.answered(message.id, message.status, message.reason);
    else this.ignored += 1;
  }

  /** Takes an answer, however it arrived. */
  answered(id: string, status: number, reason?: string): void {
    this.misses = 0;
    const pending = this.#pending.get(id);
    if (!this.#armed && this.subscription.acknowledgements === 'answers') {
      this.#armed = true;
      // What went out before the subscriber was known to answer is not held against it.
      for (const earlier of this.#pending.values()) earlier.settled = true;
    }
    const refusal = status < 200 || status >= 300;
    if (!refusal) this.#pending.delete(id);
    const news = pending?.refused ? undefined : pending;
    if (pending && refusal) {
      pending.settled = true;
      pending.refused = true;
    }
    this.#events.answered(this, news, id, status, reason);
  }

  /** Forgets timers; nothing is sent any more. */
  end(): void {
    if (this.closed) return;
    this.closed = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.cancelLease?.();
    this.cancelLease = undefined;
    this.#events.ended(this);
  }
}
