import { closeSync, existsSync, fsyncSync, openSync, rmSync, statSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type FileIdentity, openBeside, openDatabase } from './database.ts';
import { findDamage, identityOf } from './integrity.ts';
import { lastChangePath } from './last-change.ts';
import { makeFolder } from './make-folder.ts';
import { takeFile } from './own-files.ts';
import { prepare } from './rows.ts';

/** What a copy of a database holds. */
export interface BackupReport {
  readonly path: string;
  readonly bytes: number;
  /** How many changes it has: the first so many that were ever made. */
  readonly changes: number;
  readonly sessions: number;
  readonly events: number;
  readonly records: number;
}

/**
 * Copies a database that this process has open into a new file that only its owner can read. Everything that was acknowledged
 * before the call is in the copy; what is committed meanwhile is not, and does not wait.
 * @throws Error when the file exists, or cannot be written; nothing is left of it then
 */
export function backUp(from: string, file: FileIdentity, path: string): BackupReport {
  closeSync(openSync(path, 'wx', 0o600));
  try {
    const db = openBeside(from, file);
    try {
      db.prepare('VACUUM INTO ?').run(path);
    } finally {
      db.close();
    }
    const copy = openSync(path, 'r');
    fsyncSync(copy);
    closeSync(copy);
    return checkBackup(path);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
}

/**
 * Reads a copy whole and compares what it holds with its checksums; it is not changed.
 * @throws Error that says what is wrong with it
 */
export function checkBackup(path: string): BackupReport {
  if (!existsSync(path)) throw new Error(`${path} does not exist`);
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    const [found] = prepare<readonly [string]>(db, 'PRAGMA integrity_check').get() ?? [];
    if (found !== 'ok') throw new Error(`${path} is damaged: ${found}`);
    const damage = findDamage(db, path);
    if (damage !== undefined) throw new Error(`${path} is damaged: ${damage.entries.length} entries of logs`);
    const count = (table: string): number => prepare<readonly [number]>(db, `SELECT count(*) FROM ${table}`).get()![0];
    return {
      path,
      bytes: statSync(path).size,
      changes: identityOf(db).sequence,
      sessions: count('session'),
      events: count('log'),
      records: count('record'),
    };
  } finally {
    db.close();
  }
}

/**
 * Puts a copy in the place of a database that no process has open. What was there is kept beside it, with `-before` after its
 * name, unless there is one of before already. A folder that is not there is made.
 * @throws Error when the copy is damaged; UnusableDatabase when another process has the database open. Nothing is changed then
 */
export async function restoreBackup(from: string, path: string): Promise<BackupReport> {
  const report = checkBackup(from);
  const release = takeFile(path);
  try {
    // Opening it shows that no other process has it open, and brings its write-ahead log in.
    if (existsSync(path)) {
      openDatabase(path).close();
      if (!existsSync(`${path}-before`)) await copyFile(path, `${path}-before`);
    }
    for (const file of [path, `${path}-wal`, lastChangePath(path)]) rmSync(file, { force: true });
    makeFolder(dirname(path));
    await copyFile(from, path);
  } finally {
    release();
  }
  return { ...report, path };
}
