/** Does one thing at a time, in the order asked for. */
export class JobQueue {
  /** Each gives what tells its caller; by then the queue is idle again, unless more is queued. */
  readonly #waiting: (() => Promise<() => void>)[] = [];
  #running = false;
  readonly #ended = (): void => void this.#drain();

  get idle(): boolean {
    return !this.#running && this.#waiting.length === 0;
  }

  /** Runs the job once everything queued before has ended: at once where nothing is. */
  run<T>(job: () => Promise<T>): Promise<T> {
    if (!this.#running) return this.#runNow(job);
    return new Promise((resolve, reject) => {
      this.#waiting.push(() =>
        job().then(
          (value) => () => resolve(value),
          (error) => () => reject(error),
        ),
      );
    });
  }

  /** The queue is idle again, or goes on, before who waits for the job is told of its end. */
  #runNow<T>(job: () => Promise<T>): Promise<T> {
    this.#running = true;
    const result = job();
    result.then(this.#ended, this.#ended);
    return result;
  }

  async #drain(): Promise<void> {
    for (let next = this.#take(); next; ) {
      const settle = await next();
      next = this.#take();
      settle();
    }
  }

  /** The next job; without one the queue is idle. */
  #take(): (() => Promise<() => void>) | undefined {
    const next = this.#waiting.shift();
    this.#running = next !== undefined;
    return next;
  }
}
