/** Does one thing at a time, in the order asked for. */
export class JobQueue {
  /** Each gives what tells its caller; by then the queue is idle again, unless more is queued. */
  readonly #waiting: (() => Promise<() => void>)[] = [];
  #running = false;

  get idle(): boolean {
    return !this.#running && this.#waiting.length === 0;
  }

  /** Runs the job once everything queued before has ended. */
  run<T>(job: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() =>
        job().then(
          (value) => () => resolve(value),
          (error) => () => reject(error),
        ),
      );
      if (!this.#running) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#running = true;
    for (let next = this.#waiting.shift(); next; ) {
      const settle = await next();
      next = this.#waiting.shift();
      this.#running = next !== undefined;
      settle();
    }
  }
}
