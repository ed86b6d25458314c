import { type Stats, statSync } from 'node:fs';
import type { FileIdentity } from './database.ts';
import type { ThreadSignals } from './thread-signals.ts';

function look(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

function isSame(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.dev === other.dev;
}

/**
 * Notices that the files of an open database were deleted, replaced, cut short or written by somebody else. SQLite would go on
 * writing to files that no longer have a name.
 */
export class DataFiles {
  readonly #path: string;
  readonly #log: string;
  readonly #signals: ThreadSignals;
  /** Copies of the write-ahead log that had been made when the main file was looked at last. */
  #copies: number | undefined;
  #main: Stats;
  #wal: Stats;

  /** @throws when the files of the open database are not there */
  constructor(path: string, signals: ThreadSignals) {
    this.#path = path;
    this.#signals = signals;
    this.#copies = signals.copies;
    this.#log = `${path}-wal`;
    this.#main = statSync(path);
    this.#wal = statSync(this.#log);
  }

  /** Which file the database is. */
  get file(): FileIdentity {
    const { dev, ino } = this.#main;
    return { dev, ino };
  }

  /**
   * To be called before each transaction, whose writes would hide it.
   * @returns what is wrong, in words for the operator
   */
  cut(): string | undefined {
    const size = look(this.#log)?.size ?? 0;
    return size < this.#wal.size ? `${this.#log} was cut short or deleted while it was in use` : undefined;
  }

  /**
   * To be called after each transaction, before it is announced.
   * @returns what is wrong, in words for the operator
   */
  problem(): string | undefined {
    const copies = this.#signals.copies;
    const main = look(this.#path);
    const wal = look(this.#log);
    if (main === undefined) return `${this.#path} was deleted while it was in use`;
    if (wal === undefined) return `${this.#log} was deleted while it was in use`;
    if (!isSame(main, this.#main)) return `${this.#path} was replaced while it was in use`;
    if (!isSame(wal, this.#wal)) return `${this.#log} was replaced while it was in use`;
    const isCopied = copies === undefined || copies !== this.#copies || copies !== this.#signals.copies;
    if (!isCopied && (main.size !== this.#main.size || main.mtimeMs !== this.#main.mtimeMs)) {
      return `${this.#path} was changed by another program while it was in use`;
    }
    this.#main = main;
    this.#wal = wal;
    // Of a copy that is under way, or has begun since, the file will be another one.
    if (copies === this.#signals.copies) this.#copies = copies;
    return undefined;
  }

  /** To be called after each checkpoint of this thread: the main file changes, and the write-ahead log may become shorter. */
  checkpointed(): void {
    const main = look(this.#path);
    const wal = look(this.#log);
    // Others' files are not taken for ours: they are found out at the next look.
    if (main && isSame(main, this.#main)) this.#main = main;
    if (wal && isSame(wal, this.#wal)) this.#wal = wal;
  }
}
