import { closeSync, openSync, readSync } from 'node:fs';

/** How an entry of the file's Bundle begins. */
const ENTRY = Buffer.from('\n    "fullUrl" : "');
/** Bytes read in one go while looking for the entries. */
const CHUNK = 1024 * 1024;
/** What stands between two entries, and after the last. */
const BETWEEN = /\s*\}(,\s*\{|\s*\]\s*\})\s*$/;

interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * A Bundle of definitions as HL7 publishes it, of tens of megabytes: the places of its entries are looked up once, and an
 * entry is read when it is asked for, so that only what is used takes memory.
 */
export class DefinitionFile {
  readonly #path: string;
  #entries: ReadonlyMap<string, Range> | undefined;

  /** @param path of the file; nothing is read yet */
  constructor(path: string) {
    this.#path = path;
  }

  /**
   * @param url an entry's `fullUrl`
   * @returns the entry's resource; undefined when the file has none of this URL
   */
  // biome-ignore lint/suspicious/noExplicitAny: definitions of every shape
  read(url: string): any {
    this.#entries ??= this.#find();
    const range = this.#entries.get(url);
    if (!range) return undefined;
    const text = this.#with((file) => {
      const bytes = Buffer.alloc(range.end - range.start);
      readSync(file, bytes, 0, bytes.length, range.start);
      return bytes.toString('utf8');
    });
    return JSON.parse(`{${text.replace(BETWEEN, '')}}`).resource;
  }

  #find(): ReadonlyMap<string, Range> {
    const starts = this.#with((file) => {
      const found: number[] = [];
      const bytes = Buffer.alloc(CHUNK + ENTRY.length);
      for (let from = 0; ; from += CHUNK) {
        const size = readSync(file, bytes, 0, bytes.length, from);
        const part = bytes.subarray(0, size);
        for (let at = part.indexOf(ENTRY); at >= 0 && at < CHUNK; at = part.indexOf(ENTRY, at + 1))
          found.push(from + at);
        if (size < bytes.length) return [...found, from + size];
      }
    });
    const end = starts.pop() ?? 0;
    return this.#with((file) => {
      const entries = new Map<string, Range>();
      const name = Buffer.alloc(256);
      for (const [index, start] of starts.entries()) {
        const size = readSync(file, name, 0, name.length, start + ENTRY.length);
        const url = name.toString('utf8', 0, Math.min(size, name.indexOf('"')));
        entries.set(url, { start, end: starts[index + 1] ?? end });
      }
      return entries;
    });
  }

  #with<T>(use: (file: number) => T): T {
    const file = openSync(this.#path, 'r');
    try {
      return use(file);
    } finally {
      closeSync(file);
    }
  }
}
