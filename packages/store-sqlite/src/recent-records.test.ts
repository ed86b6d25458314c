import assert from 'node:assert/strict';
import test from 'node:test';
import type { StoredRecord } from '@lockstep/store';
import fc from 'fast-check';
import { RecentRecords } from './recent-records.ts';

const KIND = 'kind';
const id = fc.constantFrom('a', 'b');
const step = fc.oneof(
  fc.record({ do: fc.constantFrom('read' as const, 'put' as const, 'consume' as const, 'delete' as const), id }),
  fc.record({ do: fc.constantFrom('deleteBy' as const, 'fail' as const), id: fc.constant('a') }),
  fc.record({ do: fc.constant('putBoth' as const), id: fc.constant('a') }),
);

function fails(): never {
  throw new Error('no file');
}

test('a read never gives what an ended change had replaced, in whatever order answers come', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(step, { maxLength: 25 }), async (scheduler, steps) => {
      const recent = new RecentRecords();
      const file = new Map<string, StoredRecord>();
      let version = 0;
      /** The version of the file that changes which have ended have reached, by record. */
      const ended = new Map<string, number>();
      const reached = (ids: readonly string[], to: number): void => {
        for (const one of ids) ended.set(one, Math.max(ended.get(one) ?? 0, to));
      };
      /** The worker: does one thing at a time, and its answer takes its time. */
      let turn: Promise<unknown> = Promise.resolve();
      const asks = <T>(work: () => T): Promise<T> => {
        const done = turn.then(() => scheduler.schedule(Promise.resolve())).then(work);
        turn = done.catch(() => undefined);
        return done.then((value) => scheduler.schedule(Promise.resolve()).then(() => value));
      };
      const write = (of: string): StoredRecord => {
        const record = { id: of, revision: (file.get(of)?.revision ?? 0) + 1, body: String(++version) };
        file.set(of, record);
        return record;
      };
      const remove = (of: string): number => {
        file.delete(of);
        return ++version;
      };
      const running = steps.map(async ({ do: what, id: of }) => {
        await scheduler.schedule(Promise.resolve());
        if (what === 'read') {
          const least = ended.get(of) ?? 0;
          const held = recent.get(KIND, of, 0) ?? (await recent.read(KIND, () => asks(() => file.get(of))));
          if (held) assert.ok(Number(held.body) >= least, `read ${held.body} after ${least} had ended`);
        } else if (what === 'put') {
          const record = await recent.change(
            KIND,
            of,
            () => asks(() => write(of)),
            (after) => after,
          );
          reached([of], Number(record.body));
        } else if (what === 'consume' || what === 'delete') {
          const at = await recent.change(KIND, of, () => asks(() => remove(of)));
          reached([of], at);
        } else if (what === 'putBoth') {
          const both = [
            { kind: KIND, id: 'a' },
            { kind: KIND, id: 'b' },
          ];
          const at = await recent.changeEach(both, () => asks(() => both.map((one) => Number(write(one.id).body))));
          reached(['a'], at[0] ?? 0);
          reached(['b'], at[1] ?? 0);
        } else if (what === 'deleteBy') {
          const at = await recent.changeKind(KIND, () => asks(() => [remove('a'), remove('b')]));
          reached(['a', 'b'], Math.min(...at));
        } else {
          const failed = recent.read(KIND, () => asks(fails)).catch(() => undefined);
          assert.equal(await failed, undefined);
        }
      });
      await scheduler.waitFor(Promise.all(running));
      for (const one of ['a', 'b']) {
        const held = recent.get(KIND, one, 0);
        if (held) assert.deepEqual(held, file.get(one));
      }
    }),
  );
});

test('a record that has expired is not held', async () => {
  const recent = new RecentRecords();
  await recent.read(KIND, async () => ({ id: 'a', revision: 1, body: '1', expiresAt: 10 }));
  assert.equal(recent.get(KIND, 'a', 9)?.body, '1');
  assert.equal(recent.get(KIND, 'a', 10), undefined);
});

test('what cannot be read from the file is not answered from memory', async () => {
  const recent = new RecentRecords();
  await recent.read(KIND, async () => ({ id: 'a', revision: 1, body: '1' }));
  await assert.rejects(recent.read('other', () => Promise.reject(new Error('no file'))));
  assert.equal(recent.get(KIND, 'a', 0), undefined);
});

test('records that are held are bounded in number and size', async () => {
  const recent = new RecentRecords();
  const read = (of: string, body: string) => recent.read(KIND, async () => ({ id: of, revision: 1, body }));
  await read('long', 'x'.repeat(20_000));
  assert.equal(recent.get(KIND, 'long', 0), undefined);
  const held = (count: number): number =>
    Array.from({ length: count }, (_, index) => recent.get(KIND, `r${index}`, 0)).filter(Boolean).length;
  for (let index = 0; index < 10_000; index++) await read(`r${index}`, '1');
  assert.ok(held(10_000) > 0 && held(10_000) <= 4_000);
  for (let index = 0; index < 1_000; index++) await read(`r${index}`, 'x'.repeat(10_000));
  assert.ok(held(10_000) * 10_000 <= 5_000_000);
});

test('as many records as there are can be changed as one', async () => {
  const recent = new RecentRecords();
  const many = Array.from({ length: 100_000 }, (_, n) => ({ kind: KIND, id: String(n) }));
  assert.equal(await recent.changeEach(many, async () => 'done'), 'done');
  const record = { id: '7', revision: 1, body: 'x' };
  await recent.read(KIND, async () => record);
  assert.equal(recent.get(KIND, '7', 0), record, 'nothing is under way any more');
});
