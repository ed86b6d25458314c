import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { Hub } from '@lockstep/hub';
import { endpointPath, Sockets } from './sockets.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('SUB-7 of many that connect at once few are let in each turn, in their order, and others have theirs in between', async () => {
  const COUNT = 500;
  const asked: number[] = [];
  // An endpoint that is not known is refused: what is watched is when each one is looked for.
  const hub = { findEndpoint: async (id: string) => void asked.push(Number(id)) } as unknown as Hub;
  const sockets = new Sockets({ hub, clock: { now: () => 0, after: () => () => undefined }, pingMs: 1000 });
  const streams = Array.from({ length: COUNT }, () => new PassThrough());
  streams.forEach((stream, n) => {
    sockets.upgrade({ url: endpointPath(String(n)) } as IncomingMessage, stream, Buffer.alloc(0));
  });
  let most = asked.length;
  for (let before = asked.length; asked.length < COUNT; before = asked.length) {
    await nextTurn();
    most = Math.max(most, asked.length - before);
  }
  assert.ok(most <= 16, `${most} in one turn`);
  assert.deepEqual(asked, [...streams.keys()]);
  await nextTurn();
  for (const stream of streams) assert.match(String(stream.read()), /^HTTP\/1\.1 404 /);
  sockets.end();
});
