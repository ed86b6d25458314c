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
  readonly #slowness: number;
  readonly #recent: number[] = [];
  readonly #timer: NodeJS.Timeout;

  /**
   * @param base the waiting times of the options
   * @param slowness how many times slower than a good one the target is said to be; the waiting times are for a good one
   */
  constructor(base: Waits, slowness = 1) {
    this.#base = base;
    this.#slowness = slowness;
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

  /** How many times longer than on a machine that is not busy anything may take that has to come. */
  get patience(): number {
    return this.#slowness * this.factor;
  }

  get timeoutMs(): number {
    return this.#base.timeoutMs * this.patience;
  }

  get settleMs(): number {
    return this.#base.settleMs * this.#slowness * Math.min(3, this.factor);
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
