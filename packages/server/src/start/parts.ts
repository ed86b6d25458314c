/** What a server is made of: pieces that start one after the other and stop in the opposite order. */

/** A piece of the server. */
export interface Part<T> {
  /** What it is called in messages. */
  readonly name: string;
  start(): T | Promise<T>;
  /** Ends what `start` made. */
  stop?(started: T): void | Promise<void>;
}

/** The parts that run, in the order in which they were started. */
export class ServerParts {
  readonly #running: { readonly name: string; readonly stop: () => void | Promise<void> }[] = [];

  /**
   * Starts a part.
   * @returns what its `start` gives
   * @throws what its `start` throws; the parts before it go on until `stop`
   */
  async start<T>(part: Part<T>): Promise<T> {
    const started = await part.start();
    this.#running.push({ name: part.name, stop: () => part.stop?.(started) });
    return started;
  }

  /**
   * Stops all parts, the last one first. A part that cannot be stopped keeps none of the others running.
   * @param failed hears which part could not be stopped, and why
   */
  async stop(failed: (name: string, error: unknown) => void): Promise<void> {
    for (const { name, stop } of this.#running.splice(0).reverse()) {
      try {
        await stop();
      } catch (error) {
        failed(name, error);
      }
    }
  }
}
