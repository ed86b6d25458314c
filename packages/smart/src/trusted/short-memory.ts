import type { Clock } from '../ports.ts';

interface Kept<T> {
  readonly value: T;
  readonly until: number;
}

/** What a store answered, for as long as it may be used again without asking; all of it is forgotten at once. */
export class ShortMemory<T> {
  readonly #clock: Clock;
  readonly #life: number;
  readonly #most: number;
  readonly #kept = new Map<string, Kept<T>>();
  #forgotten = 0;

  /** @param life ms for which an answer is used @param most answers that are kept */
  constructor(clock: Clock, life: number, most: number) {
    this.#clock = clock;
    this.#life = life;
    this.#most = most;
  }

  /** The answer under the key; an answer that was asked for before all was forgotten is not kept. */
  async get(key: string, ask: () => Promise<T>): Promise<T> {
    const now = this.#clock.now();
    const kept = this.#kept.get(key);
    if (kept && now < kept.until) return kept.value;
    const forgotten = this.#forgotten;
    const value = await ask();
    if (forgotten !== this.#forgotten) return value;
    this.#kept.delete(key);
    this.#kept.set(key, { value, until: now + this.#life });
    if (this.#kept.size > this.#most) for (const oldest of this.#kept.keys().take(1)) this.#kept.delete(oldest);
    return value;
  }

  forget(): void {
    this.#forgotten += 1;
    this.#kept.clear();
  }
}
