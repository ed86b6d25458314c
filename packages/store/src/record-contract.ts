import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { RecordInput, RecordStore } from './record-store.ts';
import { AWKWARD, type OpenStore, opened, reopened } from './under-test.ts';

/** Stores may let records go by the clock of the machine: times in the tests are about now, expiries hours ahead. */
const T0 = Date.now();
const HOUR = 3_600_000;

async function ids(found: Promise<readonly { readonly id: string }[]>): Promise<string[]> {
  return (await found).map(({ id }) => id);
}

/** How many of the attempts, all made at once, came true. */
async function winners(attempts: number, attempt: (n: number) => Promise<unknown>): Promise<number> {
  const results = await Promise.all(Array.from({ length: attempts }, (_, n) => attempt(n)));
  return results.filter((result) => result !== undefined && result !== false).length;
}

/** Registers the tests of `RecordStore` for one store. */
export function recordStoreContract(name: string, open: OpenStore): void {
  suite(`RecordStore on ${name}`, () => {
    test('what was never put is not there', async (t) => {
      const { records } = await opened(t, open);
      assert.equal(await records.get('kind', 'id', T0), undefined);
      assert.equal(await records.consume('kind', 'id', T0), false);
      assert.equal(await records.delete('kind', 'id'), false);
      assert.deepEqual(await records.deleteBy('kind', 'index', 'value'), []);
      assert.deepEqual(await records.find('kind', 'index', 'value', T0), []);
      assert.deepEqual(await records.list('kind', T0), []);
      assert.equal(await records.putAll([], T0), true);
    });

    test('a put record is read back, and its revision grows by one with each write', async (t) => {
      const { records } = await opened(t, open);
      assert.equal(await records.put('kind', 'id', { body: '{"a":1}' }, T0), 1);
      assert.deepEqual(await records.get('kind', 'id', T0), { id: 'id', revision: 1, body: '{"a":1}' });
      assert.equal(await records.put('kind', 'id', { body: '{"a":2}', expiresAt: T0 + HOUR }, T0), 2);
      const expected = { id: 'id', revision: 2, body: '{"a":2}', expiresAt: T0 + HOUR };
      assert.deepEqual(await records.get('kind', 'id', T0), expected);
      assert.equal(await records.get('other', 'id', T0), undefined);
      assert.equal(await records.get('kind', 'other', T0), undefined);
      assert.equal(await records.put('kind', 'id', { body: '{"a":3}' }, T0), 3);
      assert.deepEqual(await records.get('kind', 'id', T0), { id: 'id', revision: 3, body: '{"a":3}' });
    });

    test('a condition that does not hold changes nothing', async (t) => {
      const { records } = await opened(t, open);
      assert.equal(await records.put('kind', 'id', { body: '1', indexes: { by: 'a' } }, T0, 1), undefined);
      assert.equal(await records.get('kind', 'id', T0), undefined);
      assert.equal(await records.put('kind', 'id', { body: '1', indexes: { by: 'a' } }, T0, 'absent'), 1);
      for (const condition of ['absent', 2, 3] as const) {
        const input = { body: 'lost', expiresAt: T0 + HOUR, indexes: { by: 'b' } };
        assert.equal(await records.put('kind', 'id', input, T0, condition), undefined);
      }
      assert.deepEqual(await records.find('kind', 'by', 'a', T0), [{ id: 'id', revision: 1, body: '1' }]);
      assert.deepEqual(await records.find('kind', 'by', 'b', T0), []);
      assert.equal(await records.put('kind', 'id', { body: '2' }, T0, 1), 2);
    });

    test('AUT-6 of parallel puts that require absence, or one revision, exactly one wins', async (t) => {
      const { records } = await opened(t, open);
      const rival = (n: number): RecordInput => ({ body: String(n) });
      for (let round = 0; round < 10; round++) {
        const id = `jti ${round}`;
        assert.equal(await winners(50, (n) => records.put('jti', id, rival(n), T0, 'absent')), 1);
        assert.equal(await winners(50, (n) => records.put('jti', id, rival(n), T0, 1)), 1);
        assert.equal((await records.get('jti', id, T0))?.revision, 2);
      }
    });

    test('TOK-1 of parallel consumers exactly one wins, and the record tells when', async (t) => {
      const { records } = await opened(t, open);
      for (let round = 0; round < 10; round++) {
        const id = `code ${round}`;
        await records.put('code', id, { body: '{}', indexes: { grant: 'g' } }, T0);
        assert.equal(await winners(50, (n) => records.consume('code', id, T0 + n)), 1);
        const { consumedAt, revision } = (await records.get('code', id, T0))!;
        assert.ok(consumedAt !== undefined && consumedAt >= T0 && consumedAt < T0 + 50);
        assert.equal(revision, 2);
        assert.equal(await records.consume('code', id, T0 + HOUR), false);
        assert.equal((await records.get('code', id, T0))?.consumedAt, consumedAt);
      }
      assert.equal((await records.find('code', 'grant', 'g', T0)).length, 10);
    });

    test('consumption counts as a write, and later writes leave it', async (t) => {
      const { records } = await opened(t, open);
      await records.put('code', 'id', { body: '1' }, T0);
      await records.consume('code', 'id', T0 + 1);
      assert.equal(await records.put('code', 'id', { body: '2' }, T0, 1), undefined);
      assert.equal(await records.put('code', 'id', { body: '2' }, T0, 2), 3);
      assert.deepEqual(await records.get('code', 'id', T0), { id: 'id', revision: 3, body: '2', consumedAt: T0 + 1 });
      assert.equal(await records.consume('code', 'id', T0 + 2), false);
      await records.delete('code', 'id');
      await records.put('code', 'id', { body: '3' }, T0, 'absent');
      assert.equal(await records.consume('code', 'id', T0 + 3), true);
    });

    test('several writes are one: all of them or none', async (t) => {
      const { records } = await opened(t, open);
      await records.put('kind', 'old', { body: 'old', indexes: { by: 'x' } }, T0);
      const writes = (condition: 'absent' | number) => [
        { kind: 'kind', id: 'new', record: { body: 'new', indexes: { by: 'x' } } },
        { kind: 'other', id: 'new', record: { body: 'new' }, condition: 'absent' as const },
        { kind: 'kind', id: 'old', record: { body: 'changed' }, condition },
      ];
      assert.equal(await records.putAll(writes('absent'), T0), false);
      assert.equal(await records.putAll(writes(2), T0), false);
      assert.deepEqual(await records.list('kind', T0), [{ id: 'old', revision: 1, body: 'old' }]);
      assert.deepEqual(await records.list('other', T0), []);
      assert.deepEqual(await ids(records.find('kind', 'by', 'x', T0)), ['old']);
      assert.equal(await records.putAll(writes(1), T0), true);
      assert.deepEqual(await records.list('kind', T0), [
        { id: 'new', revision: 1, body: 'new' },
        { id: 'old', revision: 2, body: 'changed' },
      ]);
      assert.deepEqual(await ids(records.list('other', T0)), ['new']);
      assert.deepEqual(await ids(records.find('kind', 'by', 'x', T0)), ['new']);
    });

    test('two writes of one record at once are refused', async (t) => {
      const { records } = await opened(t, open);
      const twice = ['a', 'b'].map((body) => ({ kind: 'kind', id: 'id', record: { body } }));
      await assert.rejects(records.putAll(twice, T0), RangeError);
      assert.equal(await records.get('kind', 'id', T0), undefined);
    });

    test('of parallel callers that write several records exactly one wins', async (t) => {
      const { records } = await opened(t, open);
      const won = await winners(40, (n) =>
        records.putAll(
          [
            { kind: 'token', id: String(n), record: { body: String(n) }, condition: 'absent' },
            { kind: 'code', id: 'code', record: { body: String(n) }, condition: 'absent' },
          ],
          T0,
        ),
      );
      assert.equal(won, 1);
      const tokens = await ids(records.list('token', T0));
      assert.equal(tokens.length, 1);
      assert.equal((await records.get('code', 'code', T0))?.body, tokens[0]);
    });

    test('an expired record is not found, consumed or counted as present', async (t) => {
      const { records } = await opened(t, open);
      const expiresAt = T0 + HOUR;
      await records.put('kind', 'id', { body: '1', expiresAt, indexes: { by: 'a' } }, T0);
      await records.put('kind', 'stays', { body: '1', indexes: { by: 'a' } }, T0);
      const before = expiresAt - 1;
      assert.equal((await records.get('kind', 'id', before))?.expiresAt, expiresAt);
      assert.deepEqual(await ids(records.find('kind', 'by', 'a', before)), ['id', 'stays']);
      assert.deepEqual(await ids(records.list('kind', before)), ['id', 'stays']);
      assert.equal(await records.put('kind', 'id', { body: '2' }, before, 'absent'), undefined);

      assert.equal(await records.get('kind', 'id', expiresAt), undefined);
      assert.deepEqual(await ids(records.find('kind', 'by', 'a', expiresAt)), ['stays']);
      assert.deepEqual(await ids(records.list('kind', expiresAt)), ['stays']);
      assert.equal(await records.consume('kind', 'id', expiresAt), false);
      assert.equal(await records.put('kind', 'id', { body: '2' }, expiresAt, 1), undefined);
      assert.equal(await records.put('kind', 'id', { body: '2', indexes: { by: 'b' } }, expiresAt, 'absent'), 1);
      assert.deepEqual(await records.get('kind', 'id', expiresAt), { id: 'id', revision: 1, body: '2' });
      assert.deepEqual(await ids(records.find('kind', 'by', 'a', expiresAt)), ['stays']);
      assert.deepEqual(await ids(records.find('kind', 'by', 'b', expiresAt)), ['id']);
    });

    test('a record written over an expired, consumed one is as new', async (t) => {
      const { records } = await opened(t, open);
      await records.put('kind', 'id', { body: '1', expiresAt: T0 + HOUR }, T0);
      await records.consume('kind', 'id', T0);
      assert.equal(await records.put('kind', 'id', { body: '2', expiresAt: T0 + 3 * HOUR }, T0 + 2 * HOUR), 1);
      assert.equal((await records.get('kind', 'id', T0 + 2 * HOUR))?.consumedAt, undefined);
      assert.equal(await records.consume('kind', 'id', T0 + 2 * HOUR), true);
    });

    test('a sweep removes what has expired, and only that', async (t) => {
      const { records } = await opened(t, open);
      const writes = Array.from({ length: 1_200 }, (_, n) => ({
        kind: 'kind',
        id: String(n).padStart(4, '0'),
        record: { body: '1', ...(n % 12 > 0 && { expiresAt: T0 + HOUR }), indexes: { by: 'a' } },
      }));
      await records.putAll(writes, T0);
      await records.sweep(T0 + HOUR - 1);
      assert.equal((await records.find('kind', 'by', 'a', T0)).length, 1_200);
      await records.sweep(T0 + HOUR);
      assert.equal((await records.find('kind', 'by', 'a', T0 + HOUR)).length, 100);
      assert.equal((await records.list('kind', T0 + HOUR, { limit: 5_000 })).length, 100);
    });

    test('index values are replaced by every write, and records found by any of them', async (t) => {
      const { records } = await opened(t, open);
      await records.put('kind', 'a', { body: '1', indexes: { user: ['u1', 'u2', 'u1'], client: 'c1' } }, T0);
      await records.put('kind', 'b', { body: '1', indexes: { user: 'u1', client: [] } }, T0);
      await records.put('other', 'a', { body: '1', indexes: { user: 'u1' } }, T0);
      assert.deepEqual(await ids(records.find('kind', 'user', 'u1', T0)), ['a', 'b']);
      assert.deepEqual(await ids(records.find('kind', 'user', 'u1', T0, { limit: 1 })), ['a']);
      assert.deepEqual(await ids(records.find('kind', 'user', 'u1', T0, { limit: 5 })), ['a', 'b']);
      assert.deepEqual(await ids(records.find('kind', 'user', 'u2', T0)), ['a']);
      assert.deepEqual(await ids(records.find('kind', 'client', 'c1', T0)), ['a']);
      assert.deepEqual(await records.find('kind', 'client', 'u1', T0), []);
      await records.put('kind', 'a', { body: '2', indexes: { user: 'u2' } }, T0);
      assert.deepEqual(await ids(records.find('kind', 'user', 'u1', T0)), ['b']);
      assert.deepEqual(await records.find('kind', 'user', 'u2', T0), [{ id: 'a', revision: 2, body: '2' }]);
      assert.deepEqual(await records.find('kind', 'client', 'c1', T0), []);
      await records.put('kind', 'a', { body: '3' }, T0);
      assert.deepEqual(await records.find('kind', 'user', 'u2', T0), []);
      await records.delete('kind', 'b');
      assert.deepEqual(await records.find('kind', 'user', 'u1', T0), []);
      assert.deepEqual(await ids(records.find('other', 'user', 'u1', T0)), ['a']);
    });

    test('records are deleted by id and by index value', async (t) => {
      const { records } = await opened(t, open);
      for (const id of ['a', 'b', 'c']) {
        await records.put('token', id, { body: '1', indexes: { grant: id === 'c' ? 'g2' : 'g1', all: 'x' } }, T0);
      }
      assert.equal(await records.delete('token', 'a'), true);
      assert.equal(await records.delete('token', 'a'), false);
      assert.deepEqual(await records.deleteBy('token', 'grant', 'g1'), ['b']);
      assert.deepEqual(await records.deleteBy('token', 'grant', 'g1'), []);
      assert.deepEqual(await ids(records.list('token', T0)), ['c']);
      assert.deepEqual(await ids(records.find('token', 'all', 'x', T0)), ['c']);
      assert.equal(await records.put('token', 'a', { body: '2' }, T0, 'absent'), 1);
    });

    test('records are listed and found in order of id, by code points, page by page', async (t) => {
      const { records } = await opened(t, open);
      const ordered = ['!', '1', '10', '2', 'A', 'B', 'a', 'aa', 'b', 'é', '\uffee', '😀'];
      for (const id of [...ordered].reverse()) await records.put('kind', id, { body: id, indexes: { by: 'a' } }, T0);
      await records.put('kin', 'c', { body: '1' }, T0);
      await records.put('kind2', 'c', { body: '1' }, T0);
      assert.deepEqual(await ids(records.list('kind', T0)), ordered);
      assert.deepEqual(await ids(records.find('kind', 'by', 'a', T0)), ordered);
      const paged: string[] = [];
      for (;;) {
        const afterId = paged.at(-1);
        const page = await ids(records.list('kind', T0, { limit: 5, ...(afterId !== undefined && { afterId }) }));
        assert.ok(page.length <= 5);
        if (page.length === 0) break;
        paged.push(...page);
      }
      assert.deepEqual(paged, ordered);
      const last = ['b', 'é', '\uffee', '😀'];
      assert.deepEqual(await ids(records.list('kind', T0, { afterId: 'ab' })), last);
      assert.deepEqual(await ids(records.find('kind', 'by', 'a', T0, { afterId: 'ab' })), last);
      assert.deepEqual(await ids(records.find('kind', 'by', 'a', T0, { afterId: '1', limit: 3 })), ['10', '2', 'A']);
    });

    test('a page of what cannot be counted is refused', async (t) => {
      const { records } = await opened(t, open);
      for (const limit of [0, -1, 1.5, Number.NaN]) {
        await assert.rejects(records.list('kind', T0, { limit }), RangeError);
        await assert.rejects(records.find('kind', 'by', 'a', T0, { limit }), RangeError);
        await assert.rejects(records.count('kind', { atMost: limit }), RangeError);
      }
    });

    test('REG-6 records are counted by kind and by index value, up to a limit, without being read', async (t) => {
      const { records } = await opened(t, open);
      assert.equal(await records.count('kind'), 0);
      const by = (value: string) => ({ index: { name: 'by', value } });
      assert.equal(await records.count('kind', by('a')), 0);
      const writes = Array.from({ length: 1_100 }, (_, n) => ({
        kind: 'kind',
        id: `${n}`,
        record: { body: '1', indexes: { by: n < 30 ? ['a', 'b'] : 'b' }, ...(n < 10 && { expiresAt: T0 + HOUR }) },
      }));
      await records.putAll(writes, T0);
      assert.equal(await records.count('kind'), 1_000);
      assert.equal(await records.count('kind', { atMost: 5_000 }), 1_100);
      assert.equal(await records.count('other'), 0);
      assert.equal(await records.count('kind', by('a')), 30);
      assert.equal(await records.count('kind', { ...by('a'), atMost: 7 }), 7);
      assert.equal(await records.count('kind', { ...by('b'), atMost: 5_000 }), 1_100);
      await records.put('kind', '20', { body: '2', indexes: { by: 'b' } }, T0);
      await records.delete('kind', '21');
      assert.equal(await records.count('kind', by('a')), 28);
      await records.sweep(T0 + HOUR);
      assert.equal(await records.count('kind', by('a')), 18);
      assert.equal(await records.count('kind', { atMost: 5_000 }), 1_089);
    });

    test('a page skips what has expired and is full nevertheless', async (t) => {
      const { records } = await opened(t, open);
      for (const id of ['a', 'b', 'c', 'd', 'e']) {
        await records.put('kind', id, { body: '1', ...('abd'.includes(id) && { expiresAt: T0 + HOUR }) }, T0);
      }
      assert.deepEqual(await ids(records.list('kind', T0 + HOUR, { limit: 2 })), ['c', 'e']);
    });

    test('a list without a limit has at most 1,000 records', async (t) => {
      const { records } = await opened(t, open);
      const writes = Array.from({ length: 1_001 }, (_, n) => ({ kind: 'kind', id: `${n}`, record: { body: '1' } }));
      await records.putAll(writes, T0);
      assert.equal((await records.list('kind', T0)).length, 1_000);
      assert.equal((await records.list('kind', T0, { limit: 2_000 })).length, 1_001);
    });

    test('kinds, ids, index names, values and bodies are any text, and distinct texts stay distinct', async (t) => {
      const { records } = await opened(t, open);
      const odd = AWKWARD.slice(-9);
      for (const kind of odd) {
        for (const id of AWKWARD) {
          const indexes = Object.fromEntries([[id, [kind, id]]]);
          assert.equal(await records.put(kind, id, { body: `${kind}:${id}`, indexes }, T0, 'absent'), 1);
        }
      }
      for (const kind of odd) {
        assert.equal((await records.list(kind, T0)).length, AWKWARD.length);
        for (const id of AWKWARD) {
          const record = { id, revision: 1, body: `${kind}:${id}` };
          assert.deepEqual(await records.get(kind, id, T0), record);
          assert.deepEqual(await records.find(kind, id, kind, T0), [record]);
          assert.deepEqual(await records.find(kind, id, id, T0), [record]);
        }
      }
      const megabyte = 'ä𝔘"\\'.repeat(100_000);
      await records.put('kind', 'big', { body: megabyte }, T0);
      assert.equal((await records.get('kind', 'big', T0))?.body, megabyte);
    });

    test('everything outlasts the store being closed and opened again', async (t) => {
      const first = await opened(t, open);
      await first.records.put('kind', 'a', { body: '1', expiresAt: T0 + HOUR, indexes: { by: 'x' } }, T0);
      await first.records.put('kind', 'b', { body: '1', indexes: { by: 'x' } }, T0);
      await first.records.put('kind', 'c', { body: '1', indexes: { by: 'x' } }, T0);
      await first.records.consume('kind', 'a', T0 + 7);
      await first.records.delete('kind', 'b');
      const { records } = await reopened(t, first);
      assert.deepEqual(await records.find('kind', 'by', 'x', T0), [
        { id: 'a', revision: 2, body: '1', consumedAt: T0 + 7, expiresAt: T0 + HOUR },
        { id: 'c', revision: 1, body: '1' },
      ]);
      assert.equal(await records.consume('kind', 'a', T0), false);
      assert.equal(await records.put('kind', 'c', { body: '2' }, T0, 1), 2);
    });

    test('any sequence of writes does what a plain map would', async (t) => {
      const { records } = await opened(t, open);
      await agreesWithModel(records);
    });
  });
}

interface ModelRecord {
  revision: number;
  body: string;
  consumedAt?: number;
  expiresAt?: number;
  readonly indexes: Readonly<Record<string, readonly string[]>>;
}

/** Runs random writes, one after the other, against the store and a map, and compares what each then holds. */
async function agreesWithModel(records: RecordStore): Promise<void> {
  const id = fc.constantFrom('a', 'b', 'c');
  const value = fc.constantFrom('v', 'w');
  const input = fc.record({
    body: fc.string({ unit: 'grapheme' }),
    hours: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
    indexes: fc.dictionary(fc.constantFrom('by', '__proto__'), fc.uniqueArray(value)),
  });
  const step = fc.oneof(
    fc.record({
      do: fc.constant('put' as const),
      id,
      input,
      condition: fc.constantFrom<'none' | 'absent' | 'same' | 'stale'>('none', 'none', 'absent', 'same', 'stale'),
    }),
    fc.record({ do: fc.constant('consume' as const), id }),
    fc.record({ do: fc.constant('delete' as const), id }),
    fc.record({ do: fc.constant('deleteBy' as const), value }),
    fc.record({ do: fc.constant('pass' as const) }),
  );
  let run = 0;
  const agrees = fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
    const kind = `run ${run++}`;
    const model = new Map<string, ModelRecord>();
    let now = T0;
    const live = (key: string): ModelRecord | undefined => {
      const record = model.get(key);
      return record?.expiresAt !== undefined && record.expiresAt <= now ? undefined : record;
    };
    for (const taken of steps) {
      if (taken.do === 'pass') {
        now += HOUR;
        await records.sweep(now);
        for (const key of [...model.keys()]) if (live(key) === undefined) model.delete(key);
      } else if (taken.do === 'consume') {
        const record = live(taken.id);
        const can = record !== undefined && record.consumedAt === undefined;
        assert.equal(await records.consume(kind, taken.id, now), can);
        if (can) Object.assign(record, { consumedAt: now, revision: record.revision + 1 });
      } else if (taken.do === 'delete') {
        assert.equal(await records.delete(kind, taken.id), model.delete(taken.id));
      } else if (taken.do === 'deleteBy') {
        const hit = [...model].filter(([, { indexes }]) => indexes.by?.includes(taken.value)).map(([key]) => key);
        assert.deepEqual([...(await records.deleteBy(kind, 'by', taken.value))].sort(), hit.sort());
        for (const key of hit) model.delete(key);
      } else {
        const held = live(taken.id);
        const revision = held?.revision ?? 0;
        const condition = {
          none: undefined,
          absent: 'absent' as const,
          same: revision || undefined,
          stale: revision + 1,
        }[taken.condition];
        const holds = condition === undefined || condition === (held === undefined ? 'absent' : revision);
        const { body, hours, indexes } = taken.input;
        const expiry = hours === undefined ? {} : { expiresAt: now + hours * HOUR };
        const result = await records.put(kind, taken.id, { body, indexes, ...expiry }, now, condition);
        assert.equal(result, holds ? revision + 1 : undefined);
        if (!holds) continue;
        const consumed = held?.consumedAt === undefined ? {} : { consumedAt: held.consumedAt };
        model.set(taken.id, { revision: revision + 1, body, indexes, ...expiry, ...consumed });
      }
    }
    const rows = [...model.keys()]
      .sort()
      .filter((key) => live(key) !== undefined)
      .map((key) => {
        const { indexes: _, ...record } = model.get(key)!;
        return { id: key, ...record };
      });
    assert.deepEqual(await records.list(kind, now), rows);
    for (const index of ['by', '__proto__']) {
      for (const wanted of ['v', 'w']) {
        const found = rows.filter((row) => {
          const { indexes } = model.get(row.id)!;
          return Object.hasOwn(indexes, index) && indexes[index]?.includes(wanted);
        });
        assert.deepEqual(await records.find(kind, index, wanted, now), found);
      }
    }
  });
  await fc.assert(agrees, { numRuns: 100 });
}
