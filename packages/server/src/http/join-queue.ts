/** Joins that begin in one turn of the event loop: some 3 ms of work. */
const IN_ONE_TURN = 16;

/**
 * Lets few WebSockets join in one turn of the event loop. After a network has failed everybody returns at once, and others that publish
 * would wait until all of them were let in.
 */
export class JoinQueue {
  readonly #waiting: (() => void)[] = [];
  #left = IN_ONE_TURN;
  #isWatching = false;

  /** Begins the join now, or in the next turn that has room for it: in the order in which they came. */
  add(join: () => void): void {
    if (this.#left > 0) this.#begin(join);
    else this.#waiting.push(join);
  }

  #begin(join: () => void): void {
    this.#left -= 1;
    if (!this.#isWatching) {
      this.#isWatching = true;
      setImmediate(() => this.#turn());
    }
    join();
  }

  #turn(): void {
    this.#isWatching = false;
    this.#left = IN_ONE_TURN;
    for (const join of this.#waiting.splice(0, IN_ONE_TURN)) this.#begin(join);
  }
}
