import type { Clock } from './ports.ts';

/** Wrong passwords in a row that one address may send for one name, then the wait, doubling from the first to the longest, ms. */
const FREE_FAILURES = 5;
const FIRST_WAIT = 2_000;
const LONGEST_WAIT = 15 * 60_000;

/**
 * How many wrong guesses an address may make over all names, and how soon it gets another, ms. A whole hospital may share an
 * address: right passwords do not count, and browsers that are known are counted by themselves.
 */
const OF_ADDRESS = { burst: 20, every: 10_000 };
/** The same for a name over all addresses: many machines together are slowed too. */
const OF_NAME = { burst: 20, every: 10_000 };
/** The same over all names and addresses together. */
const OVERALL = { burst: 300, every: 200 };

/** What is remembered of each kind; the oldest goes first. */
const MAX_REMEMBERED = 10_000;
const MAX_NAME = 200;

/** A map that forgets what was touched longest ago. */
class Recent<T> extends Map<string, T> {
  override set(key: string, value: T): this {
    this.delete(key);
    super.set(key, value);
    if (this.size > MAX_REMEMBERED) {
      const [oldest] = this.keys();
      if (oldest !== undefined) this.delete(oldest);
    }
    return this;
  }
}

/** A number of guesses at once, then one at a time. */
class Allowance {
  readonly #burst: number;
  readonly #every: number;
  readonly #left = new Recent<{ readonly guesses: number; readonly at: number }>();

  constructor({ burst, every }: { readonly burst: number; readonly every: number }) {
    this.#burst = burst;
    this.#every = every;
  }

  #at(key: string, now: number): number {
    const left = this.#left.get(key);
    return left ? Math.min(this.#burst, left.guesses + (now - left.at) / this.#every) : this.#burst;
  }

  /** @returns ms until a guess is left */
  wait(key: string, now: number): number {
    return Math.max(0, Math.ceil((1 - this.#at(key, now)) * this.#every));
  }

  /** @param guesses negative to give back */
  take(key: string, now: number, guesses: number): void {
    this.#left.set(key, { guesses: Math.min(this.#burst, this.#at(key, now) - guesses), at: now });
  }
}

/** Who guesses at a name. */
export interface Guesser {
  readonly name: string;
  readonly address: string;
  /** The browser, where the owner of the name has signed in before: its guesses are counted apart from all others. */
  readonly browser?: string | undefined;
}

/**
 * Slows down who guesses passwords (CWE-307): by name and address together, by address, by name, and over all. Whoever
 * guesses from elsewhere does not lock the owner of a name out at a browser that is known. Kept in memory: each node counts
 * for itself.
 */
export class GuessLimit {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #pairs = new Recent<{ readonly count: number; readonly until: number }>();
  readonly #addresses = new Allowance(OF_ADDRESS);
  readonly #names = new Allowance(OF_NAME);
  readonly #all = new Allowance(OVERALL);

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /**
   * Counts a guess, before it is checked: of many at the same moment no more get through than one after the other.
   * @returns how long to wait instead, ms; 0 when the guess may be made
   */
  begin(guesser: Guesser): number {
    const now = this.#clock.now();
    const keys = keysOf(guesser);
    const pair = this.#pairs.get(keys.pair);
    const shared = this.#shared(keys).map(([allowance, key]) => allowance.wait(key, now));
    const wait = Math.max((pair?.until ?? 0) - now, 0, ...shared);
    if (wait > 0) return wait;
    const count = (pair?.count ?? 0) + 1;
    const next = count < FREE_FAILURES ? 0 : Math.min(FIRST_WAIT * 2 ** (count - FREE_FAILURES), LONGEST_WAIT);
    this.#pairs.set(keys.pair, { count, until: now + next });
    for (const [allowance, key] of this.#shared(keys)) allowance.take(key, now, 1);
    return 0;
  }

  /** The guess was no guess. */
  succeeded(guesser: Guesser): void {
    const now = this.#clock.now();
    const keys = keysOf(guesser);
    this.#pairs.delete(keys.pair);
    for (const [allowance, key] of this.#shared(keys)) allowance.take(key, now, -1);
  }

  /** What a guess shares with others: nothing where the browser is known. */
  #shared({ name, address, known }: Keys): readonly (readonly [Allowance, string])[] {
    if (known) return [];
    return [
      [this.#addresses, address],
      [this.#names, name],
      [this.#all, ''],
    ];
  }
}

interface Keys {
  readonly name: string;
  readonly address: string;
  readonly pair: string;
  readonly known: boolean;
}

function keysOf({ name, address, browser }: Guesser): Keys {
  const who = name.slice(0, MAX_NAME);
  const where = networkOf(address);
  const known = browser !== undefined;
  return { name: who, address: where, pair: `${known ? `browser ${browser}` : where} ${who}`, known };
}

/** An IPv4 address; of an IPv6 address the /64 that one customer has to choose from. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address;
  const [head = '', tail] = (address.split('%')[0] ?? '').toLowerCase().split('::');
  const groups = (text: string): string[] => text.split(':').filter(Boolean);
  const ends = groups(tail ?? '');
  const zeros = Array.from({ length: Math.max(0, 8 - groups(head).length - ends.length) }, () => '0');
  return `${[...groups(head), ...zeros, ...ends].slice(0, 4).join(':')}::/64`;
}
