import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { Hub } from '@lockstep/hub';
import { endpointPath, Sockets } from './sockets.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Sockets of a Hub whose endpoints are found when the test says so, and then are not known: each is refused. */
function joining(count: number) {
  const asked: number[] = [];
  const finds: (() => void)[] = [];
  const timers: (() => void)[] = [];
  const findEndpoint = (id: string): Promise<undefined> => {
    asked.push(Number(id));
    return new Promise((resolve) => finds.push(() => resolve(undefined)));
  };
  const clock = {
    now: () => 0,
    after: (ms: number, run: () => void) => {
      if (ms < 1000) timers.push(run);
      return () => undefined;
    },
  };
  const sockets = new Sockets({ hub: { findEndpoint } as unknown as Hub, clock, pingMs: 1000 });
  const streams = Array.from({ length: count }, () => new PassThrough());
  streams.forEach((stream, n) => {
    sockets.upgrade({ url: endpointPath(String(n)) } as IncomingMessage, stream, Buffer.alloc(0));
  });
  return { sockets, streams, asked, finds, timers };
}

test('SUB-7 of many that connect at once few are let in at a time, in their order, and what came is read in between', async () => {
  const COUNT = 500;
  const { sockets, streams, asked, finds } = joining(COUNT);
  while (asked.length < COUNT) {
    assert.ok(finds.length > 0 && finds.length <= 32, `${finds.length} at once`);
    const before = asked.length;
    // A store answers all that is asked of it in one go.
    for (const find of finds.splice(0)) find();
    await Promise.resolve().then().then();
    assert.equal(asked.length, before, 'others join after what came meanwhile');
    await nextTurn();
    await nextTurn();
  }
  for (const find of finds.splice(0)) find();
  await nextTurn();
  assert.deepEqual(asked, [...streams.keys()]);
  for (const stream of streams) assert.match(String(stream.read()), /^HTTP\/1\.1 404 /);
  sockets.end();
});

test('SUB-7 who joins a slow session keeps nobody else out', async () => {
  const { sockets, asked, finds, timers } = joining(100);
  assert.equal(asked.length, 32);
  for (const run of timers.splice(0)) run();
  await nextTurn();
  assert.equal(asked.length, 64);
  // The end of what was slow makes no room once more.
  for (const find of finds.splice(0, 32)) find();
  await nextTurn();
  await nextTurn();
  assert.equal(asked.length, 64);
  sockets.end();
});
