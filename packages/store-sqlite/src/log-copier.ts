import type { DatabaseSync } from 'node:sqlite';
import { prepare } from './rows.ts';
import type { ThreadSignals } from './thread-signals.ts';

export interface LogCopierOptions {
  readonly signals: ThreadSignals;
  /** Brings the main file to the disk. */
  readonly sync: () => void;
}

/** Copies the write-ahead log into the main file, on a connection of its own, while another one commits. */
export class LogCopier {
  readonly #copy: () => void;
  readonly #options: LogCopierOptions;

  constructor(db: DatabaseSync, options: LogCopierOptions) {
    const copy = prepare(db, 'PRAGMA wal_checkpoint(PASSIVE)');
    this.#copy = () => void copy.get();
    this.#options = options;
  }

  /**
   * Copies what has been committed so far, and brings it to the disk. SQLite leaves that to whoever copies the last page where something
   * was committed meanwhile: the thread that commits would wait until all of it is written.
   */
  copy(): void {
    try {
      this.#options.signals.copying(() => {
        this.#copy();
        this.#options.sync();
      });
    } catch {
      // A full disk: all of it still stands in the write-ahead log.
    }
  }
}
