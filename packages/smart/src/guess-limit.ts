import type { Clock } from './ports.ts';

/** Wrong passwords in a row that one address may send for one name, then the wait, doubling from the first to the longest, ms. */
const FREE_FAILURES = 5;
const FIRST_WAIT = 2_000;
const LONGEST_WAIT = 15 * 60_000;

/** How many guesses an address may make over all names, and how soon it gets another, ms. A whole hospital may have one. */
const OF_ADDRESS = { burst: 100, every: 10_000 };
/** The same for a name over all addresses: many machines together are slowed too, and nobody is shut out for long. */
const OF_NAME = { burst: 50, every: 5_000 };

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

/**
 * Slows down who guesses passwords (CWE-307): by name and address together, by address, and by name. Kept in memory: each
 * node counts for itself.
 */
export class GuessLimit {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #pairs = new Recent<{ readonly count: number; readonly until: number }>();
  readonly #addresses = new Allowance(OF_ADDRESS);
  readonly #names = new Allowance(OF_NAME);

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /**
   * Counts a guess, before it is checked: of many at the same moment no more get through than one after the other.
   * @returns how long to wait instead, ms; 0 when the guess may be made
   */
  begin(name: string, address: string): number {
    const now = this.#clock.now();
    const keys = keysOf(name, address);
    const pair = this.#pairs.get(keys.pair);
    const wait = Math.max(
      (pair?.until ?? 0) - now,
      this.#addresses.wait(keys.address, now),
      this.#names.wait(keys.name, now),
    );
    if (wait > 0) return wait;
    const count = (pair?.count ?? 0) + 1;
    const next = count < FREE_FAILURES ? 0 : Math.min(FIRST_WAIT * 2 ** (count - FREE_FAILURES), LONGEST_WAIT);
    this.#pairs.set(keys.pair, { count, until: now + next });
    this.#addresses.take(keys.address, now, 1);
    this.#names.take(keys.name, now, 1);
    return 0;
  }

  /** The guess was no guess. */
  succeeded(name: string, address: string): void {
    const now = this.#clock.now();
    const keys = keysOf(name, address);
    this.#pairs.delete(keys.pair);
    this.#addresses.take(keys.address, now, -1);
    this.#names.take(keys.name, now, -1);
  }
}

function keysOf(name: string, address: string): { name: string; address: string; pair: string } {
  const who = name.slice(0, MAX_NAME);
  const where = networkOf(address);
  return { name: who, address: where, pair: `${where} ${who}` };
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
