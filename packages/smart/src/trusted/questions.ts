import type { Clock } from '../ports.ts';

/** Questions that are under way at once. */
const MOST_ASKED = 64;
/** Questions that wait for one of them to end, and how long each does, ms. */
const MOST_WAITING = 1000;
const PATIENCE = 5_000;

interface Waiting {
  readonly since: number;
  readonly begin: () => void;
  readonly giveUp: (why: Error) => void;
}

/**
 * Questions to an issuer about tokens: anybody may cause one by a token that nobody knows, so few are asked at once, and the
 * others wait in turn.
 */
export class Questions {
  readonly #clock: Clock;
  readonly #waiting: Waiting[] = [];
  #asked = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws Error when too many wait, or this one has waited too long; otherwise what `send` throws */
  async ask<T>(send: () => Promise<T>): Promise<T> {
    if (this.#asked < MOST_ASKED) this.#asked += 1;
    else await this.#turn();
    try {
      return await send();
    } finally {
      this.#next();
    }
  }

  #turn(): Promise<void> {
    if (this.#waiting.length >= MOST_WAITING) throw new Error('too many tokens are asked about');
    return new Promise((begin, giveUp) => this.#waiting.push({ since: this.#clock.now(), begin, giveUp }));
  }

  /** Hands the place of a question that has ended on. */
  #next(): void {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      if (this.#clock.now() - next.since < PATIENCE) {
        next.begin();
        return;
      }
      next.giveUp(new Error('the issuer was asked about too many tokens before'));
    }
    this.#asked -= 1;
  }
}
