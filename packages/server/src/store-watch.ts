import type { Clock } from '@lockstep/hub';

/** ms between two looks. */
const LOOK = 2000;

export interface Watched {
  problems(): Promise<readonly string[]>;
}

/** Looks after a store while nothing is asked of it, and reports when something begins to be wrong with it, and when that ends. */
export class StoreWatch {
  readonly #store: Watched;
  readonly #clock: Clock;
  readonly #log: { error(message: string): void; warn(message: string): void };
  #problems: readonly string[] = [];
  #kinds = new Set<string>();
  #cancel = (): void => undefined;
  #stopped = false;

  constructor(store: Watched, clock: Clock, log: { error(message: string): void; warn(message: string): void }) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** What is wrong now, in words for the operator. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  async start(): Promise<void> {
    await this.#look();
    this.#next();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #next(): void {
    if (this.#stopped) return;
    this.#cancel = this.#clock.after(LOOK, () => {
      this.#look().finally(() => this.#next());
    });
  }

  async #look(): Promise<void> {
    try {
      this.#problems = await this.#store.problems();
    } catch (error) {
      this.#problems = [(error as Error).message];
    }
    // Numbers in it may change from look to look: that is no news.
    const kinds = new Map(this.#problems.map((problem) => [problem.replaceAll(/\d+/g, '#'), problem]));
    for (const [kind, problem] of kinds) if (!this.#kinds.has(kind)) this.#log.error(`The store: ${problem}`);
    for (const kind of this.#kinds) if (!kinds.has(kind)) this.#log.warn(`The store: no longer so: ${kind}`);
    this.#kinds = new Set(kinds.keys());
  }
}
