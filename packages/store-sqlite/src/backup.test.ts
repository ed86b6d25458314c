import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { freshPath, openIn } from '../test/folder.ts';
import type { SqliteStore } from './index.ts';
import { checkBackup, restoreBackup, UnusableDatabase } from './index.ts';

const body = JSON.stringify({ text: 'x'.repeat(2_000) });

/** Commits without end to several topics. @returns what was acknowledged so far, and what ends it */
function load(store: SqliteStore): { readonly acknowledged: Map<string, number>; end(): Promise<void> } {
  const acknowledged = new Map<string, number>();
  let ended = false;
  const lane = async (topic: string): Promise<void> => {
    for (let number = 1; !ended; number++) {
      const entry = { number, id: `${topic} ${number}`, at: Date.now(), body };
      const parts = new Map([['state', body]]);
      await store.sessions.commit({ topic, expected: number - 1, parts, append: [entry], at: Date.now() });
      await store.records.put('kind', `${topic} ${number}`, { body }, Date.now());
      acknowledged.set(topic, number);
    }
  };
  const lanes = Array.from({ length: 8 }, (_, n) => lane(`topic-${n}`));
  return {
    acknowledged,
    async end() {
      ended = true;
      await Promise.all(lanes);
    },
  };
}

test('PUB-4 a backup under load is restored with everything that was acknowledged before it', async (t) => {
  const path = freshPath(t);
  const store = await openIn(t, path);
  const busy = load(store);
  const copies: { readonly copy: string; readonly before: ReadonlyMap<string, number> }[] = [];
  for (let round = 0; round < 4; round++) {
    while ([...busy.acknowledged.values()].reduce((a, b) => a + b, 0) < 100 * (round + 1)) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const copy = freshPath(t);
    const before = new Map(busy.acknowledged);
    const report = await store.backup(copy);
    assert.deepEqual(checkBackup(copy), report);
    assert.equal(statSync(copy).mode & 0o777, 0o600);
    copies.push({ copy, before });
  }
  await busy.end();
  const [first] = copies;
  assert.ok(
    [...busy.acknowledged].some(([topic, number]) => number > (first?.before.get(topic) ?? 0)),
    'the load went on',
  );
  for (const { copy, before } of copies) {
    const restored = freshPath(t);
    await restoreBackup(copy, restored);
    const { sessions, records, warnings, close } = await openIn(t, restored);
    assert.deepEqual(warnings, []);
    for (const [topic, number] of before) {
      const entries = (await sessions.readLog(topic, 0))!;
      assert.ok(entries.length >= number, `${topic}: ${entries.length} of ${number}`);
      assert.equal((await sessions.load(topic))!.position.offset, entries.length);
      assert.equal((await records.get('kind', `${topic} ${number}`, Date.now()))?.body, body);
    }
    await close();
  }
});

test('a restore keeps what was there, and is not taken for damage', async (t) => {
  const path = freshPath(t);
  const copy = freshPath(t);
  const first = await openIn(t, path);
  const commit = (number: number) => {
    const entry = { number, id: `${number}`, at: 1, body };
    return first.sessions.commit({ topic: 'topic', expected: number - 1, parts: new Map(), append: [entry], at: 1 });
  };
  await commit(1);
  await first.backup(copy);
  await commit(2);
  await assert.rejects(restoreBackup(copy, path), UnusableDatabase, 'while it is in use');
  await first.close();
  const report = await restoreBackup(copy, path);
  assert.equal(report.events, 1);
  const store = await openIn(t, path);
  assert.deepEqual(store.warnings, []);
  assert.equal((await store.sessions.load('topic'))?.position.offset, 1);
  await store.close();
  assert.equal(checkBackup(`${path}-before`).events, 2);
});

test('a copy is restored on a machine where nothing is yet', async (t) => {
  const path = freshPath(t);
  const store = await openIn(t, path);
  await store.records.put('kind', 'one', { body }, Date.now());
  const copy = freshPath(t);
  await store.backup(copy);
  const restored = join(dirname(freshPath(t)), 'not', 'there', 'lockstep.db');
  await restoreBackup(copy, restored);
  const { records } = await openIn(t, restored);
  assert.ok(await records.get('kind', 'one', Date.now()));
});

test('a backup is not written over anything, and a damaged one is refused', async (t) => {
  const path = freshPath(t);
  const store = await openIn(t, path);
  await store.sessions.commit({
    topic: 'a',
    expected: 0,
    parts: new Map(),
    append: [{ number: 1, id: '1', at: 1, body }],
    at: 1,
  });
  const taken = freshPath(t);
  writeFileSync(taken, 'mine');
  await assert.rejects(store.backup(taken), { name: 'RangeError', message: /EEXIST/ });
  assert.equal(readFileSync(taken, 'utf8'), 'mine');
  await assert.rejects(store.backup('/nowhere/copy.db'), { name: 'RangeError', message: /ENOENT/ });
  const copy = freshPath(t);
  await store.backup(copy);
  const db = new DatabaseSync(copy);
  db.exec(`UPDATE log SET body = '{}'`);
  db.close();
  assert.throws(() => checkBackup(copy), /damaged: 1 entries of logs/);
  const target = freshPath(t);
  await assert.rejects(restoreBackup(copy, target), /damaged/);
  assert.equal(existsSync(target), false);
  writeFileSync(copy, 'no database'.repeat(100));
  assert.throws(() => checkBackup(copy), /not a database/);
  assert.throws(() => checkBackup('/nowhere/copy.db'), /does not exist/);
});
