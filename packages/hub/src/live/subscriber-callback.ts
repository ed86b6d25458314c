import { type Callbacks, type Clock, pausedFor, runningTime } from '../ports.ts';
import {
  afterFailing,
  afterSending,
  type Interest,
  newInterest,
  regranted,
  replaces,
  selected,
} from '../rules/audience.ts';
import { changesContext, hasChangedContext } from '../rules/changes-context.ts';
import type { Awaited } from '../rules/conversation.ts';
import type { Subscription } from '../rules/session-state.ts';
import type { Spelling } from '../rules/versions.ts';
import { CallbackQueue, type ReadBacklog } from './callback-queue.ts';
import { eventHeaders } from './callback-request.ts';
import type { Delivery, Sendable } from './delivery.ts';
import { OwedAnswer } from './owed-answer.ts';
import { bytesOf } from './spelling.ts';
import { outcomeOf, type SubscriberListener } from './subscriber-listener.ts';

const MAX_UNACKNOWLEDGED = 16;

export interface CallbackListener extends SubscriberListener {
  /** It could not be delivered, however often it was tried (WEB-3). `misses`: events in a row. */
  gaveUp(subscription: Subscription, about: Awaited, misses: number): void;
  /** Everything up to this number has been answered or given up: what a restart goes on from. */
  advanced(subscription: Subscription, number: number): void;
  /** The log could not be read; it is tried again. */
  failed(error: unknown): void;
}

export interface CallbackOptions {
  readonly derivesOpens: boolean;
  /** ms after which a context change that is not answered counts as not followed (ERR-8). */
  readonly answerMs: number;
  /** Waits between attempts at one event, ms; after the last one the event is given up. */
  readonly retryMs: readonly number[];
  /** How events are written where the subscription does not say. */
  readonly spelling: Spelling;
  /** The Hub's own address, which WebSub wants named in every delivery. */
  readonly hubUrl: string;
}

/** An event that could not be delivered yet. */
interface Failing {
  readonly event: Sendable;
  /** Of the original, where the event was derived. */
  readonly number: number;
  /** Whether the log has lost it since. */
  isUndone?: boolean;
  /** The last answer. */
  status?: number;
}

/** Statuses that say "not now" rather than "no" (RFC 9110). */
function isTransient(status: number): boolean {
  return status === 0 || status === 408 || status === 429 || status >= 500;
}

/** Whether the event is what fails, and not the way to the callback, or the callback as a whole. */
function isOfThisEvent(status = 0): boolean {
  return status >= 500 && ![502, 503, 504].includes(status);
}

/**
 * A subscriber that is reached by POSTs to its callback: one event at a time, in order, tried again until it is answered or given up, or
 * until a newer context event replaces it; what else it cannot process holds no context change up (WEB-2, WEB-3). `CallbackQueue` says
 * which event is next.
 */
export class SubscriberCallback {
  readonly #callbacks: Callbacks;
  readonly #clock: Clock;
  readonly #listener: CallbackListener;
  readonly #options: CallbackOptions;
  readonly #queue: CallbackQueue;
  readonly #link: string;
  #subscription: Subscription;
  #interest: Interest;
  /** Events given up in a row. */
  #misses = 0;
  /** Number of the last context change that the subscriber followed (ERR-8). */
  #followed = 0;
  /** Ids of the last events that were refused or given up. */
  readonly #unacknowledged = new Set<string>();
  #running = false;
  /** Attempts in a row that got no connection. */
  #failures = 0;
  /** The event that waits to be tried again. */
  #failing: Failing | undefined;
  /** Whether something newer may have come since it was last looked for a replacement of the failing event. */
  #news = false;
  #ended = false;
  readonly #owed: OwedAnswer;
  #cancelRetry: (() => void) | undefined;
  #wake: (() => void) | undefined;

  /** @param cursor number of the last event that is done with */
  constructor(
    topic: string,
    subscription: Subscription,
    cursor: number,
    ports: { callbacks: Callbacks; clock: Clock; listener: CallbackListener; read: ReadBacklog },
    options: CallbackOptions,
  ) {
    this.#subscription = subscription;
    this.#callbacks = ports.callbacks;
    this.#clock = ports.clock;
    this.#listener = ports.listener;
    this.#options = options;
    this.#queue = new CallbackQueue(cursor, {
      read: ports.read,
      unreadable: (error) => {
        this.#listener.failed(error);
        return this.#pause(options.retryMs.at(-1) ?? 0);
      },
      advanced: (number) => this.#listener.advanced(this.#subscription, number),
    });
    this.#interest = newInterest(subscription.events, options.derivesOpens);
    const self = `${options.hubUrl}/${encodeURIComponent(subscription.spelling?.topic ?? topic)}`;
    this.#link = `<${options.hubUrl}>; rel="hub", <${self}>; rel="self"`;
    this.#owed = new OwedAnswer(ports.clock, options.answerMs, {
      selected: (delivery) => selected(this.#interest, delivery)[0],
      delayed: (about) => this.#listener.delayed(this.#subscription, about, this.#followed),
      unanswered: (about) => {
        const news = { misses: 0, due: false, followed: this.#followed };
        this.#listener.unanswered(this.#subscription, about, news);
      },
    });
  }

  get subscription(): Subscription {
    return this.#subscription;
  }

  /** Number of the last event that is done with. */
  get doneUpTo(): number {
    return this.#queue.doneUpTo;
  }

  /** Takes over a renewed subscription (SUB-6). */
  grant(subscription: Subscription): void {
    this.#subscription = subscription;
    this.#interest = regranted(this.#interest, subscription.events);
  }

  /** Sends what comes before everything else: standing opens that the subscriber has not been sent (SUB-8). */
  begin(standing: readonly Delivery[]): void {
    this.#queue.addFirst(standing);
    const last = standing.at(-1);
    if (last) this.#owe(last);
    this.#lookForReplacement();
    this.#start();
  }

  /** Takes an event that was just accepted. */
  offer(delivery: Delivery): void {
    this.#owe(delivery);
    this.#queue.add(delivery);
    if (this.#failing && this.#isOvertakenBy(delivery, this.#failing)) this.#lookForReplacement();
    this.#start();
  }

  /** Delivers again unless the event was acknowledged with 2xx, or is still to be delivered (PUB-7). */
  redeliver(delivery: Delivery): void {
    if (!this.#unacknowledged.delete(delivery.id)) return;
    this.#queue.addFirst([delivery]);
    this.#start();
  }

  /** The log may hold events that were not offered. */
  catchUp(): void {
    this.#queue.catchUp();
    this.#lookForReplacement();
    this.#start();
  }

  /**
   * The log has lost something, and may have others there now (SUB-11).
   * @param lostAfter number after which what it was sent may be lost
   * @param after number after which the log goes on for it
   * @param first what makes right the screen of a subscriber that was sent what is lost; it is sent before what the log has now
   */
  goBack(lostAfter: number, after: number, first: readonly Delivery[]): void {
    if (this.#failing && this.#failing.number > lostAfter) this.#failing.isUndone = true;
    this.#owed.settleAfter(lostAfter);
    if (this.#followed > lostAfter) this.#followed = 0;
    this.#queue.goBack(lostAfter, after, first);
    this.catchUp();
  }

  /** Sends these once it has been sent everything up to a number, in the place of others that it was to be sent so. */
  sendAfter(number: number, events: readonly Delivery[]): void {
    this.#queue.addAfter(number, events);
    this.#start();
  }

  /** How often the log has lost something. */
  get returns(): number {
    return this.#queue.returns;
  }

  /** A context change is to be answered from now on, however long it waits behind other events. */
  #owe(delivery: Delivery): void {
    const { name, except, keepsCurrent } = delivery;
    if (this.#ended || keepsCurrent || !changesContext(name) || except === this.#subscription.id) return;
    this.#owed.owe(delivery);
  }

  /** Stops at once; what is under way is not tried again. */
  end(): void {
    this.#ended = true;
    this.#queue.end();
    this.#owed.settle();
    this.#endPause();
  }

  /** Ends the wait for the next attempt, where the event may have been replaced meanwhile. */
  #lookForReplacement(): void {
    if (!this.#failing) return;
    this.#news = true;
    this.#endPause();
  }

  #endPause(): void {
    this.#cancelRetry?.();
    this.#wake?.();
  }

  #start(): void {
    if (this.#running || this.#ended) return;
    this.#running = true;
    this.#run()
      .catch((error: unknown) => this.#listener.failed(error))
      .then(() => {
        this.#running = false;
        // Something may have been offered while the last look found nothing.
        if (this.#queue.hasMore) this.#start();
      });
  }

  async #run(): Promise<void> {
    for (let next = await this.#queue.next(); next; next = await this.#queue.next()) {
      const { returns } = this.#queue;
      await this.#serve(next);
      if (!this.#ended) this.#queue.done(next, returns);
    }
  }

  async #serve(delivery: Delivery): Promise<void> {
    if (delivery.except === this.#subscription.id) return;
    for (const event of selected(this.#interest, delivery)) {
      this.#owe(delivery);
      this.#owed.called(delivery, event);
      this.#interest = afterSending(this.#interest, event, delivery);
      const failing: Failing = { event, number: delivery.number };
      if ((await this.#deliver(failing, delivery)) === 'replaced') return;
    }
    this.#owed.settle(delivery.number);
  }

  async #deliver(delivered: Failing, original: Delivery): Promise<'replaced' | undefined> {
    const { event } = delivered;
    const about = original.awaitedAs(event.id, runningTime(this.#clock));
    let told = false;
    let isLastAttempt = false;
    for (const wait of [undefined, ...this.#options.retryMs]) {
      if (isLastAttempt) break;
      if (wait !== undefined && (await this.#isOvertakenWithin(wait, delivered))) {
        if (changesContext(event.name) || delivered.isUndone) {
          this.#remember(original.id);
          return 'replaced';
        }
        isLastAttempt = true;
      }
      // The end of the lease is the end, though it may not have been acted on yet (SUB-5).
      const until = this.#subscription.expiresAt + pausedFor(this.#clock);
      if (this.#ended || until <= this.#clock.now()) return undefined;
      if (wait === undefined) {
        this.#listener.delivered(this.#subscription, event.id, event.name, original.keepsCurrent, this.#clock.now());
      }
      const status = await this.#post(event);
      delivered.status = status;
      if (this.#ended) return undefined;
      if (!isTransient(status)) {
        this.#misses = 0;
        this.#failures = 0;
        this.#interest = afterSending(this.#interest, event, original);
        if (outcomeOf(status) !== 'followed') this.#remember(original.id);
        else if (hasChangedContext(about)) this.#followed = Math.max(this.#followed, about.number);
        this.#answered(about, status);
        return undefined;
      }
      this.#failures += 1;
      this.#interest = afterFailing(this.#interest, event);
      // WEB-3: it is reported to the others at the first failure.
      if (!told) this.#answered(about, status);
      told = true;
    }
    this.#misses += 1;
    this.#remember(original.id);
    this.#listener.gaveUp(this.#subscription, about, this.#misses);
    return undefined;
  }

  /** Waits before the next attempt. @returns true, at once, where a newer event does not wait for this one (WEB-3) */
  async #isOvertakenWithin(ms: number, failing: Failing): Promise<boolean> {
    const until = runningTime(this.#clock) + ms;
    this.#failing = failing;
    try {
      while (!this.#ended) {
        this.#news = false;
        if (await this.#isOvertaken(failing)) return true;
        const left = until - runningTime(this.#clock);
        if (left <= 0) return false;
        if (!this.#news && !this.#ended) await this.#pause(left);
      }
      return false;
    } finally {
      this.#failing = undefined;
    }
  }

  async #isOvertaken(failing: Failing): Promise<boolean> {
    if (this.#isUndone(failing)) return true;
    try {
      const isNewer = (newer: Delivery): boolean => this.#isOvertakenBy(newer, failing);
      return (await this.#queue.some(failing.number, isNewer)) || this.#isUndone(failing);
    } catch (error) {
      this.#listener.failed(error);
      return false;
    }
  }

  #isUndone({ isUndone = false }: Failing): boolean {
    return isUndone;
  }

  /**
   * Whether a newer event replaces this one, or is a context change that would wait for something else that the callback cannot
   * process (WEB-3).
   */
  #isOvertakenBy(newer: Delivery, { event, number, status }: Failing): boolean {
    if (newer.number <= number || newer.except === this.#subscription.id) return false;
    const isOvertaking = changesContext(event.name)
      ? (one: Sendable) => replaces(one, event)
      : (one: Sendable) => isOfThisEvent(status) && changesContext(one.name);
    return selected(this.#interest, newer).some(isOvertaking);
  }

  #answered(about: Awaited, status: number): void {
    if (hasChangedContext(about)) this.#owed.settle(about.number);
    const outcome = outcomeOf(status);
    this.#listener.answered(this.#subscription, {
      eventId: about.id,
      status,
      outcome,
      about,
      followed: this.#followed,
    });
  }

  #remember(eventId: string): void {
    this.#unacknowledged.add(eventId);
    if (this.#unacknowledged.size > MAX_UNACKNOWLEDGED) {
      const [oldest = ''] = this.#unacknowledged;
      this.#unacknowledged.delete(oldest);
    }
  }

  async #post(event: Sendable): Promise<number> {
    const { callback = '', secret, spelling = this.#options.spelling } = this.#subscription;
    const bytes = bytesOf(event, spelling);
    const headers = eventHeaders(bytes, this.#link, secret);
    return (await this.#callbacks.post(callback, bytes, headers, this.#failures)).status;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#cancelRetry = this.#clock.after(ms, resolve);
    });
  }
}
