import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock, Ids } from '@lockstep/hub';

/** Longest delay that a Node timer takes; longer ones are cut into several. */
const MAX_DELAY = 2_147_483_647;

/** ms between two looks at the time. */
const BEAT = 500;
/** ms without a look after which the process stood still: longer than any work at a stretch. */
const STANDSTILL = 2000;

/** How long a process has run: what it stood still for, as a look at the time too late shows, is left out. */
export class RunningTime {
  readonly #monotonic: () => number;
  #seen: number;
  #stood = 0;

  /** @param monotonic ms of a clock that is never set */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
    this.#seen = monotonic();
  }

  /** ms. To be asked at least every `BEAT`. */
  get ms(): number {
    const now = this.#monotonic();
    const gap = now - this.#seen;
    if (gap > STANDSTILL) this.#stood += gap - BEAT;
    this.#seen = now;
    return now - this.#stood;
  }
}

const runningTime = new RunningTime(() => performance.now());
setInterval(() => runningTime.ms, BEAT).unref();

/** The machine's own clock. Its timers keep no process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  running: () => runningTime.ms,
  after(ms, run) {
    if (ms <= MAX_DELAY) {
      const timer = setTimeout(run, Math.max(0, ms)).unref();
      return () => clearTimeout(timer);
    }
    let cancel = this.after(MAX_DELAY, () => {
      cancel = this.after(ms - MAX_DELAY, run);
    });
    return () => cancel();
  },
};

/**
 * Makes this process go by another clock than the machine's: `Date.now`, and with it every expiry here and in the libraries that
 * tokens and client assertions are checked with. Nodes that share a store agree on what has expired, whatever their clocks say.
 * @param now ms since the epoch
 * @returns what ends it
 */
export function goBy(now: () => number): () => void {
  const own = Date.now;
  Date.now = now;
  return () => {
    Date.now = own;
  };
}

/** Randomness from the operating system: UUIDs of 122 bits, endpoints of 192. */
export const systemIds: Ids = {
  uuid: () => randomUUID(),
  secret: () => randomBytes(24).toString('base64url'),
};
