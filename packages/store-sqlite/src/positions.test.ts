import assert from 'node:assert/strict';
import { copyFileSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { holdsPosition, type LogPosition, type SessionStore } from '@lockstep/store';
import { freshPath, openIn } from '../test/folder.ts';

const FORMAT_1 = join(import.meta.dirname, '../test/formats/format-1.db');

/** Appends entries one by one. @returns their positions */
async function append(sessions: SessionStore, topic: string, from: number, to: number): Promise<LogPosition[]> {
  const positions: LogPosition[] = [];
  for (let offset = from; offset <= to; offset++) {
    const entry = { number: offset, id: `event-${offset}`, at: Date.now(), body: '{}' };
    const commit = { topic, expected: offset - 1, parts: new Map(), append: [entry], at: Date.now() };
    const result = await sessions.commit(commit);
    assert.ok(result.ok);
    positions.push({ offset, epoch: result.epoch });
  }
  return positions;
}

/** A hundred years: the file of format 1 grows old. */
const FOR_EVER = { count: 1_000_000, ageMs: 3_155_760_000_000 };

test('SUB-11 a restored older copy has no positions of what came after it', async (t) => {
  const path = freshPath(t);
  const copy = freshPath(t);
  const first = await openIn(t, path);
  const kept = await append(first.sessions, 'topic', 1, 3);
  await first.close();
  copyFileSync(path, copy);
  const second = await openIn(t, path);
  const lost = await append(second.sessions, 'topic', 4, 5);
  await second.close();
  // Everything beside the file goes too: nothing but the copy is left to tell.
  const folder = dirname(path);
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
  copyFileSync(copy, path);

  const { sessions } = await openIn(t, path);
  for (const rewritten of [false, true]) {
    if (rewritten) await append(sessions, 'topic', 4, 5);
    const session = (await sessions.load('topic'))!;
    for (const position of kept) assert.equal(holdsPosition(session, position), true);
    for (const position of lost) {
      assert.equal(holdsPosition(session, position), false);
      assert.equal(await sessions.readLog('topic', position), undefined);
    }
  }
  const entry = { number: 6, id: 'event-6', at: Date.now(), body: '{}' };
  const late = {
    topic: 'topic',
    expected: 5,
    epoch: lost[1]!.epoch,
    parts: new Map(),
    append: [entry],
    at: Date.now(),
  };
  assert.deepEqual(await sessions.commit(late), { ok: false, revision: 5 });
});

test('positions outlast a restart of which nothing was lost', async (t) => {
  const path = freshPath(t);
  const first = await openIn(t, path);
  const positions = await append(first.sessions, 'topic', 1, 3);
  await first.close();
  const { sessions } = await openIn(t, path);
  positions.push(...(await append(sessions, 'topic', 4, 6)));
  for (const position of positions) {
    assert.equal((await sessions.readLog('topic', position))?.length, 6 - position.offset);
  }
});

test('a file of format 1 is migrated once, with all that it holds', async (t) => {
  const path = freshPath(t);
  copyFileSync(FORMAT_1, path);
  const topic = 'topic-of-format-1';
  let epochs: readonly string[] | undefined;
  for (let opening = 0; opening < 2; opening++) {
    const { sessions, records, close } = await openIn(t, path, { log: FOR_EVER });
    const session = (await sessions.load(topic))!;
    assert.deepEqual(session.log.map(({ number, id }) => [number, id]).slice(0, 3), [
      [1, 'event-1'],
      [2, 'event:2'],
      [3, 'event-3'],
    ]);
    // The migration gave the entries an epoch, and the next start gave them no other.
    epochs ??= session.log.map(({ epoch }) => epoch);
    assert.deepEqual(session.log.map(({ epoch }) => epoch).slice(0, 3), epochs.slice(0, 3));
    assert.ok(epochs.every((epoch) => epoch.length > 0));
    for (const { number: offset, epoch } of session.log) {
      assert.equal((await sessions.readLog(topic, { offset, epoch }))?.length, session.position.offset - offset);
    }
    assert.ok((await sessions.readLog(topic, 0))?.every(({ body }) => body.includes('"hub.event"') || body === '{}'));
    assert.deepEqual(await sessions.lookup('all'), [topic]);
    assert.equal((await records.get('kind', 'a', Date.now()))?.body, '{"n":1}');
    assert.equal(await records.count('kind', { index: { name: 'by', value: 'x' } }), 2);
    const { revision, epoch, position } = session;
    const entry = { number: position.offset + 1, id: `new-${opening}`, at: Date.now(), body: '{}' };
    const commit = { topic, expected: revision, epoch, parts: new Map(), append: [entry], at: Date.now() };
    assert.equal((await sessions.commit(commit)).ok, true);
    await close();
  }
});
