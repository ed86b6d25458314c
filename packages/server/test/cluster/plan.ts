/** Numbers below 1 that the seed decides (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** One fault of a run. */
export interface Step {
  /** ms before it. */
  readonly pauseMs: number;
  readonly fault: string;
  /** Whole numbers that the fault takes in turn for what it chooses: whatever happens meanwhile, they stay the same. */
  between(min: number, max: number): number;
}

/** The faults of a run, one after the other: the same seed and names give the same ones, in the same order. */
export function* planned(seed: number, faults: readonly string[]): Generator<Step> {
  const random = randomFrom(seed);
  for (;;) {
    const pauseMs = Math.floor(500 + random() * 3500);
    const fault = faults[Math.floor(random() * faults.length)] ?? '';
    // Of its own for each step: how many numbers a fault takes changes nothing about the next.
    const own = randomFrom(Math.floor(random() * 2 ** 32));
    yield { pauseMs, fault, between: (min, max) => Math.floor(min + own() * (max - min)) };
  }
}
