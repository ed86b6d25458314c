/** Writes zip files, for tests: good ones and odd ones. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface ZippedFile {
  readonly name: string;
  readonly content: string | Buffer;
  /** Whether it is packed, 8, or as it is, 0. */
  readonly method?: 0 | 8;
  readonly flags?: number;
  /** What is said of its size, where that is not so. */
  readonly claims?: number;
  /** The checksum that is said of it, where that is not so. */
  readonly crc?: number;
  /** Its name in its local header, where that is another. */
  readonly localName?: string;
  /** Method in the directory, where that is another. */
  readonly methodSaid?: number;
  /** Which entry's bytes are its own as well, counted from 0. */
  readonly bytesOf?: number;
  /** Bytes after the packed ones that count as packed. */
  readonly trailing?: Buffer;
}

/** A zip file as programs write it. */
export function zip(files: readonly ZippedFile[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  const places: number[] = [];
  let at = 0;
  for (const file of files) {
    const { name, content, method = 8, flags = 0, claims, localName = name, methodSaid = method, bytesOf } = file;
    const bytes = Buffer.from(content);
    const data = method === 8 ? deflateRawSync(bytes) : bytes;
    const packed = Buffer.concat([data, file.trailing ?? Buffer.alloc(0)]);
    const crc = file.crc ?? crc32(bytes);
    const head = Buffer.alloc(30);
    head.writeUInt32LE(0x04034b50, 0);
    head.writeUInt16LE(flags, 6);
    head.writeUInt16LE(methodSaid, 8);
    head.writeUInt32LE(crc, 14);
    head.writeUInt32LE(packed.length, 18);
    head.writeUInt32LE(bytes.length, 22);
    head.writeUInt16LE(Buffer.byteLength(localName), 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(flags, 8);
    entry.writeUInt16LE(methodSaid, 10);
    entry.writeUInt32LE(crc, 16);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt32LE(claims ?? bytes.length, 24);
    entry.writeUInt16LE(Buffer.byteLength(name), 28);
    entry.writeUInt32LE(bytesOf === undefined ? at : (places[bytesOf] ?? 0), 42);
    places.push(at);
    directory.push(entry, Buffer.from(name));
    if (bytesOf !== undefined) continue;
    locals.push(head, Buffer.from(localName), packed);
    at += 30 + Buffer.byteLength(localName) + packed.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...locals, ...directory, end]);
}
