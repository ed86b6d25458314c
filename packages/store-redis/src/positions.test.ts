import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Commit, holdsPosition, type LogPosition, type SessionStore } from '@lockstep/store';
import { RedisProcess } from '../test/redis-process.ts';
import { openRedis, type RedisStore } from './index.ts';

/** A hundred years: the file of format 1 grows old. */
const LOG = { count: 100, ageMs: 3_155_760_000_000 };
const FORMAT_1 = join(import.meta.dirname, '../test/formats/format-1.rdb');

async function open(t: TestContext, url: string): Promise<RedisStore> {
  const store = await openRedis({ url, log: LOG, timeoutMs: 20_000 });
  t.after(() => store.close());
  return store;
}

function change(expected: number, epoch?: string): Commit {
  const at = Date.now();
  const append = [{ number: expected + 1, id: `event-${expected + 1}`, at, body: '{}' }];
  return { topic: 'topic', expected, ...(epoch && { epoch }), parts: new Map(), append, at };
}

/** Appends entries one by one. @returns their positions */
async function append(sessions: SessionStore, from: number, to: number): Promise<LogPosition[]> {
  const positions: LogPosition[] = [];
  for (let offset = from; offset <= to; offset++) {
    const result = await sessions.commit(change(offset - 1));
    assert.ok(result.ok);
    positions.push({ offset, epoch: result.epoch });
  }
  return positions;
}

/** What was there before the loss still stands; what was lost does not, though other entries have its numbers now. */
async function noticesLoss(sessions: SessionStore, kept: LogPosition[], lost: LogPosition[]): Promise<void> {
  const topic = 'topic';
  for (const rewritten of [false, true]) {
    if (rewritten) await append(sessions, kept.length + 1, kept.length + lost.length);
    const session = await sessions.load(topic);
    assert.equal(session === undefined, kept.length === 0 && !rewritten);
    if (session === undefined) continue;
    for (const position of kept) {
      assert.equal(holdsPosition(session, position), true);
      assert.equal((await sessions.readLog(topic, position))?.length, session.position.offset - position.offset);
    }
    for (const position of lost) {
      assert.equal(holdsPosition(session, position), false);
      assert.equal(await sessions.readLog(topic, position), undefined);
    }
  }
  const { offset, epoch } = lost.at(-1)!;
  assert.deepEqual(await sessions.commit(change(offset, epoch)), { ok: false, revision: offset });
}

test('SUB-11 a log that Redis has lost the end of has no positions of that end', async (t) => {
  const server = await RedisProcess.start({ appendonly: 'no' });
  t.after(() => server.remove());
  const first = await open(t, server.url);
  const kept = await append(first.sessions, 1, 3);
  await server.command('SAVE');
  const lost = await append(first.sessions, 4, 5);
  await first.close();
  await server.kill();
  await server.restart();
  const { sessions } = await open(t, server.url);
  await noticesLoss(sessions, kept, lost);
});

test('SUB-11 a replica that takes over without the newest entries has no positions of them', async (t) => {
  const server = await RedisProcess.start();
  t.after(() => server.remove());
  const first = await open(t, server.url);
  const kept = await append(first.sessions, 1, 3);
  const replica = await RedisProcess.start({ replicaof: `127.0.0.1 ${server.port}` });
  t.after(() => replica.remove());
  await replica.inSync();
  await replica.command('REPLICAOF', 'NO', 'ONE');
  const lost = await append(first.sessions, 4, 5);
  const { sessions } = await open(t, replica.url);
  await noticesLoss(sessions, kept, lost);
});

test('SUB-11 a session whose data is gone and that begins again has no positions of before', async (t) => {
  const server = await RedisProcess.start();
  t.after(() => server.remove());
  const { sessions } = await open(t, server.url);
  const lost = await append(sessions, 1, 3);
  await server.command('FLUSHALL');
  await noticesLoss(sessions, [], lost);
});

async function restored(t: TestContext): Promise<RedisProcess> {
  const server = await RedisProcess.start({ appendonly: 'no' });
  t.after(() => server.remove());
  await server.kill();
  copyFileSync(FORMAT_1, join(server.folder, 'dump.rdb'));
  await server.restart();
  return server;
}

test('data of format 1 is taken over with all that it holds, and marked once', async (t) => {
  const server = await restored(t);
  const topic = 'topic-of-format-1';
  assert.equal(await server.command('GET', 'lockstep:format'), '$-1');
  for (let opening = 0; opening < 2; opening++) {
    const { sessions, records, close } = await open(t, server.url);
    assert.equal(await server.command('GET', 'lockstep:format'), '3');
    const session = (await sessions.load(topic))!;
    assert.deepEqual(
      session.log.slice(0, 3).map(({ number, id, at }) => ({ number, id, dated: at > 1_700_000_000_000 })),
      ['event-1', 'event:2', 'event-3'].map((id, i) => ({ number: i + 1, id, dated: true })),
    );
    assert.deepEqual(
      (await sessions.readLog(topic, 0))?.slice(0, 3).map(({ id, body }) => [id, body.includes('hub.event')]),
      ['event-1', 'event:2', 'event-3'].map((id) => [id, true]),
    );
    assert.deepEqual(await sessions.lookup('all'), [topic]);
    assert.equal((await records.get('kind', 'a', Date.now()))?.body, '{"n":1}');
    assert.equal(await records.count('kind', { index: { name: 'by', value: 'x' } }), 2);
    // The session goes on where it was, with epochs from now on.
    const { revision, position } = session;
    const number = position.offset + 1;
    const entry = { number, id: `new-${opening}`, at: Date.now(), body: '{}' };
    const commit = { topic, expected: revision, parts: new Map(), append: [entry], at: Date.now() };
    const result = await sessions.commit(commit);
    assert.ok(result.ok);
    const next = (await sessions.load(topic))!;
    assert.deepEqual(next.position, { offset: number, epoch: result.epoch });
    assert.deepEqual(await sessions.readLog(topic, next.position), []);
    await close();
  }
});

test('data of a newer format is refused by name and left alone', async (t) => {
  const server = await RedisProcess.start();
  t.after(() => server.remove());
  await server.command('SET', 'lockstep:format', '4');
  await assert.rejects(openRedis({ url: server.url, log: LOG }), {
    name: 'RangeError',
    message: 'Redis holds data of a newer version of Lockstep under lockstep: (format 4; this version knows 3)',
  });
  assert.equal(await server.command('GET', 'lockstep:format'), '4');
});
