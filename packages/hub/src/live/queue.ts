/** What a job becomes: one that throws before it gives a promise has failed like any other. */
function begun<T>(job: () => Promise<T>): Promise<T> {
  try {
    return job();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Does one thing at a time, in the order asked for. */
export class JobQueue {
  /** Each gives what tells its caller; by then the queue is idle again, unless more is queued. */
  readonly #waiting: (() => Promise<() => void>)[] = [];
  #running = false;
  readonly #ended = (): void => {
    this.#running = false;
    if (this.#waiting.length > 0) void this.#drain();
  };

  get idle(): boolean {
    return !this.#running;
  }

  /** Runs the job once everything queued before has ended: at once, before this returns, where nothing is. */
  run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#running) return this.#wait(job);
    this.#running = true;
    const result = begun(job);
    // The queue is idle again, or goes on, before who waits for the result is told.
    result.then(this.#ended, this.#ended);
    return result;
  }

  #wait<T>(job: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() =>
        begun(job).then(
          (value) => () => resolve(value),
          (error) => () => reject(error),
        ),
      );
    });
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
