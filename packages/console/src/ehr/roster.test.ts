import '../language/testing.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import type { TimelineEntry } from '../api.ts';
import {
  apartWords,
  followEntries,
  isBehind,
  isWaiting,
  outcomeWords,
  type Roster,
  readBeside,
  readRoster,
  undecided,
  withLate,
  withReason,
} from './roster.ts';

let seq = 0;
const entry = (kind: TimelineEntry['kind'], fields: Partial<TimelineEntry> = {}): TimelineEntry => ({
  seq: ++seq,
  at: seq,
  kind,
  subscription: 'v',
  subscriber: 'Viewer',
  ...fields,
});
const viewer = (roster: Roster) => {
  const member = roster.get('v');
  assert.ok(member);
  return member;
};
const sent = (eventId: string, event = 'Patient-open') => entry('delivered', { eventId, event });
const answers = (eventId: string, status: number) => entry('answered', { eventId, status, ms: 3 });
const present = followEntries(new Map(), [entry('subscribed'), entry('connected')]);
const opened = followEntries(present, [sent('e1')]);
const subscription = { channel: 'websocket', events: [], expiresAt: 0, name: 'Viewer', clientId: 'c' };

test('ERR-8 the answer to a close that kept the current context is none to that context', () => {
  const close = (keepsCurrent: boolean) =>
    entry('delivered', { eventId: 'c1', event: 'Patient-close', ...(keepsCurrent && { keepsCurrent }) });
  const refused = followEntries(opened, [answers('e1', 409)]);
  assert.equal(isBehind(viewer(followEntries(refused, [close(true), answers('c1', 200)]))), true);
  assert.equal(isWaiting(viewer(followEntries(opened, [close(true), answers('c1', 200)]))), true);
  assert.equal(isBehind(viewer(followEntries(refused, [close(false), answers('c1', 200)]))), false);
});

test('ERR-1 an application that answers 200 followed, and the time it took is kept', () => {
  assert.equal(isWaiting(viewer(opened)), true);
  const roster = followEntries(opened, [entry('answered', { eventId: 'e1', status: 200, ms: 12 })]);
  assert.equal(viewer(roster).outcome?.state, 'followed');
  assert.equal(viewer(roster).followed, 'e1');
  assert.deepEqual(viewer(roster).times, [12]);
  assert.equal(isBehind(viewer(roster)), false);
  assert.equal(isWaiting(viewer(roster)), false);
});

/** Every way not to follow, as the timeline tells it. */
const WAYS: Readonly<Record<string, { readonly entries: readonly TimelineEntry[]; readonly words: string }>> = {
  'a refusal': { entries: [answers('e1', 409)], words: 'did not follow (409)' },
  'a failure': { entries: [answers('e1', 500)], words: 'could not follow (500)' },
  'a status that is none': { entries: [answers('e1', 999)], words: 'did not follow (999)' },
  silence: { entries: [entry('unanswered', { eventId: 'e1' })], words: 'no answer' },
  'a lost connection': { entries: [entry('dropped', { code: 4001 })], words: 'connection lost' },
  'a denial after silence': {
    entries: [entry('unanswered', { eventId: 'e1' }), entry('denied', { reason: '3 events were not answered' })],
    words: 'out of the session: 3 events were not answered',
  },
  'a denial after a lost connection': {
    entries: [entry('dropped', { code: 1006 }), entry('denied', { reason: 'It did not come back' })],
    words: 'out of the session: It did not come back',
  },
  'a denial before it answered': {
    entries: [entry('denied', { reason: 'The lease has ended' })],
    words: 'out of the session: The lease has ended',
  },
};

for (const [way, { entries, words }] of Object.entries(WAYS)) {
  test(`ERR-8 ${way} lasts when the context moves on`, () => {
    const behind = followEntries(opened, entries);
    assert.equal(outcomeWords(viewer(behind)), words);
    const since = viewer(behind).apart?.since;
    // The next contexts are sent to others, or to it as well: neither is an answer of its own.
    for (const later of [[], [sent('e2', 'ImagingStudy-open')], [sent('e2'), answers('e1', 200)]]) {
      const roster = followEntries(behind, later);
      assert.equal(isBehind(viewer(roster)), true);
      assert.equal(viewer(roster).apart?.since, since, 'since the first of them');
      assert.equal(isBehind(viewer(readRoster([{ ...subscription, id: 'v', connected: false }], roster))), true);
    }
  });
}

test('ERR-8 it ends when the application follows a later change', () => {
  const refused = followEntries(opened, [answers('e1', 409)]);
  const told = withReason(refused, 'Viewer', 'Viewer did not follow: a draft is unsaved', 9);
  assert.equal(outcomeWords(viewer(told)), 'a draft is unsaved');
  const next = followEntries(told, [sent('e2'), answers('e2', 200)]);
  assert.equal(isBehind(viewer(next)), false);
});

test('ERR-8 it ends when the application leaves of its own wish', () => {
  const refused = followEntries(opened, [answers('e1', 409)]);
  for (const reason of ['Unsubscribed', 'The subscriber closed its connection'])
    assert.equal(followEntries(refused, [entry('denied', { reason })]).size, 0, reason);
  assert.equal(followEntries(opened, [entry('session-ended')]).size, 0);
  const ended = [answers('e1', 200), entry('denied', { reason: 'The access was revoked' })];
  assert.equal(followEntries(opened, ended).size, 0, 'it followed to its end');
});

test('ERR-8 one that is gone is forgotten for one that was started again and follows, not for another window of it', () => {
  const gone = followEntries(opened, [entry('dropped', { code: 1006 }), entry('denied', { reason: 'lost' })]);
  const again = { subscription: 'w' };
  const started = followEntries(gone, [entry('subscribed', again), entry('connected', again)]);
  assert.deepEqual([...started.keys()], ['v', 'w'], 'it has not followed yet');
  const follows = [
    entry('delivered', { eventId: 'e2', event: 'Patient-open', ...again }),
    entry('answered', { eventId: 'e2', status: 200, ms: 1, ...again }),
  ];
  assert.deepEqual([...followEntries(started, follows).keys()], ['w']);
  const before = { ...again, at: 0 };
  const beside = followEntries(new Map(), [entry('subscribed', before), entry('connected', before)]);
  const both = new Map([...beside, ...gone]);
  assert.deepEqual([...followEntries(both, follows).keys()].sort(), ['v', 'w'], 'it was there before');
});

test('ERR-8 one that was started again is told from the one that is gone by the server’s clock, and however it was read', () => {
  const silent = entry('unanswered', { eventId: 'e1' });
  const denied = entry('denied', { reason: '2 events were not answered' });
  const again = { subscription: 'again', subscriber: 'Viewer' };
  const [comes, connects] = [entry('subscribed', again), entry('connected', again)];
  const follows = [
    entry('delivered', { ...again, eventId: 'e2', event: 'Patient-open' }),
    entry('answered', { ...again, eventId: 'e2', status: 200, ms: 3 }),
  ];
  const ahead = 3_600_000;
  const froms: Readonly<Record<string, Roster>> = {
    'it was said here first': withReason(opened, 'Viewer', 'no answer', ahead),
    'it was late here': withLate(opened, 'v', 'e1', ahead),
    'the server told it first': opened,
  };
  for (const [how, from] of Object.entries(froms)) {
    const gone = followEntries(from, [silent, denied]);
    assert.equal(viewer(gone).apart?.why, 'gone', how);
    const read = readRoster([{ ...subscription, id: 'again', connected: true }], gone);
    for (const before of [gone, read]) {
      const back = followEntries(before, [comes, connects, ...follows]);
      assert.deepEqual([...back.keys()], ['again'], how);
      assert.equal(isBehind([...back.values()][0] ?? viewer(gone)), false, how);
    }
  }
});

test('ERR-4 an application that said 202 and then sends a SyncError did not follow', () => {
  const working = followEntries(opened, [entry('answered', { eventId: 'e1', status: 202, ms: 5000 })]);
  assert.equal(viewer(working).outcome?.state, 'working');
  assert.equal(isWaiting(viewer(working)), true);
  assert.equal(isBehind(viewer(withReason(working, 'Viewer', 'nobody decided', 9))), true);
});

test('HZ-3 who has not decided in time does not follow, until they do', () => {
  assert.deepEqual([...undecided(opened)], [['v', 'e1']]);
  const late = withLate(opened, 'v', 'e1', 99);
  assert.equal(outcomeWords(viewer(late)), 'has not decided');
  assert.equal(viewer(late).apart?.since, 99);
  assert.equal(undecided(late).size, 0);
  assert.equal(isBehind(viewer(followEntries(late, [answers('e1', 200)]))), false);
  assert.equal(withLate(followEntries(opened, [answers('e1', 200)]), 'v', 'e1', 99).get('v')?.apart, undefined);
  assert.equal(withLate(followEntries(opened, [sent('e2')]), 'v', 'e1', 99).get('v')?.apart, undefined);
});

test('an answer to an older event changes nothing', () => {
  const roster = followEntries(opened, [sent('e2'), answers('e1', 409)]);
  assert.equal(viewer(roster).outcome?.state, 'waiting');
  assert.equal(isBehind(viewer(roster)), false);
});

test('updates and selections are not followed like opens', () => {
  const roster = followEntries(opened, [answers('e1', 200), sent('u1', 'DiagnosticReport-update'), answers('u1', 409)]);
  assert.equal(viewer(roster).outcome?.state, 'followed');
});

test('ERR-3 a lost connection that comes back before anything was missed follows on', () => {
  const followed = followEntries(opened, [answers('e1', 200)]);
  const back = followEntries(followed, [entry('dropped', { code: 1006 }), entry('connected')]);
  assert.equal(isBehind(viewer(back)), false);
  const missed = followEntries(opened, [entry('dropped', { code: 1006 }), entry('connected')]);
  assert.equal(isBehind(viewer(missed)), true, 'it has not answered what it was sent');
});

test('ERR-3 a page that was closed in the ordinary way is no alarm, and leaves the list when its time is over', () => {
  const away = followEntries(opened, [answers('e1', 200), entry('dropped', { code: 1001 })]);
  assert.equal(outcomeWords(viewer(away)), 'connection closed');
  assert.equal(isBehind(viewer(away)), false);
  assert.equal(followEntries(away, [entry('denied', { reason: 'It did not come back' })]).size, 0);
});

test('ERR-8 a page that went away before it had answered is not waited for, and nobody is behind once its time is over', () => {
  for (const code of [1000, 1001]) {
    for (const before of [opened, followEntries(opened, [answers('e1', 202)])]) {
      const away = followEntries(before, [entry('dropped', { code })]);
      assert.deepEqual([isWaiting(viewer(away)), undecided(away).size], [false, 0]);
      // The same page again, which is another subscription.
      const w = { subscription: 'w', eventId: 'e1' };
      const again = [
        entry('subscribed', w),
        entry('connected', w),
        entry('delivered', { ...w, event: 'Patient-open' }),
      ];
      const back = followEntries(away, [...again, entry('answered', { ...w, status: 200, ms: 3 })]);
      const over = followEntries(back, [entry('denied', { reason: 'The subscriber did not come back' })]);
      assert.deepEqual([...over.keys()], ['w']);
      const returned = followEntries(away, [entry('connected'), sent('e2')]);
      assert.equal(isWaiting(viewer(returned)), true, 'it is asked again when it is back');
    }
  }
  const refused = followEntries(opened, [answers('e1', 409), entry('dropped', { code: 1001 })]);
  assert.equal(isBehind(viewer(refused)), true, 'what it did not follow it does not follow by leaving');
});

test('an application that has just subscribed is joining: its connection is not lost', () => {
  const joining = followEntries(new Map(), [entry('subscribed')]);
  assert.equal(outcomeWords(viewer(joining)), 'joining');
  assert.equal(isBehind(viewer(joining)), false);
  const read = readRoster([{ ...subscription, id: 'v', connected: false }], joining);
  assert.equal(outcomeWords(viewer(read)), 'joining');
  const there = followEntries(read, [entry('connected')]);
  assert.equal(outcomeWords(viewer(there)), 'present');
  assert.equal(outcomeWords(viewer(followEntries(there, [entry('dropped', { code: 1006 })]))), 'connection lost');
});

test('reading the session again keeps what is known of those who stay', () => {
  const followed = followEntries(opened, [entry('answered', { eventId: 'e1', status: 200, ms: 7 })]);
  const here = { ...subscription, connected: true };
  const read = readRoster(
    [
      { ...here, id: 'v' },
      { ...here, id: 'w', name: 'Writer' },
    ],
    followed,
  );
  assert.deepEqual([...read.keys()], ['v', 'w']);
  assert.deepEqual(viewer(read).times, [7]);
});

test('an answer that is older than what was told meanwhile brings nobody back to where they were', () => {
  const told = [entry('connected'), sent('e1')];
  const known = followEntries(present, told);
  const read = readBeside([{ ...subscription, id: 'v', connected: false }], known, told);
  assert.equal(viewer(read).connected, true);
  assert.equal(viewer(read).outcome?.state, 'waiting');
  const left = readBeside([{ ...subscription, id: 'v', connected: true }], known, [entry('dropped')]);
  assert.equal(viewer(left).connected, false);
  const fresh = readBeside([], new Map(), [entry('subscribed'), entry('connected')]);
  assert.equal(viewer(fresh).connected, true, 'it came after the answer');
});

test('ERR-8 the reason of a refusal stays, in whatever order SyncError, delivery and answer are told', () => {
  const before = followEntries(present, [sent('e0'), answers('e0', 200)]);
  const reason = 'Viewer was sent Patient-open and refused to follow it (409): a draft is unsaved.';
  const steps: Readonly<Record<string, (roster: Roster) => Roster>> = {
    delivered: (roster) => followEntries(roster, [sent('e1')]),
    answered: (roster) => followEntries(roster, [answers('e1', 409)]),
    syncError: (roster) => withReason(roster, 'Viewer', reason, 9),
  };
  for (const order of [
    ['delivered', 'answered', 'syncError'],
    ['delivered', 'syncError', 'answered'],
    ['syncError', 'delivered', 'answered'],
  ]) {
    const after = order.reduce((roster, step) => steps[step]!(roster), before);
    assert.equal(apartWords(viewer(after).apart!), 'a draft is unsaved', order.join(', '));
    const followed = followEntries(after, [sent('e2'), answers('e2', 200), sent('e3'), answers('e3', 409)]);
    assert.equal(apartWords(viewer(followed).apart!), 'did not follow (409)', 'no reason outlives its cause');
  }
});
