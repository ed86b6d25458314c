/** Requests a second and caller, over all doors and all nodes. */
import type { SessionStore } from '@lockstep/store';

/** Where nodes announce to each other what their callers took; no session has this name. */
const CHANNEL = 'lockstep:limits';
/** ms between two such notices. */
const SHARE_EVERY = 500;
/** Callers in a notice: those who took most. */
const MOST_TOLD = 1000;

/** What a caller took, and its rate as a multiple of the limiter's. */
type Taken = readonly [caller: string, requests: number, times: number];

interface Bucket {
  /** Its rate as a multiple of the limiter's. */
  readonly times: number;
  tokens: number;
  at: number;
  /** Taken here since the last notice. */
  taken: number;
}

/**
 * A token bucket for each caller: `perSecond` requests in the long run, twice that in a burst. Buckets that are full again
 * are forgotten, so that memory follows the callers at work.
 */
export class Limiter {
  readonly #perSecond: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();
  #sweptAt = 0;

  /** @param perSecond 0 allows everything @param now ms since the epoch */
  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond;
    this.#now = now;
  }

  /**
   * Takes one request of this caller.
   * @param times its rate as a multiple of `perSecond`
   * @returns false when it has to wait
   */
  take(caller: string, times = 1): boolean {
    if (this.#perSecond === 0) return true;
    const bucket = this.#bucket(caller, times);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    bucket.taken += 1;
    return true;
  }

  /** Whether this caller would have to wait now. Takes nothing. */
  isSpent(caller: string): boolean {
    const bucket = this.#buckets.get(caller);
    return bucket !== undefined && this.#perSecond > 0 && this.#bucket(caller, bucket.times).tokens < 1;
  }

  /** The caller's bucket, with what has come in since it was last looked at. */
  #bucket(caller: string, times: number): Bucket {
    const now = this.#now();
    const rate = this.#perSecond * times;
    let bucket = this.#buckets.get(caller);
    if (!bucket) {
      this.#sweep(now);
      bucket = { times, tokens: Math.max(1, rate * 2), at: now, taken: 0 };
      this.#buckets.set(caller, bucket);
    }
    bucket.tokens = Math.min(Math.max(1, rate * 2), bucket.tokens + ((now - bucket.at) / 1000) * rate);
    bucket.at = now;
    return bucket;
  }

  #sweep(now: number): void {
    if (now - this.#sweptAt < 10_000) return;
    this.#sweptAt = now;
    for (const [caller, { at, tokens }] of this.#buckets) {
      if (now - at > 2000 && tokens >= 0) this.#buckets.delete(caller);
    }
  }

  /** What callers took here since this was last asked, those who took more than a tenth of a second's share. */
  takenHere(): readonly Taken[] {
    const taken: Taken[] = [];
    for (const [caller, bucket] of this.#buckets) {
      if (bucket.taken > this.#perSecond / 10) taken.push([caller, bucket.taken, bucket.times]);
      bucket.taken = 0;
    }
    return taken.sort(([, a], [, b]) => b - a).slice(0, MOST_TOLD);
  }

  /** Another node has let these requests through; what that is too much is waited for here. */
  takenElsewhere(caller: string, requests: number, times = 1): void {
    const bucket = this.#bucket(caller, times);
    // At most as much as a second brings: a node that was cut off must not shut a caller out.
    bucket.tokens = Math.max(-this.#perSecond * times, bucket.tokens - requests);
  }
}

/**
 * Lets nodes that share a store count together. A caller that goes to all of N nodes at once gets up to N bursts in the first
 * half second, and its rate from then on.
 * @returns ends it
 */
export function shareLimits(
  limiter: Limiter,
  sessions: Pick<SessionStore, 'announce' | 'listen' | 'watch'>,
  clock: { after(ms: number, run: () => void): () => void },
  failed: (error: unknown) => void,
): () => void {
  const listening = sessions.listen(CHANNEL);
  const endWatch = sessions.watch((notice) => {
    if (notice.kind !== 'announcement' || notice.local || notice.topic !== CHANNEL) return;
    for (const [caller, requests, times] of JSON.parse(notice.body) as Taken[]) {
      limiter.takenElsewhere(caller, requests, times);
    }
  });
  const share = (): (() => void) =>
    clock.after(SHARE_EVERY, () => {
      const taken = limiter.takenHere();
      // What cannot be announced now is announced with what comes next, or not at all: limits never stop the work.
      if (taken.length > 0) sessions.announce(CHANNEL, JSON.stringify(taken)).catch(failed);
      cancel = share();
    });
  let cancel = share();
  return () => {
    cancel();
    endWatch();
    listening.end();
  };
}
