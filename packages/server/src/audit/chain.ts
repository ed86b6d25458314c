/**
 * A chain of records: each holds its number and the hash of the one before, so that a record that was changed, left out, put
 * in or moved is noticed. It does not show that records are missing at the end: note number and hash elsewhere from time to
 * time, as the log does, and verify against them.
 */
import { createHash } from 'node:crypto';

/** The extension of an AuditEvent that holds its place in the chain. */
export const CHAIN = 'urn:lockstep:audit-chain';

/** Where a chain stands. */
export interface ChainEnd {
  /** Number of the last record; 0 before the first. */
  readonly number: number;
  /** Hash of the last record: SHA-256 of its bytes, in hexadecimal. */
  readonly hash: string;
}

export const CHAIN_START: ChainEnd = { number: 0, hash: '0'.repeat(64) };

export const hashOf = (line: string | Uint8Array): string => createHash('sha256').update(line).digest('hex');

/**
 * Adds a record to a chain.
 * @returns the record as one line without its end, and where the chain then stands
 */
export function chained(event: object, end: ChainEnd): { readonly line: string; readonly end: ChainEnd } {
  const number = end.number + 1;
  const place = {
    url: CHAIN,
    extension: [
      { url: 'number', valuePositiveInt: number },
      { url: 'previous', valueString: end.hash },
    ],
  };
  const line = JSON.stringify({ ...event, extension: [place] });
  return { line, end: { number, hash: hashOf(line) } };
}

/** What a line says about its place; undefined for what is no record. */
export function placeOf(line: string): { readonly number: number; readonly previous: string } | undefined {
  try {
    const { extension } = JSON.parse(line) as { extension?: { url: string; extension?: Record<string, unknown>[] }[] };
    const parts = extension?.find(({ url }) => url === CHAIN)?.extension;
    const number = parts?.find(({ url }) => url === 'number')?.valuePositiveInt;
    const previous = parts?.find(({ url }) => url === 'previous')?.valueString;
    return typeof number === 'number' && typeof previous === 'string' ? { number, previous } : undefined;
  } catch {
    return undefined;
  }
}

/** Something that is wrong with a chain. */
export interface ChainProblem {
  /** Where: the record's number where it says one, and the line, from 1, of its file. */
  readonly line: number;
  readonly problem: string;
}

/** Checks records one after the other. */
export class ChainCheck {
  readonly problems: ChainProblem[] = [];
  first: number | undefined;
  records = 0;
  #end: ChainEnd | undefined;
  /** The last line was cut off by a crash: its bytes count, its number is unknown. */
  #wasTorn = false;
  readonly #anchors: ReadonlyMap<number, string>;
  readonly #met = new Set<number>();

  /** @param anchors number → hash, as they were noted elsewhere */
  constructor(anchors: ReadonlyMap<number, string> = new Map()) {
    this.#anchors = anchors;
  }

  /** @param at the line's number in its file */
  line(text: string, at: number): void {
    const place = placeOf(text);
    const hash = hashOf(text);
    if (!place) {
      // The next record holds this line's hash where the line is one that a crash cut off.
      this.#wasTorn = true;
      this.#torn = { at, hash };
      return;
    }
    const { number, previous } = place;
    if (this.#torn && previous !== this.#torn.hash)
      this.#found(this.#torn.at, 'is no record, and no record follows it');
    const before = this.#torn?.hash ?? this.#end?.hash;
    if (this.#end && number !== this.#end.number + 1) {
      this.#found(at, `has the number ${number}, after ${this.#end.number}: records are missing or out of order`);
    } else if (before !== undefined && previous !== before) {
      this.#found(at, `record ${number} does not follow the one before it: one of them was changed`);
    } else if (this.#end === undefined && number === 1 && previous !== CHAIN_START.hash) {
      this.#found(at, 'the first record does not begin a chain');
    }
    const anchor = this.#anchors.get(number);
    if (anchor !== undefined) {
      this.#met.add(number);
      if (anchor !== hash) this.#found(at, `record ${number} is not the one that was noted`);
    }
    this.#torn = undefined;
    this.first ??= number;
    this.records += 1;
    this.#end = { number, hash };
  }

  #torn: { readonly at: number; readonly hash: string } | undefined;

  #found(line: number, problem: string): void {
    this.problems.push({ line, problem });
  }

  /** Ends the check. @returns where the chain stands */
  finish(): ChainEnd | undefined {
    if (this.#torn) this.#found(this.#torn.at, 'the last record is cut off');
    for (const number of this.#anchors.keys()) {
      if (!this.#met.has(number)) this.#found(0, `record ${number}, which was noted, is not there`);
    }
    return this.#end;
  }

  /** Whether a crash cut a record off. */
  get wasTorn(): boolean {
    return this.#wasTorn;
  }
}
