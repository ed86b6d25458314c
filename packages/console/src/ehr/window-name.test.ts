import '../language/testing.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import { takeWindowName } from './window-name.ts';

/** A browser's locks, as far as they are used. */
function browser(): LockManager {
  const held = new Set<string>();
  const request = async (name: string, _: object, run: (lock: object | null) => unknown): Promise<unknown> => {
    if (held.has(name)) return run(null);
    held.add(name);
    try {
      return await run({});
    } finally {
      held.delete(name);
    }
  };
  return { request } as unknown as LockManager;
}

function storageOf(): Pick<Storage, 'getItem' | 'setItem'> {
  const kept = new Map<string, string>();
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) };
}

test('HZ-3 two windows of one browser, and one of another, have three names', async () => {
  const locks = browser();
  const parts = { topic: 't', inUse: [], locks };
  const first = await takeWindowName({ ...parts, storage: storageOf() });
  const second = await takeWindowName({ ...parts, storage: storageOf() });
  const names = [first.name, second.name];
  const elsewhere = await takeWindowName({ topic: 't', inUse: names, locks: browser(), storage: storageOf() });
  assert.deepEqual([...names, elsewhere.name], ['EHR', 'EHR (window 2)', 'EHR (window 3)']);
});

test('a name is free again when its window is closed, and a page that is loaded again keeps its own', async () => {
  const locks = browser();
  const storage = storageOf();
  const one = await takeWindowName({ topic: 't', inUse: [], locks, storage: storageOf() });
  const two = await takeWindowName({ topic: 't', inUse: ['EHR'], locks, storage });
  one.release();
  two.release();
  await new Promise((resolve) => setImmediate(resolve));
  const loaded = await takeWindowName({ topic: 't', inUse: ['EHR', 'EHR (window 2)'], locks, storage });
  assert.equal(loaded.name, 'EHR (window 2)');
  const third = await takeWindowName({ topic: 't', inUse: ['EHR (window 2)'], locks, storage: storageOf() });
  assert.equal(third.name, 'EHR');
});

test('a copy of a tab, storage and all, gets a name of its own', async () => {
  const locks = browser();
  const storage = storageOf();
  await takeWindowName({ topic: 't', inUse: [], locks, storage });
  assert.equal((await takeWindowName({ topic: 't', inUse: ['EHR'], locks, storage })).name, 'EHR (window 2)');
});
