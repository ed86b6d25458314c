interface Origin {
  /** Notices heard since its first beat. */
  heard: number;
  /** Notices that it had published by its first beat, and by its last. */
  readonly first: number;
  latest: number;
}

/**
 * Notices of each older node, counted against what it says in its beats: a cluster passes each on from server to server at most
 * once.
 */
export class Tally {
  readonly #origins = new Map<string, Origin>();

  /** A notice arrived. */
  heard(origin: string): void {
    const known = this.#origins.get(origin);
    if (known) known.heard += 1;
  }

  /**
   * A beat arrived.
   * @param published how many notices its node had published
   * @returns whether one of those before the beat before it is missing: later ones may still be on their way
   */
  misses(origin: string, published: number): boolean {
    const known = this.#origins.get(origin);
    const missing = known !== undefined && known.heard < known.latest - known.first;
    if (!known || missing) this.#origins.set(origin, { heard: 0, first: published, latest: published });
    else known.latest = published;
    return missing;
  }

  /** All may be missing from now on. */
  clear(): void {
    this.#origins.clear();
  }
}
