/** Requests that may have to wait, so that events never do: only so many of them are begun in one turn of the event loop. */

/** Requests that are begun in one turn. Each costs some 0.1 ms, which is what an event may find before it. */
const IN_TURN = 2;

/**
 * Begins requests, a few in each turn of the event loop; between two turns the sockets of events are read. Addresses take turns too:
 * a flood from one of them keeps no other waiting. Nothing is refused here, so answers are what they are without a flood. A connection
 * has few requests that wait, see `MOST_WAITING` of the listener.
 */
export class RequestTurns {
  /** By address; whose turn is next comes first. */
  readonly #waiting = new Map<string, (() => void)[]>();
  /** Begun in this turn. */
  #begun = 0;
  #isScheduled = false;

  /** @param address of the sender @param run begins the request: at once where no other request waits */
  begin(address: string, run: () => void): void {
    if (this.#waiting.size === 0 && this.#begun < IN_TURN) {
      this.#run(run);
      return;
    }
    const before = this.#waiting.get(address);
    if (before) before.push(run);
    else this.#waiting.set(address, [run]);
    this.#schedule();
  }

  #run(run: () => void): void {
    this.#begun += 1;
    this.#schedule();
    run();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#isScheduled = false;
    this.#begun = 0;
    // An address that is put back comes to its turn again in the same loop.
    for (const [address, queue] of this.#waiting) {
      if (this.#begun === IN_TURN) break;
      const run = queue.shift();
      this.#waiting.delete(address);
      if (queue.length > 0) this.#waiting.set(address, queue);
      if (run) this.#run(run);
    }
  };
}
