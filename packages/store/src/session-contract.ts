import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import {
  type Commit,
  type CommitResult,
  holdsPosition,
  type LogEntry,
  type LogHead,
  type SessionStore,
  type StoreNotice,
  type TopicPage,
} from './session-store.ts';
import { AWKWARD, type OpenStore, opened, reopened } from './under-test.ts';

/** What a test says of a commit; the rest is filled in. */
type Change = Partial<Omit<Commit, 'topic' | 'expected' | 'parts' | 'append'>> & {
  readonly parts?: Readonly<Record<string, string | null>>;
  readonly append?: readonly LogEntry[];
};

/** Stores may look at the clock for what expires: times in the tests are about now. */
const T0 = Date.now();

function change(topic: string, expected: number, { parts = {}, append = [], at = T0, ...rest }: Change = {}): Commit {
  return { topic, expected, parts: new Map(Object.entries(parts)), append, at, ...rest };
}

function entry(number: number, at = T0): LogEntry {
  return { number, id: `event-${number}`, at, body: `{"n":${number}}` };
}

/** A new session whose log holds entries 1 … `entries`, one a commit; its revision is `max(1, entries)`. */
async function create(sessions: SessionStore, entries = 0, topic: string = randomUUID()): Promise<string> {
  if (entries === 0) committed(await sessions.commit(change(topic, 0)), 1);
  for (let n = 1; n <= entries; n++) {
    const result = await sessions.commit(change(topic, n - 1, { append: [entry(n)] }));
    committed(result, n);
  }
  return topic;
}

/** What a listed log says of entries, whatever their epochs are. */
function heads(entries: readonly (LogEntry | LogHead)[]): readonly Omit<LogHead, 'epoch'>[] {
  return entries.map(({ number, id, at }) => ({ number, id, at }));
}

/** The commit was accepted as this revision. @returns its epoch */
function committed(result: CommitResult, revision: number): string {
  assert.ok(result.ok, `another commit came first: ${result.revision}`);
  assert.equal(result.revision, revision);
  assert.ok(result.epoch.length > 0);
  return result.epoch;
}

/** Collects notices until `count` of the kinds a test waits for have come. */
function collect(sessions: SessionStore, count: number, of: (notice: StoreNotice) => boolean): Promise<StoreNotice[]> {
  return new Promise((resolve) => {
    const notices: StoreNotice[] = [];
    const end = sessions.watch((notice) => {
      if (!of(notice)) return;
      notices.push(notice);
      if (notices.length < count) return;
      end();
      resolve(notices);
    });
  });
}

/** Listens to topics: what happens in them from now on is told. */
async function listenTo(sessions: SessionStore, ...topics: readonly string[]): Promise<void> {
  await Promise.all(topics.map((topic) => sessions.listen(topic).ready));
}

/** Registers the tests of `SessionStore` for one store. */
export function sessionStoreContract(name: string, open: OpenStore): void {
  suite(`SessionStore on ${name}`, () => {
    test('an unknown topic has nothing', async (t) => {
      const { sessions } = await opened(t, open);
      assert.equal(await sessions.load('nobody'), undefined);
      assert.equal(await sessions.revision('nobody'), undefined);
      assert.equal(await sessions.readLog('nobody', 0), undefined);
      assert.deepEqual(await sessions.lookup('nobody'), []);
      assert.deepEqual(await sessions.listParts('nobody', 'session'), []);
      assert.equal(await sessions.erase('nobody'), false);
    });

    test('a commit creates the session that it expects to be absent', async (t) => {
      const { sessions } = await opened(t, open);
      const commit = change('new', 0, { parts: { session: '{"a":1}' }, append: [entry(1), entry(2)] });
      committed(await sessions.commit(commit), 1);
      const { topic, revision, parts, log } = (await sessions.load('new'))!;
      assert.deepEqual({ topic, revision, parts }, { topic: 'new', revision: 1, parts: commit.parts });
      assert.deepEqual(heads(log), heads([entry(1), entry(2)]));
    });

    test('a commit that expects another revision is refused and changes nothing', async (t) => {
      const { sessions } = await opened(t, open);
      const topic = await create(sessions, 3);
      await sessions.commit(change(topic, 3, { parts: { kept: '1' }, index: { add: ['kept'] } }));
      const before = await sessions.load(topic);
      const { revision, epoch } = before!;
      assert.equal(revision, 4);
      assert.deepEqual(await sessions.revision(topic), { revision, epoch });
      for (const expected of [0, 1, 3, 5]) {
        const refused = change(topic, expected, {
          parts: { kept: null, other: '2' },
          append: [entry(4)],
          index: { add: ['other'], remove: ['kept'] },
        });
        assert.deepEqual(await sessions.commit(refused), { ok: false, revision: 4 });
      }
      assert.deepEqual(await sessions.load(topic), before);
      assert.deepEqual(await sessions.revision(topic), { revision, epoch });
      assert.deepEqual(await sessions.readLog(topic, 3), []);
      assert.deepEqual(await sessions.lookup('kept'), [topic]);
      assert.deepEqual(await sessions.lookup('other'), []);
      assert.deepEqual(await sessions.commit(change('absent', 3)), { ok: false, revision: 0 });
      assert.equal(await sessions.load('absent'), undefined);
    });

    test('CON-8 of many commits that expect one revision exactly one wins', async (t) => {
      const { sessions } = await opened(t, open);
      for (let round = 0; round < 20; round++) {
        const rivals = Array.from({ length: 50 }, (_, rival) =>
          sessions.commit(
            change('contested', round, {
              parts: { winner: String(rival) },
              append: [{ ...entry(round + 1), body: String(rival) }],
              index: { add: [`rival ${rival}`] },
            }),
          ),
        );
        const results = await Promise.all(rivals);
        assert.equal(results.filter((result) => result.ok).length, 1);
        for (const result of results) assert.equal(result.revision, round + 1);
        const winner = String(results.findIndex((result) => result.ok));
        assert.equal((await sessions.load('contested'))?.parts.get('winner'), winner);
        assert.deepEqual(await sessions.readLog('contested', round), [{ ...entry(round + 1), body: winner }]);
        assert.deepEqual(await sessions.lookup(`rival ${winner}`), ['contested']);
      }
    });

    test('commits of many sessions at once all count', async (t) => {
      const { sessions } = await opened(t, open);
      const topics = Array.from({ length: 200 }, () => randomUUID());
      for (let round = 0; round < 3; round++) {
        const results = await Promise.all(
          topics.map((topic) =>
            sessions.commit(
              change(topic, round, { parts: { topic }, append: [entry(round + 1)], index: { add: ['all'] } }),
            ),
          ),
        );
        for (const result of results) committed(result, round + 1);
      }
      const listed = await sessions.listParts('all', 'topic');
      assert.deepEqual(listed.map(({ topic }) => topic).sort(), [...topics].sort());
      for (const { topic, part } of listed) assert.equal(part, topic);
      for (const topic of topics) assert.equal((await sessions.readLog(topic, 0))?.length, 3);
    });

    test('parts are written, replaced and removed one by one', async (t) => {
      const { sessions } = await opened(t, open);
      const partsOf = async () => Object.fromEntries((await sessions.load('topic'))!.parts);
      await sessions.commit(change('topic', 0, { parts: { a: '1', b: '2', c: '3' } }));
      await sessions.commit(change('topic', 1, { parts: { b: '22', c: null, d: '4', never: null } }));
      assert.deepEqual(await partsOf(), { a: '1', b: '22', d: '4' });
      await sessions.commit(change('topic', 2, { parts: { a: null, b: null, d: null } }));
      assert.deepEqual(await partsOf(), {});
      await sessions.commit(change('topic', 3, { parts: { c: '5' } }));
      assert.deepEqual(await partsOf(), { c: '5' });
    });

    test('SUB-11 the log is replayed from a number, in order', async (t) => {
      const { sessions } = await opened(t, open);
      await sessions.commit(change('topic', 0, { append: [entry(1), entry(2), entry(3)] }));
      await sessions.commit(change('topic', 1));
      await sessions.commit(change('topic', 2, { append: [entry(4)] }));
      const all = [1, 2, 3, 4].map((n) => entry(n));
      for (let after = 0; after <= 4; after++) {
        assert.deepEqual(await sessions.readLog('topic', after), all.slice(after));
      }
      assert.equal(await sessions.readLog('topic', 5), undefined);
      assert.deepEqual(heads((await sessions.load('topic'))!.log), heads(all));
    });

    test('SUB-11 a log is read page by page, bounded by entries and by bytes', async (t) => {
      const { sessions } = await opened(t, open);
      const all = Array.from({ length: 300 }, (_, i) => ({ ...entry(i + 1), body: 'ä'.repeat(500) }));
      await sessions.commit(change('topic', 0, { append: all }));
      assert.deepEqual(await sessions.readLog('topic', 0), all);
      for (const page of [
        { limit: 7 },
        { limit: 100 },
        { limit: 300 },
        { bytes: 5_500 },
        { limit: 20, bytes: 5_000 },
        { bytes: 1 },
      ]) {
        const { limit = 300, bytes = 1_000_000 } = page;
        const size = Math.min(limit, Math.ceil(bytes / 1_000));
        const read: LogEntry[] = [];
        for (;;) {
          const some = (await sessions.readLog('topic', read.length, page))!;
          assert.equal(some.length, Math.min(size, 300 - read.length));
          if (some.length === 0) break;
          read.push(...some);
        }
        assert.deepEqual(read, all);
      }
      assert.equal(await sessions.readLog('topic', 301, { limit: 1 }), undefined);
    });

    test('SUB-11 a page of a log as bytes is the page, until its memory is given back', async (t) => {
      const { sessions } = await opened(t, open);
      const bodies = ['{}', '{"text":"ä € 👍"}', `{"text":"${'x'.repeat(70_000)}"}`, '{"last":true}'];
      const all = bodies.map((body, i) => ({ ...entry(i + 1), body }));
      await sessions.commit(change('topic', 0, { append: all }));
      for (const page of [
        { limit: 1, bytes: 1_000 },
        { limit: 2, bytes: 1_000 },
        { limit: 10, bytes: 10 },
        { limit: 10, bytes: 100_000 },
      ]) {
        for (let after = 0; after <= all.length; after++) {
          const as = await sessions.readLog('topic', after, page);
          const read = (await sessions.readLogBytes('topic', after, page))!;
          assert.deepEqual(
            read.entries.map(({ body, ...head }) => ({ ...head, body: Buffer.from(body).toString() })),
            as,
          );
          read.release();
          read.release();
          for (const { body } of read.entries) assert.equal(body.length, 0);
        }
      }
      const page = { limit: 10, bytes: 1_000 };
      assert.equal(await sessions.readLogBytes('topic', 5, page), undefined);
      assert.equal(await sessions.readLogBytes('nobody', 0, page), undefined);
    });

    test('a session without entries has an empty log', async (t) => {
      const { sessions } = await opened(t, open);
      const topic = await create(sessions);
      assert.deepEqual(await sessions.readLog(topic, 0), []);
      assert.equal(await sessions.readLog(topic, 1), undefined);
    });

    test('entries that leave a gap are refused', async (t) => {
      const { sessions } = await opened(t, open);
      const topic = await create(sessions, 2);
      const before = await sessions.load(topic);
      for (const numbers of [[4], [2], [0], [3, 5], [3, 3]]) {
        const append = numbers.map((n) => entry(n));
        await assert.rejects(sessions.commit(change(topic, 2, { parts: { a: '1' }, append })), RangeError);
      }
      await assert.rejects(sessions.commit(change('new', 0, { append: [entry(2)] })), RangeError);
      assert.deepEqual(await sessions.load(topic), before);
      assert.equal(await sessions.load('new'), undefined);
    });

    test('SUB-11 a log is replayed from a position of its own history only', async (t) => {
      const { sessions } = await opened(t, open, { count: 4, ageMs: 3_600_000 });
      const topic = await create(sessions);
      const beginning = (await sessions.load(topic))!.position;
      assert.equal(beginning.offset, 0);
      const positions = [beginning];
      for (let n = 1; n <= 30; n++) {
        const epoch = committed(await sessions.commit(change(topic, n, { append: [entry(n)] })), n + 1);
        positions.push({ offset: n, epoch });
        const session = (await sessions.load(topic))!;
        assert.equal(session.epoch, epoch);
        assert.deepEqual(session.position, { offset: n, epoch });
        assert.deepEqual(
          session.log.map(({ number, epoch }) => ({ offset: number, epoch })),
          positions.slice(session.start.offset + 1),
        );
        assert.deepEqual(session.start, positions[session.start.offset]);
        for (const position of positions) {
          const { offset } = position;
          const isHeld = offset >= session.start.offset;
          assert.equal(holdsPosition(session, position), isHeld);
          assert.deepEqual(
            await sessions.readLog(topic, position),
            isHeld ? await sessions.readLog(topic, offset) : undefined,
          );
          const other = { offset, epoch: `${position.epoch}x` };
          assert.equal(holdsPosition(session, other), false);
          assert.equal(await sessions.readLog(topic, other), undefined);
        }
        const ahead = { offset: n + 1, epoch };
        assert.equal(holdsPosition(session, ahead), false);
        assert.equal(await sessions.readLog(topic, ahead), undefined);
      }
      // A commit without an entry leaves the position where it is.
      const epoch = committed(await sessions.commit(change(topic, 31)), 32);
      const session = (await sessions.load(topic))!;
      assert.equal(session.epoch, epoch);
      assert.deepEqual(session.position, positions.at(-1));
    });

    test('a topic that was erased and created again has another history', async (t) => {
      const { sessions } = await opened(t, open);
      const topic = await create(sessions, 3);
      const before = (await sessions.load(topic))!;
      await sessions.erase(topic);
      await create(sessions, 3, topic);
      const after = (await sessions.load(topic))!;
      assert.equal(after.revision, before.revision);
      assert.equal(after.position.offset, before.position.offset);
      for (const position of [before.start, before.position]) assert.equal(holdsPosition(after, position), false);
      for (const { number: offset, epoch } of before.log) {
        assert.equal(await sessions.readLog(topic, { offset, epoch }), undefined);
      }
    });

    test('a commit decided on a revision of another history is refused and changes nothing', async (t) => {
      const { sessions } = await opened(t, open);
      const topic = await create(sessions, 2);
      const { epoch: lost } = (await sessions.load(topic))!;
      await sessions.erase(topic);
      await create(sessions, 2, topic);
      const before = (await sessions.load(topic))!;
      const late = change(topic, 2, { epoch: lost, append: [entry(3)], parts: { a: '1' } });
      assert.deepEqual(await sessions.commit(late), { ok: false, revision: 2 });
      assert.deepEqual(await sessions.load(topic), before);
      committed(await sessions.commit({ ...late, epoch: before.epoch }), 3);
      assert.deepEqual(await sessions.commit(change('absent', 3, { epoch: lost })), { ok: false, revision: 0 });
    });

    test('the log is bounded by count: the newest are held, the oldest dropped', async (t) => {
      const { sessions } = await opened(t, open, { count: 8, ageMs: 3_600_000 });
      const topic = await create(sessions, 8);
      assert.equal((await sessions.readLog(topic, 0))?.length, 8);
      for (let n = 9; n <= 60; n++) {
        await sessions.commit(change(topic, n - 1, { append: [entry(n)] }));
        const held = (await sessions.load(topic))!.log;
        const first = held[0]!.number;
        assert.ok(held.length >= 8 && held.length <= 16, `${held.length} entries are held`);
        assert.deepEqual(heads(held), heads(Array.from({ length: n - first + 1 }, (_, i) => entry(first + i))));
        assert.equal((await sessions.readLog(topic, first - 1))?.length, held.length);
        if (first > 1) assert.equal(await sessions.readLog(topic, first - 2), undefined);
        assert.deepEqual(await sessions.readLog(topic, n), []);
      }
    });

    test('a commit of more entries than the bound leaves the newest', async (t) => {
      const { sessions } = await opened(t, open, { count: 3, ageMs: 3_600_000 });
      const append = Array.from({ length: 20 }, (_, i) => entry(i + 1));
      await sessions.commit(change('topic', 0, { append }));
      assert.deepEqual(await sessions.readLog('topic', 17), append.slice(17));
      assert.equal(await sessions.readLog('topic', 13), undefined);
    });

    test('the log is bounded by bytes: the oldest are dropped, and what a commit appends stays', async (t) => {
      const { sessions } = await opened(t, open, { count: 1_000, ageMs: 3_600_000, bytes: 1_000 });
      const topic = await create(sessions, 0);
      // Two bytes each in UTF-8.
      const sized = (n: number, characters: number): LogEntry => ({ ...entry(n), body: 'ä'.repeat(characters) });
      for (let n = 1; n <= 8; n++) await sessions.commit(change(topic, n, { append: [sized(n, 100)] }));
      assert.deepEqual(
        await sessions.readLog(topic, 3),
        [4, 5, 6, 7, 8].map((n) => sized(n, 100)),
      );
      assert.equal(await sessions.readLog(topic, 2), undefined);
      const stored = (await sessions.load(topic))!;
      assert.equal(stored.start.offset, 3);
      assert.equal(stored.position.offset, 8);
      await sessions.commit(change(topic, 9, { append: [sized(9, 100)], dropUpTo: 7 }));
      assert.deepEqual(await sessions.readLog(topic, 7), [sized(8, 100), sized(9, 100)]);
      for (let n = 10; n <= 12; n++) await sessions.commit(change(topic, n, { append: [sized(n, 100)] }));
      assert.equal((await sessions.readLog(topic, 7))?.length, 5, 'what was dropped is no longer counted');
      await sessions.commit(change(topic, 13, { append: [sized(13, 900)] }));
      assert.deepEqual(await sessions.readLog(topic, 12), [sized(13, 900)]);
      assert.equal(await sessions.readLog(topic, 11), undefined);
      await sessions.commit(change(topic, 14, { append: [sized(14, 10), sized(15, 600)] }));
      assert.equal((await sessions.readLog(topic, 13))?.length, 2);
    });

    test('the log is bounded by age', async (t) => {
      const { sessions } = await opened(t, open, { count: 1_000, ageMs: 60_000 });
      const topic = await create(sessions, 5);
      await sessions.commit(change(topic, 5, { at: T0 + 60_000, append: [entry(6, T0 + 60_000)] }));
      assert.equal((await sessions.readLog(topic, 0))?.length, 6);
      await sessions.commit(change(topic, 6, { at: T0 + 100_000, append: [entry(7, T0 + 100_000)] }));
      await sessions.commit(change(topic, 7, { at: T0 + 120_001 }));
      assert.equal(await sessions.readLog(topic, 4), undefined);
      assert.deepEqual(await sessions.readLog(topic, 6), [entry(7, T0 + 100_000)]);
      // Nothing is held any longer, and the numbers go on.
      await sessions.commit(change(topic, 8, { at: T0 + 600_000 }));
      assert.equal(await sessions.readLog(topic, 6), undefined);
      assert.deepEqual(await sessions.readLog(topic, 7), []);
      assert.deepEqual((await sessions.load(topic))?.log, []);
      await sessions.commit(change(topic, 9, { at: T0 + 600_001, append: [entry(8, T0 + 600_001)] }));
      assert.deepEqual(await sessions.readLog(topic, 7), [entry(8, T0 + 600_001)]);
    });

    test('PUB-10 a commit erases entries up to a number, its own included; what is after them stays', async (t) => {
      for (const dropUpTo of [0, 1, 3, 5, 6, 7, 100]) {
        const { sessions } = await opened(t, open);
        const topic = await create(sessions, 5);
        const before = (await sessions.load(topic))!;
        const epoch = committed(await sessions.commit(change(topic, 5, { append: [entry(6)], dropUpTo })), 6);
        const after = (await sessions.load(topic))!;
        const gone = Math.min(dropUpTo, 6);
        const kept = [1, 2, 3, 4, 5, 6].filter((number) => number > gone).map((number) => entry(number));
        assert.deepEqual(heads(after.log), heads(kept));
        assert.deepEqual(after.position, { offset: 6, epoch });
        const epochs = [before.start, ...before.log, { epoch }].map((one) => one.epoch);
        assert.deepEqual(after.start, { offset: gone, epoch: epochs[gone] });
        assert.deepEqual(await sessions.readLog(topic, gone), kept);
        assert.deepEqual(await sessions.readLog(topic, after.start), kept);
        for (let number = 0; number < gone; number++) assert.equal(await sessions.readLog(topic, number), undefined);
        // The numbers go on, and to erase once more what is gone changes nothing.
        committed(await sessions.commit(change(topic, 6, { append: [entry(7)], dropUpTo: gone })), 7);
        assert.deepEqual(await sessions.readLog(topic, gone), [...kept, entry(7)]);
      }
    });

    test('a refused commit erases no entry, nor does one that names no number', async (t) => {
      const { sessions } = await opened(t, open);
      const topic = await create(sessions, 3);
      const before = await sessions.load(topic);
      assert.deepEqual(await sessions.commit(change(topic, 2, { dropUpTo: 3 })), { ok: false, revision: 3 });
      await assert.rejects(sessions.commit(change(topic, 3, { append: [entry(9)], dropUpTo: 3 })), RangeError);
      for (const dropUpTo of [-1, 1.5, Number.NaN]) {
        await assert.rejects(sessions.commit(change(topic, 3, { dropUpTo })), RangeError);
      }
      assert.deepEqual(await sessions.load(topic), before);
    });

    test('topics are found a page at a time, and none is left out', async (t) => {
      const { sessions } = await opened(t, open);
      const key = randomUUID();
      const topics = Array.from({ length: 700 }, (_, n) => `${key} ${n}`);
      await Promise.all(topics.map((topic) => sessions.commit(change(topic, 0, { index: { add: [key] } }))));
      const found = new Set<string>();
      let pages = 0;
      for (let after: string | undefined, isLast = false; !isLast; pages += 1) {
        const page: TopicPage = await sessions.lookupPage(key, after, 100);
        assert.ok(page.topics.length < 400, `${page.topics.length}`);
        for (const topic of page.topics) found.add(topic);
        after = page.next;
        if (after !== undefined) assert.match(after, /^\d{1,20}$/);
        isLast = after === undefined;
      }
      assert.ok(pages > 3, `${pages}`);
      assert.deepEqual([...found].sort(), [...topics].sort());
      assert.deepEqual(await sessions.lookupPage('nothing', undefined, 100), { topics: [] });
      // Whatever a client makes up, there is an answer.
      assert.ok(Array.isArray((await sessions.lookupPage(key, '9'.repeat(20), 100)).topics));
    });

    test('topics are found by their index keys', async (t) => {
      const { sessions } = await opened(t, open);
      const [a, b] = [await create(sessions), await create(sessions)];
      await sessions.commit(change(a, 1, { parts: { session: 'A' }, index: { add: ['all', 'user 1', 'all'] } }));
      await sessions.commit(change(b, 1, { index: { add: ['all', 'user 2'] } }));
      assert.deepEqual([...(await sessions.lookup('all'))].sort(), [a, b].sort());
      assert.deepEqual(await sessions.lookup('user 1'), [a]);
      const counts = (key: string) => Promise.all([1, 2, 3].map((atMost) => sessions.count(key, atMost)));
      assert.deepEqual(await counts('all'), [1, 2, 2]);
      assert.deepEqual(await counts('user 1'), [1, 1, 1]);
      assert.deepEqual(await counts('user 3'), [0, 0, 0]);
      assert.deepEqual(await sessions.listParts('all', 'session'), [{ topic: a, part: 'A' }]);
      await sessions.commit(change(a, 2, { index: { add: ['user 3', 'all'], remove: ['user 1', 'never'] } }));
      assert.deepEqual(await sessions.lookup('user 1'), []);
      assert.deepEqual(await sessions.lookup('user 3'), [a]);
      assert.deepEqual([...(await sessions.lookup('all'))].sort(), [a, b].sort());
      await sessions.commit(change(b, 2, { parts: { session: 'B' } }));
      await sessions.commit(change(a, 3, { parts: { session: 'A2' } }));
      const listed = [...(await sessions.listParts('all', 'session'))].sort((x, y) => x.part.localeCompare(y.part));
      assert.deepEqual(listed, [
        { topic: a, part: 'A2' },
        { topic: b, part: 'B' },
      ]);
    });

    test('SES-5 erasure leaves nothing, and nothing else is touched', async (t) => {
      const { sessions } = await opened(t, open);
      const [gone, kept] = [await create(sessions, 3), await create(sessions, 3)];
      for (const topic of [gone, kept]) {
        await sessions.commit(change(topic, 3, { parts: { session: '{}' }, index: { add: ['all', topic] } }));
      }
      const before = await sessions.load(kept);
      assert.equal(await sessions.erase(gone), true);
      assert.equal(await sessions.load(gone), undefined);
      assert.equal(await sessions.readLog(gone, 0), undefined);
      assert.equal(await sessions.readLog(gone, 3), undefined);
      assert.deepEqual(await sessions.lookup(gone), []);
      assert.deepEqual(await sessions.lookup('all'), [kept]);
      assert.deepEqual(await sessions.listParts('all', 'session'), [{ topic: kept, part: '{}' }]);
      assert.equal(await sessions.erase(gone), false);
      assert.deepEqual(await sessions.commit(change(gone, 4)), { ok: false, revision: 0 });
      assert.deepEqual(await sessions.load(kept), before);
    });

    test('SES-5 an erasure decided on an older revision, or another history, changes nothing', async (t) => {
      const { sessions } = await opened(t, open);
      const topic = await create(sessions, 3);
      const before = (await sessions.load(topic))!;
      committed(await sessions.commit(change(topic, 3, { index: { add: ['all'] } })), 4);
      const now = (await sessions.load(topic))!;
      assert.equal(await sessions.erase(topic, before), false);
      assert.equal(await sessions.erase(topic, { ...now, epoch: before.epoch }), false);
      assert.deepEqual(await sessions.load(topic), now);
      assert.deepEqual(await sessions.lookup('all'), [topic]);
      assert.equal(await sessions.erase(topic, now), true);
      assert.equal(await sessions.load(topic), undefined);
      assert.equal(await sessions.erase(topic, now), false);
    });

    test('an erased topic can be created again, from the beginning', async (t) => {
      const { sessions } = await opened(t, open);
      const topic = await create(sessions, 3);
      await sessions.commit(change(topic, 3, { parts: { old: '1' }, index: { add: ['old'] } }));
      await sessions.erase(topic);
      const commit = change(topic, 0, { parts: { new: '2' }, append: [entry(1, T0 + 5)] });
      committed(await sessions.commit(commit), 1);
      const { revision, parts, log } = (await sessions.load(topic))!;
      assert.deepEqual({ revision, parts }, { revision: 1, parts: new Map([['new', '2']]) });
      assert.deepEqual(heads(log), heads([entry(1, T0 + 5)]));
      assert.equal(await sessions.readLog(topic, 3), undefined);
      assert.deepEqual(await sessions.lookup('old'), []);
    });

    test('of many erasures at once exactly one finds the session', async (t) => {
      const { sessions } = await opened(t, open);
      const topic = await create(sessions);
      const erased = await Promise.all(Array.from({ length: 20 }, () => sessions.erase(topic)));
      assert.equal(erased.filter(Boolean).length, 1);
    });

    test('watchers get commits in order of revision, and the erasure', async (t) => {
      const { sessions } = await opened(t, open);
      const topics = ['a', 'b', 'c'];
      const epochs = new Map<string, string[]>(topics.map((topic) => [topic, []]));
      await listenTo(sessions, ...topics);
      const told = collect(sessions, 3 * 31, (notice) => notice.kind === 'commit' || notice.kind === 'erased');
      await Promise.all(
        topics.map(async (topic) => {
          for (let revision = 0; revision < 30; revision++) {
            const parts = { part: `${topic}${revision}` };
            const append = [entry(revision + 1)];
            // A rival that may lose: the refused commit must not be announced.
            const [result] = await Promise.all([
              sessions.commit(change(topic, revision, { parts, append })),
              sessions.commit(change(topic, revision + 1_000)),
            ]);
            epochs.get(topic)?.push(committed(result, revision + 1));
          }
          await sessions.erase(topic);
        }),
      );
      const notices = await told;
      for (const topic of topics) {
        const own = notices.filter((notice) => notice.kind !== 'gap' && notice.topic === topic);
        assert.equal(own.length, 31);
        own.slice(0, 30).forEach((notice, revision) => {
          assert.ok(notice.kind === 'commit');
          assert.equal(notice.revision, revision + 1);
          assert.equal(notice.epoch, epochs.get(topic)?.[revision]);
          assert.equal(notice.local, true);
          assert.equal(notice.commit.topic, topic);
          assert.deepEqual(notice.commit.append, [entry(revision + 1)]);
          assert.equal(notice.commit.parts.get('part'), `${topic}${revision}`);
        });
        assert.deepEqual(own[30], { kind: 'erased', topic, local: true });
      }
    });

    test('announcements reach every watcher, with or without a session', async (t) => {
      const { sessions } = await opened(t, open);
      await listenTo(sessions, 'topic');
      const isAnnouncement = (notice: StoreNotice) => notice.kind === 'announcement';
      const both = Promise.all([collect(sessions, 2, isAnnouncement), collect(sessions, 2, isAnnouncement)]);
      assert.equal(await sessions.announce('topic', '{"one":1}'), 1);
      assert.equal(await sessions.announce('topic', AWKWARD.join()), 1);
      for (const notices of await both) {
        assert.deepEqual(notices, [
          { kind: 'announcement', topic: 'topic', body: '{"one":1}', local: true },
          { kind: 'announcement', topic: 'topic', body: AWKWARD.join(), local: true },
        ]);
      }
      assert.equal(await sessions.load('topic'), undefined);
    });

    test('a watch that ended gets nothing', async (t) => {
      const { sessions } = await opened(t, open);
      const seen: StoreNotice[] = [];
      const listener = (notice: StoreNotice) => void seen.push(notice);
      const [end] = [sessions.watch(listener), sessions.watch(listener)];
      await listenTo(sessions, 'one', 'two');
      const first = collect(sessions, 1, (notice) => notice.kind === 'commit');
      await create(sessions, 0, 'one');
      await first;
      assert.equal(seen.length, 2);
      end();
      end();
      const second = collect(sessions, 1, (notice) => notice.kind === 'commit');
      await create(sessions, 0, 'two');
      await second;
      assert.equal(seen.length, 3);
    });

    test('whoever listens to a topic is told of it until each has ended, whatever its name', async (t) => {
      const { sessions } = await opened(t, open);
      for (const topic of AWKWARD) {
        const [first, second, third] = [sessions.listen(topic), sessions.listen(topic), sessions.listen(topic)];
        await Promise.all([first.ready, second.ready]);
        first.end();
        first.end();
        third.end();
        const told = collect(sessions, 2, (notice) => notice.kind !== 'gap' && notice.topic === topic);
        await create(sessions, 0, topic);
        await sessions.announce(topic, '');
        assert.deepEqual(
          (await told).map(({ kind }) => kind),
          ['commit', 'announcement'],
        );
        second.end();
        await listenTo(sessions, topic);
        const again = collect(sessions, 1, (notice) => notice.kind === 'erased' && notice.topic === topic);
        await sessions.erase(topic);
        await again;
      }
    });

    test('every session that is committed to or erased is named, whether or not anybody listens to it', async (t) => {
      const { sessions } = await opened(t, open);
      const named: (string | undefined)[] = [];
      let wake = (): void => undefined;
      const watch = sessions.watchChanges((topic) => {
        named.push(topic);
        wake();
      });
      await watch.ready;
      const topics = await Promise.all(AWKWARD.map((topic) => create(sessions, 0, topic)));
      await sessions.announce('no session', '');
      for (const topic of topics) await sessions.erase(topic);
      while (named.length < 2 * topics.length) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      // Servers of a cluster tell of their sessions in an order of their own.
      assert.deepEqual([...named].sort(), [...topics, ...topics].sort());
      watch.end();
      await listenTo(sessions, 'last');
      const last = collect(sessions, 1, (notice) => notice.kind === 'commit');
      await create(sessions, 0, 'last');
      await last;
      assert.equal(named.length, 2 * topics.length, 'a watch that ended gets nothing');
    });

    test('PUB-4 everything outlasts the store being closed and opened again', async (t) => {
      const first = await opened(t, open, { count: 5, ageMs: 3_600_000 });
      const topic = await create(first.sessions, 12);
      await first.sessions.commit(change(topic, 12, { parts: { a: '1', b: '2' }, index: { add: ['all'] } }));
      const gone = await create(first.sessions, 1);
      await first.sessions.erase(gone);
      const before = await first.sessions.load(topic);
      const { sessions } = await reopened(t, first);
      assert.deepEqual(await sessions.load(topic), before);
      assert.deepEqual(await sessions.readLog(topic, 10), [entry(11), entry(12)]);
      assert.equal(await sessions.readLog(topic, 1), undefined);
      assert.deepEqual(await sessions.listParts('all', 'b'), [{ topic, part: '2' }]);
      assert.equal(await sessions.load(gone), undefined);
      assert.deepEqual(await sessions.commit(change(topic, 12)), { ok: false, revision: 13 });
      const next = change(topic, 13, { append: [entry(13)] });
      committed(await sessions.commit(next), 14);
    });

    test('topics, names, keys and bodies are any text, and distinct texts stay distinct', async (t) => {
      const { sessions } = await opened(t, open);
      for (const topic of AWKWARD) {
        const commit = change(topic, 0, {
          append: AWKWARD.map((body, i) => ({ number: i + 1, id: body, at: T0, body })),
          index: { add: [topic, 'all'] },
        });
        const parts = new Map(AWKWARD.map((name) => [name, `${topic}:${name}`]));
        committed(await sessions.commit({ ...commit, parts }), 1);
      }
      for (const topic of AWKWARD) {
        const session = await sessions.load(topic);
        assert.equal(session?.topic, topic);
        assert.deepEqual(new Map(session.parts), new Map(AWKWARD.map((name) => [name, `${topic}:${name}`])));
        assert.deepEqual(
          (await sessions.readLog(topic, 0))?.map(({ id, body }) => [id, body]),
          AWKWARD.map((text) => [text, text]),
        );
        assert.deepEqual(await sessions.lookup(topic), [topic]);
        const listed = await sessions.listParts('all', topic);
        assert.deepEqual(
          new Map(listed.map((row) => [row.topic, row.part])),
          new Map(AWKWARD.map((name) => [name, `${name}:${topic}`])),
        );
      }
      for (const topic of AWKWARD) assert.equal(await sessions.erase(topic), true);
      assert.deepEqual(await sessions.lookup('all'), []);
    });

    test('bodies may have a megabyte', async (t) => {
      const { sessions } = await opened(t, open);
      const body = `{"text":"${'ä𝔘"\\'.repeat(100_000)}"}`;
      await sessions.commit(change('topic', 0, { parts: { big: body }, append: [{ ...entry(1), body }] }));
      assert.equal((await sessions.load('topic'))?.parts.get('big'), body);
      assert.equal((await sessions.readLog('topic', 0))?.[0]?.body, body);
    });

    test('any sequence of commits and erasures does what a plain map would', async (t) => {
      const { sessions } = await opened(t, open, { count: 4, ageMs: 3_600_000 });
      const names = fc.constantFrom('a', 'b', 'c');
      const step = fc.record({
        topic: fc.constantFrom('x', 'y'),
        erase: fc.nat(9).map((n) => n === 0),
        stale: fc.nat(6).map((n) => n === 0),
        parts: fc.dictionary(names, fc.option(fc.string({ unit: 'grapheme' }), { nil: null })),
        entries: fc.nat(3),
        add: fc.array(names, { maxLength: 2 }),
        remove: fc.array(names, { maxLength: 2 }),
      });
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
          const prefix = `run ${run++} `;
          const model = new Map<
            string,
            { revision: number; last: number; parts: Map<string, string>; keys: Set<string> }
          >();
          for (const { topic: name, erase, stale, parts, entries, add, remove } of steps) {
            const topic = prefix + name;
            const held = model.get(topic);
            if (erase) {
              assert.equal(await sessions.erase(topic), model.delete(topic));
              continue;
            }
            const revision = held?.revision ?? 0;
            const expected = stale ? revision + 1 : revision;
            const removed = remove.filter((key) => !add.includes(key));
            const result = await sessions.commit({
              topic,
              expected,
              parts: new Map(Object.entries(parts)),
              append: Array.from({ length: entries }, (_, i) => entry((held?.last ?? 0) + i + 1)),
              index: { add: add.map((key) => prefix + key), remove: removed.map((key) => prefix + key) },
              at: T0,
            });
            if (expected !== revision) {
              assert.deepEqual(result, { ok: false, revision });
              continue;
            }
            committed(result, revision + 1);
            const next = held ?? { revision: 0, last: 0, parts: new Map<string, string>(), keys: new Set<string>() };
            next.revision++;
            next.last += entries;
            for (const [part, body] of Object.entries(parts)) {
              if (body === null) next.parts.delete(part);
              else next.parts.set(part, body);
            }
            for (const key of removed) next.keys.delete(key);
            for (const key of add) next.keys.add(key);
            model.set(topic, next);
          }
          for (const topic of [`${prefix}x`, `${prefix}y`]) {
            const held = model.get(topic);
            const session = await sessions.load(topic);
            assert.equal(session?.revision, held?.revision);
            if (held === undefined || session === undefined) continue;
            assert.deepEqual(new Map([...session.parts].sort()), new Map([...held.parts].sort()));
            const log = Array.from({ length: held.last }, (_, i) => entry(i + 1)).slice(
              -session.log.length || held.last,
            );
            assert.deepEqual(heads(session.log), heads(log));
            assert.deepEqual(session.position.offset, held.last);
            assert.ok(session.log.length >= Math.min(4, held.last));
            assert.deepEqual(await sessions.readLog(topic, held.last - log.length), log);
          }
          for (const key of ['a', 'b', 'c']) {
            const topics = [...model].filter(([, { keys }]) => keys.has(key)).map(([topic]) => topic);
            assert.deepEqual([...(await sessions.lookup(prefix + key))].sort(), topics.sort());
          }
        }),
        { numRuns: 60 },
      );
    });
  });
}
