/** CON-6: what is shared in a context is told in the order of sharing, at whichever node, and after a restart. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { it } from 'node:test';
import { startLockstep } from '@lockstep/server';
import { RedisProcess } from '@lockstep/store-redis/testing';
import { HubClient, type Json, observation, patient, put, report, testConfig, updates } from './harness.ts';

const ANCHOR = { key: 'report', reference: { reference: 'DiagnosticReport/r1' } };
const remove = (url: string): Json => ({ request: { method: 'DELETE', url } });

/** Each is one update. More than what a list holds, in the order of no key. */
const UPDATES: readonly (readonly Json[])[] = [
  ['o9', 'o2', 'o7'].map((id) => put(observation(id, 1))),
  [put(observation('o1', 1)), put(observation('o2', 2))],
  [remove('Observation/o9'), put(observation('o8', 1))],
  [put(observation('o9', 3))],
  Array.from({ length: 20 }, (_, n) => put(observation(`p${(n * 7) % 20}`, n))),
];
const SHARED = ['o2', 'o7', 'o1', 'o8', 'o9', ...Array.from({ length: 20 }, (_, n) => `p${(n * 7) % 20}`)];

/** Ids of the shared resources, as `GET {hub.url}/{topic}` says them. */
async function shared(hub: HubClient, topic: string): Promise<readonly string[]> {
  const { context } = await hub.context(topic);
  const content: Json = context.find(({ key }: Json) => key === 'content');
  return content.resource.entry.map(({ resource }: Json) => resource.id);
}

/** @param after called after each update */
async function share(hub: HubClient, topic: string, after?: (updates: number) => Promise<void>): Promise<void> {
  await hub.publish(topic, 'DiagnosticReport-open', [report('r1'), patient('p1')]);
  for (const [index, entries] of UPDATES.entries()) {
    const { 'context.versionId': version } = await hub.context(topic);
    const more = { 'context.versionId': version };
    const { status } = await hub.publish(topic, 'DiagnosticReport-update', [ANCHOR, updates(...entries)], more);
    assert.equal(status, 202);
    await after?.(index);
  }
}

it('CON-6 shared content keeps the order of sharing over a restart', async (t) => {
  const config = testConfig();
  t.after(() => rm(config.data, { recursive: true, force: true }));
  const first = await startLockstep(config);
  let hub: HubClient;
  let topic: string;
  try {
    hub = await HubClient.backend(first.origin);
    topic = await hub.session();
    await share(hub, topic);
    assert.deepEqual(await shared(hub, topic), SHARED);
  } finally {
    await first.close();
  }
  const second = await startLockstep(config);
  try {
    hub = new HubClient(`${second.origin}/hub`, hub.token);
    assert.deepEqual(await shared(hub, topic), SHARED);
    const { 'context.versionId': version } = await hub.context(topic);
    const more = { 'context.versionId': version };
    await hub.publish(topic, 'DiagnosticReport-update', [ANCHOR, updates(put(observation('a1', 1)))], more);
    assert.deepEqual(await shared(hub, topic), [...SHARED, 'a1']);
  } finally {
    await second.close();
  }
});

it('CON-6 shared content has the same order at a node that was told of each update and at one that reads it', async (t) => {
  const redis = await RedisProcess.start();
  const configs = [1, 2, 3].map(() => testConfig({ redisUrl: redis.url }));
  const nodes = await Promise.all(configs.map((config) => startLockstep(config)));
  t.after(async () => {
    for (const node of nodes) await node.close();
    for (const { data } of configs) await rm(data, { recursive: true, force: true });
    await redis.remove();
  });
  const [one, told, late] = nodes.map(({ port }) => `http://localhost:${port}`) as [string, string, string];
  const hub = await HubClient.backend(one);
  const topic = await hub.session();
  const other = new HubClient(`${told}/hub`, hub.token);
  await share(hub, topic, async () => assert.deepEqual(await shared(other, topic), await shared(hub, topic)));
  assert.deepEqual(await shared(hub, topic), SHARED);
  assert.deepEqual(await shared(new HubClient(`${late}/hub`, hub.token), topic), SHARED);
});
