import { isUtf8 } from 'node:buffer';
import type { Duplex } from 'node:stream';

/** First bytes of whole frames: the last of their message, without an extension (RFC 6455 section 5.2). */
const TEXT = 0x81;
const BINARY = 0x82;
const PING = 0x89;
const PONG = 0x8a;
const MASKED = 0x80;
/** The length byte that says that the length is in the next two. */
const MEDIUM = 126;
const MASK_BYTES = 4;
/** Bytes of the longest payload that is read here. */
const LONGEST = 1024;

/** Payloads without their mask, one at a time: all sockets share it. */
const payload = Buffer.alloc(LONGEST);

type Take = (this: Duplex, bytes: Buffer) => void;

/** What is done with the frames that are read here. */
export interface FrameListener {
  text(text: string): void;
  pong(): void;
}

/** A stream whose short frames are read here. */
interface ReadStream extends Duplex {
  [FRAMES]?: ShortFrames;
}

const FRAMES = Symbol('short frames');

/** Shared by all streams: a function for each would take more memory than what it reads with. */
function readShort(this: ReadStream, bytes: Buffer): void {
  this[FRAMES]?.take(this, bytes);
}

/** Where a frame is in what has arrived. */
interface Frame {
  readonly first: number;
  /** Where its mask is; the payload follows. */
  readonly mask: number;
  readonly end: number;
}

/** The frame that begins at a place; undefined where it is not short, not masked or not whole. */
function frameAt(bytes: Buffer, start: number): Frame | undefined {
  const left = bytes.length - start;
  if (left < 2 + MASK_BYTES) return undefined;
  const first = bytes[start]!;
  const second = bytes[start + 1]!;
  if (second < MASKED) return undefined;
  let length = second - MASKED;
  let mask = start + 2;
  if (length >= MEDIUM) {
    const isControl = first === PING || first === PONG;
    if (isControl || length > MEDIUM || left < 4 + MASK_BYTES) return undefined;
    length = bytes.readUInt16BE(mask);
    if (length < MEDIUM || length > LONGEST) return undefined;
    mask += 2;
  }
  const end = mask + MASK_BYTES + length;
  return end > bytes.length ? undefined : { first, mask, end };
}

/** The text of a frame; undefined where it is not UTF-8. */
function textOf(bytes: Buffer, { mask, end }: Frame): string | undefined {
  const from = mask + MASK_BYTES;
  const length = end - from;
  let all = 0;
  for (let at = 0; at < length; at++) {
    const byte = bytes[from + at]! ^ bytes[mask + (at & 3)]!;
    payload[at] = byte;
    all |= byte;
  }
  if (all < 128) return payload.toString('latin1', 0, length);
  const text = payload.subarray(0, length);
  return isUtf8(text) ? text.toString() : undefined;
}

/**
 * Reads the short frames of one WebSocket in place of `ws`: answers, and pongs. They are nearly all that subscribers send, and what
 * `ws` needs for frames of every kind costs several times as much. All else goes to `ws` as it is: a whole frame by itself, and from
 * what is not whole, not masked, long, a fragment or a close on everything.
 */
export class ShortFrames {
  readonly #listener: FrameListener;
  readonly #take: Take;

  /** @param stream that `ws` listens to @returns reads nothing where it is not `ws` alone that listens */
  static read(stream: Duplex, listener: FrameListener): void {
    const [take, ...others] = stream.listeners('data') as Take[];
    if (!take || others.length > 0) return;
    const read: ReadStream = stream;
    read[FRAMES] = new ShortFrames(listener, take);
    stream.off('data', take).on('data', readShort);
  }

  private constructor(listener: FrameListener, take: Take) {
    this.#listener = listener;
    this.#take = take;
  }

  take(stream: Duplex, bytes: Buffer): void {
    for (let start = 0; start < bytes.length; ) {
      const frame = frameAt(bytes, start);
      const text = frame?.first === TEXT ? textOf(bytes, frame) : undefined;
      if (frame && text !== undefined) this.#listener.text(text);
      else if (frame?.first === PONG) this.#listener.pong();
      else if (frame?.first === BINARY || frame?.first === PING) {
        this.#take.call(stream, bytes.subarray(start, frame.end));
      } else {
        stream.off('data', readShort).on('data', this.#take);
        this.#take.call(stream, bytes.subarray(start));
        return;
      }
      start = frame.end;
    }
  }
}
