import { randomInt } from 'node:crypto';
import type { RecordStore } from '@lockstep/store';
import type { Clock } from './ports.ts';
import { RecordRepository } from './repository.ts';
import { digest } from './secrets.ts';

/** Codes that a person gets at once. */
const CODES = 10;
/** Digits of a code: 66 bits, entered with the keyboard of a one-time code. */
const DIGITS = 20;

interface CodesOfUser {
  /** Digests of the codes that were not used. */
  readonly unused: readonly string[];
}

/** Codes on paper that open once each instead of a lost authenticator (ASVS 5.0 section 6.4). Only their digests are kept. */
export class RecoveryCodes {
  readonly #records: RecordRepository<CodesOfUser>;

  constructor(store: RecordStore, clock: Clock) {
    this.#records = new RecordRepository<CodesOfUser>(store, clock, 'recovery-codes');
  }

  /** How many codes of a user were not used. */
  async left(user: string): Promise<number> {
    return (await this.#records.get(user))?.unused.length ?? 0;
  }

  /** Makes new codes; earlier ones no longer work. @returns the codes, which are shown once: `1234-5678-…` */
  async make(user: string): Promise<readonly string[]> {
    const codes = Array.from({ length: CODES }, () =>
      Array.from({ length: DIGITS / 4 }, () => String(randomInt(10_000)).padStart(4, '0')).join('-'),
    );
    await this.#records.put(user, { unused: codes.map((code) => kept(user, code)) });
    return codes;
  }

  /** Uses up a code. @returns whether it was one; of the same code shown twice at the same moment one counts */
  async use(user: string, given: string): Promise<boolean> {
    if (digitsOf(given).length !== DIGITS) return false;
    const code = kept(user, given);
    for (;;) {
      const stored = await this.#records.find(user);
      if (!stored?.value.unused.includes(code)) return false;
      const unused = stored.value.unused.filter((one) => one !== code);
      if (await this.#records.put(user, { unused }, { condition: stored.revision })) return true;
    }
  }

  /** @returns whether there were any */
  remove(user: string): Promise<boolean> {
    return this.#records.delete(user);
  }
}

function digitsOf(given: string): string {
  return /^[\d\s-]{1,60}$/.test(given) ? given.replaceAll(/\D/g, '') : '';
}

function kept(user: string, code: string): string {
  return digest(`${user} ${digitsOf(code)}`);
}
