import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { RedisProcess } from '../test/redis-process.ts';
import { openRedis } from './index.ts';
import { commitFields, decode, doubtFields, message } from './notice.ts';
import { sharedText } from './shared-text.ts';

/** Letters of one to four bytes, pairs of surrogates of which one is the same, and what JSON escapes. */
const letters = fc.constantFrom('a', 'b', '"', '\\', '\n', 'ä', '€', '山', '😀', '😁', '𐀀', '𠀀', '\u0000');
const text = (maxLength: number): fc.Arbitrary<string> => fc.string({ unit: letters, maxLength });
/** Texts that may be worth sharing. */
const long = fc.tuple(text(20), fc.nat({ max: 40 }), text(400)).map(([some, times, rest]) => some.repeat(times) + rest);

const texts = fc.record({ common: long, before: text(30), after: text(30), earlier: text(300), later: text(300) });

test('PUB-13 what two texts share is found with the bytes where it stands', () => {
  fc.assert(
    fc.property(texts, fc.boolean(), ({ common, before, after, earlier, later }, is) => {
      const one = `${before}${common}${after}`;
      const other = `${earlier}${is ? common : ''}${later}`;
      const shared = sharedText(one, other);
      if (!shared) return;
      const { from, length } = shared;
      const bytes = Buffer.from(other).subarray(from, from + length);
      assert.equal(`${shared.before}${bytes}${shared.after}`, one);
    }),
    { numRuns: 1500 },
  );
});

test('a character is not cut where only half of its pair of surrogates is shared', () => {
  const common = Array.from({ length: 100 }, (_, n) => `${n}`).join();
  for (const [one, other] of [
    [`${common}😀`, `${common}😁`],
    [`𐀀${common}`, `𠀀${common}`],
  ] as const) {
    const shared = sharedText(one, other);
    assert.equal(shared?.length, common.length);
    assert.equal(`${shared.before}${common}${shared.after}`, one);
  }
});

test('what is long and the same is shared, also where what is like it stands before it', () => {
  const finding = Array.from({ length: 80 }, (_, n) => `山😀${n}`).join();
  const like = (n: number): string => `{"id":"${n}","code":"${finding}","value":${n}}`;
  const facts = '{"name":"DiagnosticReport-update"}\n€';
  const other = `${facts}${[0, 1, 2, 3].map(like).join()}`;
  const shared = sharedText(`{"resource":${like(2)}}`, other);
  assert.ok(shared && shared.before.length + shared.after.length < 30);
});

test('PUB-4 PUB-13 parts that share text with an entry arrive whole, at the store and at the nodes', async (t) => {
  const server = await RedisProcess.start({ appendfsync: 'no' });
  t.after(() => server.remove());
  const log = { count: 100, ageMs: 3_600_000 };
  const [a, b] = await Promise.all(
    ['a', 'b'].map((nodeId) => openRedis({ url: server.url, log, nodeId, timeoutMs: 20_000 })),
  );
  t.after(() => Promise.all([a?.close(), b?.close()]));
  assert.ok(a && b);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(texts, { minLength: 1, maxLength: 3 }),
      fc.array(texts, { maxLength: 2 }),
      fc.boolean(),
      async (parts, entries, noted) => {
        const topic = `topic ${run++}`;
        const at = Date.now();
        const commons = parts.map(({ common }) => common).join('');
        const put = parts.map(({ common, before, after }, n) => [`part ${n}`, `${before}${common}${after}`] as const);
        const append = entries.map(({ earlier, later }, n) => {
          return { number: n + 1, id: `event ${n}`, at, body: `${earlier}${commons}${later}` };
        });
        const commit = {
          topic,
          expected: 0,
          parts: new Map<string, string>(put),
          append,
          at,
          index: { add: ['key one', 'key two'], remove: [] },
          ...(noted && { note: 'note' }),
        };
        const told = new Promise<unknown>((resolve) => {
          const end = b.sessions.watch((notice) => {
            if (notice.kind !== 'commit' || notice.topic !== topic) return;
            end();
            resolve(notice.commit);
          });
        });
        const listening = b.sessions.listen(topic);
        await listening.ready;
        assert.equal((await a.sessions.commit(commit)).ok, true);
        assert.deepEqual(await told, commit);
        listening.end();
        assert.deepEqual((await b.sessions.load(topic))?.parts, commit.parts);
        assert.deepEqual(await b.sessions.readLog(topic, 0), append);
      },
    ),
    { numRuns: 60 },
  );
});

test('the context of an event is sent once, and published once', () => {
  const context = JSON.stringify([{ key: 'patient', resource: { resourceType: 'Patient', id: 'x'.repeat(900) } }]);
  const body = `{"name":"Patient-open"}\n{"id":"event","event":{"hub.event":"Patient-open","context":${context}}}`;
  const commit = {
    topic: 'topic',
    expected: 4,
    parts: new Map([
      ['head', '{"next":6}'],
      ['anchor:Patient/1', `{"number":5,"id":"event","context":${context}}`],
    ]),
    append: [{ number: 5, id: 'event', at: 1, body }],
    at: 1,
  };
  const [once, inFull] = [false, true].map((full) => Buffer.from(message(commitFields('a', commit, 'epoch', full))));
  assert.equal(once?.toString().split(context).length, 2);
  assert.equal(inFull?.toString().split(context).length, 3);
  for (const bytes of [once, inFull]) {
    const told = bytes && decode(bytes, 'b');
    assert.ok(told && 'notice' in told && told.notice.kind === 'commit');
    assert.deepEqual(told.notice.commit, commit);
  }
  // A node of the version before reads the first three fields: it reads the session again.
  const fields = commitFields('a', commit, 'epoch', false);
  assert.deepEqual(fields.slice(0, 3), ['doubt', 'a', 'topic']);
  const doubt = decode(Buffer.from(message(doubtFields('a', 'topic'))), 'b');
  assert.deepEqual(doubt, { origin: 'a', notice: { kind: 'gap', topic: 'topic' } });
});
