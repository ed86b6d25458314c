/** Whoever reads, copies or empties much keeps no commit waiting. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import process from 'node:process';
import { type TestContext, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { StoreUnavailable } from '@lockstep/store';
import { freshPath, openIn } from '../test/folder.ts';
import type { SqliteOptions, SqliteStore } from './index.ts';

const LARGE = 'x'.repeat(500_000);
const ENTRIES = 40;
const ROUNDS = 30;

function append(store: SqliteStore, topic: string, number: number, body: string) {
  const entry = { number, id: `${topic} ${number}`, at: 1, body };
  return store.sessions.commit({ topic, expected: number - 1, at: 1, parts: new Map(), append: [entry] });
}

/** A store whose topic `large` has a log of 20 MB. */
async function withLargeLog(t: TestContext, options: Partial<SqliteOptions> = {}): Promise<[SqliteStore, string]> {
  const path = freshPath(t);
  const store = await openIn(t, path, options);
  for (let number = 1; number <= ENTRIES; number++) await append(store, 'large', number, LARGE);
  return [store, path];
}

/** Resolves once the write-ahead log is empty. */
async function emptied(store: SqliteStore, path: string): Promise<void> {
  while (statSync(`${path}-wal`).size > 0) await store.stats();
}

test('a commit does not wait for a log that is read, nor for a backup', async (t) => {
  const [store] = await withLargeLog(t);
  const kinds: Readonly<Record<string, () => Promise<unknown>>> = {
    'a log of 20 MB': () => store.sessions.readLog('large', 0),
    'many pages': () => Promise.all(Array.from({ length: 60 }, () => store.sessions.readLog('large', 0, { limit: 1 }))),
    'a backup': () => store.backup(freshPath(t)),
  };
  // The thread that reads is started by the first who needs it.
  await store.sessions.readLog('large', ENTRIES);
  let number = 0;
  for (const [kind, ask] of Object.entries(kinds)) {
    // A commit that had to wait would never be first; one that need not may be late, for its flush takes as long as the disk does.
    let isFirst = false;
    for (let round = 0; round < ROUNDS && !isFirst; round++) {
      const order: string[] = [];
      const asked = ask().then(() => order.push(kind));
      number += 1;
      await append(store, 'small', number, '{}').then(() => order.push('commit'));
      await asked;
      isFirst = order[0] === 'commit';
    }
    assert.ok(isFirst, `${kind} came first, ${ROUNDS} times`);
  }
});

test('PUB-4 what was acknowledged is read at once, whoever reads it', async (t) => {
  const store = await openIn(t, freshPath(t));
  for (let number = 1; number <= 200; number++) {
    await append(store, 'topic', number, `{"number":${number}}`);
    const [entry] = (await store.sessions.readLog('topic', number - 1))!;
    assert.equal(entry?.body, `{"number":${number}}`);
  }
});

test('SES-5 a page that ended early keeps the write-ahead log from being emptied no longer', async (t) => {
  const [store, path] = await withLargeLog(t, { scrubAfterMs: 0 });
  for (let after = 0; after < 5; after++) {
    assert.equal((await store.sessions.readLog('large', after, { bytes: 1 }))?.length, 1);
    await assert.rejects(store.sessions.readLog('large', -1), RangeError);
    assert.equal(await store.sessions.readLog('large', { offset: after + 1, epoch: 'of another history' }), undefined);
  }
  await store.sessions.erase('large');
  await emptied(store, path);
});

test('a log that is dropped while it is read is never read with a gap', async (t) => {
  const store = await openIn(t, freshPath(t), { log: { count: 5, ageMs: 3_600_000 } });
  let last = 0;
  const writing = (async () => {
    for (let number = 1; number <= 300; number++) {
      await append(store, 'topic', number, '{}');
      last = number;
    }
  })();
  while (last < 300) {
    const after = Math.max(0, last - 5);
    const [first] = (await store.sessions.readLog('topic', after)) ?? [];
    assert.ok(first === undefined || first.number === after + 1, `${first?.number} comes after ${after}`);
  }
  await writing;
});

test('logs can be read again after the thread that reads them has ended', async (t) => {
  const [store] = await withLargeLog(t);
  const threads: Worker[] = [];
  const see = (worker: Worker): void => void threads.push(worker);
  process.on('worker', see);
  t.after(() => process.off('worker', see));
  await store.sessions.readLog('large', ENTRIES);
  const underWay = assert.rejects(store.sessions.readLog('large', 0), StoreUnavailable);
  await threads[0]?.terminate();
  await underWay;
  assert.equal((await append(store, 'small', 1, '{}')).ok, true);
  assert.equal((await store.sessions.readLog('large', ENTRIES - 1))?.length, 1);
  assert.equal(threads.length, 2);
});
