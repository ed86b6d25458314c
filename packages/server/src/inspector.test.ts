import assert from 'node:assert/strict';
import test from 'node:test';
import { Inspector, subscriptionName, toTimeline } from './inspector.ts';

const started = { kind: 'session-started' } as const;

test('the inspector keeps the latest entries of a session, oldest first', () => {
  const inspector = new Inspector({ perTopic: 3 });
  for (let at = 1; at <= 5; at++) inspector.observe('t', at, started);
  assert.deepEqual(
    inspector.recent('t').map(({ at }) => at),
    [3, 4, 5],
  );
  assert.deepEqual(inspector.recent('other'), []);
});

test('the inspector forgets the session that was quiet for longest', () => {
  const inspector = new Inspector({ topics: 2 });
  for (const topic of ['a', 'b', 'a', 'c']) inspector.observe(topic, 1, started);
  assert.equal(inspector.recent('b').length, 0);
  assert.equal(inspector.recent('a').length, 2);
  assert.equal(inspector.recent('c').length, 1);
});

test('the inspector keeps a bounded number of entries in all', () => {
  const inspector = new Inspector({ total: 5 });
  for (const topic of ['a', 'a', 'b', 'b', 'a', 'c']) inspector.observe(topic, 1, started);
  assert.deepEqual(
    ['a', 'b', 'c'].map((topic) => inspector.recent(topic).length),
    [3, 0, 1],
  );
});

test('watchers hear their session, or all of them, until they stop', () => {
  const inspector = new Inspector();
  const heard: string[] = [];
  const stop = inspector.watch('a', (topic, { at }) => heard.push(`one ${topic} ${at}`));
  const stopAll = inspector.watch(undefined, (topic, { at }) => heard.push(`all ${topic} ${at}`));
  inspector.observe('a', 1, started);
  inspector.observe('b', 2, started);
  stop();
  inspector.observe('a', 3, started);
  stopAll();
  inspector.observe('a', 4, started);
  assert.deepEqual(heard, ['one a 1', 'all a 1', 'all b 2', 'all a 3']);
});

test('SUB-7 an entry that leaves the server does not tell the endpoint', () => {
  const subscription = 'the-secret-part';
  const observation = { kind: 'unanswered', subscription, subscriber: 'Viewer', eventId: 'e' } as const;
  const told = toTimeline({ seq: 1, at: 2, observation });
  assert.equal(JSON.stringify(told).includes(subscription), false);
  assert.equal('subscription' in told && told.subscription, subscriptionName(subscription));
});

test('how long an answer took is given in whole ms', () => {
  const observation = {
    kind: 'answered',
    subscription: 's',
    subscriber: 'Viewer',
    eventId: 'e',
    status: 200,
    ms: 202.67120299999988,
  } as const;
  assert.equal(toTimeline({ seq: 1, at: 2, observation }).ms, 203);
});

test('SES-5 nothing is remembered of a session that has ended', () => {
  const inspector = new Inspector();
  const heard: number[] = [];
  inspector.watch('a', (_, { at }) => heard.push(at));
  inspector.observe('a', 1, started);
  inspector.observe('a', 2, { kind: 'session-ended', reason: 'over' });
  assert.deepEqual(inspector.recent('a'), []);
  assert.deepEqual(heard, [1, 2]);
});
