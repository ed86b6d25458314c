import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Lanes } from './lanes.ts';
import type { FlatWrite, Request } from './operations.ts';

interface Waiting {
  readonly request: Request;
}

const commit: Request = ['commit', 'topic', 0, null, 'epoch', 1, [], [], [], [], 0];
const write = (length: number): FlatWrite => ['kind', 'id', 'x'.repeat(length), null, null, []];
const put = (length: number): Request => ['put', write(length), 1];
const list: Request = ['list', 'kind', 1, '', 200];

const SESSION: readonly Request[] = [
  commit,
  ['erase', 'topic', null],
  ['load', 'topic'],
  ['countSessions', 'key', 10],
  ['lookup', 'key', 0, 10],
];
const OTHER: readonly Request[] = [
  put(10),
  put(900_000),
  ['putAll', [write(10), write(10)], 1],
  list,
  ['find', 'kind', 'by', 'x', 1, '', 200],
  ['listParts', 'all', 'head', 0, 200],
  ['sweep', 1, 500],
  ['deleteBy', 'kind', 'by', 'x'],
  ['get', 'kind', 'id', 1],
  ['count', 'kind', 1],
  ['ping'],
];

function filled(requests: readonly Request[]): Lanes<Waiting> {
  const lanes = new Lanes<Waiting>();
  for (const request of requests) assert.equal(lanes.add({ request }), true);
  return lanes;
}

const isOfSession = ({ request }: Waiting): boolean => SESSION.includes(request);

test('whatever waits, operations of sessions go first, little goes with them, each lane keeps its order, and all are done', () => {
  const some = fc.array(
    fc.constantFrom(...SESSION, ...OTHER).map((request) => ({ request })),
    { maxLength: 1_500 },
  );
  fc.assert(
    fc.property(some, (waiting) => {
      const lanes = new Lanes<Waiting>();
      for (const one of waiting) lanes.add(one);
      const done: Waiting[] = [];
      while (lanes.length > 0) {
        const before = lanes.length;
        const batch = lanes.take();
        assert.ok(batch.length > 0);
        assert.equal(lanes.length, before - batch.length);
        const firstOther = batch.findIndex((one) => !isOfSession(one));
        const others = firstOther < 0 ? [] : batch.slice(firstOther);
        assert.equal(others.some(isOfSession), false);
        if (firstOther !== 0) {
          assert.ok(others.length <= 16);
          const large = others.filter(
            ({ request }) => request[0] !== 'get' && request[0] !== 'count' && request[0] !== 'ping',
          );
          assert.ok(large.length <= 16);
          assert.ok(others.filter(({ request }) => request === list).length <= 1);
        }
        done.push(...batch);
      }
      for (const isSame of [isOfSession, (one: Waiting) => !isOfSession(one)]) {
        assert.deepEqual(done.filter(isSame), waiting.filter(isSame));
      }
    }),
    { numRuns: 50 },
  );
});

test('one large record goes alone beside a commit', () => {
  const lanes = filled([put(900_000), put(10), list, commit]);
  assert.deepEqual(
    lanes.take().map(({ request }) => request),
    [commit, put(900_000)],
  );
});

test('a lane that is full refuses more, and the other does not', () => {
  const lanes = filled(Array.from({ length: 20_000 }, () => list));
  assert.equal(lanes.add({ request: list }), false);
  assert.equal(lanes.add({ request: commit }), true);
});
