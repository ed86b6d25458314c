import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogHead } from '@lockstep/store';
import { HeldLog } from './held-log.ts';

function entries(...ids: readonly string[]): LogHead[] {
  return ids.map((id, index) => ({ id, number: index + 1, epoch: 'any', at: 0 }));
}

function held(log: readonly LogHead[]): HeldLog {
  const held = new HeldLog(8);
  held.replace(log);
  return held;
}

test('SUB-11 a log that was read is new after the last event that was sent before', () => {
  for (const [name, read, after] of [
    ['nothing was lost', ['a', 'b'], 2],
    ['the last one was lost', ['a'], 1],
    ['its number went to another event', ['a', 'c'], 1],
    ['its event came back under another number', ['a', 'c', 'b', 'd'], 3],
    ['the events came back in another order', ['b', 'a'], 2],
    ['everything was lost', [], 0],
    ['everything was lost and others came', ['c'], 0],
  ] as const) {
    assert.equal(held(entries('a', 'b')).newAfter(entries(...read)), after, name);
  }
});

test('SUB-11 where the beginning is not held and no event is common, nothing is known', () => {
  assert.equal(held(entries('a', 'b').slice(1)).newAfter(entries('c')), undefined);
});

test('PUB-7 as many ids are remembered as the log keeps, the newest ones', () => {
  const log = new HeldLog(2);
  for (const { id, number } of entries('a', 'b', 'c')) log.append(id, number);
  assert.deepEqual(
    ['a', 'b', 'c'].map((id) => log.numberOf(id)),
    [undefined, 2, 3],
  );
});

test('PUB-10 what came before a logout is forgotten', () => {
  const log = held(entries('a', 'b'));
  log.eraseBefore(2);
  assert.deepEqual([log.numberOf('a'), log.numberOf('b')], [undefined, 2]);
});
