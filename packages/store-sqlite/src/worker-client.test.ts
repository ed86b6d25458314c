import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { type Commit, StoreUnavailable } from '@lockstep/store';
import { startChild } from '../test/child.ts';
import { freshPath, openIn } from '../test/folder.ts';
import type { SqliteStore } from './open.ts';

function create(topic: string): Commit {
  return {
    topic,
    expected: 0,
    at: 1,
    parts: new Map([['a', '1']]),
    append: [{ number: 1, id: topic, at: 1, body: '{}' }],
    index: { add: ['all'] },
  };
}

test('group commit: what is asked at once shares few transactions', async (t) => {
  const store = await openIn(t, freshPath(t));
  const before = await store.stats();
  await Promise.all(Array.from({ length: 2_000 }, (_, n) => store.sessions.commit(create(`t${n}`))));
  const after = await store.stats();
  assert.equal(after.writes - before.writes, 2_000);
  const transactions = after.transactions - before.transactions;
  assert.ok(transactions <= 8, `${transactions} transactions`);
  assert.equal((await store.sessions.lookup('all')).length, 2_000);
});

test('who hears of a commit may ask for something at once: everybody gets the answer to what they asked', async (t) => {
  const { sessions } = await openIn(t, freshPath(t));
  const heard: Promise<unknown>[] = [];
  const read: (string | undefined)[] = [];
  const end = sessions.watch((notice) => {
    if (notice.kind !== 'commit') return;
    const { topic } = notice;
    heard.push(sessions.load(topic).then((session) => read.push(session?.topic === topic ? topic : undefined)));
  });
  const topics = Array.from({ length: 60 }, (_, n) => `t${n}`);
  // Some at a time, so that there is always a batch under way.
  const lanes = [0, 1, 2].map(async (lane) => {
    for (let n = lane; n < topics.length; n += 3) {
      assert.equal((await sessions.commit(create(topics[n] ?? ''))).ok, true);
      assert.deepEqual(await sessions.lookup('nobody'), []);
    }
  });
  await Promise.all(lanes);
  await Promise.all(heard);
  end();
  assert.deepEqual(read.toSorted(), topics.toSorted());
});

test('reading needs no transaction', async (t) => {
  const store = await openIn(t, freshPath(t));
  await Promise.all([store.sessions.load('a'), store.sessions.lookup('a'), store.records.list('a', 1)]);
  assert.equal((await store.stats()).transactions, 0);
});

test('figures are given in the middle of writes, and break no batch', async (t) => {
  const store = await openIn(t, freshPath(t));
  const before = await store.stats();
  const asked = Array.from({ length: 200 }, (_, n) =>
    n % 2 === 0 ? store.sessions.commit(create(`s${n}`)) : store.stats(),
  );
  await Promise.all(asked);
  const transactions = (await store.stats()).transactions - before.transactions;
  assert.ok(transactions <= 8, `${transactions} transactions`);
});

test('an operation that fails or is refused leaves the others of its batch alone', async (t) => {
  const { sessions, records } = await openIn(t, freshPath(t));
  await sessions.commit(create('known'));
  // A caller past the types: SQLite cannot store an object, and finds out when half of the commit is written.
  const broken = {
    ...create('broken'),
    parts: new Map<string, string>([
      ['a', '1'],
      ['b', {} as string],
    ]),
  };
  const settled = await Promise.allSettled([
    sessions.commit(create('before')),
    records.put('kind', 'before', { body: '1' }, 1),
    sessions.commit(broken),
    sessions.commit({ ...create('gap'), append: [{ number: 2, id: 'x', at: 1, body: '{}' }] }),
    sessions.commit(create('known')),
    sessions.load('before'),
    sessions.commit(create('after')),
    records.putAll([{ kind: 'kind', id: 'after', record: { body: '1' } }], 1),
  ]);
  assert.deepEqual(
    settled.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled', 'fulfilled'],
  );
  const [, , defect, gap, refused] = settled;
  assert.ok(defect?.status === 'rejected' && !(defect.reason instanceof StoreUnavailable));
  assert.ok(gap?.status === 'rejected' && gap.reason instanceof RangeError);
  assert.deepEqual(refused?.status === 'fulfilled' && refused.value, { ok: false, revision: 1 });
  assert.deepEqual([...(await sessions.lookup('all'))].sort(), ['after', 'before', 'known']);
  for (const topic of ['before', 'after']) assert.equal((await sessions.readLog(topic, 0))?.length, 1);
  assert.equal(await sessions.load('broken'), undefined);
  assert.equal((await records.list('kind', 1)).length, 2);
});

test('what waits at the close is done first, and what comes later is refused', async (t) => {
  const path = freshPath(t);
  const store = await openIn(t, path);
  const commits = Array.from({ length: 1_500 }, (_, n) => store.sessions.commit(create(`t${n}`)));
  const closed = store.close();
  await assert.rejects(store.sessions.commit(create('late')), StoreUnavailable);
  for (const result of await Promise.all(commits)) assert.equal(result.ok && result.revision, 1);
  await closed;
  await store.close();
  for (const late of [
    store.sessions.load('t1'),
    store.sessions.announce('t1', ''),
    store.records.sweep(1),
    store.ping(),
  ]) {
    await assert.rejects(late, StoreUnavailable);
  }
  const again = await openIn(t, path);
  assert.equal((await again.sessions.lookup('all')).length, 1_500);
  await again.close();
});

test('a store whose thread died is unavailable', async (t) => {
  const path = freshPath(t);
  const started = once(process, 'worker');
  const store = await openIn(t, path);
  const [worker] = (await started) as [Worker];
  await store.sessions.commit(create('a'));
  const underWay = [store.sessions.commit(create('b')), store.ping()];
  const ended = Promise.all(underWay.map((asked) => assert.rejects(asked, StoreUnavailable)));
  await worker.terminate();
  await ended;
  await assert.rejects(store.sessions.load('a'), StoreUnavailable);
  await assert.rejects(store.sessions.announce('a', ''), StoreUnavailable);
  await assert.rejects(store.ping(), StoreUnavailable);
  await store.close();
  const again = await openIn(t, path);
  assert.equal((await again.sessions.load('a'))?.revision, 1);
  await again.close();
});

test('a store whose thread ends before the file is open cannot be opened, and says so', async (t) => {
  const path = freshPath(t);
  process.once('worker', (worker: Worker) => void worker.terminate());
  await assert.rejects(openIn(t, path), {
    name: 'UnusableDatabase',
    message: `${path} cannot be opened: the store's thread ended`,
  });
  const again = await openIn(t, path);
  await again.close();
});

test('nothing else that waits can keep an event waiting', async (t) => {
  const store = await openIn(t, freshPath(t));
  const { sessions, records } = store;
  await sessions.commit(create('topic'));
  const large = JSON.stringify({ name: 'x'.repeat(900_000) });
  await Promise.all(
    Array.from({ length: 2_000 }, (_, n) => [
      records.put('client', `${n}`, { body: '{}', indexes: { status: 'new' }, expiresAt: 1_000 }, 1),
      sessions.commit({ ...create(`t${n}`), append: [] }),
    ]).flat(),
  );
  const kinds: Readonly<Record<string, () => Promise<unknown>>> = {
    'registrations of 900 KB': () => records.put('client', crypto.randomUUID(), { body: large }, 1),
    'lists of all': () => records.list('client', 1, { limit: 5_000 }),
    'searches for all': () => records.find('client', 'status', 'new', 1),
    'listings of sessions': () => sessions.listParts('all', 'a'),
    sweeps: () => records.sweep(1_000),
    tokens: () => records.put('token', crypto.randomUUID(), { body: '{}' }, 1),
    revocations: () => records.deleteBy('client', 'status', 'new'),
    'readiness checks': () => store.ping(),
  };
  let revision = 1;
  for (const [kind, ask] of Object.entries(kinds)) {
    let done = 0;
    const flood = Array.from({ length: 60 }, () => ask().then(() => (done += 1)));
    await flood[0];
    const before = done;
    // What an event asks of the store, one after the other.
    await sessions.load('topic');
    const append = [{ number: revision + 1, id: `${revision}`, at: 1, body: '{}' }];
    const { ok } = await sessions.commit({ ...create('topic'), expected: revision, append });
    assert.equal(ok, true);
    revision += 1;
    // One batch may be under way with each of the two; most of the flood comes after them.
    const limit = kind === 'tokens' || kind === 'readiness checks' ? 60 : 20;
    assert.ok(done - before <= limit, `${kind}: ${done - before} of 60 were done before the event`);
    if (limit === 20) assert.ok(done < 60, `${kind}: all were done before`);
    await Promise.all(flood);
  }
});

test('when too much waits, more is refused at once', async (t) => {
  const store = await openIn(t, freshPath(t));
  const asked = await Promise.allSettled(Array.from({ length: 50_010 }, () => store.sessions.load('a')));
  const refused = asked.filter((result) => result.status === 'rejected');
  assert.equal(refused.length, 10);
  for (const { reason } of refused) assert.ok(reason instanceof StoreUnavailable);
  assert.equal(await store.sessions.load('a'), undefined);
});

test('the error of a watcher surfaces, but neither fails the commit nor keeps the notice from others', async (t) => {
  const child = startChild('throwing-watcher.ts', [freshPath(t)]);
  assert.equal(await child.ended, 0);
  assert.deepEqual(child.lines, ['told of commit', 'uncaught: a defect of the watcher', 'committed 1']);
});

/** The files of a store that hold a name that the tests erase. */
function traces(path: string): readonly string[] {
  const folder = dirname(path);
  return readdirSync(folder).filter((file) => readFileSync(join(folder, file)).includes('Mustermann'));
}

/** Waits for the scrub after the last deletion: those before it may have had theirs already. */
async function scrubbed(store: SqliteStore, path: string): Promise<void> {
  for (let round = 0; round < 1_000 && traces(path).length > 0; round++) await store.stats();
  assert.deepEqual(traces(path), []);
}

test('SES-5 nothing of an erased session or a deleted record is left in any file', async (t) => {
  const path = freshPath(t);
  const store = await openIn(t, path, { scrubAfterMs: 0 });
  for (let n = 0; n < 20; n++) {
    const body = `Mustermann ${'x'.repeat(n * 700)}`;
    await store.sessions.commit({
      ...create(`Mustermann ${n}`),
      parts: new Map([['a', body]]),
      index: { add: [body] },
    });
    const append = [{ number: 2, id: body, at: 1, body }];
    await store.sessions.commit({
      ...create(`Mustermann ${n}`),
      expected: 1,
      parts: new Map([['a', `${body}!`]]),
      append,
    });
    await store.records.put('Patient', `Mustermann ${n}`, { body, indexes: { name: body } }, 1);
    await store.sessions.commit(create(`kept ${n}`));
  }
  assert.notDeepEqual(traces(path), []);
  await Promise.all(
    Array.from({ length: 20 }, (_, n) => [
      store.sessions.erase(`Mustermann ${n}`),
      store.records.delete('Patient', `Mustermann ${n}`),
    ]).flat(),
  );
  await scrubbed(store, path);
  assert.equal((await store.sessions.lookup('all')).length, 20);
});

test('SES-5 nothing of what a commit erased from the log is left in any file', async (t) => {
  const path = freshPath(t);
  const store = await openIn(t, path, { scrubAfterMs: 0 });
  const { sessions } = store;
  for (let n = 0; n < 20; n++) {
    const body = `Mustermann ${'x'.repeat(n * 700)}`;
    const append = [1, 2, 3].map((number) => ({ number, id: `${body} ${number}`, at: 1, body }));
    await sessions.commit({ ...create(`topic ${n}`), append });
  }
  assert.notDeepEqual(traces(path), []);
  const append = [{ number: 4, id: 'kept', at: 1, body: 'kept' }];
  await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      sessions.commit({ ...create(`topic ${n}`), expected: 1, append, dropUpTo: 3 }),
    ),
  );
  await scrubbed(store, path);
  for (let n = 0; n < 20; n++) assert.deepEqual(await sessions.readLog(`topic ${n}`, 3), append);
});

test('10,000 sessions of a reopened file are listed, each once', async (t) => {
  const path = freshPath(t);
  const first = await openIn(t, path);
  const body = JSON.stringify({ filler: 'x'.repeat(400) });
  const parts = new Map(['session', 'sub:1', 'sub:2', 'sub:3', 'sub:4'].map((name) => [name, body]));
  const commits = Array.from({ length: 10_000 }, (_, n) => first.sessions.commit({ ...create(`t${n}`), parts }));
  await Promise.all(commits);
  await first.close();
  const store = await openIn(t, path);
  const listed = await store.sessions.listParts('all', 'session');
  assert.equal(new Set(listed.map(({ topic }) => topic)).size, 10_000);
  assert.equal(listed.length, 10_000);
});
