/** Audit records in a file, one a line, flushed to the disk before they count as written. */
import { type FileHandle, open, rename, writeFile } from 'node:fs/promises';
import { endName, filledFiles, filledName, linesOf, notedEnd } from './audit-files.ts';
import { CHAIN_START, type ChainEnd, chainPast, hashOf, LINE_START, placeOf } from './chain.ts';
import type { AuditSink } from './sink.ts';

/** Bytes from the end of a file in which its last record is looked for at first, and at most: a record may name many patients. */
const TAIL = 256 * 1024;
const LONGEST_TAIL = 64 * 1024 * 1024;

export class FileSink implements AuditSink {
  readonly name = 'file';
  readonly #path: string;
  readonly #maxBytes: number;
  #file: FileHandle;
  /** Bytes that count as written: what is behind them is the rest of a write that failed. */
  #size: number;
  #isDirty = false;
  /** The last whole record. */
  #record: ChainEnd;
  /** Writing and opening again happen one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  /** Where the chain stood when the file was opened. */
  readonly end: ChainEnd;

  private constructor(path: string, maxBytes: number, file: FileHandle, size: number, { record, end }: Opened) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#file = file;
    this.#size = size;
    this.#record = record;
    this.end = end;
  }

  /**
   * Opens or makes the file, readable by its owner only. Where more records were written than are there, the chain goes on
   * from the last one that was, so that what is missing shows for good.
   * @param maxBytes size from which on the next records go to a new file
   * @throws when it cannot be written
   */
  static async open(path: string, maxBytes: number): Promise<FileSink> {
    const file = await open(path, 'a+', 0o600);
    try {
      const opened = await endOf(file, path);
      const { size } = await file.stat();
      return new FileSink(path, maxBytes, file, size, opened);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  write(lines: readonly string[]): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#size >= this.#maxBytes) await this.#putAside();
      await this.#cutUnwritten();
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
      this.#isDirty = true;
      await this.#file.appendFile(bytes);
      await this.#file.datasync();
      this.#isDirty = false;
      this.#size += bytes.length;
      const last = lines.at(-1) ?? '';
      this.#record = { number: placeOf(last)?.number ?? this.#record.number, hash: hashOf(last) };
    });
  }

  /** The next records go to a new file of the same name: the one before was renamed. */
  reopen(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#openNext();
      await this.#noteEnd();
    });
  }

  close(): Promise<void> {
    return this.#inTurn(async () => {
      try {
        await this.#cutUnwritten();
        await this.#noteEnd();
      } finally {
        await this.#file.close();
      }
    });
  }

  #inTurn(run: () => Promise<void>): Promise<void> {
    const done = this.#last.then(run);
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** Renames the full file and opens its successor. What fails is done by the next attempt; no record is lost. */
  async #putAside(): Promise<void> {
    await rename(this.#path, filledName(this.#path, this.#record.number)).catch((error: NodeJS.ErrnoException) => {
      // An attempt before, or another program, has moved it.
      if (error.code !== 'ENOENT') throw error;
    });
    await this.#openNext();
  }

  async #openNext(): Promise<void> {
    await this.#cutUnwritten();
    const file = await open(this.#path, 'a+', 0o600);
    const { size } = await file.stat();
    const before = this.#file;
    this.#file = file;
    this.#size = size;
    await before.close();
  }

  /** Takes away what a write that failed has left, which is written again. */
  async #cutUnwritten(): Promise<void> {
    if (!this.#isDirty) return;
    await this.#file.truncate(this.#size);
    this.#isDirty = false;
  }

  /** In one step, so that a crash leaves the former note. */
  async #noteEnd(): Promise<void> {
    const name = endName(this.#path);
    await writeFile(`${name}.new`, `${JSON.stringify(this.#record)}\n`, { mode: 0o600, flush: true });
    await rename(`${name}.new`, name);
  }
}

/** Where the chain of a file stands. */
interface Opened {
  /** The last whole record that was written. */
  readonly record: ChainEnd;
  /** What the next record follows: that one, and what a crash cut off after it. */
  readonly end: ChainEnd;
}

/**
 * Where the chain goes on in a file. What was noted, and the file that was filled last, count where they are further than the
 * file itself: then records were taken away.
 */
async function endOf(file: FileHandle, path: string): Promise<Opened> {
  const noted = (await notedEnd(path)) ?? CHAIN_START;
  const filled = await lastFilled(path);
  const earlier = filled && filled.number > noted.number ? filled : noted;
  const { record = earlier, torn, isEnded } = await tailOf(file, path);
  if (!isEnded) await file.appendFile('\n');
  const isMissing =
    record.number < earlier.number || (record.number === earlier.number && record.hash !== earlier.hash);
  if (isMissing) return { record: earlier, end: earlier };
  return { record, end: { number: record.number, hash: torn.reduce<string>(chainPast, record.hash) } };
}

async function lastFilled(path: string): Promise<ChainEnd | undefined> {
  const name = (await filledFiles(path)).at(-1);
  if (name === undefined) return undefined;
  const file = await open(name, 'r');
  try {
    return (await tailOf(file, name)).record;
  } finally {
    await file.close();
  }
}

/** What a file ends with. */
interface Tail {
  /** Its last whole record; undefined where it has none. */
  readonly record?: ChainEnd;
  /** Lines after it that a crash cut off. */
  readonly torn: readonly Uint8Array[];
  /** Whether the last line has its end. */
  readonly isEnded: boolean;
}

/** @throws for a file that holds something else */
async function tailOf(file: FileHandle, path: string): Promise<Tail> {
  const { size } = await file.stat();
  for (let length = TAIL; ; length *= 2) {
    const from = Math.max(0, size - length);
    const bytes = await readFrom(file, from, size);
    const isEnded = size === 0 || bytes.at(-1) === 0x0a;
    const lines = linesOf(bytes);
    // It began before.
    if (from > 0) lines.shift();
    const places = lines.map(placeOf);
    const at = places.findLastIndex((place) => place !== undefined);
    const [place, line] = [places[at], lines[at]];
    if (place && line)
      return { record: { number: place.number, hash: hashOf(line) }, torn: lines.slice(at + 1), isEnded };
    if (from === 0 && lines.every(mayBeTorn)) return { torn: lines, isEnded };
    if (from === 0 || length >= LONGEST_TAIL) throw new Error(`${path} does not end with audit records`);
  }
}

/** Whether a line may be the beginning of a record. */
function mayBeTorn(line: Uint8Array): boolean {
  const text = Buffer.from(line).toString('latin1');
  return text.startsWith(LINE_START) || LINE_START.startsWith(text);
}

async function readFrom(file: FileHandle, from: number, to: number): Promise<Buffer> {
  const bytes = Buffer.alloc(to - from);
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, from + at);
    if (bytesRead === 0) return bytes.subarray(0, at);
    at += bytesRead;
  }
  return bytes;
}
