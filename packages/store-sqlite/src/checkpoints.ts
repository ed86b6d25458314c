import type { DatabaseSync } from 'node:sqlite';
import { prepare } from './rows.ts';

/** Transactions between two looks at the size of the write-ahead log. */
const LOOK_EVERY = 16;

/**
 * Pages (of 4 KiB) of the write-ahead log that are not in the main file yet from which on they are copied, however busy the store
 * is. The rarer that is, the fewer pages are copied twice; the more of them, the longer a commit's flush may wait for theirs.
 */
const PAGES = 16_000;

/** Pages not copied yet from which on the store's own thread copies them: the other one cannot keep up. */
const MOST = 64_000;

/** Pages that this thread copies itself where it has nothing else to do: that takes some milliseconds. */
const LITTLE = 500;

/**
 * Pages that are left for this thread once the other one has copied: a few commits. Commits wait while it copies them and brings them
 * to the disk.
 */
const FEW = 50;

/** Times that the other thread copies what was committed while it copied, before this one takes what is left. */
const PASSES = 4;

/** ms without a transaction after which the log is copied because no operation waits. */
const IDLE = 2_000;

/** ms until the log is emptied where somebody was reading it just now. */
const AGAIN = 100;

/** Columns: busy, pages in the log, pages copied. */
type Checkpoint = readonly [number, number, number];

/** What copies the write-ahead log into the main file while this thread commits; answered by `copied`. */
export interface Copier {
  copy(): void;
}

export interface CheckpointOptions {
  readonly copier: Copier;
  /** ms from a deletion to the emptying of the write-ahead log. */
  readonly scrubAfterMs: number;
  /** Called after each checkpoint of this thread, whether or not it brought everything into the main file. */
  readonly done: () => void;
}

/**
 * Keeps the write-ahead log bounded, and empties it after a deletion so that it holds nothing of what was deleted. The copying is
 * done by another thread while this one commits, and once more for what was committed meanwhile; the last few pages are copied by this
 * one, so that the log begins again.
 */
export class Checkpoints {
  readonly #idle: NodeJS.Timeout;
  readonly #look: () => number;
  readonly #copy: () => Checkpoint;
  readonly #empty: () => Checkpoint;
  readonly #options: CheckpointOptions;
  readonly #db: DatabaseSync;
  #count = 0;
  #pages = 0;
  #sinceLook = 0;
  /** Times that the copier has copied since it was asked; 0 while it has nothing to do. */
  #passes = 0;
  #scrub: NodeJS.Timeout | undefined;
  #isScrubbing = false;

  constructor(db: DatabaseSync, options: CheckpointOptions) {
    this.#options = options;
    this.#db = db;
    // Before 3.51 SQLite takes NOOP for PASSIVE: it copies at each look, which is early but does no harm.
    const look = prepare<Checkpoint>(db, 'PRAGMA wal_checkpoint(NOOP)');
    const copy = prepare<Checkpoint>(db, 'PRAGMA wal_checkpoint(PASSIVE)');
    const empty = prepare<Checkpoint>(db, 'PRAGMA wal_checkpoint(TRUNCATE)');
    this.#look = () => {
      const [, pages, copied] = look.get()!;
      options.done();
      this.#pages = Math.max(0, pages - copied);
      return this.#pages;
    };
    this.#copy = () => copy.get()!;
    this.#empty = () => empty.get()!;
    this.#idle = setTimeout(() => {
      const pages = this.#look();
      if (pages > LITTLE) this.#askForCopy();
      else if (pages > 0) this.#run(this.#copy);
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
    const pages = this.#look();
    if (pages >= MOST) this.#run(this.#copy);
    else if (pages >= PAGES) this.#askForCopy();
  }

  /** To be called after a deletion: soon the write-ahead log, too, holds nothing of it. */
  scrubSoon(): void {
    this.#scrub ??= setTimeout(() => this.#startScrub(), this.#options.scrubAfterMs);
  }

  /** To be called when the copier is done. */
  copied(): void {
    if (this.#passes < PASSES && this.#look() > FEW) {
      this.#copyMore();
      return;
    }
    this.#passes = 0;
    if (this.#isScrubbing) this.#endScrub();
    else this.#run(this.#copy);
  }

  /** Ends the waiting for an idle moment. */
  close(): void {
    clearTimeout(this.#idle);
    clearTimeout(this.#scrub);
  }

  #startScrub(): void {
    this.#isScrubbing = true;
    if (this.#look() > LITTLE) this.#askForCopy();
    else this.#endScrub();
  }

  #endScrub(): void {
    this.#isScrubbing = false;
    this.#scrub = undefined;
    if (!this.#run(this.#empty)) this.#scrub = setTimeout(() => this.#startScrub(), AGAIN);
  }

  #askForCopy(): void {
    if (this.#passes === 0) this.#copyMore();
  }

  #copyMore(): void {
    this.#passes++;
    this.#options.copier.copy();
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
      this.#options.done();
    }
  }
}
