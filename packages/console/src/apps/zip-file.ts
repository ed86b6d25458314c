/**
 * Reads zip files (PKWARE APPNOTE.TXT 6.3.10) that somebody uploads, strictly: what programs could read in two ways, or what takes more
 * room than it says, is refused. Packages are small, so that neither zip64 nor several volumes are needed.
 */

/** Why a file is refused. */
export type ZipFault = 'broken' | 'tooLarge' | 'encrypted';

export class ZipError extends Error {
  override readonly name = 'ZipError';
  readonly fault: ZipFault;
  constructor(fault: ZipFault) {
    super(fault);
    this.fault = fault;
  }
}

/** Bytes of one entry once it is unpacked, and how many entries there are at most. */
const MAX_ENTRY = 2 * 1024 * 1024;
const MAX_ENTRIES = 1000;

/** One file of the central directory (section 4.3.12). */
export interface ZipEntry {
  /** Path without a leading slash, `..` or anything else that leads out of the file. */
  readonly name: string;
  readonly method: number;
  readonly encrypted: boolean;
  /** Bytes. */
  readonly packed: number;
  /** Bytes, unpacked. */
  readonly size: number;
  readonly crc: number;
  /** Where its bytes begin. */
  readonly start: number;
}

const END = 0x06054b50;
const END_SIZE = 22;
const DIRECTORY = 0x02014b50;
const DIRECTORY_SIZE = 46;
const LOCAL = 0x04034b50;
const LOCAL_SIZE = 30;
/** Flags (section 4.4.4): encrypted, in any of three ways. */
const ENCRYPTED = 0x0001 | 0x0040 | 0x2000;
/** Method of entries that are encrypted by AES. */
const AES = 99;
/** What stands where zip64 has the number. */
const IN_ZIP64 = 0xffffffff;

function broken(): ZipError {
  return new ZipError('broken');
}

/** Whether a name is a path within the file, as every program would read it. */
function isSafe(name: string): boolean {
  const parts = name.replace(/\/$/, '').split('/');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return !/[\u0000-\u001f\u007f\\:]/.test(name) && parts.every((part) => part !== '' && part !== '.' && part !== '..');
}

/** Where the directory ends: the end record, with a comment that is as long as it says. */
function endRecord(view: DataView): number {
  for (let at = view.byteLength - END_SIZE; at >= 0; at--) {
    if (view.getUint32(at, true) !== END) continue;
    if (at + END_SIZE + view.getUint16(at + 20, true) === view.byteLength) return at;
  }
  throw broken();
}

/** The zip file's entries. */
export class ZipFile {
  readonly entries: readonly ZipEntry[];
  readonly #view: DataView<ArrayBuffer>;

  /** @throws ZipError; RangeError where it ends too soon */
  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.entries = this.#readDirectory();
  }

  #readDirectory(): readonly ZipEntry[] {
    const view = this.#view;
    const end = endRecord(view);
    const count = view.getUint16(end + 10, true);
    if (count > MAX_ENTRIES) throw new ZipError('tooLarge');
    const start = view.getUint32(end + 16, true);
    const isWhole = view.getUint32(end + 4, true) === 0 && view.getUint16(end + 8, true) === count;
    if (!isWhole || start + view.getUint32(end + 12, true) !== end) throw broken();
    const entries: (ZipEntry & { readonly from: number })[] = [];
    let at = start;
    for (let index = 0; index < count; index++) {
      const length = view.getUint16(at + 28, true);
      entries.push(this.#readEntry(at, length));
      at += DIRECTORY_SIZE + length + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    }
    if (at !== end) throw broken();
    const names = new Set(entries.map(({ name }) => name.normalize('NFC').toLowerCase().replace(/\/$/, '')));
    if (names.size !== count) throw broken();
    // Entries that share bytes make a small file unpack to an endless one.
    const byPlace = entries.toSorted((one, other) => one.from - other.from);
    for (const [index, { start: first, packed }] of byPlace.entries()) {
      if (first + packed > (byPlace[index + 1]?.from ?? start)) throw broken();
    }
    return entries;
  }

  #readEntry(at: number, length: number): ZipEntry & { readonly from: number } {
    const view = this.#view;
    if (view.getUint32(at, true) !== DIRECTORY || view.getUint16(at + 34, true) !== 0) throw broken();
    const flags = view.getUint16(at + 8, true);
    const method = view.getUint16(at + 10, true);
    const packed = view.getUint32(at + 20, true);
    const size = view.getUint32(at + 24, true);
    const from = view.getUint32(at + 42, true);
    if (packed === IN_ZIP64 || size === IN_ZIP64 || from === IN_ZIP64) throw broken();
    const name = this.#text(at + DIRECTORY_SIZE, length);
    // The two places that say what an entry is must say the same.
    const local = view.getUint16(from + 26, true);
    const isSame = view.getUint32(from, true) === LOCAL && view.getUint16(from + 8, true) === method;
    if (!isSame || this.#text(from + LOCAL_SIZE, local) !== name || !isSafe(name)) throw broken();
    return {
      ...{ name, method, packed, size, from },
      encrypted: (flags & ENCRYPTED) !== 0 || method === AES,
      crc: view.getUint32(at + 16, true),
      start: from + LOCAL_SIZE + local + view.getUint16(from + 28, true),
    };
  }

  #text(at: number, length: number): string {
    return new TextDecoder().decode(this.#bytes(at, length));
  }

  #bytes(at: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, length);
  }

  /** What is in an entry: as many bytes as it says, with the checksum that it says. @throws ZipError */
  async read(entry: ZipEntry): Promise<Uint8Array<ArrayBuffer>> {
    const { method, packed, size, start, crc } = entry;
    if (entry.encrypted) throw new ZipError('encrypted');
    if (size > MAX_ENTRY) throw new ZipError('tooLarge');
    const stored = this.#bytes(start, packed);
    if (method !== 0 && method !== 8) throw broken();
    const bytes = method === 0 ? stored : await inflate(stored, size);
    if (bytes.length !== size || crc32(bytes) !== crc) throw broken();
    return bytes;
  }
}

/** @param size bytes, unpacked. @throws ZipError where there are more: nothing else is unpacked then */
async function inflate(packed: Uint8Array<ArrayBuffer>, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader();
  const bytes = new Uint8Array(size);
  let length = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (length + part.value.length > size) {
      await reader.cancel();
      throw broken();
    }
    bytes.set(part.value, length);
    length += part.value.length;
  }
  return bytes.subarray(0, length);
}

/** CRC-32 as zip files have it (ISO 3309). */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 && 0xedb88320);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
