import { closeSync, openSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import process from 'node:process';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { type Migration, migrate, migrations, schemaVersion } from './migrations.ts';
import { UnusableDatabase, type UnusableReason } from './unusable-database.ts';

/** `PRAGMA application_id` of our files: "LkSt". */
const APPLICATION_ID = 0x4c6b5374;

/** ms that opening waits for another process to let go of the file. */
const OPEN_TIMEOUT = 1_000;

/**
 * What SQLite opens: absolute, for it takes some relative names for something else than a file. `unix-excl` locks other
 * processes out, while the connections of this one share the index of the write-ahead log in its memory.
 */
function addressOf(path: string): string {
  const url = pathToFileURL(resolve(path));
  url.searchParams.set('vfs', process.platform === 'win32' ? 'win32' : 'unix-excl');
  return url.href;
}

/**
 * Opens the file, creating or migrating it. The lock is exclusive and lasts until all connections of this process are closed:
 * one process owns the file.
 *
 * @throws UnusableDatabase when the file cannot serve; it is unchanged then
 */
export function openDatabase(path: string, steps: readonly Migration[] = migrations): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    prepareFile(path);
    db = new DatabaseSync(addressOf(path), { timeout: OPEN_TIMEOUT });
    refuseForeign(db, path, steps.at(-1)?.version ?? 0);
    db.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = 0;
      PRAGMA secure_delete = ON;
      PRAGMA temp_store = MEMORY;
      PRAGMA cache_size = -16000;
    `);
    takeFile(db);
    // The main file says which database it is, whatever becomes of the write-ahead log.
    if (migrate(db, steps)) db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof UnusableDatabase) throw error;
    throw unusable(path, reasonOf(error), error);
  }
}

/** Which file a path leads to. */
export interface FileIdentity {
  readonly dev: number;
  readonly ino: number;
}

/**
 * Opens a file that this process has open already once more: to read, and to copy its write-ahead log, while the other connection
 * commits.
 * @param file that it is: another one in its place would be given the write-ahead log, and an empty one would delete it
 * @throws Error where the path leads to another file, or to none
 */
export function openBeside(path: string, file: FileIdentity): DatabaseSync {
  const db = new DatabaseSync(`${addressOf(path)}&mode=rw`, { timeout: OPEN_TIMEOUT });
  try {
    const { dev, ino } = statSync(path);
    if (dev !== file.dev || ino !== file.ino) throw new Error(`${path} was replaced while it was in use`);
    db.exec(`
      PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = 0;
      PRAGMA temp_store = MEMORY;
      PRAGMA cache_size = -2000;
    `);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Takes the lock, and signs a new file. A signed one is not written to: it can be read while the disk is full. */
function takeFile(db: DatabaseSync): void {
  db.exec('BEGIN EXCLUSIVE');
  if (ownerOf(db) !== APPLICATION_ID) db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  db.exec('COMMIT');
}

function ownerOf(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA application_id').get()?.application_id);
}

/** Bytes of the smallest page, and so of the smallest database. */
const SMALLEST = 512;

/**
 * Creates a file that only its owner may read: it will hold patient data, and SQLite gives the write-ahead log its mode.
 * Leaves one that exists unopened: closing any descriptor of a file ends the locks that this process has on it (POSIX),
 * and with them the protection of a store that is open already.
 */
function prepareFile(path: string): void {
  const { size } = statSync(path, { throwIfNoEntry: false }) ?? {};
  if (size === undefined) closeSync(openSync(path, 'wx', 0o600));
  // SQLite takes such a stub for an empty database and would write over it.
  else if (size > 0 && size < SMALLEST) throw unusable(path, 'not-a-database');
}

function refuseForeign(db: DatabaseSync, path: string, newest: number): void {
  const version = schemaVersion(db);
  const owner = ownerOf(db);
  const tables = Number(db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.n);
  if (tables > 0 && owner !== APPLICATION_ID) {
    throw new UnusableDatabase(path, 'foreign', `${path} is a database of another program`);
  }
  if (version > newest) {
    throw new UnusableDatabase(
      path,
      'newer-schema',
      `${path} was written by a newer version of Lockstep (schema ${version}; this version knows ${newest})`,
    );
  }
}

/** Primary result code of SQLite, when the error is one of SQLite's. */
export function resultCode(error: unknown): number | undefined {
  if (error instanceof Error && 'errcode' in error && typeof error.errcode === 'number') return error.errcode & 0xff;
  return undefined;
}

const BUSY = 5;
const LOCKED = 6;
const FULL = 13;
const NOT_A_DATABASE = 26;
/** What the system says where there is no room for a new file. */
const NO_ROOM: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT']);

function reasonOf(error: unknown): UnusableReason {
  const code = resultCode(error);
  if (code === BUSY || code === LOCKED) return 'in-use';
  if (code === NOT_A_DATABASE) return 'not-a-database';
  if (code === FULL || NO_ROOM.has((error as NodeJS.ErrnoException).code)) return 'full';
  return 'unreadable';
}

function unusable(path: string, reason: UnusableReason, cause?: unknown): UnusableDatabase {
  if (reason === 'in-use') return new UnusableDatabase(path, reason, `${path} is in use by another process`);
  if (reason === 'not-a-database') return new UnusableDatabase(path, reason, `${path} is not a database`);
  const why = cause instanceof Error ? cause.message : String(cause);
  return new UnusableDatabase(path, reason, `${path} cannot be opened: ${why}`);
}
