import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { startChild } from '../test/child.ts';
import { freshPath, openIn, WIDE } from '../test/folder.ts';
import { openDatabase } from './database.ts';
import { openSqlite, UnusableDatabase, type UnusableReason } from './index.ts';
import { type Migration, migrations, schemaVersion } from './migrations.ts';
import { SessionTables } from './session-tables.ts';

function refusal(path: string, reason: UnusableReason, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof UnusableDatabase);
    assert.equal(error.reason, reason);
    assert.equal(error.path, path);
    assert.match(error.message, message);
    assert.ok(error.message.includes(path));
    return true;
  };
}

function pragma(db: DatabaseSync, name: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

test('PUB-4 a commit is flushed to the disk before it is acknowledged', (t) => {
  const db = openDatabase(freshPath(t));
  t.after(() => db.close());
  assert.equal(pragma(db, 'journal_mode'), 'wal');
  assert.equal(pragma(db, 'synchronous'), 2);
  assert.equal(pragma(db, 'secure_delete'), 1);
});

test('only the owner of a new file may read it', async (t) => {
  const path = freshPath(t);
  const store = await openIn(t, path);
  await store.ping();
  for (const file of [path, `${path}-wal`]) assert.equal(statSync(file).mode & 0o777, 0o600);
  await store.close();
});

test('versions of the schema are numbered without a gap, and a new file has the newest', (t) => {
  assert.deepEqual(
    migrations.map(({ version }) => version),
    migrations.map((_, i) => i + 1),
  );
  const db = openDatabase(freshPath(t));
  t.after(() => db.close());
  assert.equal(schemaVersion(db), migrations.length);
});

const next: Migration = {
  version: migrations.length + 1,
  sql: `ALTER TABLE session ADD COLUMN note TEXT; UPDATE session SET note = 'of ' || topic;`,
};

test('a file of an older schema is migrated with what it holds', async (t) => {
  const path = freshPath(t);
  const store = await openIn(t, path);
  await store.sessions.commit({ topic: 'a', expected: 0, at: 1, parts: new Map(), append: [] });
  await store.close();
  for (let opening = 0; opening < 2; opening++) {
    const db = openDatabase(path, [...migrations, next]);
    assert.equal(schemaVersion(db), next.version);
    assert.deepEqual(
      { ...db.prepare('SELECT topic, revision, note FROM session').get() },
      { topic: 'a', revision: 1, note: 'of a' },
    );
    db.close();
  }
});

test('logs of version 4 are taken over in the order in which they are read', async (t) => {
  const path = freshPath(t);
  const earlier = openDatabase(path, migrations.slice(0, 4));
  const tables = new SessionTables(earlier, WIDE);
  const topics = ['a', 'b', 'c'];
  const body = (topic: string, number: number): string => `${topic} ${number} ${'x'.repeat(number * 100)}`;
  for (let number = 1; number <= 40; number++) {
    for (const topic of topics) {
      const entry = [number, `${topic}-${number}`, number, body(topic, number)];
      tables.commit(topic, number - 1, null, `epoch-${number}`, number, [], entry, [], [], 0);
    }
  }
  earlier.close();
  const { sessions } = await openIn(t, path, { onDamage: 'refuse' });
  for (const topic of topics) {
    const held = (await sessions.readLog(topic, 7))?.map((entry) => [entry.number, entry.id, entry.body]);
    const expected = Array.from({ length: 33 }, (_, index) => index + 8);
    assert.deepEqual(
      held,
      expected.map((number) => [number, `${topic}-${number}`, body(topic, number)]),
    );
    assert.ok(await sessions.readLog(topic, { offset: 20, epoch: 'epoch-20' }), 'its positions are the same');
  }
});

test('PUB-4 an entry of a log is written behind all others, whatever session it is of', async (t) => {
  const store = await openIn(t, freshPath(t));
  const topics = Array.from({ length: 100 }, (_, index) => `topic-${index}`);
  const body = 'x'.repeat(1200);
  const pages = async (from: number, to: number): Promise<number> => {
    const { walPages } = await store.stats();
    for (let number = from; number <= to; number++) {
      await Promise.all(
        topics.map((topic) => {
          const append = [{ number, id: `${topic}-${number}`, at: Date.now(), body }];
          return store.sessions.commit({ topic, expected: number - 1, at: Date.now(), parts: new Map(), append });
        }),
      );
    }
    return (await store.stats()).walPages - walPages;
  };
  await pages(1, 10);
  const written = (await pages(11, 20)) / (10 * topics.length);
  assert.ok(written < 2, `${written} pages an entry of a third of a page`);
});

test('a migration that fails leaves the file as it was', async (t) => {
  const path = freshPath(t);
  const store = await openIn(t, path);
  await store.sessions.commit({ topic: 'a', expected: 0, at: 1, parts: new Map(), append: [] });
  await store.close();
  const broken = { version: next.version, sql: `${next.sql} INSERT INTO nowhere VALUES (1);` };
  assert.throws(() => openDatabase(path, [...migrations, broken]), refusal(path, 'unreadable', /nowhere/));
  const again = await openIn(t, path);
  assert.equal((await again.sessions.load('a'))?.revision, 1);
  await again.close();
});

test('a file of a newer schema is refused and left alone', async (t) => {
  const path = freshPath(t);
  openDatabase(path, [...migrations, next]).close();
  const before = readFileSync(path);
  await assert.rejects(openSqlite({ path, log: WIDE }), refusal(path, 'newer-schema', /newer version of Lockstep/));
  assert.deepEqual(readFileSync(path), before);
});

test('a file that is no database is refused and left alone', async (t) => {
  const path = freshPath(t);
  for (const content of [
    'Dear colleague, this is a letter.\n'.repeat(200),
    'x',
    'SQLite format 3\0'.padEnd(5_000, '?'),
  ]) {
    writeFileSync(path, content);
    await assert.rejects(openSqlite({ path, log: WIDE }), refusal(path, 'not-a-database', /is not a database/));
    assert.equal(readFileSync(path, 'utf8'), content);
  }
});

test('a database of another program is refused and left alone', async (t) => {
  const path = freshPath(t);
  const other = new DatabaseSync(path);
  other.exec('CREATE TABLE bookmark (url TEXT)');
  other.close();
  const before = readFileSync(path);
  await assert.rejects(openSqlite({ path, log: WIDE }), refusal(path, 'foreign', /another program/));
  assert.deepEqual(readFileSync(path), before);
});

test('a path that cannot be opened is refused', async (t) => {
  const path = freshPath(t);
  const lost = `${dirname(path)}/nowhere/store.db`;
  await assert.rejects(openSqlite({ path: lost, log: WIDE }), refusal(lost, 'unreadable', /ENOENT/));
  mkdirSync(path);
  await assert.rejects(openSqlite({ path, log: WIDE }), refusal(path, 'unreadable', /cannot be opened/));
});

test('a damaged file is refused', async (t) => {
  const path = freshPath(t);
  const store = await openIn(t, path);
  await store.close();
  const content = readFileSync(path);
  content.fill(0xa5, 100, 4_096);
  chmodSync(path, 0o600);
  writeFileSync(path, content);
  await assert.rejects(openSqlite({ path, log: WIDE }), refusal(path, 'unreadable', /malformed/));
});

test('a file that is open is refused to everybody else, and the owner works on', async (t) => {
  const path = freshPath(t);
  const store = await openIn(t, path);
  await assert.rejects(openSqlite({ path, log: WIDE }), refusal(path, 'in-use', /in use by another process/));
  const other = startChild('try-open.ts', [path]);
  await other.ended;
  assert.deepEqual(other.lines, ['in-use']);
  await assert.rejects(openSqlite({ path, log: WIDE }), refusal(path, 'in-use', /in use by another process/));
  await store.sessions.commit({ topic: 'a', expected: 0, at: 1, parts: new Map(), append: [] });
  await store.close();
  const heir = startChild('try-open.ts', [path]);
  await heir.ended;
  assert.deepEqual(heir.lines, ['opened']);
});

test('bounds that cannot be are refused', async (t) => {
  const path = freshPath(t);
  for (const log of [
    { count: 0, ageMs: 1 },
    { count: 1.5, ageMs: 1 },
    { count: 1, ageMs: 0 },
    { count: 1, ageMs: Number.NaN },
  ]) {
    await assert.rejects(openSqlite({ path, log }), RangeError);
  }
});
