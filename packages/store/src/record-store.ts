/** A record: a JSON text under a kind and an id, found again by index values, gone after its expiry. */
export interface StoredRecord {
  readonly id: string;
  /** Grows by one with every write of this record, its consumption included, starting at 1. */
  readonly revision: number;
  /** The JSON text; the store does not look into it. */
  readonly body: string;
  /** ms since the epoch of the moment the record was consumed, when it was. Later writes leave it. */
  readonly consumedAt?: number;
  /** ms since the epoch from which on the record is no longer found. */
  readonly expiresAt?: number;
}

export interface RecordInput {
  readonly body: string;
  /** ms since the epoch from which on the record is no longer found; without it the record stays. */
  readonly expiresAt?: number;
  /** Index name → value or values. Replaces all index values of the record. */
  readonly indexes?: Readonly<Record<string, string | readonly string[]>>;
}

/**
 * How a write depends on what is there: `undefined` writes in any case, `absent` only creates, a number compares revisions.
 * An expired record is not there: writing it again starts at revision 1.
 */
export type WriteCondition = undefined | 'absent' | number;

/** Some of many records, in order of their ids. */
export interface Page {
  /** The page begins after this id; without it at the first record. */
  readonly afterId?: string;
  /** How many records it has at most: a positive whole number. */
  readonly limit?: number;
}

/** What is counted, and how far. */
export interface Counted {
  /** Only records with this index value. */
  readonly index?: { readonly name: string; readonly value: string };
  /** Where counting ends, 1,000 by default: the cost of an answer is bounded by it. */
  readonly atMost?: number;
}

/**
 * Keeps everything that is not a session: clients, users, grants, tokens, codes, launches, keys, FHIR resources. All
 * writes are durable once resolved; conditional writes are atomic on one node and across nodes (AUT-6, TOK-1).
 *
 * Every method rejects with `StoreUnavailable` while the store cannot be reached; a write rejected so may have happened all
 * the same. `now` is ms since the epoch and decides what has expired. Order by id is that of code points. Kinds, ids, index
 * names, index values and bodies are well-formed Unicode of any length.
 */
export interface RecordStore {
  get(kind: string, id: string, now: number): Promise<StoredRecord | undefined>;
  /** @returns the new revision, or undefined when the condition did not hold (nothing was changed) */
  put(
    kind: string,
    id: string,
    record: RecordInput,
    now: number,
    condition?: WriteCondition,
  ): Promise<number | undefined>;
  /**
   * Several writes as one: all conditions hold and all are written, or nothing is. Two writes of one record reject with
   * `RangeError`.
   * @returns whether they were written
   */
  putAll(
    writes: readonly {
      readonly kind: string;
      readonly id: string;
      readonly record: RecordInput;
      readonly condition?: WriteCondition;
    }[],
    now: number,
  ): Promise<boolean>;
  /** Marks the record as consumed. @returns true for exactly one caller, false when it is consumed, expired or absent */
  consume(kind: string, id: string, now: number): Promise<boolean>;
  /** @returns whether there was such a record */
  delete(kind: string, id: string): Promise<boolean>;
  /** Deletes all records with this index value. @returns their ids */
  deleteBy(kind: string, index: string, value: string): Promise<readonly string[]>;
  /**
   * Records with this index value, ordered by id; all of them unless the page has a limit. A caller that answers a request gives
   * one wherever strangers or applications decide how many there are.
   */
  find(kind: string, index: string, value: string, now: number, page?: Page): Promise<readonly StoredRecord[]>;
  /** Records of the kind, ordered by id; at most 1,000 unless the page has another limit. */
  list(kind: string, now: number, page?: Page): Promise<readonly StoredRecord[]>;
  /**
   * How many records the kind has, or how many of them have an index value, without reading them: for limits, and for pages
   * that say of how many they are. Records that have expired count until a sweep removes them.
   * @returns `atMost` where there are as many or more
   */
  count(kind: string, counted?: Counted): Promise<number>;
  /** Removes what has expired. Stores that expire by themselves do nothing. */
  sweep(now: number): Promise<void>;
}
