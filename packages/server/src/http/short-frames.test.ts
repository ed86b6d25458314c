import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { WebSocketServer } from 'ws';
import { ShortFrames } from './short-frames.ts';

/** A connection whose other side is the test. */
class Connection extends Duplex {
  override _read(): void {
    // The test pushes.
  }

  override _write(_bytes: Buffer, _encoding: string, done: () => void): void {
    done();
  }
}

interface Written {
  /** The first byte: flags and kind. */
  readonly first: number;
  readonly masked: boolean;
  readonly mask: number;
  readonly payload: Uint8Array;
}

/** A frame as a client writes it. */
function frame({ first, masked, mask, payload }: Written): Buffer {
  const head = Buffer.alloc(payload.length < 126 ? 2 : 4);
  head[0] = first;
  head[1] = Math.min(payload.length, 126) + (masked ? 128 : 0);
  if (head.length === 4) head.writeUInt16BE(payload.length, 2);
  if (!masked) return Buffer.concat([head, payload]);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(mask);
  return Buffer.concat([head, bytes, payload.map((byte, at) => byte ^ bytes[at % 4]!)]);
}

const REQUEST = {
  method: 'GET',
  url: '/',
  headers: {
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-version': '13',
  },
} as unknown as IncomingMessage;

/** What a server hears of a client that sends some chunks and hangs up. */
function heard(chunks: readonly Buffer[], isShort: boolean): Promise<readonly string[]> {
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 4096 });
  const connection = new Connection();
  const all: string[] = [];
  return new Promise((resolve) => {
    server.handleUpgrade(REQUEST, connection, Buffer.alloc(0), (socket) => {
      socket.on('message', (data, isBinary) => all.push(`${isBinary ? 'binary' : 'text'} ${data}`));
      socket.on('ping', (data) => all.push(`ping ${data}`));
      socket.on('pong', () => all.push('pong'));
      socket.on('error', () => undefined);
      socket.on('close', (code) => resolve([...all, `close ${code}`]));
      const listener = { text: (text: string) => all.push(`text ${text}`), pong: () => all.push('pong') };
      if (isShort) ShortFrames.read(connection, listener);
      // A chunk is read in place.
      for (const chunk of chunks) connection.push(Buffer.from(chunk));
      connection.push(null);
    });
  });
}

const ANSWER = Buffer.from('{"id":"b0000000-0000-4000-8000-000000000001","status":200}');

const payload = fc.oneof(
  fc.constant(ANSWER),
  fc.string({ unit: 'grapheme', maxLength: 60 }).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 130 }),
  // Around the lengths where the header changes, where another limit is, and too long.
  fc.constantFrom(125, 126, 127, 1023, 1024, 1025, 4096, 4097).map((length) => Buffer.alloc(length, 'a')),
);

const frames = fc.record({
  // Mostly whole messages; then fragments, closes, reserved bits and kinds that there are not.
  first: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(0x81, 0x81, 0x81, 0x8a, 0x82, 0x89) },
    { weight: 1, arbitrary: fc.constantFrom(0x01, 0x80, 0x00, 0x88, 0x83, 0xc1, 0xa1, 0x09) },
  ),
  masked: fc.constantFrom(true, true, true, true, true, true, true, false),
  mask: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
  payload,
});

test('ERR-1 short frames are read as ws reads them, however they are cut and whatever stands between', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(frames, { maxLength: 8 }),
      fc.array(fc.nat({ max: 400 }), { maxLength: 6 }),
      async (written, cuts) => {
        const bytes = Buffer.concat(written.map(frame));
        const places = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
        const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
        const whole = chunks.filter(({ length }) => length > 0);
        assert.deepEqual(await heard(whole, true), await heard(whole, false));
      },
    ),
    { numRuns: 300 },
  );
});

test('ERR-1 answers and pongs are read without ws', async () => {
  const written = [0x81, 0x8a, 0x81].map((first) => frame({ first, masked: true, mask: 0x12345678, payload: ANSWER }));
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const connection = new Connection();
  const all: string[] = [];
  await new Promise<void>((resolve) => {
    server.handleUpgrade(REQUEST, connection, Buffer.alloc(0), (socket) => {
      socket.on('message', () => all.push('by ws')).on('pong', () => all.push('by ws'));
      socket.on('close', () => resolve());
      ShortFrames.read(connection, { text: (text) => all.push(text), pong: () => all.push('pong') });
      connection.push(Buffer.concat(written));
      connection.push(null);
    });
  });
  assert.deepEqual(all, [String(ANSWER), 'pong', String(ANSWER)]);
});
