import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startChild } from '../test/child.ts';
import { freshPath, openIn } from '../test/folder.ts';

test('PUB-4 whatever was acknowledged is there after kill -9', async (t) => {
  const path = freshPath(t);
  for (let round = 1; round <= 5; round++) {
    const child = startChild('commit-loop.ts', [path]);
    await child.printed(round * 300);
    await child.kill('SIGKILL');
    assert.ok(child.lines.length >= round * 300, `only ${child.lines.length} commits before the end`);
    const acknowledged = new Map<string, number>();
    for (const line of child.lines) {
      // The last line may have been cut short by the kill.
      const [topic, revision] = /^(topic-\d) (\d+)$/.exec(line)?.slice(1) ?? [];
      if (topic !== undefined) acknowledged.set(topic, Number(revision));
    }
    assert.equal(acknowledged.size, 8);

    const { sessions, records, close } = await openIn(t, path);
    for (const [topic, revision] of acknowledged) {
      const session = (await sessions.load(topic))!;
      // At most the one commit that was under way came on top.
      assert.ok(session.revision === revision || session.revision === revision + 1);
      assert.deepEqual(
        session.log.map(({ number }) => number),
        Array.from({ length: session.revision }, (_, i) => i + 1),
      );
      const state = session.parts.get('state');
      const [last] = (await sessions.readLog(topic, session.revision - 1))!;
      assert.equal(state, last?.body);
      assert.equal(JSON.parse(state!).next, session.revision);
      assert.deepEqual(await sessions.lookup(`last ${topic} ${session.revision}`), [topic]);
      assert.deepEqual(await sessions.lookup(`last ${topic} ${session.revision - 1}`), []);
      for (let n = 1; n <= revision; n++) {
        assert.equal((await records.get('kind', `${topic} ${n}`, Date.now()))?.revision, 1);
      }
      for (const n of [session.revision, session.revision + 1]) await records.delete('kind', `${topic} ${n + 1}`);
    }
    await close();
  }
});

test('a full disk refuses writes, keeps what is there, and serves again once there is room', async (t) => {
  const path = freshPath(t);
  const child = startChild('fill-disk.ts', [path], 2_048);
  assert.equal(await child.ended, 0);
  const [full, ping, held, room, again, pingAgain] = child.lines;
  const revision = Number(/^full (\d+) unavailable$/.exec(full!)?.[1]);
  assert.ok(revision > 20, `${full}`);
  assert.equal(ping, 'ping unavailable');
  assert.equal(held, `held ${revision}`);
  assert.equal(room, 'room 0');
  assert.equal(again, 'again done');
  assert.equal(pingAgain, 'ping done');

  const store = await openIn(t, path);
  const session = await store.sessions.load('topic');
  assert.equal(session?.revision, revision + 1);
  assert.equal((await store.sessions.readLog('topic', 0))?.length, revision + 1);
  await store.close();
});
