/**
 * What others have made is judged by the wall clock, since they share no other one. Where it was set, what was made just now is good by
 * the time of before as well: one of them is right, and which it is nobody can tell.
 */
import type { Clock } from './ports.ts';

type Times = Pick<Clock, 'now' | 'wall'>;

/** ms by which the two times differ once the wall clock was set. */
const SET = 1000;

/** The time by which tokens of other issuers are judged, ms since the epoch. */
export function wallTime(clock: Times): number {
  return clock.wall?.() ?? clock.now();
}

/** The times by which proofs are judged that somebody has made just now, ms since the epoch: it is enough that one of them fits. */
export function proofTimes(clock: Times): readonly number[] {
  const [now, wall] = [clock.now(), wallTime(clock)];
  return Math.abs(wall - now) < SET ? [wall] : [wall, now];
}

/** A time of the wall clock as one of `now`, ms since the epoch. */
export function fromWall(clock: Times, at: number): number {
  return at - wallTime(clock) + clock.now();
}

/** When a time that somebody has said is over by both times, as a time of `now`, ms since the epoch. */
export function overByBoth(clock: Times, at: number): number {
  return Math.max(at, fromWall(clock, at));
}

/** A life by `now`, s since the epoch, as it is told to others: by neither time it begins later, or ends before. */
export function toldLife(clock: Times, life: { iat: number; exp: number }): { iat: number; exp: number } {
  const ahead = Math.round((wallTime(clock) - clock.now()) / 1000);
  return { iat: life.iat + Math.min(0, ahead), exp: life.exp + Math.max(0, ahead) };
}
