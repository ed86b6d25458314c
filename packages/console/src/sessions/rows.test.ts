import '../language/testing.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import type { TimelineEntry } from '../api.ts';
import { describe, keeps, toneOf, withEntries } from './rows.ts';

const entry = (seq: number, kind: TimelineEntry['kind'], more: Partial<TimelineEntry> = {}): TimelineEntry => ({
  seq,
  at: seq,
  kind,
  ...more,
});

test('an event stands before its deliveries, and only before its own', () => {
  const rows = withEntries(
    [entry(1, 'delivered', { eventId: 'a' })],
    [
      entry(2, 'delivered', { eventId: 'b' }),
      entry(3, 'delivered', { eventId: 'b' }),
      entry(4, 'published', { eventId: 'b' }),
    ],
    10,
  );
  assert.deepEqual(
    rows.map(({ seq }) => seq),
    [1, 4, 2, 3],
  );
});

test('a subscriber connects before it is sent what is open', () => {
  const rows = withEntries(
    [entry(1, 'answered'), entry(2, 'delivered', { subscription: 'v' }), entry(3, 'delivered', { subscription: 'w' })],
    [entry(4, 'connected', { subscription: 'v' })],
    10,
  );
  assert.deepEqual(
    rows.map(({ seq }) => seq),
    [1, 4, 2, 3],
  );
});

test('what an administrator composed is not taken for the work of the EHR', () => {
  const composed = entry(1, 'published', { event: 'Patient-open', clientId: 'lockstep-composer/admin' });
  assert.equal(describe(composed).detail, 'by the composer of admin');
});

test('what arrives late stands where it belongs, and what arrives twice stands once', () => {
  const rows = withEntries(
    [entry(1, 'connected'), entry(4, 'connected')],
    [entry(4, 'connected'), entry(2, 'answered'), entry(5, 'connected')],
    10,
  );
  assert.deepEqual(
    rows.map(({ seq }) => seq),
    [1, 2, 4, 5],
  );
});

test('what arrives twice stands once, after a cause too that stands before what it was sent to', () => {
  const sent = [entry(2, 'delivered', { subscription: 'v' }), entry(3, 'connected', { subscription: 'v' })];
  const rows = withEntries(withEntries([entry(1, 'answered')], sent, 10), [...sent, entry(4, 'answered')], 10);
  assert.deepEqual(
    rows.map(({ seq }) => seq),
    [1, 3, 2, 4],
  );
});

test('the oldest rows leave first', () => {
  const rows = withEntries([entry(1, 'connected'), entry(2, 'connected')], [entry(3, 'connected')], 2);
  assert.deepEqual(
    rows.map(({ seq }) => seq),
    [2, 3],
  );
});

test('refusals, SyncErrors, silence and lost connections are problems', () => {
  const problems = [
    entry(1, 'answered', { status: 409 }),
    entry(2, 'published', { event: 'SyncError' }),
    entry(3, 'refused', { status: 409, reason: 'x' }),
    entry(4, 'unanswered'),
    entry(5, 'dropped', { code: 1006 }),
  ];
  for (const one of problems) {
    assert.equal(keeps('problems', one), true, one.kind);
    assert.equal(toneOf(one), 'bad');
    assert.notEqual(describe(one).what, '');
  }
  assert.equal(keeps('problems', entry(6, 'answered', { status: 200 })), false);
  assert.equal(keeps('problems', entry(7, 'dropped', { code: 1001 })), false);
});
