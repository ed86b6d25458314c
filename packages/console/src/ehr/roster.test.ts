import assert from 'node:assert/strict';
import test from 'node:test';
import type { TimelineEntry } from '../api.ts';
import {
  caughtUp,
  followEntries,
  isBehind,
  outcomeWords,
  type Roster,
  readBeside,
  readRoster,
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
const present = followEntries(new Map(), [entry('subscribed'), entry('connected')]);
const opened = followEntries(present, [entry('delivered', { eventId: 'e1', event: 'Patient-open' })]);

test('ERR-1 an application that answers 200 followed, and the time it took is kept', () => {
  const roster = followEntries(opened, [entry('answered', { eventId: 'e1', status: 200, ms: 12 })]);
  assert.equal(viewer(roster).outcome?.state, 'followed');
  assert.deepEqual(viewer(roster).times, [12]);
  assert.equal(isBehind(viewer(roster)), false);
});

test('ERR-2 an application that refuses is behind until the next context, with its reason', () => {
  const refused = followEntries(opened, [entry('answered', { eventId: 'e1', status: 409, ms: 3 })]);
  assert.equal(isBehind(viewer(refused)), true);
  assert.equal(outcomeWords(viewer(refused)), 'did not follow (409)');
  const told = withReason(refused, 'Viewer', 'Viewer did not follow: a draft is unsaved');
  assert.equal(outcomeWords(viewer(told)), 'a draft is unsaved');
  const next = followEntries(told, [
    entry('delivered', { eventId: 'e2', event: 'Patient-open' }),
    entry('answered', { eventId: 'e2', status: 200, ms: 5 }),
  ]);
  assert.equal(isBehind(viewer(next)), false);
  assert.equal(viewer(next).reason, undefined);
});

test('ERR-4 an application that said 202 and then sends a SyncError did not follow', () => {
  const working = followEntries(opened, [entry('answered', { eventId: 'e1', status: 202, ms: 5000 })]);
  assert.equal(viewer(working).outcome?.state, 'working');
  assert.equal(isBehind(viewer(withReason(working, 'Viewer', 'nobody decided'))), true);
});

test('an answer to an older event changes nothing', () => {
  const roster = followEntries(opened, [
    entry('delivered', { eventId: 'e2', event: 'Patient-open' }),
    entry('answered', { eventId: 'e1', status: 409, ms: 3 }),
  ]);
  assert.equal(viewer(roster).outcome?.state, 'waiting');
});

test('updates and selections are not followed like opens', () => {
  const roster = followEntries(opened, [
    entry('answered', { eventId: 'e1', status: 200, ms: 1 }),
    entry('delivered', { eventId: 'u1', event: 'DiagnosticReport-update' }),
    entry('answered', { eventId: 'u1', status: 409, ms: 1 }),
  ]);
  assert.equal(viewer(roster).outcome?.state, 'followed');
});

test('ERR-3 a lost connection shows, and a denied subscription leaves', () => {
  const lost = followEntries(opened, [entry('dropped', { code: 1006 })]);
  assert.equal(outcomeWords(viewer(lost)), 'connection lost');
  assert.equal(followEntries(lost, [entry('denied', { reason: 'gone' })]).size, 0);
});

test('an application that has just subscribed is joining: its connection is not lost', () => {
  const joining = followEntries(new Map(), [entry('subscribed')]);
  assert.equal(outcomeWords(viewer(joining)), 'joining');
  assert.equal(isBehind(viewer(joining)), false);
  const subscription = { channel: 'websocket', events: [], expiresAt: 0, name: 'Viewer', clientId: 'c' };
  const read = readRoster([{ ...subscription, id: 'v', connected: false }], joining);
  assert.equal(outcomeWords(viewer(read)), 'joining');
  const there = followEntries(read, [entry('connected')]);
  assert.equal(outcomeWords(viewer(there)), 'present');
  assert.equal(outcomeWords(viewer(followEntries(there, [entry('dropped', { code: 1006 })]))), 'connection lost');
  // Nobody has seen it subscribe: it was there before a restart, and has not come back yet.
  const before = readRoster([{ ...subscription, id: 'v', connected: false }]);
  assert.equal(outcomeWords(viewer(before)), 'connection lost');
});

test('reading the session anew keeps what is known of those who stay', () => {
  const followed = followEntries(opened, [entry('answered', { eventId: 'e1', status: 200, ms: 7 })]);
  const subscription = {
    channel: 'websocket',
    connected: true,
    events: [],
    expiresAt: 0,
    name: 'Viewer',
    clientId: 'c',
  };
  const read = readRoster(
    [
      { ...subscription, id: 'v' },
      { ...subscription, id: 'w', name: 'Writer' },
    ],
    followed,
  );
  assert.deepEqual([...read.keys()], ['v', 'w']);
  assert.deepEqual(viewer(read).times, [7]);
});

test('an answer that is older than what was told meanwhile brings nobody back to where they were', () => {
  const subscription = { channel: 'websocket', events: [], expiresAt: 0, name: 'Viewer', clientId: 'c' };
  const told = [entry('connected'), entry('delivered', { eventId: 'e1', event: 'Patient-open' })];
  const known = followEntries(present, told);
  const read = readBeside([{ ...subscription, id: 'v', connected: false }], known, told);
  assert.equal(viewer(read).connected, true);
  assert.equal(viewer(read).outcome?.state, 'waiting');
  const left = readBeside([{ ...subscription, id: 'v', connected: true }], known, [entry('dropped')]);
  assert.equal(viewer(left).connected, false);
  const fresh = readBeside([], new Map(), [entry('subscribed'), entry('connected')]);
  assert.equal(viewer(fresh).connected, true, 'it came after the answer');
});

test('an application catches up with whatever event it follows next', () => {
  const refused = followEntries(opened, [entry('answered', { eventId: 'e1', status: 409, ms: 3 })]);
  const asked = followEntries(refused, [entry('delivered', { eventId: 'c1', event: 'DiagnosticReport-close' })]);
  const followed = followEntries(asked, [entry('answered', { eventId: 'c1', status: 200, ms: 3 })]);
  assert.equal(caughtUp(refused, asked, ['Viewer']), false);
  assert.equal(caughtUp(asked, followed, ['Viewer']), true);
  assert.equal(caughtUp(asked, followed, ['Writer']), false);
  assert.equal(caughtUp(followed, followed, ['Viewer']), false);
});
