import type { Waits } from './target/subscriber.ts';

/** A round trip to a Hub of normal speed on a machine that is not busy, ms. */
const NORMAL = 100;
/** Round trips that are remembered. */
const RECENT = 24;
const MOST = 8;
/** How often the suite looks at how late its own timers are, ms. */
const TICK = 100;

/**
 * The waiting times of a run. They grow with the round trips that are measured while it goes on: beside busy programs the Hub
 * answers late, and so does the suite itself. They never get shorter than what the options say.
 */
export class Pace implements Waits {
  readonly #base: Waits;
  readonly #recent: number[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(base: Waits) {
    this.#base = base;
    let last = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      const late = now - last - TICK;
      last = now;
      if (late > NORMAL) this.saw(late);
    }, TICK);
    this.#timer.unref();
  }

  /** Takes a measured round trip into account, ms. */
  saw(roundTripMs: number): void {
    this.#recent.push(roundTripMs);
    if (this.#recent.length > RECENT) this.#recent.shift();
  }

  /** How many times slower than normal the slow ones of the last round trips were: 1 to 8. */
  get factor(): number {
    const sorted = [...this.#recent].sort((a, b) => a - b);
    const slow = sorted[Math.floor(sorted.length * 0.9)] ?? 0;
    return Math.min(MOST, Math.max(1, slow / NORMAL));
  }

  get timeoutMs(): number {
    return this.#base.timeoutMs * this.factor;
  }

  get settleMs(): number {
    return this.#base.settleMs * Math.min(3, this.factor);
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
