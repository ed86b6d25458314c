/** Derived topics at two nodes behind one address (LAU-2). */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { deriveTopic } from '@lockstep/fhircast';
import { startLockstep } from '@lockstep/server';
import { RedisProcess } from '@lockstep/store-redis/testing';
import { findRunning } from '../src/admin/running.ts';
import { Balancer } from './cluster/wires.ts';
import { Backend, HubClient, type Json, json, testConfig } from './harness.ts';

test('LAU-2 one session for one user at two nodes; a topic used at one is refused to others at both', async (t) => {
  const redis = await RedisProcess.start();
  const ports: number[] = [];
  const balancer = await Balancer.start(() => ports);
  const publicUrl = `http://localhost:${balancer.port}`;
  const configs = [1, 2].map(() => testConfig({ redisUrl: redis.url, publicUrl }));
  const nodes = await Promise.all(configs.map((config) => startLockstep(config)));
  t.after(async () => {
    balancer.close();
    for (const node of nodes) await node.close();
    for (const { data } of configs) await rm(data, { recursive: true, force: true });
    await redis.remove();
  });
  ports.push(...nodes.map(({ port }) => port));
  const backend = await Backend.register(publicUrl, { launch_kinds: ['derived', 'backend'] });
  const running = (await findRunning(configs[0]?.data ?? ''))!;
  const made = await fetch(`${running.url}/api/admin/apps/${backend.clientId}/topic-secret`, {
    method: 'POST',
    headers: { authorization: `Bearer ${running.token}`, 'content-type': 'application/json' },
    body: '{}',
  });
  const { topicSecret } = await json(made);
  const token = await backend.token();
  const hubs = nodes.map(({ port }) => new HubClient(`http://localhost:${port}/hub`, token));
  const subscribe = (hub: HubClient | undefined, topic: string, name: string): Promise<Response> =>
    hub!.form({
      'hub.channel.type': 'websocket',
      'hub.mode': 'subscribe',
      'hub.topic': topic,
      'hub.events': 'Patient-open',
      'subscriber.name': name,
    });

  for (const user of ['dr-lena-okafor', 'dr-mei-tanaka', 'somebody-new']) {
    const topics = await Promise.all(hubs.map(() => deriveTopic(user, topicSecret)));
    const answers = await Promise.all(
      topics.flatMap((topic, at) => hubs.map((hub) => subscribe(hub, topic, `Room ${at}`))),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      [202, 202, 202, 202],
    );
    const sessions = (await (await hubs[1]!.request(`/session?user=${user}`)).json()) as Json[];
    assert.equal(sessions.length, 1, `${user} has one session`);

    const [first = ''] = topics;
    for (const hub of hubs) assert.equal((await subscribe(hub, first, 'Room 9')).status, 403);
    // Whoever comes first at either node: one of the two.
    const contested = await deriveTopic(user, topicSecret);
    const rivals = await Promise.all(hubs.map((hub, at) => subscribe(hub, contested, `Rival ${at}`)));
    assert.deepEqual(rivals.map(({ status }) => status).sort(), [202, 403]);
  }
});
