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
  readonly #ended = (): void => this.end();

  get idle(): boolean {
    return !this.#running;
  }

  /**
   * Begins a job at once where nothing is under way: the caller does it, and gives what it becomes to `until`, or says that it has
   * ended.
   * @returns false where something is: then `run` does the job in its turn
   */
  begin(): boolean {
    if (this.#running) return false;
    this.#running = true;
    return true;
  }

  /** The job that was begun ends with `result`. The queue is idle again, or goes on, before who waits for the result is told. */
  until<T>(result: Promise<T>): Promise<T> {
    result.then(this.#ended, this.#ended);
    return result;
  }

  /** The job that was begun has ended: the queue is idle again, or goes on. */
  end(): void {
    this.#running = false;
    if (this.#waiting.length > 0) void this.#drain();
  }

  /** Runs the job once everything queued before has ended: at once, before this returns, where nothing is. */
  run<T>(job: () => Promise<T>): Promise<T> {
    return this.begin() ? this.until(begun(job)) : this.#wait(job);
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
