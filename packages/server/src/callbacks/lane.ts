import type { Clock } from '@lockstep/hub';

export interface LaneOptions {
  /** Jobs under way at once. */
  readonly width: number;
  /** Jobs begun in a second, at most; without it they begin as places get free. */
  readonly perSecond?: number;
  /** ms after which a job that is still under way gives its place to another, up to as many as the lane is wide. */
  readonly patienceMs?: number;
}

/** ms of the windows in which begun jobs are counted. */
const WINDOW = 100;

/** First in, first out, without moving what is behind. */
class Queue<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head > 32 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}

/** Lets a number of jobs run at once; the others wait their turn, lower ranks first. */
export class Lane {
  readonly #clock: Clock;
  readonly #width: number;
  readonly #perWindow: number;
  readonly #patienceMs: number | undefined;
  /** By rank. */
  readonly #waiting: Queue<() => void>[] = [];
  #queued = 0;
  #running = 0;
  /** Jobs that gave up their place and are still running. */
  #slow = 0;
  #windowEnds = 0;
  #begun = 0;
  #scheduled = false;

  constructor(clock: Clock, { width, perSecond, patienceMs }: LaneOptions) {
    this.#clock = clock;
    this.#width = width;
    this.#perWindow =
      perSecond === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.round((perSecond * WINDOW) / 1000));
    this.#patienceMs = patienceMs;
  }

  /** Nothing runs and nothing waits. */
  get idle(): boolean {
    return this.#running === 0 && this.#slow === 0 && this.#queued === 0;
  }

  /** @param rank a small whole number; 0 goes first */
  async run<T>(job: () => Promise<T>, rank = 0): Promise<T> {
    if (this.#queued > 0 || !this.#begin()) await this.#turn(rank);
    let slow = false;
    const cancel =
      this.#patienceMs === undefined
        ? undefined
        : this.#clock.after(this.#patienceMs, () => {
            if (this.#slow >= this.#width) return;
            slow = true;
            this.#slow += 1;
            this.#leave();
          });
    try {
      return await job();
    } finally {
      cancel?.();
      if (slow) this.#slow -= 1;
      else this.#leave();
    }
  }

  #turn(rank: number): Promise<void> {
    this.#queued += 1;
    const queue = this.#waiting[rank] ?? new Queue();
    this.#waiting[rank] = queue;
    return new Promise((resolve) => queue.push(resolve));
  }

  /** Takes a place, if one is free and this window lets another job begin. */
  #begin(): boolean {
    if (this.#running >= this.#width) return false;
    if (this.#perWindow !== Number.POSITIVE_INFINITY && !this.#inWindow()) return false;
    this.#running += 1;
    return true;
  }

  #inWindow(): boolean {
    const now = this.#clock.now();
    if (now >= this.#windowEnds) {
      this.#windowEnds = now + WINDOW;
      this.#begun = 0;
    }
    if (this.#begun < this.#perWindow) {
      this.#begun += 1;
      return true;
    }
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#clock.after(this.#windowEnds - now, () => {
        this.#scheduled = false;
        this.#next();
      });
    }
    return false;
  }

  #leave(): void {
    this.#running -= 1;
    this.#next();
  }

  #next(): void {
    while (this.#queued > 0 && this.#begin()) {
      this.#queued -= 1;
      // A rank that has not been used yet is a hole in the list.
      const queue = this.#waiting.find((one) => one !== undefined && one.size > 0);
      queue?.shift()?.();
    }
  }
}
