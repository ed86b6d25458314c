import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock, Ids } from '@lockstep/hub';
import { ProcessTime } from './process-time.ts';

/** Longest delay that a Node timer takes; longer ones are cut into several. */
const MAX_DELAY = 2_147_483_647;

/** The wall clock of the machine, also while `Date.now` goes by another time. */
export const wallClock = Date.now.bind(Date);

/** What has passed for this process. */
export const processTime = new ProcessTime();
processTime.start();

/** A time that a process goes by in the place of its machine's. Both are ms since the epoch. */
export interface OtherTime {
  /** What this server has made ends by it. */
  now(): number;
  /** What others have made is judged by it: their tokens, assertions and proofs. */
  wall(): number;
}

const MACHINE: OtherTime = { now: wallClock, wall: wallClock };

/** The times that this process was told to go by and that have not ended; the last one counts. */
const times = [MACHINE];

/** The clock of this process. Its timers keep no process alive. */
export const systemClock: Clock & { wall(): number } = {
  now: () => Date.now(),
  wall: () => (times.at(-1) ?? MACHINE).wall(),
  running: () => processTime.running,
  paused: () => processTime.paused,
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
 * Makes this process go by another time than the machine's: `Date.now`, and with it every expiry here and in the libraries that
 * tokens are checked with. Nodes that share a store agree on what has expired, whatever their clocks say.
 * @returns what ends it
 */
export function goBy(time: OtherTime): () => void {
  times.push(time);
  Date.now = () => (times.at(-1) ?? MACHINE).now();
  return () => {
    times.splice(times.lastIndexOf(time), 1);
  };
}

/** Randomness from the operating system: UUIDs of 122 bits, endpoints of 192. */
export const systemIds: Ids = {
  uuid: () => randomUUID(),
  secret: () => randomBytes(24).toString('base64url'),
};
