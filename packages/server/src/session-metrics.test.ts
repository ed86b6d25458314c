import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Observation } from '@lockstep/hub';
import { Registry } from 'prom-client';
import { SessionMetrics } from './session-metrics.ts';

const delivered = (subscription: string, eventId: string): Observation => ({
  kind: 'delivered',
  subscription,
  subscriber: 'App',
  eventId,
  event: 'Patient-open',
});
const answered = (subscription: string, eventId: string, status = 200): Observation => ({
  kind: 'answered',
  subscription,
  subscriber: 'App',
  eventId,
  status,
  ms: 1,
});
const published = (eventId: string): Observation => ({ kind: 'published', number: 1, eventId, event: 'Patient-open' });

async function timed(registry: Registry): Promise<{ sum: number; count: number }> {
  const text = await registry.getSingleMetricAsString('lockstep_last_answer_seconds');
  const value = (name: string): number => Number(new RegExp(`_${name} (\\S+)`).exec(text)?.[1]);
  return { sum: value('sum'), count: value('count') };
}

test('the last answer to an event is timed, and none before it', async () => {
  const registry = new Registry();
  const metrics = new SessionMetrics(registry);
  // As the Hub tells it: an event is published once it has gone out.
  for (const one of ['a', 'b', 'c']) metrics.observe('topic', 1000, delivered(one, 'event'));
  metrics.observe('topic', 1000, published('event'));
  metrics.observe('topic', 1100, answered('b', 'event'));
  metrics.observe('topic', 1200, answered('a', 'event', 409));
  assert.deepEqual(await timed(registry), { sum: 0, count: 0 });
  metrics.observe('topic', 3000, { kind: 'unanswered', subscription: 'c', subscriber: 'App', eventId: 'event' });
  assert.deepEqual(await timed(registry), { sum: 2, count: 1 });
  metrics.observe('topic', 4000, answered('c', 'event'));
  assert.deepEqual(await timed(registry), { sum: 2, count: 1 });
});

test('answers in another session do not count for an event of the same id', async () => {
  const registry = new Registry();
  const metrics = new SessionMetrics(registry);
  metrics.observe('one', 1000, delivered('a', 'event'));
  metrics.observe('other', 2000, answered('a', 'event'));
  assert.equal((await timed(registry)).count, 0);
  metrics.observe('one', 3000, answered('a', 'event'));
  assert.deepEqual(await timed(registry), { sum: 2, count: 1 });
});

test('an event without subscribers is not waited for', async () => {
  const registry = new Registry();
  const metrics = new SessionMetrics(registry);
  metrics.observe('topic', 1000, published('event'));
  metrics.observe('topic', 2000, answered('a', 'event'));
  assert.equal((await timed(registry)).count, 0);
});
