import type { LogBounds, RecordStore, SessionStore } from '@lockstep/store';
import type { BackupReport } from './backup.ts';
import type { FileStats } from './operations.ts';
import { SqliteRecordStore } from './sqlite-record-store.ts';
import { SqliteSessionStore } from './sqlite-session-store.ts';
import { WorkerClient } from './worker-client.ts';

export interface SqliteOptions {
  /** The database file, created when absent. Its folder must exist. */
  readonly path: string;
  readonly log: LogBounds;
  /** ms after which nothing of an erased session or a deleted record is left in any file, 10,000 by default. */
  readonly scrubAfterMs?: number;
  /**
   * What is done with a file that lacks changes which were made, or holds entries of a log that are not as they were written:
   * `refuse` by default. `continue` uses what there is; damaged entries and those before them are dropped from their logs.
   */
  readonly onDamage?: 'refuse' | 'continue';
}

/** One file that holds all of the state, for the one process that has it open. */
export interface SqliteStore {
  readonly sessions: SessionStore;
  readonly records: RecordStore;
  /** What the server's operator is to know about the file, in words. */
  readonly warnings: readonly string[];
  /** Finishes what was asked before, then closes the file. Whatever is asked later rejects with `StoreUnavailable`. */
  close(): Promise<void>;
  /** Resolves when a write was possible just now; rejects with `StoreUnavailable` otherwise. */
  ping(): Promise<void>;
  stats(): Promise<FileStats>;
  /**
   * Copies the file into a new one while it is in use: what was acknowledged before the call is in it.
   * @throws RangeError when the file exists, cannot be written, or another copy is being made
   */
  backup(path: string): Promise<BackupReport>;
}

/**
 * Opens the file in a worker thread. Nothing is loaded: a file of any size opens at once.
 *
 * @throws UnusableDatabase when the file cannot serve; it is unchanged then
 * @throws RangeError for bounds that cannot be
 */
export async function openSqlite(options: SqliteOptions): Promise<SqliteStore> {
  const { path, log, scrubAfterMs = 10_000, onDamage = 'refuse' } = options;
  if (!(Number.isSafeInteger(log.count) && log.count > 0))
    throw new RangeError('log.count is not a positive whole number');
  if (!((log.bytes ?? 1) > 0)) throw new RangeError('log.bytes is not a positive number');
  if (!(log.ageMs > 0)) throw new RangeError('log.ageMs is not a positive number');
  const worker = await WorkerClient.open({ path, log, scrubAfterMs, onDamage });
  return {
    sessions: new SqliteSessionStore(worker),
    records: new SqliteRecordStore(worker),
    warnings: worker.warnings,
    close: () => worker.close(),
    ping: () => worker.call('ping'),
    stats: () => worker.call('stats'),
    backup: (to) => worker.backup(to),
  };
}
