import { isIP } from 'node:net';
import type { RecordStore, WriteCondition } from '@lockstep/store';
import type { Clock } from './ports.ts';
import { type RecordEntry, RecordRepository, type RecordWrite } from './repository.ts';
import { digest } from './secrets.ts';

/** Wrong passwords in a row that one address may send for one name, then the wait, doubling from the first to the longest, ms. */
const FREE_FAILURES = 5;
const FIRST_WAIT = 2_000;
const LONGEST_WAIT = 15 * 60_000;
/** How long wrong guesses at one name are remembered after the last, ms. */
const FORGOTTEN = 24 * 3_600_000;

/**
 * How many wrong guesses an address may make over all names, and how soon it gets another, ms. A whole hospital may share an
 * address: right passwords do not count, and browsers that are known are counted by themselves.
 */
const OF_ADDRESS = { burst: 20, every: 10_000 };
/** The same for a name over all addresses: many machines together are slowed too. */
const OF_NAME = { burst: 20, every: 10_000 };
/** The same over all names and addresses together. */
const OVERALL = { burst: 300, every: 200 };

const MAX_NAME = 200;

/** What is kept of a kind of guesses. `at` and `until` are ms since the epoch. */
interface Kept {
  /** Of an allowance: guesses that were left, and when. */
  readonly left?: number;
  readonly at?: number;
  /** Of a name and address together: wrong guesses in a row, and when the next may be made. */
  readonly count?: number;
  readonly until?: number;
}

interface Allowance {
  readonly burst: number;
  /** ms. */
  readonly every: number;
}

/** Who guesses at a name. */
export interface Guesser {
  readonly name: string;
  readonly address: string;
  /** The browser, where the owner of the name has signed in before: its guesses are counted apart from all others. */
  readonly browser?: string | undefined;
  /** Whether nothing can be guessed with it: it slows junk of its address, and costs nobody a guess. */
  readonly isJunk?: boolean;
}

/**
 * Slows down who guesses passwords (CWE-307): by name and address together, by address, by name, and over all. Whoever
 * guesses from elsewhere does not lock the owner of a name out at a browser that is known. Counted in the store, by all nodes
 * together, under digests of names and addresses that expire.
 */
export class GuessLimit {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #records: RecordRepository<Kept>;

  constructor(store: RecordStore, clock: Clock) {
    this.#clock = clock;
    this.#records = new RecordRepository(store, clock, 'guesses');
  }

  /**
   * Counts a guess, before it is checked: of many at the same moment no more get through than one after the other.
   * @returns how long to wait instead, ms; 0 when the guess may be made
   */
  async begin(guesser: Guesser): Promise<number> {
    const keys = keysOf(guesser);
    for (;;) {
      const now = this.#clock.now();
      const pair = await this.#records.find(keys.pair);
      const shared = await this.#shared(keys);
      const waits = shared.map(
        ({ allowance, stored }) => (1 - leftOf(allowance, stored?.value, now)) * allowance.every,
      );
      // No longer than it was, also where the server was started again with a clock that is behind.
      const { count: before = 0, until = now } = pair?.value ?? {};
      const pairWait = Math.min(until - now, waitAfter(before, keys.isJunk));
      const wait = Math.ceil(Math.max(pairWait, 0, ...waits));
      if (wait > 0) return wait;
      const count = before + 1;
      const failed = { count, until: now + waitAfter(count, keys.isJunk) };
      const write = this.#records.write(keys.pair, failed, { expiresAt: now + FORGOTTEN, condition: revisionOf(pair) });
      if (await this.#records.putAll([write, ...this.#changed(shared, -1, now)])) return 0;
    }
  }

  /** The guess was no guess. */
  async succeeded(guesser: Guesser): Promise<void> {
    await this.#records.delete(keysOf(guesser).pair);
    await this.begun(guesser);
  }

  /**
   * The guess was right as far as it went, and more is asked for. It costs others at the address nothing, but what was wrong before at
   * this name and address stays counted: a known password must not buy guesses at codes.
   */
  async begun(guesser: Guesser): Promise<void> {
    const keys = keysOf(guesser);
    for (;;) {
      const shared = await this.#shared(keys);
      const writes = this.#changed(shared, 1, this.#clock.now());
      if (writes.length === 0 || (await this.#records.putAll(writes))) return;
    }
  }

  /** What a guess shares with others: nothing where the browser is known; junk shares with junk of its address. */
  #shared({ name, address, isKnown, isJunk }: Keys): Promise<readonly Shared[]> {
    if (isKnown) return Promise.resolve([]);
    const guesses: readonly (readonly [Allowance, string])[] = [
      [OF_ADDRESS, `address ${address}`],
      [OF_NAME, `name ${name}`],
      [OVERALL, 'all'],
    ];
    const all = isJunk ? ([[OF_ADDRESS, `junk ${address}`]] as const) : guesses;
    return Promise.all(
      all.map(async ([allowance, key]) => {
        const id = digest(key);
        return { id, allowance, stored: await this.#records.find(id) };
      }),
    );
  }

  #changed(shared: readonly Shared[], guesses: number, now: number): readonly RecordWrite[] {
    return shared.map(({ id, allowance, stored }) => {
      const left = Math.min(allowance.burst, leftOf(allowance, stored?.value, now) + guesses);
      const expiresAt = now + allowance.burst * allowance.every;
      return this.#records.write(id, { left, at: now }, { expiresAt, condition: revisionOf(stored) });
    });
  }
}

/** @param count wrong guesses in a row @returns the wait until the next, ms */
function waitAfter(count: number, isJunk: boolean): number {
  return isJunk || count < FREE_FAILURES ? 0 : Math.min(FIRST_WAIT * 2 ** (count - FREE_FAILURES), LONGEST_WAIT);
}

interface Shared {
  readonly id: string;
  readonly allowance: Allowance;
  readonly stored: RecordEntry<Kept> | undefined;
}

function leftOf({ burst, every }: Allowance, kept: Kept | undefined, now: number): number {
  const { left = burst, at = now } = kept ?? {};
  return Math.min(burst, left + Math.max(0, now - at) / every);
}

function revisionOf(stored: RecordEntry<Kept> | undefined): WriteCondition {
  return stored?.revision ?? 'absent';
}

interface Keys {
  readonly name: string;
  readonly address: string;
  readonly pair: string;
  readonly isKnown: boolean;
  readonly isJunk: boolean;
}

function keysOf({ name, address, browser, isJunk = false }: Guesser): Keys {
  const who = name.slice(0, MAX_NAME);
  const where = networkOf(address);
  const isKnown = browser !== undefined;
  const pair = digest(`pair ${isJunk ? 'junk ' : ''}${isKnown ? `browser ${browser}` : where} ${who}`);
  return { name: who, address: where, pair, isKnown, isJunk };
}

/** Whoever comes from an address that is none: a proxy has written something else. They are one sender. */
const UNKNOWN = 'unknown';

/**
 * An IPv4 address; of an IPv6 address the /64 that one customer has to choose from.
 * @param address as a socket or a proxy names it, which may add a port: `203.0.113.7:4711`, `[2001:db8::7]:4711`
 */
export function networkOf(address: string): string {
  const [, bracketed, , plain] = /^\[([^\]]*)\](:\d+)?$|^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(address) ?? [];
  const bare = bracketed ?? plain ?? address;
  const mapped = /^::ffff:([\d.]+)$/i.exec(bare)?.[1] ?? bare;
  // Some write `::` where there is nothing to leave out.
  const version = isIP(mapped) || isIP(mapped.replace('::', ':'));
  if (version !== 6) return version === 4 ? mapped : UNKNOWN;
  const groups = groupsOf(mapped);
  if (groups.slice(0, 6).join(':') === MAPPED) return ipv4Of(groups.slice(6));
  return `${groups.slice(0, 4).join(':')}::/64`;
}

/** What the IPv6 address of an IPv4 address begins with (RFC 4291 section 2.5.5.2). */
const MAPPED = '0:0:0:0:0:ffff';

/** The eight groups of an IPv6 address, without leading zeros. */
function groupsOf(address: string): readonly string[] {
  const [head = '', tail = ''] = (address.split('%')[0] ?? '').toLowerCase().split('::');
  const groups = (text: string): readonly string[] =>
    text
      .split(':')
      .filter(Boolean)
      .flatMap((group) => (group.includes('.') ? hexadecimal(group) : group.replace(/^0+(?=.)/, '')));
  const [before, behind] = [groups(head), groups(tail)];
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - behind.length) }, () => '0');
  return [...before, ...zeros, ...behind];
}

/** The two groups that an IPv4 address stands for at the end of an IPv6 address. */
function hexadecimal(address: string): readonly string[] {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  return [a * 256 + b, c * 256 + d].map((group) => group.toString(16));
}

function ipv4Of(groups: readonly string[]): string {
  return groups
    .map((group) => Number.parseInt(group, 16))
    .flatMap((group) => [group >> 8, group & 255])
    .join('.');
}
