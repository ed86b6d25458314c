import { type Clock, runningTime } from '../ports.ts';
import type { Background } from './background.ts';

/** ms that a process may stand still without anybody noticing. */
const PAUSE = 1000;
/** ms by which a pause delays the end of something at most: a clock that jumped by hours is no pause of hours. */
const LONGEST_DELAY = 30_000;

/**
 * The time at which something happens next by itself. After a pause of the process it comes later: who waits to come back or to be
 * read gets as much time as the process stood still (ERR-4).
 */
export class Deadline {
  readonly #clock: Clock;
  readonly #background: Background;
  readonly #passed: () => void;
  #set: { readonly at: number; readonly cancel: () => void } | undefined;

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
    if (at === undefined) return;
    const ms = at - this.#clock.now();
    if (ms <= 0) this.#passed();
    else this.#wait(at, ms);
  }

  #wait(at: number, ms: number): void {
    const [now, ran] = [this.#clock.now(), runningTime(this.#clock)];
    const cancel = this.#background.after(ms, () => {
      const stood = this.#clock.now() - now - (runningTime(this.#clock) - ran);
      if (stood > PAUSE) return this.#wait(at, Math.min(stood, LONGEST_DELAY));
      this.#set = undefined;
      this.#passed();
    });
    this.#set = { at, cancel };
  }
}
