const [BEGUN, ENDED, UNUSABLE] = [0, 1, 2];

/** What the threads of one store see of each other at once, without a message. */
export class ThreadSignals {
  /** To be given to the other threads. */
  readonly shared: SharedArrayBuffer;
  readonly #values: Int32Array;

  constructor(shared = new SharedArrayBuffer(12)) {
    this.shared = shared;
    this.#values = new Int32Array(shared);
  }

  /** Copies the write-ahead log into the main file. */
  copying<T>(copy: () => T): T {
    Atomics.add(this.#values, BEGUN!, 1);
    try {
      return copy();
    } finally {
      Atomics.add(this.#values, ENDED!, 1);
    }
  }

  /** How often that was done; undefined while it is under way. */
  get copies(): number | undefined {
    const ended = Atomics.load(this.#values, ENDED!);
    return Atomics.load(this.#values, BEGUN!) === ended ? ended : undefined;
  }

  /** The files can no longer be used: nothing is read from them either. */
  get unusable(): boolean {
    return Atomics.load(this.#values, UNUSABLE!) !== 0;
  }

  setUnusable(): void {
    Atomics.store(this.#values, UNUSABLE!, 1);
  }
}
