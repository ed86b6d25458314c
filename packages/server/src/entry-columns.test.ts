import assert from 'node:assert/strict';
import test from 'node:test';
import type { Observation } from '@lockstep/hub';
import fc from 'fast-check';
import { type Entry, EntryColumns } from './entry-columns.ts';

const word = fc.constantFrom('a', 'b', 'c', '');
const subscriber = { subscription: word, subscriber: word };
const number = fc.integer({ min: 0, max: 2 ** 40 });

const observations: fc.Arbitrary<Observation> = fc.oneof(
  fc.record({ kind: fc.constant('published' as const), number, eventId: word, event: word }),
  fc.record({ kind: fc.constant('published' as const), number, eventId: word, event: word, clientId: word }),
  fc.record({ kind: fc.constant('delivered' as const), ...subscriber, eventId: word, event: word }),
  fc.record({
    kind: fc.constant('delivered' as const),
    ...subscriber,
    eventId: word,
    event: word,
    keepsCurrent: fc.constant(true as const),
  }),
  fc.record({
    kind: fc.constant('answered' as const),
    ...subscriber,
    eventId: word,
    status: fc.constantFrom(0, 200, 409, 599),
    ms: fc.double({ min: 0, max: 1e6, noNaN: true }),
  }),
  fc.record({ kind: fc.constant('unanswered' as const), ...subscriber, eventId: word }),
  fc.record({ kind: fc.constant('denied' as const), ...subscriber, reason: word }),
  fc.record({ kind: fc.constant('session-started' as const) }),
);

test('entries come back as they were observed, the latest of them, oldest first', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.array(fc.record({ at: number, observation: observations }), { maxLength: 120 }),
      (size, seen) => {
        const columns = new EntryColumns(size);
        const all: Entry[] = [];
        let grown = 0;
        for (const [seq, { at, observation: drawn }] of seen.entries()) {
          const observation = { ...drawn };
          all.push({ seq, at, observation });
          grown += columns.push(seq, at, observation);
          assert.equal(columns.newest, seq);
        }
        assert.equal(columns.length, Math.min(size, seen.length));
        assert.equal(grown, columns.length);
        assert.deepEqual(columns.list(), all.slice(-size));
      },
    ),
  );
});
