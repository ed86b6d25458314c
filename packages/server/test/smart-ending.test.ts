/** What ends access ends it everywhere at once: FHIR, Hub, live subscriptions (TOK-4, TOK-6, REG-3, SES-5). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Backend, HubClient, type Json, json, patient, Subscriber, sharedLockstep } from './harness.ts';
import { App, answerOf, fhir, formsOf, Person, resources } from './person.ts';

const lockstep = await sharedLockstep({ refreshGraceSeconds: 0 });
const { origin } = lockstep;
const SCOPE = 'openid fhirUser patient/*.rs user/Patient.rs fhircast/*.*';
const viewer = await HubClient.backend(origin, 'system/Patient.rs', { scope: 'system/Patient.rs' });
const [first] = await resources(origin, 'Patient?_count=1', viewer.token);
const PATIENT = String(first?.id);

interface Following {
  readonly person: Person;
  readonly app: App;
  readonly token: Json;
  readonly topic: string;
  readonly hub: HubClient;
  readonly subscriber: Subscriber;
}

/** An app that was launched for a patient and follows the session. */
async function following(user: string, more = '', app?: App): Promise<Following> {
  const person = new Person(origin);
  const { session_topic: topic } = await person.signIn(user, crypto.randomUUID());
  const launched = app ?? (await App.register(origin));
  const token = await launched.launched(person, `launch ${SCOPE} ${more}`.trim(), { patient: PATIENT, topic });
  const hub = new HubClient(token['hub.url'], token.access_token);
  const subscriber = await hub.subscribe(topic, 'Patient-open');
  await subscriber.next();
  assert.equal((await fhir(origin, `Patient/${PATIENT}`, token.access_token)).status, 200);
  return { person, app: launched, token, topic, hub, subscriber };
}

async function assertEnded({ token, topic, hub, subscriber }: Following, reason: RegExp): Promise<void> {
  const denial = await subscriber.next();
  assert.deepEqual([denial['hub.mode'], denial['hub.topic']], ['denied', topic]);
  assert.match(denial['hub.reason'], reason);
  assert.equal((await subscriber.closed).code, 1000);
  assert.equal((await fhir(origin, `Patient/${PATIENT}`, token.access_token)).status, 401);
  assert.equal((await hub.request(`/${topic}`)).status, 401);
  assert.equal((await hub.publish(topic, 'Patient-open', [patient('p')])).status, 401);
  await assert.rejects(Subscriber.connect(subscriber.endpoint), 'the endpoint is dead');
}

describe('what ends access', () => {
  it('TOK-6 revoking the access token ends FHIR access and the live subscription', async () => {
    const one = await following('dr-lena-okafor', 'offline_access');
    const other = await following('dr-lena-okafor', 'offline_access', one.app);
    assert.equal((await one.app.post('/auth/revoke', { token: one.token.access_token })).status, 200);
    await assertEnded(one, /revoked/);
    assert.equal((await one.app.refresh(one.token.refresh_token)).body.error, 'invalid_grant');
    // The same app's other window is another grant.
    assert.equal((await fhir(origin, `Patient/${PATIENT}`, other.token.access_token)).status, 200);
    assert.equal(other.subscriber.waiting.length, 0);
    await other.subscriber.close();
  });

  it('TOK-6 revoking the refresh token ends what it had brought', async () => {
    const one = await following('dr-lena-okafor', 'offline_access');
    assert.equal((await one.app.post('/auth/revoke', { token: one.token.refresh_token })).status, 200);
    await assertEnded(one, /revoked/);
  });

  it('AUT-6 a code that is used again ends what the first use got', async () => {
    const person = new Person(origin);
    const { session_topic: topic } = await person.signIn('dr-mei-tanaka', 'replay');
    const app = await App.register(origin);
    const { code, verifier } = await app.code(person, 'patient/*.rs fhircast/*.*', {
      patient: PATIENT,
      topics: [topic],
    });
    const { body: token } = await app.redeem(code, verifier);
    const hub = new HubClient(token['hub.url'], token.access_token);
    const subscriber = await hub.subscribe(topic, 'Patient-open');
    await subscriber.next();
    assert.equal((await app.redeem(code, verifier)).body.error, 'invalid_grant');
    await assertEnded({ person, app, token, topic, hub, subscriber }, /used twice/);
  });

  it('TOK-4 a refresh token that is used again ends the family', async () => {
    const one = await following('dr-mei-tanaka', 'offline_access');
    const { body: next } = await one.app.refresh(one.token.refresh_token);
    assert.ok(next.access_token);
    assert.equal((await one.app.refresh(one.token.refresh_token)).body.error, 'invalid_grant');
    await assertEnded(one, /used twice/);
    assert.equal((await fhir(origin, `Patient/${PATIENT}`, next.access_token)).status, 401);
  });

  it('TOK-4 signing out ends the apps of that sign-in, of no other; offline_access may come back', async () => {
    const online = await following('dr-tomas-lindqvist', 'online_access');
    const elsewhere = await following('dr-tomas-lindqvist', 'online_access');
    const offlineApp = await App.register(origin);
    const offlineToken = await offlineApp.launched(online.person, `launch ${SCOPE} offline_access`, {
      patient: PATIENT,
      topic: online.topic,
    });
    const hub = new HubClient(offlineToken['hub.url'], offlineToken.access_token);
    const subscriber = await hub.subscribe(online.topic, 'Patient-open');
    await subscriber.next();
    const offline = { ...online, app: offlineApp, token: offlineToken, hub, subscriber };
    await online.person.signOut();
    await assertEnded(online, /signed out/);
    await assertEnded(offline, /signed out/);
    assert.equal((await online.app.refresh(online.token.refresh_token)).body.error, 'invalid_grant');
    const { status, body } = await offlineApp.refresh(offlineToken.refresh_token);
    assert.equal(status, 200);
    assert.equal((await fhir(origin, `Patient/${PATIENT}`, body.access_token)).status, 200);
    assert.equal((await fhir(origin, `Patient/${PATIENT}`, elsewhere.token.access_token)).status, 200);
    assert.equal(elsewhere.subscriber.waiting.length, 0);
    await elsewhere.subscriber.close();
  });

  it('REG-3 suspending an app ends its tokens of every person, and lets none in until it is active again', async () => {
    const one = await following('dr-lena-okafor', 'offline_access');
    const other = await following('dr-mei-tanaka', 'offline_access', one.app);
    const administrator = new Person(origin);
    const { csrf } = await administrator.signIn('admin');
    const path = `/api/console/apps/${one.app.clientId}`;
    const act = async (action: string): Promise<Response> => {
      const { revision } = await json(administrator.request(path));
      return administrator.request(`${path}/${action}`, {
        method: 'POST',
        headers: { 'x-csrf-token': csrf, 'content-type': 'application/json' },
        body: JSON.stringify({ revision }),
      });
    };
    assert.equal((await act('suspend')).status, 200);
    await assertEnded(one, /suspended/);
    await assertEnded(other, /suspended/);
    assert.equal((await one.app.refresh(one.token.refresh_token)).status, 401);
    const page = await one.person.go(one.app.begin('openid').url);
    assert.deepEqual([page.status, page.url.startsWith(origin)], [400, true], 'an error page, no redirect');
    assert.equal((await act('activate')).status, 200);
    assert.equal((await one.app.tokens(one.person, 'openid')).token_type, 'Bearer');
    assert.equal((await one.app.refresh(one.token.refresh_token)).body.error, 'invalid_grant', 'gone is gone');
  });

  it('REG-3 suspending a backend service ends it the same way', async () => {
    const backend = await Backend.register(origin);
    const service = new HubClient(`${origin}/hub`, await backend.token());
    const topic = await service.session('Practitioner/dr-mei-tanaka', 'backend');
    const subscriber = await service.subscribe(topic, 'Patient-open');
    await subscriber.next();
    const administrator = new Person(origin);
    const { csrf } = await administrator.signIn('admin');
    const path = `/api/console/apps/${backend.clientId}/suspend`;
    await administrator.request(path, { method: 'POST', headers: { 'x-csrf-token': csrf } });
    assert.match((await subscriber.next())['hub.reason'], /suspended/);
    assert.equal((await subscriber.closed).code, 1000);
    assert.equal((await service.request(`/${topic}`)).status, 401);
    await assert.rejects(backend.token(), /invalid_client/);
  });

  it('RFC 7592 an app that deletes its registration ends its access', async () => {
    const one = await following('dr-mei-tanaka');
    const { registration_client_uri: address, registration_access_token: token } = one.app.registration;
    const headers = { authorization: `Bearer ${token}` };
    const read = await answerOf(fetch(address, { headers }));
    assert.equal(read.status, 200);
    for (const field of [
      'client_id',
      'registration_client_uri',
      'registration_access_token',
      'redirect_uris',
      'scope',
    ]) {
      assert.deepEqual(read.body[field], one.app.registration[field], field);
    }
    assert.equal(read.headers.get('cache-control'), 'no-store');
    assert.equal((await fetch(address, { method: 'DELETE', headers })).status, 204);
    await assertEnded(one, /deleted/);
    assert.equal((await fetch(address, { headers })).status, 401);
  });

  it('DIS-2 what the person takes back at the management page ends', async () => {
    const one = await following('dr-lena-okafor', 'offline_access');
    const page = await one.person.go('/auth/manage');
    const mine = formsOf(page).filter(({ buttons }) => buttons.some(({ name }) => name === 'grant'));
    assert.ok(mine.length >= 1);
    for (const { buttons } of mine) await one.person.submit(page, { name: 'grant', value: String(buttons[0]?.value) });
    await assertEnded(one, /took back/);
  });

  it('SES-5 ending the session denies its subscribers; their tokens stay good for FHIR', async () => {
    const one = await following('dr-tomas-lindqvist');
    const ehr = await HubClient.backend(origin);
    assert.equal((await ehr.request(`/session/${one.topic}`, { method: 'DELETE' })).status, 204);
    const denial = await one.subscriber.next();
    assert.deepEqual([denial['hub.mode'], denial['hub.reason']], ['denied', 'The session was ended']);
    assert.equal((await one.subscriber.closed).code, 1000);
    assert.equal((await fhir(origin, `Patient/${PATIENT}`, one.token.access_token)).status, 200);
    assert.equal((await one.hub.request(`/${one.topic}`)).status, 404);
  });

  it('TOK-6 a subscription that is made while its token is revoked does not outlive it', async () => {
    const ehr = await HubClient.backend(origin);
    for (let round = 0; round < 8; round += 1) {
      const backend = await Backend.register(origin);
      const token = await backend.token();
      const service = new HubClient(`${origin}/hub`, token);
      const topic = await ehr.session('Practitioner/dr-mei-tanaka', `race ${round}`);
      const form = {
        'hub.channel.type': 'websocket',
        'hub.mode': 'subscribe',
        'hub.topic': topic,
        'hub.events': 'Patient-open',
      };
      const asking = Array.from({ length: 12 }, () => service.form(form));
      await Promise.all([...asking, backend.revoke(token)]);
      const [listed] = (await (await ehr.request(`/session?workstation=race ${round}`)).json()) as Json[];
      assert.deepEqual(listed?.subscribers, [], `round ${round}`);
    }
  });
});
