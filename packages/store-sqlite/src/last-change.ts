import { closeSync, constants, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';

/** A transaction that changed a database. */
export interface CommittedChange {
  /** Of the database and of every copy of it. */
  readonly database: string;
  /** How many transactions had changed it, this one included. */
  readonly sequence: number;
  /** ms since the epoch. */
  readonly at: number;
}

const FORM = /^lockstep 1 ([0-9a-f]{16}) (\d{16}) (\d{16}) ([0-9a-f]{8})\n/;

/** Where the last change is written down, beside the database. */
export function lastChangePath(path: string): string {
  return `${path}-last`;
}

function lineOf({ database, sequence, at }: CommittedChange): string {
  const text = `lockstep 1 ${database} ${String(sequence).padStart(16, '0')} ${String(at).padStart(16, '0')}`;
  return `${text} ${crc32(text).toString(16).padStart(8, '0')}\n`;
}

/** @returns undefined where nothing is written down, or not so that it can be read */
export function readLastChange(path: string): CommittedChange | undefined {
  let text: string;
  try {
    text = readFileSync(lastChangePath(path), 'latin1');
  } catch {
    return undefined;
  }
  const [line, database = '', sequence, at] = FORM.exec(text) ?? [];
  const change = { database, sequence: Number(sequence), at: Number(at) };
  return line !== undefined && line === lineOf(change) ? change : undefined;
}

/**
 * Writes down beside the database what its last change was. A write-ahead log that is cut short, or an older copy of the file,
 * is a sound database to SQLite: only this shows that something is missing.
 *
 * It outlasts the process at once and a power cut some seconds later, and is never ahead of the database.
 */
export class LastChange {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(lastChangePath(path), constants.O_CREAT | constants.O_RDWR, 0o600);
  }

  /** What cannot be written now is written with the next change. */
  write(change: CommittedChange): void {
    try {
      writeSync(this.#file, lineOf(change), 0, 'latin1');
    } catch {
      // A full disk: what is there then is older than the database, which says nothing wrong.
    }
  }

  close(): void {
    try {
      fsyncSync(this.#file);
    } catch {
      // The same.
    }
    closeSync(this.#file);
  }
}
