import assert from 'node:assert/strict';
import test from 'node:test';
import { HubClient, type Json, json, patient, Subscriber } from './harness.ts';
import { LockstepProcess } from './process.ts';

const MANY = 240;

test('where the process may open few files more, new WebSockets are 503, and all else goes on', async (t) => {
  const env = {
    LOCKSTEP_MAX_SUBSCRIPTIONS: '1000',
    LOCKSTEP_MAX_SUBSCRIPTIONS_PER_CLIENT: '1000',
    LOCKSTEP_MAX_SUBSCRIPTIONS_PER_USER: '1000',
  };
  const lockstep = await LockstepProcess.start(t, env, 'ulimit -n 256');
  const { origin } = lockstep;
  const hub = await HubClient.backend(origin);
  const topic = await hub.session();
  const form = { 'hub.channel.type': 'websocket', 'hub.mode': 'subscribe', 'hub.topic': topic, 'hub.events': '*' };
  const endpoints: string[] = [];
  while (endpoints.length < MANY) {
    const some = await Promise.all(Array.from({ length: 10 }, () => json(hub.form(form))));
    endpoints.push(...some.map((answer) => answer['hub.channel.endpoint']));
  }
  const connected: Subscriber[] = [];
  let refusal = '';
  for (const endpoint of endpoints) {
    const subscriber = await Subscriber.connect(endpoint).catch((error: Error) => {
      refusal = error.message;
    });
    if (!subscriber) break;
    connected.push(subscriber);
  }
  t.after(() => {
    for (const { socket } of connected) socket.terminate();
  });
  assert.match(refusal, /503/);
  assert.ok(connected.length > 100, `${connected.length} were taken`);

  // The store and HTTP have what they need: the event is on disk, and with everybody who is connected.
  assert.equal((await hub.publish(topic, 'Patient-open', [patient('p1')], { id: 'opened' })).status, 202);
  await Promise.all(connected.map(async (one) => assert.equal((await one.event()).id, 'opened')));
  const ready = async (): Promise<Json> => json(fetch(`${origin}/health/ready`));
  const told = await ready();
  assert.equal(told.status, 'ready');
  assert.match(told.warnings.join(), /new WebSockets are refused: .*256/);
  const metrics = await (await fetch(`${origin}/metrics`)).text();
  assert.match(metrics, /^lockstep_refused_connections_total 1$/m);
  assert.ok(lockstep.output.some((line) => line.includes('New WebSockets are refused')));

  // Who leaves makes room for others.
  await Promise.all(connected.splice(0, 40).map((one) => one.close()));
  connected.push(await Subscriber.connect(endpoints.at(-1) ?? ''));
  assert.equal((await ready()).warnings, undefined);
});
