/** An application that got its token from somebody else's authorization server works here unchanged (REG-5). */
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Lockstep, startLockstep } from '@lockstep/server';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { lockstep as command } from './command-line.ts';
import { Backend, EVERYTHING, HubClient, type Json, patient, testConfig } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-issuers-'));
const file = join(folder, 'issuers.json');
let away = false;
let issuer = '';
let key: Awaited<ReturnType<typeof generateKeyPair>>;
let server: Lockstep;

const outside = createServer(async (request, response) => {
  if (away) return response.writeHead(503).end();
  const keys = [{ ...(await exportJWK(key.publicKey)), kid: 'k', alg: 'RS256' }];
  const body = request.url === '/jwks' ? { keys } : { issuer, jwks_uri: `${issuer}/jwks` };
  return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
});

before(async () => {
  key = await generateKeyPair('RS256');
  await new Promise<void>((resolve) => outside.listen(0, '127.0.0.1', resolve));
  issuer = `http://127.0.0.1:${(outside.address() as AddressInfo).port}`;
  const scopes = { clinician: 'fhircast/*.* hub/session.* user/*.rs' };
  const claims = { scopes: ['scope', 'roles'] };
  writeFileSync(file, JSON.stringify({ issuers: [{ name: 'sso', issuer, audience: 'lockstep', claims, scopes }] }));
  server = await startLockstep(testConfig({ trustedIssuers: file }));
});

after(async () => {
  await server.close();
  outside.close();
  outside.closeAllConnections();
  await rm(folder, { recursive: true });
});

function token(claims: Json): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ iss: issuer, aud: 'lockstep', azp: 'viewer', iat: now, exp: now + 300, ...claims })
    .setProtectedHeader({ alg: 'RS256', kid: 'k' })
    .sign(key.privateKey);
}

const lena = (sid: string) => token({ sub: 's-1', sid, preferred_username: 'lokafor', roles: ['clinician'] });

test('REG-5 it subscribes, publishes and reads in the sessions of its user, and in no other', async () => {
  const ehr = new HubClient(`${server.origin}/hub`, await (await Backend.register(server.origin)).token(EVERYTHING));
  const topic = await ehr.session('dr-lena-okafor');
  const other = await ehr.session('dr-mei-tanaka');
  const app = new HubClient(`${server.origin}/hub`, await lena('one'));
  const subscriber = await app.subscribe(topic, 'Patient-open');
  await subscriber.next();
  assert.equal((await ehr.publish(topic, 'Patient-open', [patient('p1')])).status, 202);
  assert.equal((await subscriber.event()).event.context[0].resource.id, 'p1');
  assert.equal((await app.publish(topic, 'Patient-open', [patient('p2')])).status, 202);
  assert.equal((await app.publish(other, 'Patient-open', [patient('p3')])).status, 404);
  const read = await fetch(`${server.origin}/fhir/Patient?_count=1`, {
    headers: { authorization: `Bearer ${await lena('one')}` },
  });
  assert.equal(read.status, 200);
  await subscriber.close();
});

test('REG-5 signing out there denies its live subscription here', async () => {
  const ehr = new HubClient(`${server.origin}/hub`, await (await Backend.register(server.origin)).token(EVERYTHING));
  const topic = await ehr.session('dr-lena-okafor');
  const app = new HubClient(`${server.origin}/hub`, await lena('two'));
  const subscriber = await app.subscribe(topic, 'Patient-open');
  assert.equal((await subscriber.next())['hub.mode'], 'subscribe');
  const events = { 'http://schemas.openid.net/event/backchannel-logout': {} };
  const logout_token = await token({ sub: 's-1', sid: 'two', jti: crypto.randomUUID(), events });
  const answer = await fetch(`${server.origin}/auth/backchannel-logout`, {
    method: 'POST',
    body: new URLSearchParams({ logout_token }),
  });
  assert.equal(answer.status, 200);
  const denial = await subscriber.next();
  assert.deepEqual([denial['hub.mode'], denial['hub.reason']], ['denied', 'the user signed out at sso']);
  assert.equal((await app.request(`/${topic}`)).status, 401);
});

test('REG-5 while the issuer is away, Hub and FHIR answer 503, and forged tokens 401 once it is back', async () => {
  const doors = [`${server.origin}/hub/session`, `${server.origin}/fhir/Patient?_count=1`];
  const lockstep = await startLockstep(testConfig({ trustedIssuers: file }));
  try {
    away = true;
    for (const door of doors.map((one) => one.replace(server.origin, lockstep.origin))) {
      const response = await fetch(door, { headers: { authorization: `Bearer ${await lena('three')}` } });
      assert.equal(response.status, 503, door);
      assert.ok(Number(response.headers.get('retry-after')) > 0, door);
    }
  } finally {
    away = false;
    await lockstep.close();
  }
  const [head, claims] = (await lena('four')).split('.');
  for (const door of doors) {
    const forged = { authorization: `Bearer ${head}.${claims}.${'A'.repeat(342)}` };
    assert.equal((await fetch(door, { headers: forged })).status, 401, door);
  }
});

test('REG-5 a mistake in the file stops the start and is named; lockstep doctor examines the issuer', async () => {
  const bad = join(folder, 'bad.json');
  writeFileSync(bad, JSON.stringify({ issuers: [{ name: 'sso', issuer }] }));
  await assert.rejects(startLockstep(testConfig({ trustedIssuers: bad })), /issuers\[0\]\.audience/);
  const doctor = (name: string, path = file) =>
    command(['doctor', '--issuer', name, '--json'], { env: { LOCKSTEP_TRUSTED_ISSUERS: path } });
  const found = await doctor('sso');
  assert.equal(found.code, 0, found.stdout);
  assert.match(found.stdout, /"keys"/);
  assert.notEqual((await doctor('nobody')).code, 0);
  assert.match((await doctor('sso', bad)).stdout, /audience/);
  away = true;
  const dark = await doctor('sso');
  away = false;
  assert.match(dark.stdout, /cannot be read/);
});
