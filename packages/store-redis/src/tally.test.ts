import assert from 'node:assert/strict';
import test from 'node:test';
import { Tally } from './tally.ts';

test('a notice that is missing at the second beat after it is missed once', () => {
  const tally = new Tally();
  assert.equal(tally.misses('a', 5), false, 'what was before the first beat is not asked for');
  tally.heard('a');
  assert.equal(tally.misses('a', 7), false, 'the second may still be on its way');
  assert.equal(tally.misses('a', 7), true);
  assert.equal(tally.misses('a', 7), false);
  tally.heard('a');
  assert.equal(tally.misses('a', 8), false);
  assert.equal(tally.misses('a', 8), false);
});

test('notices are counted for each node by itself, and from the start after any may have been missed', () => {
  const tally = new Tally();
  tally.misses('a', 0);
  tally.misses('b', 0);
  tally.heard('b');
  tally.heard('b');
  assert.equal(tally.misses('a', 1), false);
  assert.equal(tally.misses('b', 2), false);
  assert.equal(tally.misses('b', 2), false);
  tally.clear();
  assert.equal(tally.misses('a', 3), false);
});
