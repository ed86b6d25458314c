import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '@lockstep/hub';
import { StoreWatch } from './store-watch.ts';

test('a failure of a store is logged once when it begins and once when it ends, and is known in between', async () => {
  let wrong: readonly string[] = [];
  let due: (() => void) | undefined;
  const clock: Clock = {
    now: () => 0,
    after: (_, run) => {
      due = run;
      return () => (due = undefined);
    },
  };
  const told: string[] = [];
  const log = {
    error: (text: string) => told.push(`error: ${text}`),
    warn: (text: string) => told.push(`warn: ${text}`),
  };
  const watch = new StoreWatch({ problems: async () => wrong }, clock, log);
  const look = async () => {
    due?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  await watch.start();
  assert.deepEqual(watch.problems, []);
  for (const seconds of [3, 4, 5]) {
    wrong = [`the clock is ${seconds} s ahead`];
    await look();
    assert.deepEqual(watch.problems, wrong);
  }
  assert.deepEqual(told, ['error: The store: the clock is 3 s ahead']);
  wrong = ['the clock is 5 s ahead', 'the file was deleted'];
  await look();
  wrong = [];
  await look();
  assert.deepEqual(told.slice(1), [
    'error: The store: the file was deleted',
    'warn: The store: no longer so: the clock is # s ahead',
    'warn: The store: no longer so: the file was deleted',
  ]);
  assert.deepEqual(watch.problems, []);
  watch.stop();
  assert.equal(due, undefined);
});
