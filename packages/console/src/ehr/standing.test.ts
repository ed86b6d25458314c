import '../language/testing.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import type { NotFollowing, SyncState } from '@lockstep/client';
import fc from 'fast-check';
import { EMPTY, withChart, withoutChart, withRefusal, withRequest } from './desk.ts';
import type { Apart, FollowOutcome, Member } from './roster.ts';
import { type Seen, standing } from './standing.ts';

const of = (id: string) => ({ type: 'Patient', id });
const chart = withChart(EMPTY, of('a'), { resourceType: 'Patient', id: 'a' });

const member = (id: string, name: string, more: Partial<Member> = {}): Member => ({
  id,
  name,
  clientId: 'c',
  connected: true,
  times: [],
  outcome: { eventId: 'e', event: 'Patient-open', state: 'followed', ms: 3 },
  ...more,
});
const told = (name: string, more: Partial<NotFollowing> = {}): NotFollowing => ({
  name,
  why: 'untold',
  since: 7,
  reason: 'it was told of Patient last, and is not subscribed to all that came after',
  shows: 'Patient/a',
  ...more,
});
/** What the SDK says while others do not follow. */
const apartFrom = (...others: readonly NotFollowing[]): SyncState => {
  const [{ name, reason } = told('')] = others;
  return { status: 'out-of-sync', who: name, reason, us: false, others };
};
const SEEN: Seen = {
  name: 'EHR',
  own: { status: 'in-sync' },
  desk: chart,
  accepted: of('a'),
  members: [member('1', 'EHR'), member('2', 'Desktop PACS')],
  live: true,
};
const chipsOf = (seen: Partial<Seen>) =>
  standing({ ...SEEN, ...seen }).chips.map(({ member: { name }, tone, words }) => [name, tone, words]);

test('all follow: the headline is green, and so are the chips', () => {
  assert.equal(standing(SEEN).headline.status, 'in-sync');
  assert.deepEqual(chipsOf({}), [
    ['EHR', 'good', 'followed'],
    ['Desktop PACS', 'good', 'followed'],
  ]);
});

const WHYS: Readonly<Record<Exclude<NotFollowing['why'], 'waiting'>, string>> = {
  refused: 'did not follow (late)',
  failed: 'could not follow (late)',
  silent: 'no answer',
  lost: 'connection lost',
  untold: 'is not told of this change',
};

for (const [why, words] of Object.entries(WHYS)) {
  test(`ERR-8 whom the Hub says to be ${why} has a chip that says so, though it was seen to follow`, () => {
    const one = told('Desktop PACS', { why: why as keyof typeof WHYS, reason: '' });
    const { headline, chips } = standing({ ...SEEN, own: apartFrom(one) });
    assert.deepEqual([headline.status, headline.words], ['out-of-sync', 'Not following: Desktop PACS']);
    assert.equal(headline.detail, words);
    assert.deepEqual(
      chips.map((chip) => [chip.tone, chip.words]),
      [
        ['good', 'followed'],
        ['bad', words],
      ],
    );
    assert.deepEqual([chips[1]?.member.apart?.since, chips[1]?.member.apart?.shows], [7, 'Patient/a']);
  });
}

test('ERR-8 of several of one name each may be the one that the Hub names, unless one was seen not to follow', () => {
  const two = [member('2', 'Viewer'), member('3', 'Viewer')];
  const own = apartFrom(told('Viewer'));
  assert.deepEqual(
    chipsOf({ own, members: two }).map(([, tone]) => tone),
    ['bad', 'bad'],
  );
  const seen = [member('2', 'Viewer', { apart: { why: 'refused', since: 1 } }), member('3', 'Viewer')];
  assert.deepEqual(
    chipsOf({ own, members: seen }).map(([, tone]) => tone),
    ['bad', 'good'],
  );
});

test('ERR-8 who is gone has a chip of its own, beside that of another window of the application', () => {
  const own = apartFrom(told('Desktop PACS', { why: 'silent', ended: true, reason: 'The lease has ended' }));
  assert.deepEqual(chipsOf({ own }), [
    ['EHR', 'good', 'followed'],
    ['Desktop PACS', 'good', 'followed'],
    ['Desktop PACS', 'bad', 'out of the session: The lease has ended'],
  ]);
});

test('ERR-6 an application that is no member, and of which only a SyncError says that it does not follow, has a chip', () => {
  const { headline, chips } = standing({ ...SEEN, own: apartFrom(told('Simulated')) });
  assert.equal(headline.words, 'Not following: Simulated');
  assert.deepEqual(chips.map(({ member: { name }, tone }) => [name, tone]).at(-1), ['Simulated', 'bad']);
});

test('ERR-8 whom the headline waits for is waited for in its chip', () => {
  const own: SyncState = { status: 'behind', reason: 'Desktop PACS has not answered yet', who: 'Desktop PACS' };
  assert.equal(standing({ ...SEEN, own }).headline.words, 'Waiting for Desktop PACS');
  assert.deepEqual(chipsOf({ own })[1], ['Desktop PACS', 'busy', 'waiting']);
});

test('HZ-5 a window that does not follow says so in its own chip', () => {
  for (const [seen, words] of [
    [{ desk: withoutChart(EMPTY, { kind: 'not-in-record', of: of('a') }) }, 'Not in this record'],
    [{ own: { status: 'out-of-sync', reason: 'unsaved', us: true, others: [] } }, 'This window does not follow'],
  ] as const) {
    const { headline, chips } = standing({ ...SEEN, ...seen });
    assert.equal(headline.words, words);
    assert.deepEqual([chips[0]?.tone, chips[0]?.words], ['bad', words]);
    assert.equal(chips[1]?.tone === 'bad', false);
  }
});

const NAMES = ['EHR', 'Viewer', 'Writer'];
const outcome = fc.record({
  eventId: fc.constantFrom('e', 'f'),
  event: fc.constant('Patient-open'),
  state: fc.constantFrom<FollowOutcome['state']>('waiting', 'followed', 'working', 'refused', 'failed', 'silent'),
});
const apart = fc.record({
  why: fc.constantFrom<Apart['why']>('refused', 'failed', 'silent', 'undecided', 'lost', 'gone', 'untold'),
  since: fc.nat(9),
});
const anyMember = fc
  .record(
    { name: fc.constantFrom(...NAMES), connected: fc.boolean(), joining: fc.constant(true), outcome, apart },
    { requiredKeys: ['name', 'connected'] },
  )
  .map(({ name, ...more }) => member('', name, more));
const anyTold = fc.record({
  name: fc.constantFrom(...NAMES, 'Unseen'),
  why: fc.constantFrom<NotFollowing['why']>('refused', 'failed', 'silent', 'lost', 'untold'),
  since: fc.nat(9),
  ended: fc.boolean(),
});
const own: fc.Arbitrary<SyncState> = fc.oneof(
  fc
    .array(anyTold, { minLength: 1, maxLength: 4 })
    .map((others) =>
      apartFrom(...others.map(({ ended, ...one }) => told(one.name, { ...one, ...(ended && { ended }) }))),
    ),
  fc.constantFrom<SyncState>(
    { status: 'in-sync' },
    { status: 'closed', reason: 'denied' },
    { status: 'connecting', attempt: 1 },
    { status: 'unknown', reason: 'catching up' },
    { status: 'behind', reason: 'waiting for the others' },
    { status: 'behind', reason: 'Viewer has not answered yet', who: 'Viewer' },
    { status: 'out-of-sync', reason: 'unsaved', us: true, others: [] },
    { status: 'out-of-sync', reason: 'unsaved', us: true, others: [told('Writer')] },
  ),
);
const sending = withRequest(chart, 1, 'Open B');

test('HZ-2 ERR-8 headline and chips never deny each other, whatever comes together', () => {
  const numbered = fc.array(anyMember, { maxLength: 5 }).map((all) => all.map((one, at) => ({ ...one, id: `${at}` })));
  fc.assert(
    fc.property(
      fc.record({
        own,
        desk: fc.constantFrom(
          EMPTY,
          chart,
          sending,
          withRefusal(sending, 1, '503'),
          withoutChart(EMPTY, { kind: 'not-in-record', of: of('a') }),
        ),
        accepted: fc.constantFrom(undefined, of('a'), of('b')),
        members: numbered,
        live: fc.boolean(),
      }),
      (random) => {
        const seen: Seen = { ...random, name: 'EHR' };
        const { headline, chips } = standing(seen);
        const bad = chips.filter(({ tone }) => tone === 'bad').map((chip) => chip.member.name);
        const { status, words } = headline;
        // Who is joining shows nothing yet.
        const there = chips.filter(({ member: { joining } }) => !joining);
        if (status === 'in-sync') for (const { tone } of there) assert.ok(tone === 'good' || tone === 'off', tone);
        if (bad.length > 0) assert.ok(['out-of-sync', 'connecting', 'closed'].includes(status), status);
        for (const name of NAMES) {
          const others = seen.own.status === 'out-of-sync' ? seen.own.others : [];
          const count = (names: readonly string[]): number => names.filter((one) => one === name).length;
          assert.ok(count(bad) >= count(others.map((one) => one.name)), `a chip for each ${name} that does not follow`);
          if (words === `Not following: ${name}`) assert.ok(bad.includes(name), words);
          const named = chips.filter((chip) => chip.member.name === name);
          if (words === `Waiting for ${name}` && named.length > 0)
            assert.ok(
              named.some(({ tone }) => tone !== 'good'),
              words,
            );
        }
        for (const { member: one, tone, words: said } of chips)
          if (tone === 'good')
            assert.deepEqual([one.apart, one.outcome?.state, said], [undefined, 'followed', 'followed']);
        // Nothing is claimed of others while what is open is not certain.
        if (['unknown', 'connecting', 'closed'].includes(status)) assert.ok(chips.every(({ tone }) => tone !== 'good'));
      },
    ),
    { numRuns: 2000 },
  );
});

test('HZ-3 two windows of one application have two names, in the headline, the chips and the warnings', () => {
  const twice = [member('1', 'EHR'), member('2', 'Image viewer'), member('3', 'Image viewer')];
  const wordsOf = (members: readonly Member[]) =>
    standing({ ...SEEN, members }).chips.map(({ member: { words } }) => words);
  assert.deepEqual(wordsOf(twice), ['EHR', 'Image viewer', 'Image viewer (window 2)']);
  const silent = (one: Member): Member => ({ ...one, apart: { why: 'silent', since: 7 } });
  const behind = (...ids: readonly string[]) => twice.map((one) => (ids.includes(one.id) ? silent(one) : one));
  const headlineOf = (...ids: readonly string[]) =>
    standing({ ...SEEN, members: behind(...ids) }).headline.words.replace(/\u2068|\u2069/g, '');
  assert.match(headlineOf('2'), /Image viewer$/);
  assert.match(headlineOf('3'), /Image viewer \(window 2\)$/);
  assert.match(headlineOf('2', '3'), /Image viewer and 1 more$/);
  // One that is gone takes no name from one that is there, and no number is the name of another.
  const gone: Member = { ...member('0', 'Image viewer'), connected: false, apart: { why: 'gone', since: 7 } };
  assert.deepEqual(wordsOf([gone, member('2', 'Image viewer')]), ['Image viewer (window 2)', 'Image viewer']);
  assert.deepEqual(wordsOf([member('1', 'EHR'), member('2', 'EHR'), member('3', 'EHR (window 2)')]), [
    'EHR',
    'EHR (window 3)',
    'EHR (window 2)',
  ]);
});
