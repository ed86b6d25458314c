import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { RedisProcess } from '@lockstep/store-redis/testing';
import { selfSigned } from './certificate.ts';
import { lockstep, serverOfFile } from './command-line.ts';
import type { Json } from './harness.ts';

const own = serverOfFile();
const { at, folder } = own;

/** What doctor finds, by the name of the check. */
async function findings(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { code, json } = await lockstep(['doctor', '--json', ...args], { env });
  const list = json as unknown as Json[];
  return { code, list, of: (check: string) => list.filter((one) => one.check === check) };
}

test('doctor finds nothing wrong with a running server', async () => {
  const { code, json: findings } = await lockstep(['doctor', '--json', ...at]);
  const list = findings as unknown as Json[];
  assert.equal(code, 0, JSON.stringify(list));
  const checks = new Set(list.map(({ check }) => check));
  for (const check of ['configuration', 'data', 'server', 'clock', 'websocket']) assert.ok(checks.has(check), check);
});

test('doctor says what is wrong, and what to do', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const problems = async (env: NodeJS.ProcessEnv, ...more: string[]): Promise<Json[]> => {
    const { code, json: findings } = await lockstep(['doctor', '--json', '--data', folder, ...more], { env });
    assert.equal(code, 1);
    return (findings as unknown as Json[]).filter(({ status }) => status === 'problem');
  };
  const [taken] = await problems({ PORT: String(port) });
  assert.match(taken?.message, /taken by another program/);
  assert.match(taken?.fix, /PORT/);
  other.close();
  const [wrong] = await problems({ LOCKSTEP_GRACE_SECONDS: 'soon' });
  assert.match(wrong?.message, /LOCKSTEP_GRACE_SECONDS/);
  const [open] = await problems({ PORT: '0', LOCKSTEP_HOST: '0.0.0.0', LOCKSTEP_PUBLIC_URL: 'http://127.0.0.1:1' });
  assert.match(open?.message, /in the clear/);
  const [away] = await problems({}, '--hub', 'http://127.0.0.1:1/hub');
  assert.match(away?.message, /cannot be reached/);
  const [noRedis] = await problems({ PORT: '0', LOCKSTEP_REDIS_URL: 'redis://127.0.0.1:1' });
  assert.equal(noRedis?.check, 'redis');
  const [noTls] = await problems({}, '--hub', `https://127.0.0.1:${new URL(own.origin).port}/hub`);
  assert.equal(noTls?.check, 'tls');
});

test('doctor tells a Redis that keeps everything from one that may lose it', async (t) => {
  const redis = await RedisProcess.start();
  t.after(() => redis.remove());
  const env = { PORT: '0', LOCKSTEP_REDIS_URL: redis.url };
  const good = await findings(['--data', folder], env);
  assert.equal(good.code, 0, JSON.stringify(good.list));
  assert.deepEqual(good.of('redis'), [{ check: 'redis', status: 'ok', message: 'answers and can be written' }]);

  const careless = await RedisProcess.start({ appendonly: 'no', 'maxmemory-policy': 'allkeys-lru' });
  t.after(() => careless.remove());
  const bad = await findings(['--data', folder], { ...env, LOCKSTEP_REDIS_URL: careless.url });
  assert.equal(bad.code, 0, 'a warning is no problem');
  const warnings = bad.of('redis').filter(({ status }) => status === 'warning');
  assert.deepEqual(warnings.map(({ message }) => /^[a-z-]+/.exec(message)?.[0]).sort(), [
    'appendonly',
    'maxmemory-policy',
  ]);
  assert.ok(warnings.every(({ fix }) => fix));
});

test('doctor looks at a Hub behind TLS as its clients do', async (t) => {
  const { key, cert } = selfSigned();
  const authority = join(folder, 'authority.pem');
  await writeFile(authority, cert);
  // What a proxy does: requests go on to the Hub, upgrades too.
  const proxy = createTlsServer({ key, cert }, async (request, response) => {
    const { status, headers, body } = await fetch(`${own.origin}${request.url}`);
    response.writeHead(status, { date: headers.get('date') ?? '', 'content-type': headers.get('content-type') ?? '' });
    for await (const part of body ?? []) response.write(part);
    response.end();
  });
  proxy.on('upgrade', ({ url, headers }, socket) => {
    get(`${own.origin}${url}`, { headers }, (answer) => {
      answer.resume();
      socket.end(`HTTP/1.1 ${answer.statusCode} Refused\r\nConnection: close\r\n\r\n`);
    });
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => proxy.close());
  const hub = ['--hub', `https://localhost:${(proxy.address() as AddressInfo).port}/hub`];

  const trusting = await findings(hub, { NODE_EXTRA_CA_CERTS: authority });
  assert.equal(trusting.code, 0, JSON.stringify(trusting.list));
  assert.deepEqual(
    trusting.list.map(({ check, status }) => [check, status]),
    ['tls', 'hub', 'clock', 'websocket'].map((check) => [check, 'ok']),
  );
  assert.match(trusting.of('tls')[0]?.message, /^the certificate is good for \d+ days$/);

  const strange = await findings(hub);
  assert.equal(strange.code, 1);
  const [tls] = strange.of('tls');
  assert.match(tls?.message, /clients will not trust the certificate/);
  assert.match(tls?.fix, /NODE_EXTRA_CA_CERTS/);
});

test('doctor proposes the switches of a client from what it has sent, and only those', async () => {
  const event = (name: string, context: unknown) => ({
    timestamp: '2026-01-01T00:00:00Z',
    id: 'e1',
    event: { 'hub.topic': 't', 'hub.event': name, context },
  });
  const study = { key: 'study', resource: { resourceType: 'ImagingStudy', id: 's1' } };
  const form = 'hub.mode=subscribe&hub.topic=t&hub.events=diagnosticreport-opened%2Cdicom-send';
  const file = join(folder, 'recorded.jsonl');
  await writeFile(file, `${form}\n${JSON.stringify(event('DiagnosticReport-open', [study]))}\n`);
  const good = await findings(['--client', file]);
  assert.equal(good.code, 0);
  const proposal =
    '2 messages: "switches": {"dialects":["participleNames","studyReports"],"vendorEvents":["dicom-send"]}';
  assert.equal(good.list.at(-1)?.message, proposal);
  assert.match(good.list[2]?.message, /^studyReports, since message 2: DiagnosticReport-open: context key "report"/);

  await writeFile(file, JSON.stringify([event('Patient-open', []), 5]));
  const bad = await findings(['--client', file]);
  assert.equal(bad.code, 1);
  const problems = bad.list.filter(({ status }) => status === 'problem');
  assert.equal(problems.length, 2);
  assert.equal(bad.list.at(-1)?.message, '2 messages: no switch is proposed');
  for (const missing of [join(folder, 'absent'), folder]) assert.equal((await findings(['--client', missing])).code, 1);
});
