import { type Clock, pausedFor } from '../ports.ts';
import type { Background } from './background.ts';

/** ms between two looks at the clock at most: timers stand still while the machine is suspended, and the clock goes on. */
const LOOK = 60_000;

/**
 * The time at which something happens next by itself. For a minute after a pause of the process it comes as much later as the
 * process stood still: who waits to come back or to be read has that minute (ERR-4).
 */
export class Deadline {
  readonly #clock: Clock;
  readonly #background: Background;
  readonly #passed: () => void;
  #set: { readonly at: number; cancel: () => void } | undefined;

  /** @param passed called once the time has come */
  constructor(clock: Clock, background: Background, passed: () => void) {
    this.#clock = clock;
    this.#background = background;
    this.#passed = passed;
  }

  get isSet(): boolean {
    return this.#set !== undefined;
  }

  /** @param at ms since the epoch; undefined for never */
  set(at: number | undefined): void {
    if (at === this.#set?.at) return;
    this.#set?.cancel();
    this.#set = undefined;
    if (at !== undefined) this.#look(at);
  }

  #look(at: number): void {
    const left = at + pausedFor(this.#clock) - this.#clock.now();
    if (left > 0) {
      this.#set = { at, cancel: this.#background.after(Math.min(left, LOOK), () => this.#look(at)) };
      return;
    }
    this.#set = undefined;
    this.#passed();
  }
}
