import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { event, inSync, lockstep, Running } from './command-line.ts';
import { OtherHub } from './other-hub.ts';

test("listen, publish and context work against another maker's Hub", async (t) => {
  const hub = await OtherHub.start();
  t.after(() => hub.close());
  const env = { FHIRCAST_HUB_URL: hub.url, FHIRCAST_TOPIC: hub.topic, FHIRCAST_TOKEN: 'token' };
  const listener = Running.start(t, ['listen', '--name', 'Tester', '--answer', 'Patient-close=409', '--json'], env);
  await listener.find(inSync);
  const [subscription] = hub.subscriptions.values();
  assert.equal(subscription?.name, 'Tester');
  assert.ok(!subscription?.events.includes('*'), 'what only Lockstep has is not asked of others');

  const published = await lockstep(['publish', 'Patient-open', 'Patient/p1', '--json'], { env });
  assert.equal(published.code, 0, published.stderr);
  const seen = await listener.find(event('Patient-open'));
  assert.equal(seen.id, published.json.id);
  const context = await lockstep(['context', '--json'], { env });
  assert.equal(context.json.context[0].resource.id, 'p1');

  const closed = await lockstep(['publish', 'Patient-close', 'Patient/p1', '--json'], { env });
  await listener.find(event('Patient-close'));
  assert.equal(await listener.stop(), 0);
  assert.deepEqual(
    hub.answers.filter(({ id }) => id === published.json.id || id === closed.json.id).map(({ status }) => status),
    [200, 409],
  );
  assert.equal(hub.subscriptions.size, 0, 'it has unsubscribed');
});

test('a Hub that refuses the token and a Hub that does not answer give different messages', async (t) => {
  const hub = await OtherHub.start();
  t.after(() => hub.close());
  const to = ['--hub', hub.url, '--topic', hub.topic];
  const refused = await lockstep(['publish', 'Patient-open', 'Patient/p1', '--token', 'wrong', ...to]);
  assert.equal(refused.code, 4);
  assert.match(refused.stderr, /401/);
  const listening = await lockstep(['listen', '--token', 'wrong', '--timeout', '20', ...to]);
  assert.equal(listening.code, 4);
  const unknown = await lockstep(['listen', '--token', 'token', '--hub', hub.url, '--topic', 'another']);
  assert.equal(unknown.code, 4);
});

test('sessions and tokens of a Hub that answers nonsense end in words, not in a crash', async (t) => {
  const answers = ['<html>', '[', '{}', '""'];
  const server = createServer((_, response) => response.end(answers.shift() ?? ''));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const hub = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (let count = answers.length; count >= 0; count--) {
    const { code, stderr } = await lockstep(['sessions', '--hub', hub, '--token', 'x']);
    assert.equal(code, 1);
    assert.match(stderr, /^error: (http:\S+ did not answer with JSON|the Hub has no list of sessions)/);
  }
});
