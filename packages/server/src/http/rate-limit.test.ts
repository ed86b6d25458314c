import assert from 'node:assert/strict';
import { it } from 'node:test';
import { RateLimit } from './rate-limit.ts';

function takes(limit: RateLimit, client: string, times: number): number {
  return Array.from({ length: times }, () => limit.take(client)).filter(Boolean).length;
}

it('a client gets twice its rate in a burst, and its rate in the long run', () => {
  let now = 0;
  const limit = new RateLimit(10, () => now);
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
  const limit = new RateLimit(1, () => 0);
  assert.equal(takes(limit, 'a', 10), 2);
  assert.equal(takes(limit, 'b', 10), 2);
});

it('forgetting full buckets gives nobody more than its rate', () => {
  let now = 0;
  const limit = new RateLimit(1, () => now);
  let taken = 0;
  for (; now < 60_000; now += 500) {
    takes(limit, `other ${now}`, 1);
    taken += takes(limit, 'a', 5);
  }
  assert.ok(taken <= 62, `${taken} in 60 s`);
});

it('0 is no limit', () => {
  assert.equal(takes(new RateLimit(0, () => 0), 'a', 1000), 1000);
});
