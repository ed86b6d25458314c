import type { Clock } from '../src/ports.ts';

/** Time that passes when a test says so. */
export class ManualClock implements Clock {
  #now: number;
  /** ms that the process stood still. */
  #stood = 0;
  #pauses: { readonly ms: number; readonly until: number }[] = [];
  readonly #timers = new Set<{ at: number; run: () => void }>();

  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Lets time pass; what is due on the way runs in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.run();
    }
    this.#now = end;
  }

  /** What the process has run for. */
  running(): number {
    return this.#now - this.#stood;
  }

  /** The process stands still: time passes, and what was due on the way runs when it goes on. */
  pause(ms: number): void {
    this.#now += ms;
    this.#stood += ms;
    this.#pauses.push({ ms, until: this.#now + 60_000 });
    this.advance(0);
  }

  /** What it stood still for within the last minute. */
  paused(): number {
    this.#pauses = this.#pauses.filter(({ until }) => until > this.#now);
    return this.#pauses.reduce((sum, { ms }) => sum + ms, 0);
  }

  get timers(): number {
    return this.#timers.size;
  }
}
