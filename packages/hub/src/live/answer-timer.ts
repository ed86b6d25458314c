import { type Clock, runningTime } from '../ports.ts';

/** Who waits for an answer. */
export interface Waiting {
  /** When the answer is due next, ms of running time; undefined where none is waited for. */
  readonly due: number | undefined;
  /** The time has come. */
  expire(): void;
}

/** One timer for the answers that all subscribers of a session owe: nearly all of them come before it fires. */
export class AnswerTimer {
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #set: { readonly at: number; readonly cancel: () => void } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Calls `expire` once what `one` waits for is due.
   * @param from the earliest time at which what it waits for in addition may be due, ms of running time
   */
  wait(one: Waiting, from = 0): void {
    if (this.#set && this.#set.at <= from) {
      this.#waiting.add(one);
      return;
    }
    const at = one.due;
    if (at === undefined) return;
    this.#waiting.add(one);
    if (this.#set && this.#set.at <= at) return;
    this.#set?.cancel();
    const cancel = this.#clock.after(Math.max(0, at - runningTime(this.#clock)), () => this.#fire());
    this.#set = { at, cancel };
  }

  /** `one` waits no more. */
  forget(one: Waiting): void {
    if (!this.#waiting.delete(one) || this.#waiting.size > 0) return;
    this.#set?.cancel();
    this.#set = undefined;
  }

  #fire(): void {
    this.#set = undefined;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    const now = runningTime(this.#clock);
    for (const one of waiting) {
      const { due } = one;
      if (due !== undefined && due <= now) one.expire();
    }
    for (const one of waiting) this.wait(one);
  }
}
