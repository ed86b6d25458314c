/** Puts PNG pictures of one size into an animated PNG: their data is taken as it is, only the chunks around it are new. */
import { crc32 } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
}

/** The chunks of a PNG. @throws Error for what is none */
export function chunksOf(png: Buffer): readonly Chunk[] {
  if (!png.subarray(0, 8).equals(SIGNATURE)) throw new Error('this is no PNG');
  const chunks: Chunk[] = [];
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const type = png.toString('latin1', at + 4, at + 8);
    chunks.push({ type, data: png.subarray(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  return chunks;
}

function written({ type, data }: Chunk): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const around = Buffer.alloc(8);
  around.writeUInt32BE(data.length, 0);
  around.writeUInt32BE(crc32(named), 4);
  return Buffer.concat([around.subarray(0, 4), named, around.subarray(4)]);
}

/** How a frame covers the one before, and how long it stays. */
function control(sequence: number, size: { width: number; height: number }, ms: number): Chunk {
  const data = Buffer.alloc(26);
  data.writeUInt32BE(sequence, 0);
  data.writeUInt32BE(size.width, 4);
  data.writeUInt32BE(size.height, 8);
  data.writeUInt16BE(ms, 20);
  data.writeUInt16BE(1000, 22);
  return { type: 'fcTL', data };
}

/**
 * @param frames pictures of one size and kind, and how long each is shown, ms
 * @throws Error where sizes or kinds differ
 */
export function animatedPng(frames: readonly { readonly png: Buffer; readonly ms: number }[]): Buffer {
  const read = frames.map(({ png, ms }) => ({ chunks: chunksOf(png), ms }));
  const header = read[0]?.chunks.find(({ type }) => type === 'IHDR');
  if (!header) throw new Error('there is no frame');
  const size = { width: header.data.readUInt32BE(0), height: header.data.readUInt32BE(4) };
  const count = Buffer.alloc(8);
  count.writeUInt32BE(frames.length, 0);
  const out: Chunk[] = [header, { type: 'acTL', data: count }];
  let sequence = 0;
  for (const [index, { chunks, ms }] of read.entries()) {
    if (!chunks.find(({ type }) => type === 'IHDR')?.data.equals(header.data))
      throw new Error('the frames differ in size or kind');
    out.push(control(sequence++, size, ms));
    for (const { type, data } of chunks) {
      if (type !== 'IDAT') continue;
      if (index === 0) out.push({ type, data });
      else {
        const numbered = Buffer.alloc(4);
        numbered.writeUInt32BE(sequence++);
        out.push({ type: 'fdAT', data: Buffer.concat([numbered, data]) });
      }
    }
  }
  return Buffer.concat([SIGNATURE, ...[...out, { type: 'IEND', data: Buffer.alloc(0) }].map(written)]);
}
