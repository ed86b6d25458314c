import type { DatabaseSync } from 'node:sqlite';
import { resultCode } from './database.ts';
import { type Answers, type OperationFailure, type Operations, Refused, type Request } from './operations.ts';
import { prepare } from './rows.ts';

/** Operations that may change the file. */
const WRITES: ReadonlySet<Request[0]> = new Set([
  'commit',
  'erase',
  'put',
  'putAll',
  'consume',
  'delete',
  'deleteBy',
  'sweep',
  'ping',
]);

/** Result codes of SQLite that speak of the file and its disk: busy, locked, no memory, read-only, I/O, corrupt, full, … */
const UNAVAILABLE: ReadonlySet<number> = new Set([3, 5, 6, 7, 8, 10, 11, 13, 14, 26]);

/**
 * Runs batches of operations: the writes of a batch share one transaction, and so one flush to the disk (group commit).
 * An operation that fails leaves the others of its batch as they are.
 */
export class Batches {
  readonly #handlers: Operations;
  readonly #begin: () => void;
  readonly #commit: () => void;
  readonly #rollback: () => void;
  readonly #changes: () => number;
  readonly #number: () => number;
  #transactions = 0;
  #sequence: number;
  #writes = 0;
  #operations = 0;

  constructor(db: DatabaseSync, handlers: Operations) {
    this.#handlers = handlers;
    const begin = db.prepare('BEGIN IMMEDIATE');
    const commit = db.prepare('COMMIT');
    this.#begin = () => begin.run();
    this.#commit = () => commit.run();
    // A full disk may have ended the transaction already.
    this.#rollback = () => {
      if (db.isTransaction) db.exec('ROLLBACK');
    };
    const changes = prepare<readonly [number]>(db, 'SELECT total_changes()');
    const number = prepare<readonly [number]>(db, 'UPDATE store SET sequence = sequence + 1 RETURNING sequence');
    this.#changes = () => changes.get()![0];
    this.#number = () => number.get()![0];
    this.#sequence = prepare<readonly [number]>(db, 'SELECT sequence FROM store').get()![0];
  }

  /** How many transactions have changed the file, ever. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Transactions committed so far. */
  get transactions(): number {
    return this.#transactions;
  }

  /** Operations that wrote, or were refused, in those transactions. */
  get writes(): number {
    return this.#writes;
  }

  /** Operations that were asked for so far. */
  get operations(): number {
    return this.#operations;
  }

  run(requests: readonly Request[]): Answers {
    this.#operations += requests.length;
    const writes = requests.reduce((count, request) => (WRITES.has(request[0]) ? count + 1 : count), 0);
    if (writes === 0) return this.#runEach(requests);
    return this.#runTogether(requests, writes) ?? this.#runAlone(requests);
  }

  /** All operations in one transaction. @returns undefined when it had to be rolled back */
  #runTogether(requests: readonly Request[], writes: number): Answers | undefined {
    try {
      this.#begin();
      const before = this.#changes();
      const answers = this.#runEach(requests);
      if (answers.failures.every(([, failure]) => failure.kind === 'refused')) {
        this.#end(before);
        this.#transactions++;
        this.#writes += writes;
        return answers;
      }
    } catch {
      // What stands in the way is reported to each operation that meets it again on its own.
    }
    this.#rollback();
    return undefined;
  }

  #runEach(requests: readonly Request[]): Answers {
    const values: unknown[] = new Array(requests.length);
    const failures: [number, OperationFailure][] = [];
    for (let i = 0; i < requests.length; i++) {
      try {
        values[i] = this.#apply(requests[i]!);
      } catch (error) {
        failures.push([i, failureOf(error)]);
      }
    }
    return { values, failures };
  }

  /** Each operation in a transaction of its own, after one of them broke the common one. */
  #runAlone(requests: readonly Request[]): Answers {
    const values: unknown[] = new Array(requests.length);
    const failures: [number, OperationFailure][] = [];
    requests.forEach((request, i) => {
      try {
        this.#begin();
        const before = this.#changes();
        values[i] = this.#apply(request);
        this.#end(before);
        if (WRITES.has(request[0])) {
          this.#transactions++;
          this.#writes++;
        }
      } catch (error) {
        failures.push([i, failureOf(error)]);
        this.#rollback();
      }
    });
    return { values, failures };
  }

  /** Commits, and numbers the transaction where it has changed anything. @param before changes before it */
  #end(before: number): void {
    const sequence = this.#changes() > before ? this.#number() : this.#sequence;
    this.#commit();
    this.#sequence = sequence;
  }

  #apply(request: Request): unknown {
    const [name, ...args] = request;
    return (this.#handlers[name] as (...args: readonly unknown[]) => unknown)(...args);
  }
}

export function failureOf(error: unknown): OperationFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Refused) return { kind: 'refused', message };
  return { kind: UNAVAILABLE.has(resultCode(error) ?? 0) ? 'unavailable' : 'defect', message };
}
