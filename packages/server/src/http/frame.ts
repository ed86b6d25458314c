/** Length from which a frame's header has two, then eight bytes for it (RFC 6455 section 5.2). */
const MEDIUM = 126;
const LARGE = 65_536;

/** The bytes of an unmasked text frame. */
function textFrame(payload: Uint8Array): Buffer {
  const { length } = payload;
  const head = length < MEDIUM ? 2 : length < LARGE ? 4 : 10;
  const frame = Buffer.allocUnsafe(head + length);
  frame[0] = 0x81;
  if (head === 2) frame[1] = length;
  else if (head === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.set(payload, head);
  return frame;
}

let framed: { readonly payload: Uint8Array; readonly frame: Buffer } | undefined;

/**
 * The WebSocket frame of a text message. An event goes to all subscribers of its topic in a row: framing it once saves each of
 * them a copy and a `writev`.
 */
export function frameOf(payload: Uint8Array): Buffer {
  if (framed?.payload !== payload) framed = { payload, frame: textFrame(payload) };
  return framed.frame;
}
