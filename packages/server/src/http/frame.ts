import type { Writable } from 'node:stream';

/** Length from which a frame's header has two, then eight bytes for it (RFC 6455 section 5.2). */
const MEDIUM = 126;
const LARGE = 65_536;

/** The header of an unmasked text frame, with room behind it. */
function withHead(length: number, room: number): { readonly bytes: Buffer; readonly head: number } {
  const head = length < MEDIUM ? 2 : length < LARGE ? 4 : 10;
  const bytes = Buffer.allocUnsafe(head + room);
  bytes[0] = 0x81;
  if (head === 2) bytes[1] = length;
  else if (head === 4) {
    bytes[1] = 126;
    bytes.writeUInt16BE(length, 2);
  } else {
    bytes[1] = 127;
    bytes.writeBigUInt64BE(BigInt(length), 2);
  }
  return { bytes, head };
}

function textFrame(payload: Uint8Array): Buffer {
  const { bytes, head } = withHead(payload.length, payload.length);
  bytes.set(payload, head);
  return bytes;
}

let framed: { readonly payload: Uint8Array; readonly frame: Buffer } | undefined;

/**
 * The WebSocket frame of a short text message. An event goes to all subscribers of its topic in a row: framing it once saves each of
 * them a copy and a `writev`.
 */
export function frameOf(payload: Uint8Array): Buffer {
  if (framed?.payload !== payload) framed = { payload, frame: textFrame(payload) };
  return framed.frame;
}

/** Writes a text message as one WebSocket frame. A long one is not copied for it. */
export function writeTextFrame(stream: Writable, payload: Uint8Array): void {
  if (payload.length < LARGE) {
    stream.write(frameOf(payload));
    return;
  }
  stream.cork();
  stream.write(withHead(payload.length, 0).bytes);
  stream.write(payload);
  stream.uncork();
}
