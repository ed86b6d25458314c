import type { DatabaseSync } from 'node:sqlite';
import { prepare } from './rows.ts';

/** Transactions between two looks at the size of the write-ahead log. */
const LOOK_EVERY = 16;

/**
 * Pages (of 4 KiB) in the write-ahead log from which on it is copied into the main file, however busy the store is. A copy
 * keeps commits waiting for 5 ms and more; the rarer it is, the fewer pages are copied twice and the fewer commits wait.
 */
const PAGES = 32_000;

/** ms without a transaction after which it is copied because no operation waits. */
const IDLE = 2_000;

/** Columns: busy, pages in the log, pages copied. */
type Checkpoint = readonly [number, number, number];

/** Keeps the write-ahead log bounded, and empties it after a deletion so that it holds nothing of what was deleted. */
export class Checkpoints {
  readonly #idle: NodeJS.Timeout;
  readonly #look: () => number;
  readonly #copy: () => Checkpoint;
  readonly #empty: () => Checkpoint;
  readonly #done: () => void;
  readonly #db: DatabaseSync;
  #count = 0;
  #pages = 0;
  #sinceLook = 0;

  /** @param done called after each checkpoint, whether or not it brought everything into the main file */
  constructor(db: DatabaseSync, done: () => void) {
    this.#done = done;
    this.#db = db;
    // Before 3.51 SQLite takes NOOP for PASSIVE: it copies at each look, which is early but does no harm.
    const look = prepare<Checkpoint>(db, 'PRAGMA wal_checkpoint(NOOP)');
    const copy = prepare<Checkpoint>(db, 'PRAGMA wal_checkpoint(PASSIVE)');
    const empty = prepare<Checkpoint>(db, 'PRAGMA wal_checkpoint(TRUNCATE)');
    this.#look = () => {
      const [, pages, copied] = look.get()!;
      done();
      this.#pages = Math.max(0, pages - copied);
      return this.#pages;
    };
    this.#copy = () => copy.get()!;
    this.#empty = () => empty.get()!;
    this.#idle = setTimeout(() => {
      if (this.#look() > 0) this.#run(this.#copy);
    }, IDLE);
  }

  /** Checkpoints made since the file was opened. */
  get count(): number {
    return this.#count;
  }

  /** Pages in the write-ahead log that are not in the main file yet; as last seen while a transaction is under way. */
  get pages(): number {
    // SQLite refuses to look within a transaction: "database table is locked".
    return this.#db.isTransaction ? this.#pages : this.#look();
  }

  /** To be called after each transaction, once its operations were answered. */
  afterTransaction(): void {
    this.#idle.refresh();
    if (++this.#sinceLook < LOOK_EVERY) return;
    this.#sinceLook = 0;
    if (this.#look() >= PAGES) this.#run(this.#copy);
  }

  /** Copies everything and cuts the write-ahead log to nothing. @returns whether that succeeded */
  empty(): boolean {
    return this.#run(this.#empty);
  }

  /** Ends the waiting for an idle moment. */
  close(): void {
    clearTimeout(this.#idle);
  }

  /** A checkpoint that fails (a full disk) loses nothing: all of it still stands in the write-ahead log. */
  #run(checkpoint: () => Checkpoint): boolean {
    try {
      const [busy] = checkpoint();
      if (busy === 0) this.#count++;
      return busy === 0;
    } catch {
      return false;
    } finally {
      this.#done();
    }
  }
}
