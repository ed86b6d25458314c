/** An application that got its token from somebody else's authorization server works here unchanged (REG-5). */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { startLockstep } from '@lockstep/server';
import { lockstep as command } from './command-line.ts';
import { Backend, EVERYTHING, HubClient, patient, sharedLockstep, testConfig } from './harness.ts';
import { sharedIssuer } from './issuer.ts';

const issuer = await sharedIssuer({
  claims: { scopes: ['scope', 'roles'] },
  scopes: { clinician: 'fhircast/*.* hub/session.* user/*.rs' },
});
const { file } = issuer;
const server = await sharedLockstep({ trustedIssuers: file });

const lena = (sid: string) => issuer.token({ sub: 's-1', sid, preferred_username: 'lokafor', roles: ['clinician'] });

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
  assert.equal((await issuer.signOut(server.origin, { sub: 's-1', sid: 'two' })).status, 200);
  const denial = await subscriber.next();
  assert.deepEqual([denial['hub.mode'], denial['hub.reason']], ['denied', 'the user signed out at sso']);
  assert.equal((await app.request(`/${topic}`)).status, 401);
});

test('REG-5 while the issuer does not answer, Hub and FHIR answer 503; once it is back, forged tokens get 401', async () => {
  const doors = [`${server.origin}/hub/session`, `${server.origin}/fhir/Patient?_count=1`];
  const lockstep = await startLockstep(testConfig({ trustedIssuers: file }));
  try {
    issuer.away = true;
    for (const door of doors.map((one) => one.replace(server.origin, lockstep.origin))) {
      const response = await fetch(door, { headers: { authorization: `Bearer ${await lena('three')}` } });
      assert.equal(response.status, 503, door);
      assert.ok(Number(response.headers.get('retry-after')) > 0, door);
    }
  } finally {
    issuer.away = false;
    await lockstep.close();
  }
  const [head, claims] = (await lena('four')).split('.');
  for (const door of doors) {
    const forged = { authorization: `Bearer ${head}.${claims}.${'A'.repeat(342)}` };
    assert.equal((await fetch(door, { headers: forged })).status, 401, door);
  }
});

test('REG-5 a mistake in the file stops the start and is named; lockstep doctor examines the issuer', async () => {
  const bad = join(dirname(file), 'bad.json');
  writeFileSync(bad, JSON.stringify({ issuers: [{ name: 'sso', issuer: issuer.url }] }));
  await assert.rejects(startLockstep(testConfig({ trustedIssuers: bad })), /issuers\[0\]\.audience/);
  const doctor = (name: string, path = file) =>
    command(['doctor', '--issuer', name, '--json'], { env: { LOCKSTEP_TRUSTED_ISSUERS: path } });
  const found = await doctor('sso');
  assert.equal(found.code, 0, found.stdout);
  assert.match(found.stdout, /"keys"/);
  assert.notEqual((await doctor('nobody')).code, 0);
  assert.match((await doctor('sso', bad)).stdout, /audience/);
  issuer.away = true;
  const dark = await doctor('sso');
  issuer.away = false;
  assert.match(dark.stdout, /cannot be read/);
});
