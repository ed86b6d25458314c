import '../language/testing.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import type { SyncState } from '@lockstep/client';
import fc from 'fast-check';
import { EMPTY, withChart, withNothing, withoutChart, withRefusal, withRequest } from './desk.ts';
import { headline, type Known } from './headline.ts';
import type { Apart, Member } from './roster.ts';

const of = (id: string) => ({ type: 'Patient', id });
const chart = (id: string) => withChart(EMPTY, of(id), { resourceType: 'Patient', id });
const member = (more: Partial<Member> = {}): Member => ({
  id: 'v',
  name: 'Viewer',
  clientId: 'c',
  connected: true,
  times: [],
  outcome: { eventId: 'e', event: 'Patient-open', state: 'followed' },
  ...more,
});
const GOOD: Known = {
  own: { status: 'in-sync' },
  desk: chart('a'),
  accepted: of('a'),
  members: [member()],
  live: true,
};
const apart = (why: Apart['why']): Member => member({ apart: { why, since: 1 } });

test('in sync: this window and everybody else show what is open', () => {
  assert.deepEqual(headline(GOOD), { status: 'in-sync', words: 'In sync' });
  assert.equal(
    headline({ ...GOOD, desk: EMPTY, accepted: undefined }).status,
    'in-sync',
    'nothing open, nothing shown',
  );
});

test('HZ-1 a chart that is not the session is never in sync', () => {
  for (const [desk, accepted] of [
    [chart('b'), of('a')],
    [chart('a'), { type: 'ImagingStudy', id: 'a' }],
    [chart('a'), undefined],
    [EMPTY, of('a')],
  ] as const)
    assert.notEqual(headline({ ...GOOD, desk, accepted }).status, 'in-sync');
});

test('HZ-1 what was not sent is said until it is sent or given up', () => {
  const sending = withRequest(chart('a'), 1, 'Open B');
  assert.notEqual(headline({ ...GOOD, desk: sending }).status, 'in-sync');
  const failed = headline({ ...GOOD, desk: withRefusal(sending, 1, '503') });
  assert.deepEqual(failed, { status: 'out-of-sync', words: 'Not sent', detail: 'Open B' });
});

test('HZ-2 one application that does not follow is named, whatever this window does', () => {
  for (const why of ['refused', 'failed', 'silent', 'undecided', 'lost', 'gone'] as const) {
    const said = headline({ ...GOOD, members: [member({ id: 'w', name: 'Writer' }), apart(why)] });
    assert.equal(said.status, 'out-of-sync');
    assert.equal(said.words, 'Not following: Viewer');
  }
  const two = headline({ ...GOOD, members: [apart('lost'), { ...apart('lost'), name: 'Writer' }] });
  assert.equal(two.words, 'Not following: Viewer and 1 more');
});

test('HZ-2 an application that has not answered yet keeps the headline from being green', () => {
  const outcome = { eventId: 'e', event: 'Patient-open', state: 'waiting' } as const;
  assert.deepEqual(headline({ ...GOOD, members: [member({ outcome })] }), {
    status: 'behind',
    words: 'Waiting for Viewer',
  });
});

test('HZ-5 a patient whom the record lacks is out of sync', () => {
  const desk = withoutChart(EMPTY, { kind: 'not-in-record', of: of('a') });
  assert.equal(headline({ ...GOOD, desk }).words, 'Not in this record');
});

test('HZ-2 without word of the others nothing is claimed of them', () => {
  assert.equal(headline({ ...GOOD, live: false }).status, 'behind');
});

const states: readonly SyncState[] = [
  { status: 'in-sync' },
  { status: 'connecting', attempt: 1 },
  { status: 'behind', reason: 'a reading' },
  { status: 'unknown', reason: 'catching up' },
  { status: 'out-of-sync', reason: 'unsaved', us: true, others: [] },
  { status: 'out-of-sync', reason: 'unsaved', who: 'Writer', us: false, others: [] },
  { status: 'closed', reason: 'denied' },
];

test('green implies that everything known is good, whatever comes together', () => {
  const members: readonly Member[] = [
    member(),
    member({ outcome: { eventId: 'e', event: 'Patient-open', state: 'working' } }),
    apart('lost'),
    apart('refused'),
  ];
  const desks = [EMPTY, chart('a'), chart('b'), withNothing(chart('a')), withRequest(chart('a'), 1, 'Open B')];
  fc.assert(
    fc.property(
      fc.record({
        own: fc.constantFrom(...states),
        desk: fc.constantFrom(...desks, withRefusal(withRequest(chart('a'), 1, 'Open B'), 1, 'no answer')),
        accepted: fc.constantFrom(undefined, of('a'), of('b')),
        members: fc.subarray([...members]),
        live: fc.boolean(),
      }),
      (known) => {
        if (headline(known).status !== 'in-sync') return;
        const { shown, pending } = known.desk;
        assert.equal(known.own.status, 'in-sync');
        assert.equal(known.live, true);
        assert.equal(pending, undefined);
        assert.deepEqual(shown.kind === 'chart' ? shown.of : undefined, known.accepted);
        for (const one of known.members) assert.equal(one.apart === undefined && one.outcome?.state, 'followed');
      },
    ),
    { numRuns: 2000 },
  );
});
