/**
 * A token bucket for each client: `perSecond` requests in the long run, twice that in a burst. Buckets that are full again
 * are forgotten, so that memory follows the clients at work.
 */
export class RateLimit {
  readonly #perSecond: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();
  #sweptAt = 0;

  /** @param perSecond 0 allows everything @param now ms since the epoch */
  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond;
    this.#now = now;
  }

  /** Takes one request of this client. @returns false when it has to wait */
  take(client: string): boolean {
    if (this.#perSecond === 0) return true;
    const now = this.#now();
    const burst = this.#perSecond * 2;
    let bucket = this.#buckets.get(client);
    if (!bucket) {
      this.#sweep(now);
      bucket = { tokens: burst, at: now };
      this.#buckets.set(client, bucket);
    }
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * this.#perSecond);
    bucket.at = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  #sweep(now: number): void {
    if (now - this.#sweptAt < 10_000) return;
    this.#sweptAt = now;
    for (const [client, { at }] of this.#buckets) if (now - at > 2000) this.#buckets.delete(client);
  }
}
