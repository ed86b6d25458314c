/** A subscriber that costs the load generator little: a WebSocket client on a bare socket that knows one answer. */
import { connect, type Socket } from 'node:net';

/** Sockets take turns with one buffer: what a callback gets is only good until it returns. */
const shared = Buffer.allocUnsafe(64 * 1024);

/** A masked text frame, its mask zero so that the payload stays as it is (RFC 6455 section 5.2). */
export function maskedFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  if (payload.length > 125) throw new Error('An answer is short');
  const head = Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]);
  return Buffer.concat([head, payload]);
}

const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

/**
 * Connects to a WebSocket endpoint.
 * @param onText called with the payload of each text frame; the buffer is good until the call returns
 * @returns the socket once the upgrade was answered; frames are written to it as they are
 */
export function subscribe(url: string, onText: (payload: Buffer, socket: Socket) => void): Promise<Socket> {
  const { hostname, port, pathname, search } = new URL(url);
  return new Promise((resolve, reject) => {
    let upgraded = false;
    /** A frame's beginning that waits for its end. */
    let rest: Buffer | undefined;
    const read = (bytes: Buffer): void => {
      let data = rest ? Buffer.concat([rest, bytes]) : bytes;
      rest = undefined;
      if (!upgraded) {
        const end = data.indexOf('\r\n\r\n');
        if (end < 0) {
          rest = Buffer.from(data);
          return;
        }
        const status = data.toString('latin1', 9, 12);
        if (status !== '101') {
          reject(new Error(`The upgrade was answered ${status}`));
          socket.destroy();
          return;
        }
        upgraded = true;
        resolve(socket);
        data = data.subarray(end + 4);
      }
      for (;;) {
        if (data.length < 2) break;
        let length = data[1]! & 0x7f;
        let head = 2;
        if (length === 126) {
          if (data.length < 4) break;
          length = data.readUInt16BE(2);
          head = 4;
        } else if (length === 127) throw new Error('No event is that long');
        if (data.length < head + length) break;
        const opcode = data[0]! & 0x0f;
        if (opcode === 1) onText(data.subarray(head, head + length), socket);
        else if (opcode === 9) socket.write(PONG);
        data = data.subarray(head + length);
      }
      if (data.length > 0) rest = Buffer.from(data);
    };
    const socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (bytes) => {
          read(shared.subarray(0, bytes));
          return true;
        },
      },
    });
    socket.on('error', reject);
    socket.on('connect', () => {
      socket.write(
        `GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
    });
  });
}
