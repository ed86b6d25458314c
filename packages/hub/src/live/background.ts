import { StoreUnavailable } from '@lockstep/store';
import type { Clock } from '../ports.ts';

/** Timers, and work that no request waits for: both end with the Hub. */
export class Background {
  readonly #clock: Clock;
  readonly #failed: (error: unknown) => void;
  readonly #timers = new Set<() => void>();
  readonly #ends: (() => void)[] = [];
  #stopping = false;

  /** @param failed is given what went wrong other than that the store could not be reached */
  constructor(clock: Clock, failed: (error: unknown) => void = () => undefined) {
    this.#clock = clock;
    this.#failed = failed;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  stop(): void {
    this.#stopping = true;
    for (const end of this.#ends) end();
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  /** @param end called when the Hub stops */
  onStop(end: () => void): void {
    this.#ends.push(end);
  }

  /** Calls back once after `ms`, unless the Hub stops before. @returns what cancels it */
  after(ms: number, run: () => void): () => void {
    const cancel = this.#clock.after(Math.max(0, ms), () => {
      this.#timers.delete(cancel);
      if (!this.#stopping) run();
    });
    this.#timers.add(cancel);
    return () => {
      this.#timers.delete(cancel);
      cancel();
    };
  }

  every(ms: number, run: () => void): void {
    this.after(ms, () => {
      run();
      this.every(ms, run);
    });
  }

  /** Does the work, and does it again for as long as the store cannot be reached. */
  later(work: () => Promise<unknown>): void {
    work().catch((error: unknown) => {
      if (error instanceof StoreUnavailable) this.after(error.retryAfterSeconds * 1000, () => this.later(work));
      else this.#failed(error);
    });
  }

  failed(error: unknown): void {
    this.#failed(error);
  }
}
