import assert from 'node:assert/strict';
import {
  copyFileSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { type SessionStore, StoreUnavailable } from '@lockstep/store';
import { startChild } from '../test/child.ts';
import { freshPath, openIn } from '../test/folder.ts';
import { openSqlite, UnusableDatabase } from './index.ts';
import { lastChangePath } from './last-change.ts';

const log = { count: 1_000, ageMs: 3_600_000 };

async function append(sessions: SessionStore, from: number, to: number): Promise<void> {
  for (let number = from; number <= to; number++) {
    const entry = { number, id: `event-${number}`, at: Date.now(), body: `{"said":${number}}` };
    const commit = { topic: 'topic', expected: number - 1, parts: new Map(), append: [entry], at: Date.now() };
    assert.equal((await sessions.commit(commit)).ok, true);
  }
}

/** A process that has made 30 commits, and was killed: what it did stands in the write-ahead log. */
async function killed(path: string): Promise<number> {
  const child = startChild('commit-loop.ts', [path]);
  await child.printed(300);
  await child.kill('SIGKILL');
  return child.lines.length;
}

function damaged(message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof UnusableDatabase, String(error));
    assert.equal(error.reason, 'damaged');
    assert.match(error.message, message);
    return true;
  };
}

const MISSING = /the last \d+ of \d+ changes are missing, the newest of 20\d\d-.*store\.db-wal was cut short/;

const cuts: Readonly<Record<string, (path: string) => void>> = {
  'cut in half': (wal) => truncateSync(wal, Math.floor(statSync(wal).size / 2)),
  'cut to nothing': (wal) => truncateSync(wal, 0),
  removed: (wal) => rmSync(wal),
  'damaged in the middle': (wal) => {
    const content = readFileSync(wal);
    content.fill(0xa5, content.length / 2, content.length / 2 + 100);
    writeFileSync(wal, content);
  },
  // Of the very last transaction nothing may be written down: the process was killed in the middle of its work.
  'short of its last tenth': (wal) => truncateSync(wal, Math.floor(statSync(wal).size * 0.9)),
};

for (const [name, cut] of Object.entries(cuts)) {
  test(`PUB-4 a write-ahead log that was ${name} is noticed at the start`, async (t) => {
    const path = freshPath(t);
    await killed(path);
    cut(`${path}-wal`);
    for (let attempt = 0; attempt < 2; attempt++) await assert.rejects(openSqlite({ path, log }), damaged(MISSING));
    const store = await openIn(t, path, { onDamage: 'continue' });
    assert.equal(store.warnings.length, 1);
    assert.match(store.warnings[0]!, MISSING);
    await append(store.sessions, 1, 3);
    await store.close();
    // Whoever went on with it has been told, and what is there now is whole.
    const again = await openIn(t, path);
    assert.deepEqual(again.warnings, []);
    assert.equal((await again.sessions.readLog('topic', 0))?.length, 3);
  });
}

test('a file whose process was killed, and nothing else, is whole', async (t) => {
  const path = freshPath(t);
  for (let round = 0; round < 3; round++) {
    await killed(path);
    const store = await openIn(t, path);
    assert.deepEqual(store.warnings, []);
    await store.close();
  }
});

test('PUB-4 an older copy in the place of the file is noticed at the start', async (t) => {
  const path = freshPath(t);
  const first = await openIn(t, path);
  await append(first.sessions, 1, 3);
  await first.close();
  copyFileSync(path, `${path}-copy`);
  const second = await openIn(t, path);
  await append(second.sessions, 4, 5);
  await second.close();
  copyFileSync(`${path}-copy`, path);
  await assert.rejects(openSqlite({ path, log }), damaged(/the last 2 of 5 changes are missing/));
  // What was written down goes with its file: the copy elsewhere is as good as it was.
  rmSync(lastChangePath(path));
  const store = await openIn(t, path);
  assert.equal((await store.sessions.load('topic'))?.position.offset, 3);
});

test('PUB-4 a file that is gone is noticed at the start', async (t) => {
  const path = freshPath(t);
  const first = await openIn(t, path);
  await append(first.sessions, 1, 3);
  await first.close();
  rmSync(path);
  for (let attempt = 0; attempt < 2; attempt++) {
    await assert.rejects(openSqlite({ path, log }), damaged(/the last 3 of 3 changes are missing/));
  }
  const store = await openIn(t, path, { onDamage: 'continue' });
  assert.equal(await store.sessions.load('topic'), undefined);
});

test('what was written down of another database, or cannot be read, says nothing', async (t) => {
  const path = freshPath(t);
  const [one, other] = [freshPath(t), freshPath(t)];
  for (const file of [one, other]) {
    const store = await openIn(t, file);
    await append(store.sessions, 1, file === one ? 9 : 2);
    await store.close();
  }
  const texts = [
    readFileSync(lastChangePath(one)),
    'x',
    '',
    'lockstep 1 ?',
    readFileSync(lastChangePath(one)).subarray(0, 40),
  ];
  for (const text of texts) {
    copyFileSync(other, path);
    writeFileSync(lastChangePath(path), text);
    const store = await openIn(t, path);
    assert.deepEqual(store.warnings, []);
    await store.close();
  }
});

test('an entry of a log that is not as it was written is named, and is not sent', async (t) => {
  const path = freshPath(t);
  const first = await openIn(t, path);
  await append(first.sessions, 1, 5);
  await first.close();
  const db = new DatabaseSync(path);
  db.exec(`UPDATE log SET body = '{"said":7}' WHERE id = 'event-3'`);
  db.close();
  await assert.rejects(openSqlite({ path, log }), damaged(/1 entries of logs are damaged: entry 3 of session topic/));
  const store = await openIn(t, path, { onDamage: 'continue' });
  assert.match(store.warnings.join(), /entry 3 of session topic/);
  const session = (await store.sessions.load('topic'))!;
  assert.deepEqual(
    session.log.map(({ id }) => id),
    ['event-4', 'event-5'],
  );
  assert.equal(session.start.offset, 3);
  assert.equal(await store.sessions.readLog('topic', 2), undefined);
  assert.equal((await store.sessions.readLog('topic', session.start))?.length, 2);
  await append(store.sessions, 6, 7);
  await store.close();
  assert.deepEqual((await openIn(t, path)).warnings, []);
});

const harms: Readonly<Record<string, { readonly harm: (path: string) => void; readonly said: RegExp }>> = {
  'the file is deleted': { harm: (path) => rmSync(path), said: /store\.db was deleted/ },
  'the write-ahead log is deleted': {
    harm: (path) => rmSync(`${path}-wal`),
    said: /store\.db-wal was cut short or deleted/,
  },
  'another file takes its place': {
    harm: (path) => {
      copyFileSync(path, `${path}-other`);
      renameSync(`${path}-other`, path);
    },
    said: /store\.db was replaced/,
  },
  'another write-ahead log takes its place': {
    harm: (path) => {
      copyFileSync(`${path}-wal`, `${path}-other`);
      renameSync(`${path}-other`, `${path}-wal`);
    },
    said: /store\.db-wal was replaced/,
  },
  'an older copy is written into it': {
    harm: (path) => {
      writeFileSync(path, readFileSync(path));
      utimesSync(path, 1, 1);
    },
    said: /store\.db was changed by another program/,
  },
  'the write-ahead log is cut': {
    harm: (path) => truncateSync(`${path}-wal`, 32),
    said: /store\.db-wal was cut short/,
  },
};

for (const [name, { harm, said }] of Object.entries(harms)) {
  test(`PUB-4 nothing is accepted any more once ${name} while it is in use`, async (t) => {
    const path = freshPath(t);
    const store = await openIn(t, path);
    await append(store.sessions, 1, 3);
    await store.ping();
    harm(path);
    const unavailable = (error: unknown) => error instanceof StoreUnavailable && said.test(error.message);
    await assert.rejects(append(store.sessions, 4, 4), unavailable);
    await assert.rejects(store.ping(), unavailable);
    await assert.rejects(store.sessions.load('topic'), unavailable);
  });
}

const moves: Readonly<Record<string, (path: string) => void>> = {
  'is moved away': () => undefined,
  'is moved away, with an empty file in its place': (path) => writeFileSync(path, ''),
  'is moved away, with another database in its place': (path) => copyFileSync(`${path}.moved`, path),
};

for (const [name, put] of Object.entries(moves)) {
  test(`PUB-4 a file that ${name} while it is in use loses nothing to who reads, copies or deletes next`, async (t) => {
    const path = freshPath(t);
    const store = await openIn(t, path, { scrubAfterMs: 0 });
    await append(store.sessions, 1, 300);
    renameSync(path, `${path}.moved`);
    put(path);
    const [before, place] = [statSync(`${path}-wal`).size, statSync(path, { throwIfNoEntry: false })?.size];
    await assert.rejects(store.sessions.readLog('topic', 0), StoreUnavailable);
    await assert.rejects(store.backup(freshPath(t)), RangeError);
    await assert.rejects(store.sessions.erase('topic'), StoreUnavailable);
    await assert.rejects(store.stats(), StoreUnavailable);
    assert.ok(statSync(`${path}-wal`).size >= before, 'its write-ahead log has lost nothing');
    assert.equal(statSync(path, { throwIfNoEntry: false })?.size, place, 'nothing was made in its place');
  });
}

test('checkpoints and deletions of its own are not taken for harm', async (t) => {
  const path = freshPath(t);
  const store = await openIn(t, path, { scrubAfterMs: 0 });
  for (let round = 0; round < 5; round++) {
    await append(store.sessions, 1, 40);
    const { checkpoints } = await store.stats();
    await store.sessions.erase('topic');
    while ((await store.stats()).checkpoints === checkpoints);
    await store.ping();
  }
});
