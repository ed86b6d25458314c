import { type LogPosition, StoreUnavailable } from '@lockstep/store';
import type { BackupReport } from './backup.ts';
import type { FileIdentity } from './database.ts';
import type { LogReader } from './log-reader.ts';
import type { UnusableReason } from './unusable-database.ts';

/**
 * What the worker can be asked. Arguments and results are flat lists of texts and numbers: structured clone copies those
 * at the least cost.
 */
export interface Operations {
  load(topic: string): FlatSession | undefined;
  /**
   * @param expectedEpoch null where any will do
   * @param epoch of the new revision and of the entries
   * @param parts name, body, name, body … a null body removes
   * @param log number, id, at, body, number …
   * @param dropUpTo number of the last entry that is erased from the log, 0 for none
   * @returns the new revision; zero or negative when refused: minus the revision in force
   */
  commit(
    topic: string,
    expected: number,
    expectedEpoch: string | null,
    epoch: string,
    at: number,
    parts: readonly (string | null)[],
    log: readonly (string | number)[],
    addKeys: readonly string[],
    removeKeys: readonly string[],
    dropUpTo: number,
  ): number;
  /**
   * @param after what the page before ended with, 0 for the first
   * @returns session, topic, session, topic …
   */
  lookup(indexKey: string, after: number, limit: number): readonly (string | number)[];
  /** @returns how many sessions have the key, `atMost` at most */
  countSessions(indexKey: string, atMost: number): number;
  /**
   * @param after what the page before ended with, 0 for the first
   * @returns session, topic, part, session …; a part is null where the session has none
   */
  listParts(indexKey: string, part: string, after: number, limit: number): readonly (string | number | null)[];
  /** @param expected revision and its epoch, null where any will do */
  erase(topic: string, expected: readonly [revision: number, epoch: string] | null): boolean;

  get(kind: string, id: string, now: number): FlatRecord | undefined;
  /** @returns the new revision, or 0 when the condition did not hold */
  put(write: FlatWrite, now: number): number;
  putAll(writes: readonly FlatWrite[], now: number): boolean;
  consume(kind: string, id: string, now: number): boolean;
  delete(kind: string, id: string): boolean;
  deleteBy(kind: string, index: string, value: string): readonly string[];
  /** @param afterId empty for the first page */
  find(kind: string, index: string, value: string, now: number, afterId: string, limit: number): readonly FlatRecord[];
  list(kind: string, now: number, afterId: string, limit: number): readonly FlatRecord[];
  count(kind: string, atMost: number): number;
  countBy(kind: string, index: string, value: string, atMost: number): number;
  /** Deletes at most `limit` expired records. @returns how many */
  sweep(now: number, limit: number): number;

  /** Writes to the file, so that an answer shows that commits are possible. */
  ping(): void;
  stats(): FileStats;
}

/** What the thread that reads logs can be asked. */
export type Reads = Pick<LogReader, 'readLog' | 'readLogBytes'>;

export type Read = { [K in keyof Reads]: readonly [K, ...Parameters<Reads[K]>] }[keyof Reads];

/** One page of a log, and the number that its answer carries. */
export type LogRequest = readonly [id: number, read: Read];

export type LogAnswer = readonly [id: number, page: ReturnType<Reads[keyof Reads]>, failure?: OperationFailure];

/** Wished by the store's thread of the one that reads logs: that it copies the write-ahead log into the main file. */
export const COPY = 'copy';
/** The answer to that, whether or not it succeeded. */
export const COPIED = 'copied';

/** Sent in place of a request: the thread closes its connection and ends; the last one brings everything into the main file. */
export const CLOSE = 'close';

/** What the thread that makes a backup says. */
export type BackupAnswer = { readonly report: BackupReport } | { readonly refusal: string };

export interface FlatSession {
  readonly revision: number;
  readonly epoch: string;
  readonly start: LogPosition;
  readonly position: LogPosition;
  /** name, body, name, body … */
  readonly parts: readonly string[];
  /** number, id, at, epoch, number … */
  readonly log: readonly (string | number)[];
}

/** id, revision, body, consumedAt, expiresAt */
export type FlatRecord = readonly [string, number, string, number | null, number | null];

/** kind, id, body, expiresAt, condition (null: none, 0: absent, otherwise the revision), indexes (name, value, name …) */
export type FlatWrite = readonly [string, string, string, number | null, number | null, readonly string[]];

export interface FileStats {
  /** Transactions committed since the file was opened. */
  readonly transactions: number;
  /** Operations that wrote in them. */
  readonly writes: number;
  /** Operations that were asked for, reading ones too; what is in memory is not asked for. */
  readonly operations: number;
  readonly checkpoints: number;
  /** Pages in the write-ahead log. */
  readonly walPages: number;
}

export type OperationName = keyof Operations;

/** One operation with its arguments. */
export type Request = { [K in OperationName]: readonly [K, ...Parameters<Operations[K]>] }[OperationName];

/** Answers to a batch, in its order; where `failures` names an index, that operation failed and changed nothing. */
export interface Answers {
  readonly values: readonly unknown[];
  readonly failures: readonly (readonly [index: number, failure: OperationFailure])[];
}

export interface OperationFailure {
  /** `unavailable`: the file cannot be written or read now. `refused`: the caller asked for what cannot be. */
  readonly kind: 'unavailable' | 'refused' | 'defect';
  readonly message: string;
}

/** What the caller of a failed operation is thrown. */
export function errorOf(failure: OperationFailure): Error {
  if (failure.kind === 'unavailable') return new StoreUnavailable(failure.message);
  return failure.kind === 'refused' ? new RangeError(failure.message) : new Error(failure.message);
}

/** The caller asked for what cannot be. Thrown before anything is changed; the caller gets a `RangeError`. */
export class Refused extends Error {}

/**
 * What the worker says first: that the file is open, and what is wrong with it in words for the operator; or why
 * it is not.
 */
export type Opened =
  | {
      readonly opened: true;
      readonly file: FileIdentity;
      /** See `ReadingWorkerOptions`. */
      readonly descriptor: number;
      readonly warnings: readonly string[];
    }
  | { readonly opened: false; readonly failure: OpenFailure };

export interface OpenFailure {
  readonly reason: UnusableReason;
  readonly message: string;
}
