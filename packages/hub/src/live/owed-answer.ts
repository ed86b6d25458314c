import { type Clock, runningTime } from '../ports.ts';
import { type Awaited, SLOW_ANSWER } from '../rules/conversation.ts';
import type { Delivery, Sendable } from './delivery.ts';

/** Who is told that the answer does not come. */
export interface OwedAnswerListener {
  /** What the callback will be called with for the event, if with anything. */
  selected(delivery: Delivery): Sendable | undefined;
  /** The answer is not there yet. */
  delayed(about: Awaited): void;
  /** The time for the answer has passed. */
  unanswered(about: Awaited): void;
}

/**
 * The answer that a callback owes to the last context change, however long that waits behind other events: until it comes, what is shown
 * there is not known (ERR-8).
 */
export class OwedAnswer {
  readonly #clock: Clock;
  readonly #answerMs: number;
  readonly #listener: OwedAnswerListener;
  #owed: { readonly delivery: Delivery; readonly since: number; called?: Sendable } | undefined;
  #cancel: (() => void) | undefined;

  /** @param answerMs ms after which a context change that is not answered counts as not followed */
  constructor(clock: Clock, answerMs: number, listener: OwedAnswerListener) {
    this.#clock = clock;
    this.#answerMs = answerMs;
    this.#listener = listener;
  }

  /** A context change is to be answered from now on. A newer one is asked about instead of an older one. */
  owe(delivery: Delivery): void {
    if (this.#owed && this.#owed.delivery.number >= delivery.number) return;
    this.settle();
    this.#owed = { delivery, since: runningTime(this.#clock) };
    this.#cancel = this.#clock.after(SLOW_ANSWER, () => {
      this.#cancel = this.#clock.after(Math.max(0, this.#answerMs - SLOW_ANSWER), () => {
        const missed = this.#about;
        this.settle();
        if (missed) this.#listener.unanswered(missed);
      });
      const late = this.#about;
      if (late) this.#listener.delayed(late);
    });
  }

  /** The callback is called with this for the event, which may be an open derived from it. */
  called(delivery: Delivery, event: Sendable): void {
    if (this.#owed?.delivery.number === delivery.number) this.#owed.called = event;
  }

  /** It is answered, or will not be, where it is about an event with this number or a lower one. */
  settle(upTo = Number.POSITIVE_INFINITY): void {
    if (!this.#owed || this.#owed.delivery.number > upTo) return;
    this.#owed = undefined;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** The same where the log has lost what came after a number. */
  settleAfter(number: number): void {
    if (this.#owed && this.#owed.delivery.number > number) this.settle();
  }

  /** What is not answered yet; undefined where the callback will not be called with it. */
  get #about(): Awaited | undefined {
    if (!this.#owed) return undefined;
    const { delivery, since, called = this.#listener.selected(delivery) } = this.#owed;
    return called && delivery.awaitedAs(called.id, since);
  }
}
