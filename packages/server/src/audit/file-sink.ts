/** Audit records in a file, one a line, flushed to the disk before they count as written. */
import { type FileHandle, open, readFile, rename, writeFile } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { CHAIN_START, type ChainEnd, hashOf, placeOf } from './chain.ts';
import type { AuditSink } from './sink.ts';

/** Bytes from the end of a file in which its last records are looked for; a record has some thousand. */
const TAIL = 256 * 1024;

/** What a full file is called: by the number of its last record, so that names sort as the records do. */
export function filledName(path: string, last: number): string {
  const { dir, name, ext } = parse(path);
  return join(dir, `${name}-${String(last).padStart(12, '0')}${ext}`);
}

/** Beside the file: where the chain stood when it was last moved or closed. */
const endName = (path: string): string => `${path}.end`;

export class FileSink implements AuditSink {
  readonly name = 'file';
  readonly #path: string;
  readonly #maxBytes: number;
  #file: FileHandle;
  /** Bytes that count as written: what is behind them is the rest of a write that failed. */
  #size: number;
  #isDirty = false;
  #end: ChainEnd;

  private constructor(path: string, maxBytes: number, file: FileHandle, size: number, end: ChainEnd) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#file = file;
    this.#size = size;
    this.#end = end;
  }

  /**
   * Opens or makes the file, readable by its owner only.
   * @param maxBytes size from which on the next records go to a new file
   * @throws when it cannot be written
   */
  static async open(path: string, maxBytes: number): Promise<FileSink> {
    const file = await open(path, 'a+', 0o600);
    try {
      const end = await lastOf(file, path);
      const { size } = await file.stat();
      return new FileSink(path, maxBytes, file, size, end);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Where the chain of the records in it stands. */
  get end(): ChainEnd {
    return this.#end;
  }

  async write(lines: readonly string[]): Promise<void> {
    if (this.#isDirty) await this.#file.truncate(this.#size);
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
    this.#isDirty = true;
    await this.#file.appendFile(bytes);
    await this.#file.datasync();
    this.#isDirty = false;
    this.#size += bytes.length;
    const last = lines.at(-1) ?? '';
    this.#end = { number: placeOf(last)?.number ?? this.#end.number, hash: hashOf(last) };
    if (this.#size >= this.#maxBytes) {
      await rename(this.#path, filledName(this.#path, this.#end.number));
      await this.reopen();
    }
  }

  /** The next records go to a new file of the same name: the one before was renamed. */
  async reopen(): Promise<void> {
    await this.#noteEnd();
    const file = await open(this.#path, 'a+', 0o600);
    const { size } = await file.stat();
    const before = this.#file;
    this.#file = file;
    this.#size = size;
    this.#isDirty = false;
    await before.close();
  }

  async close(): Promise<void> {
    await this.#noteEnd();
    await this.#file.close();
  }

  #noteEnd(): Promise<void> {
    return writeFile(endName(this.#path), `${JSON.stringify(this.#end)}\n`, { mode: 0o600 });
  }
}

/** Where the chain in a file stands; a record that a crash cut off is ended, and counts by its bytes. */
async function lastOf(file: FileHandle, path: string): Promise<ChainEnd> {
  const { size } = await file.stat();
  if (size === 0) return notedEnd(path);
  const from = Math.max(0, size - TAIL);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
  const tail = buffer.subarray(0, bytesRead).toString('utf8');
  if (!tail.endsWith('\n')) await file.appendFile('\n');
  const lines = tail.replace(/\n$/, '').split('\n');
  const place = lines.map(placeOf).findLast((one) => one !== undefined);
  if (!place) throw new Error(`${path} does not end with audit records`);
  return { number: place.number, hash: hashOf(lines.at(-1) ?? '') };
}

async function notedEnd(path: string): Promise<ChainEnd> {
  try {
    const { number, hash } = JSON.parse(await readFile(endName(path), 'utf8')) as ChainEnd;
    return typeof number === 'number' && typeof hash === 'string' ? { number, hash } : CHAIN_START;
  } catch {
    return CHAIN_START;
  }
}
