import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Limiter, shareLimits } from './limiter.ts';

function takes(limit: Limiter, client: string, times: number): number {
  return Array.from({ length: times }, () => limit.take(client)).filter(Boolean).length;
}

it('a client gets twice its rate in a burst, and its rate in the long run', () => {
  let now = 0;
  const limit = new Limiter(10, () => now);
  assert.equal(takes(limit, 'a', 100), 20);
  now += 1000;
  assert.equal(takes(limit, 'a', 100), 10);
  now += 50;
  assert.equal(takes(limit, 'a', 100), 0);
  now += 50;
  assert.equal(takes(limit, 'a', 100), 1);
  now += 3_600_000;
  assert.equal(takes(limit, 'a', 100), 20);
});

it('clients do not take from each other', () => {
  const limit = new Limiter(1, () => 0);
  assert.equal(takes(limit, 'a', 10), 2);
  assert.equal(takes(limit, 'b', 10), 2);
});

it('forgetting full buckets gives no sender more than its rate', () => {
  let now = 0;
  const limit = new Limiter(1, () => now);
  let taken = 0;
  for (; now < 60_000; now += 500) {
    takes(limit, `other ${now}`, 1);
    taken += takes(limit, 'a', 5);
  }
  assert.ok(taken <= 62, `${taken} in 60 s`);
});

it('0 is no limit', () => {
  assert.equal(takes(new Limiter(0, () => 0), 'a', 1000), 1000);
});

/** Nodes that share a store's announcements, with a clock that the test moves. */
function nodes(count: number, perSecond: number) {
  let now = 0;
  const timers: { at: number; run: () => void }[] = [];
  const listeners: { node: number; tell: (notice: never) => void }[] = [];
  const clock = {
    after(ms: number, run: () => void) {
      const timer = { at: now + ms, run };
      timers.push(timer);
      return () => void timers.splice(timers.indexOf(timer), 1);
    },
  };
  const limiters = Array.from({ length: count }, (_, node) => {
    const limiter = new Limiter(perSecond, () => now);
    const sessions = {
      async announce(topic: string, body: string) {
        for (const one of listeners) one.tell({ kind: 'announcement', topic, body, local: one.node === node } as never);
      },
      listen: () => ({ ready: Promise.resolve(), end: () => undefined }),
      watch(tell: (notice: never) => void) {
        listeners.push({ node, tell });
        return () => undefined;
      },
    };
    shareLimits(limiter, sessions as never, clock, (error) => assert.fail(String(error)));
    return limiter;
  });
  const advance = (ms: number): void => {
    now += ms;
    for (const timer of timers.filter(({ at }) => at <= now)) {
      timers.splice(timers.indexOf(timer), 1);
      timer.run();
    }
  };
  return { limiters, advance };
}

it('a caller that asks all nodes at once gets its rate once, not once at each', () => {
  const { limiters, advance } = nodes(4, 100);
  let taken = 0;
  for (let step = 0; step < 600; step += 1) {
    for (const limiter of limiters) taken += takes(limiter, 'a', 100);
    advance(100);
  }
  // A minute's share, and the bursts of four nodes before they first heard of each other.
  assert.ok(taken <= 60 * 100 + 4 * 300, `${taken} in a minute`);
  assert.ok(taken >= 60 * 100 * 0.9, `${taken} in a minute`);
});

it('a caller of one node is not slowed by the others, and one that was stopped is let in again', () => {
  const { limiters, advance } = nodes(3, 100);
  const [first, second] = limiters as [Limiter, Limiter];
  let taken = 0;
  for (let step = 0; step < 100; step += 1) {
    taken += takes(first, 'b', 10);
    advance(100);
  }
  assert.equal(taken, 1000);
  for (let step = 0; step < 20; step += 1) {
    takes(first, 'c', 1000);
    advance(100);
  }
  advance(5000);
  assert.equal(takes(second, 'c', 1), 1);
});

it('a caller with a multiple of the rate has it at all nodes, wherever it was used', () => {
  const { limiters, advance } = nodes(2, 100);
  const [first, second] = limiters as [Limiter, Limiter];
  for (let n = 0; n < 500; n += 1) assert.ok(first.take('many', 10));
  for (let n = 0; n < 20; n += 1) assert.ok(second.take('many', 10));
  advance(500);
  for (let n = 0; n < 1000; n += 1) assert.ok(second.take('many', 10), `${n}`);
});

it('a caller with a part of the rate has that part, and one request at least', () => {
  for (const [perSecond, times, burst] of [
    [100, 0.1, 20],
    [1, 0.1, 1],
  ] as const) {
    const limit = new Limiter(perSecond, () => 0);
    let taken = 0;
    while (limit.take('part', times)) taken += 1;
    assert.equal(taken, burst);
  }
});
