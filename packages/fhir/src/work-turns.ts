/** Turns for FHIR requests, so that a flood of them delays nothing else by more than one slice of work. */
import { NotBegun } from './refusal.ts';

/** How many requests are worked on, and how many may wait. */
export interface WorkLimits {
  /** Requests of one caller that are worked on at once; more of them wait. */
  readonly perCaller: number;
  /** Requests of all callers that are worked on at once. */
  readonly overall: number;
  /** Requests of one caller that may wait; and characters of their bodies. */
  readonly waiting: number;
  readonly waitingSize: number;
  /** The same for all callers together. */
  readonly waitingOverall: number;
  readonly waitingSizeOverall: number;
}

/** For requests that are answered from a store of our own: more at once would not be answered sooner. */
export const STORE_WORK: WorkLimits = {
  perCaller: 4,
  overall: 16,
  waiting: 400,
  waitingSize: 8 * 1024 * 1024,
  waitingOverall: 2_000,
  waitingSizeOverall: 32 * 1024 * 1024,
};

/** For requests that another server answers: most of their time they wait for it. */
export const FORWARDED_WORK: WorkLimits = { ...STORE_WORK, perCaller: 64, overall: 256 };

interface Waiting {
  readonly size: number;
  readonly begin: () => void;
}

interface Lane {
  running: number;
  waitingSize: number;
  readonly waiting: Waiting[];
}

/**
 * Bounds the work for FHIR requests (CWE-400): only so many are worked on at once, each caller has its turn, and of their work one
 * slice is done in each turn of the event loop. Whatever else came, events before all, is read between two slices.
 */
export class WorkTurns {
  readonly #limits: WorkLimits;
  /** By caller; whose turn is next comes first. */
  readonly #lanes = new Map<string, Lane>();
  #running = 0;
  #waiting = 0;
  #waitingSize = 0;
  readonly #slices: (() => void)[] = [];
  #isTaken = false;

  constructor(limits: WorkLimits = STORE_WORK) {
    this.#limits = limits;
  }

  /**
   * Does a request's work when it is its turn.
   * @param caller whose request it is @param size characters of its body, which are kept while it waits
   * @throws NotBegun 429 when too many requests of the caller wait, 503 when too many of all callers do
   */
  async run<T>(caller: string, size: number, work: () => Promise<T>): Promise<T> {
    const lane = await this.#enter(caller, size);
    try {
      await this.slice();
      return await work();
    } finally {
      lane.running -= 1;
      this.#running -= 1;
      this.#beginNext();
      if (lane.running === 0 && lane.waiting.length === 0) this.#lanes.delete(caller);
    }
  }

  /** Waits for the next slice: to be asked for between two pieces of work that take a millisecond or two each. */
  slice(): Promise<void> {
    if (!this.#isTaken) {
      this.#take();
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#slices.push(resolve));
  }

  #take(): void {
    this.#isTaken = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#isTaken = false;
    const next = this.#slices.shift();
    if (!next) return;
    this.#take();
    next();
  };

  async #enter(caller: string, size: number): Promise<Lane> {
    const lane = this.#lanes.get(caller) ?? { running: 0, waitingSize: 0, waiting: [] };
    const { perCaller, overall, waiting, waitingSize, waitingOverall, waitingSizeOverall } = this.#limits;
    if (lane.waiting.length === 0 && lane.running < perCaller && this.#running < overall) {
      this.#lanes.set(caller, lane);
      this.#begin(lane);
      return lane;
    }
    if (lane.waiting.length >= waiting || lane.waitingSize + size > waitingSize) {
      const headers = { 'retry-after': '1' };
      throw new NotBegun(429, 'throttled', 'Too many requests of this client wait for their turn.', headers);
    }
    if (this.#waiting >= waitingOverall || this.#waitingSize + size > waitingSizeOverall) {
      throw new NotBegun(503, 'transient', 'Too many requests wait for their turn.', { 'retry-after': '1' });
    }
    this.#lanes.set(caller, lane);
    await new Promise<void>((begin) => {
      lane.waiting.push({ size, begin });
      this.#count(lane, 1, size);
    });
    return lane;
  }

  #begin(lane: Lane): void {
    lane.running += 1;
    this.#running += 1;
  }

  #count(lane: Lane, requests: number, size: number): void {
    this.#waiting += requests;
    this.#waitingSize += size;
    lane.waitingSize += size;
  }

  /** Begins what waits, one request of each caller after the other. */
  #beginNext(): void {
    const { perCaller, overall } = this.#limits;
    for (const [caller, lane] of this.#lanes) {
      if (this.#running >= overall) return;
      if (lane.running >= perCaller) continue;
      const next = lane.waiting.shift();
      if (!next) continue;
      // Comes to its turn again after all others, in this loop too.
      this.#lanes.delete(caller);
      this.#lanes.set(caller, lane);
      this.#count(lane, -1, -next.size);
      this.#begin(lane);
      next.begin();
    }
  }
}
