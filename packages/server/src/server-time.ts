import type { ProcessTime } from './process-time.ts';

/** How much faster or slower than it passes the time may be, to come back to a wall clock that was set. */
const RATE = 0.01;

/**
 * The time of a server that shares it with nobody. It passes as it does in the world: what is to end in an hour ends in an hour,
 * also where the machine's wall clock is set meanwhile. It begins with the wall clock. Where that was set, the time comes back to it
 * by one second in a hundred, so that a later start finds them together again.
 */
export class ServerTime {
  readonly #process: Pick<ProcessTime, 'passed'>;
  readonly #wall: () => number;
  #seen: number;
  #now: number;

  /**
   * @param process what has passed, suspensions of the machine included
   * @param wall ms since the epoch, by the clock that people and NTP set
   */
  constructor(process: Pick<ProcessTime, 'passed'>, wall: () => number) {
    this.#process = process;
    this.#wall = wall;
    this.#seen = process.passed;
    this.#now = wall();
  }

  /** ms since the epoch. It never goes back. */
  now(): number {
    const { passed } = this.#process;
    const went = passed - this.#seen;
    this.#seen = passed;
    this.#now += went;
    const most = went * RATE;
    this.#now += Math.max(-most, Math.min(most, this.#wall() - this.#now));
    return Math.floor(this.#now);
  }

  /** ms that the wall clock is ahead; negative where it is behind. */
  skew(): number {
    return this.#wall() - this.now();
  }
}
