import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { it } from 'node:test';
import { HubClient, patient } from './harness.ts';
import { LockstepProcess } from './process.ts';

it('each refusal is logged once, and nothing about patients, tokens or endpoints ever', async (t) => {
  const lockstep = await LockstepProcess.start(t, { LOCKSTEP_LOG_LEVEL: 'trace' });
  const hub = await HubClient.backend(lockstep.origin);
  const topic = await hub.session();
  const subscriber = await hub.subscribe(topic, '*');
  const person = patient('secret-id');
  person.resource.name = [{ family: 'Secretname' }];
  assert.equal((await hub.publish(topic, 'Patient-open', [person])).status, 202);
  subscriber.socket.send('Secretname is no answer');
  const refusals = [
    await hub.publish(topic, 'Patient-close', [patient('secret-other')]),
    await hub.publish(topic, 'Secretname-open', [person]),
    await hub.request(`/${topic}`, { method: 'POST', headers: { 'content-type': 'text/secret' }, body: 'x' }),
    await fetch(`${lockstep.origin}/hub/secret-topic?user=Secretname`),
    await hub.request('/secret-topic'),
  ].map(({ status }) => status);
  assert.deepEqual(refusals, [409, 400, 415, 401, 404]);
  // What is no HTTP, with a token in it.
  const { hostname, port } = new URL(lockstep.origin);
  for (const broken of ['GET /secret\u0000 HTTP/1.1\r\n', 'GET / HTTP/1.1\r\nContent-Length: x\r\n', 'secret\r\n']) {
    const socket = connect(Number(port), hostname);
    socket.end(`${broken}Authorization: Bearer ${hub.token}\r\n\r\n`).resume();
    await once(socket, 'close');
  }
  assert.equal(await lockstep.kill('SIGTERM'), 0);
  const logged = lockstep.output.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  const refused = logged.filter(({ msg }) => msg === 'refused');
  assert.deepEqual(
    refused.map(({ status }) => status),
    refusals,
  );
  const all = lockstep.output.join('\n');
  assert.ok(logged.filter(({ msg }) => msg === 'client error').length >= 3);
  assert.ok(!all.includes('rawPacket') && !all.includes([...Buffer.from('secret')].join()));
  assert.doesNotMatch(all, /secret/i);
  assert.ok(!all.includes(hub.token));
  assert.ok(!all.includes(subscriber.endpoint.split('/').at(-1) ?? ''));
});
