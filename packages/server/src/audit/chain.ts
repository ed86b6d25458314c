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

/** What each record begins with. */
export const LINE_START = '{"resourceType":"AuditEvent"';

export const hashOf = (line: string | Uint8Array): string => createHash('sha256').update(line).digest('hex');

/**
 * The hash that a record holds which follows a line that a crash cut off: of that line and of what was before it.
 * @param before hash of the record before the line, or what this function returned for the line before
 */
export function chainPast(before: string, torn: string | Uint8Array): string {
  return createHash('sha256').update(before).update('\n').update(torn).digest('hex');
}

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
export function placeOf(line: string | Uint8Array): { readonly number: number; readonly previous: string } | undefined {
  try {
    const text = typeof line === 'string' ? line : Buffer.from(line).toString('utf8');
    const { extension } = JSON.parse(text) as { extension?: { url: string; extension?: Record<string, unknown>[] }[] };
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
  /** Lines that a crash cut off, with no record after them yet. */
  #torn: { readonly at: number; readonly hash: string; readonly alone: string | undefined } | undefined;
  #wasTorn = false;
  readonly #anchors: ReadonlyMap<number, string>;
  readonly #beside: ChainEnd | undefined;
  readonly #met = new Set<number>();

  /**
   * @param anchors number → hash, as they were noted elsewhere
   * @param beside what the server noted; it may stand before the first record that is checked
   */
  constructor(anchors: ReadonlyMap<number, string> = new Map(), beside?: ChainEnd) {
    this.#anchors = beside ? new Map([[beside.number, beside.hash], ...anchors]) : anchors;
    this.#beside = beside;
  }

  /** @param at the line's number in its file */
  line(text: string | Uint8Array, at: number): void {
    const place = placeOf(text);
    const torn = this.#torn;
    const before = torn?.hash ?? this.#end?.hash ?? CHAIN_START.hash;
    if (!place) {
      this.#wasTorn = true;
      this.#torn = { at: torn?.at ?? at, hash: chainPast(before, text), alone: torn ? undefined : hashOf(text) };
      return;
    }
    const hash = hashOf(text);
    const { number, previous } = place;
    // Records of earlier versions hold the hash of the torn line alone.
    if (torn && previous !== torn.hash && previous !== torn.alone)
      this.#found(torn.at, 'is no record, and no record follows it');
    if (this.#end && number !== this.#end.number + 1) {
      this.#found(at, `has the number ${number}, after ${this.#end.number}: records are missing or out of order`);
    } else if (this.#end && !torn && previous !== before) {
      this.#found(at, `record ${number} does not follow the one before it: one of them was changed`);
    } else if (this.#end === undefined && !torn && number === 1 && previous !== CHAIN_START.hash) {
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

  #found(line: number, problem: string): void {
    this.problems.push({ line, problem });
  }

  /** Ends the check. @returns where the chain stands */
  finish(): ChainEnd | undefined {
    if (this.#torn) this.#found(this.#torn.at, 'the last record is cut off');
    for (const [number, noted] of this.#anchors) {
      const isEarlier = noted === this.#beside?.hash && number < (this.first ?? number + 1);
      if (!this.#met.has(number) && !isEarlier) this.#found(0, `record ${number}, which was noted, is not there`);
    }
    return this.#end;
  }

  /** Whether a crash cut a record off. */
  get wasTorn(): boolean {
    return this.#wasTorn;
  }
}
