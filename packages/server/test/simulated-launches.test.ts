/** Launches to order: who, by what kind of client, with which pages. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { type DeclaredClient, type Simulated, simulatedServer } from '@lockstep/console/simulation';
import { startLockstep } from '@lockstep/server';
import { standInOf } from '../src/simulation/stand-ins.ts';
import { ConsolePerson } from './console-person.ts';
import { type Json, json, sharedLockstep, testConfig } from './harness.ts';
import { App, fhir, type Kind, Person, REDIRECT, returned } from './person.ts';

const SCOPE = 'openid fhirUser launch/patient launch/encounter patient/*.rs offline_access';
const NO_PKCE = { code_challenge: undefined, code_challenge_method: undefined };

const lockstep = await sharedLockstep({ sampleData: true });
const { origin } = lockstep;

const at = (simulated: Partial<Simulated>): string => simulatedServer(origin, simulated);

async function signedIn(): Promise<Person> {
  const lena = new Person(origin);
  await lena.signIn();
  return lena;
}

let names = 0;

/** An unregistered app of a type, and its description in the launch's address. */
async function declared(type: Kind, more: Partial<DeclaredClient> = {}, keys?: (app: App) => Promise<string>) {
  names += 1;
  const secret = type === 'symmetric' ? 'kept by the app' : '';
  const app = await App.unregistered(origin, type, `app-${names}`, secret);
  const jwks = JSON.stringify(app.registration.jwks);
  const client: DeclaredClient = {
    type,
    id: app.clientId,
    ...(secret && { secret }),
    ...(type === 'asymmetric' && { keys: keys ? await keys(app) : jwks }),
    ...more,
  };
  return { app: app.at(at({ client })), client };
}

test('a client of each type is held to what the launch declares of it', async () => {
  for (const type of ['public', 'symmetric', 'asymmetric'] as const) {
    const { app, client } = await declared(type, { redirects: [REDIRECT], scope: SCOPE });
    const lena = await signedIn();
    const granted = await app.tokens(lena, SCOPE);
    assert.equal((await fhir(origin, `Patient/${granted.patient}`, granted.access_token)).status, 200, type);
    assert.equal((await app.refresh(granted.refresh_token)).status, 200, type);
    // Another name, address or proof is refused, as a registered client's would be.
    const stranger = await App.unregistered(at({ client }), type, 'another', 'kept by the app');
    assert.equal((await lena.go(stranger.begin(SCOPE).url)).status, 400, `${type}: client_id`);
    const elsewhere = app.begin(SCOPE, { redirect_uri: `${REDIRECT}/elsewhere` });
    assert.equal((await lena.go(elsewhere.url)).status, 400, `${type}: redirect_uri`);
    const more = await lena.go(app.begin('user/*.cruds').url);
    assert.equal(returned(more).get('error'), 'invalid_scope', `${type}: scope`);
    if (type === 'public') continue;
    const thief = await App.unregistered(at({ client }), type, app.clientId, 'guessed');
    const { code, verifier } = await app.code(lena, SCOPE);
    const stolen = await thief.redeem(code, verifier);
    assert.deepEqual([stolen.status, stolen.body.error], [401, 'invalid_client'], `${type}: proof`);
  }
});

test('keys may come from an address, and what the launch leaves open is whatever the app asks for', async () => {
  const { app } = await declared('asymmetric', {}, async (one) => {
    const server = createServer((_, response) => response.end(JSON.stringify(one.registration.jwks))).unref();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
  });
  const granted = await app.tokens(await signedIn(), SCOPE);
  assert.equal((await fhir(origin, `Patient/${granted.patient}`, granted.access_token)).status, 200);
});

test('a declared client is not a registered app: it takes the name of none, and no list shows it', async () => {
  const real = await App.register(origin, 'public');
  const client: DeclaredClient = { type: 'public', id: real.clientId };
  const lena = await signedIn();
  const page = await lena.go(real.at(at({ client })).begin(SCOPE).url);
  assert.equal(page.status, 400);
  assert.match(page.text, /is a registered app/);
  for (const id of ['lockstep-console', 'sample-viewer']) {
    const taken = await App.unregistered(at({ client: { type: 'public', id } }), 'public', id);
    assert.equal((await lena.go(taken.begin(SCOPE).url)).status, 400, id);
  }
  const { app } = await declared('public');
  await app.tokens(lena, SCOPE);
  const list = await (await lena.request('/api/console/apps')).text();
  assert.doesNotMatch(list, /declared in the launch/);
  const bad = await declared('asymmetric', {}, async () => 'no keys');
  const refused = await lena.go(bad.app.begin(SCOPE).url);
  assert.equal(refused.status, 400);
  assert.match(refused.text, /jwks/);
});

test('CWE-601 a link sends nobody elsewhere without a registration, and hands over nothing unasked', async () => {
  const lena = await signedIn();
  const elsewhere = [
    'https://evil.example/',
    'http://localhost.evil.example/',
    'http://127.0.0.1.evil.example/',
    '//evil',
  ];
  for (const redirect of elsewhere) {
    const client: DeclaredClient = { type: 'public', id: 'from-a-link' };
    for (const simulated of [
      { client },
      { client: { ...client, redirects: [redirect] } },
      { client: { ...client, redirects: [redirect] }, faults: ['bad-scope'] as const },
      { unchecked: true },
      { unchecked: true, skipsConsent: true },
    ]) {
      const app = App.stranger(at(simulated), client.id);
      for (const changes of [{}, { state: undefined }, { response_type: 'token' }]) {
        const page = await lena.go(app.begin(SCOPE, { redirect_uri: redirect, ...changes }).url);
        assert.equal(page.status, 400, `${redirect} ${JSON.stringify(simulated)}`);
        assert.ok(page.url.startsWith(origin), page.url);
      }
    }
  }
  const remote = 'https://app.example.org/back';
  const registered = await App.register(origin, 'public', { redirect_uris: [remote] });
  const page = await lena.go(
    registered.at(at({ skipsConsent: true, skipsPickers: true })).begin(SCOPE, { redirect_uri: remote }).url,
  );
  assert.match(page.text, /<title>Allow access/);
});

test('a backend service gets its token, by keys in the address or at an address', async () => {
  const { app } = await declared('asymmetric', { backend: true, scope: 'system/*.rs' });
  const form = { grant_type: 'client_credentials', scope: 'system/Patient.rs' };
  const granted = await app.post('/auth/token', form);
  assert.equal(granted.status, 200, JSON.stringify(granted.body));
  assert.equal((await fhir(app.origin, 'Patient?_count=1', granted.body.access_token)).status, 200);
  const again = await app.post('/auth/token', form);
  assert.equal(again.status, 200);
  assert.equal(
    (await fhir(app.origin, 'Patient?_count=1', granted.body.access_token)).status,
    200,
    'the first one lasts',
  );
  const wrong = await app.at(app.origin.replace('/simulate/', '/simulate/used-jti,')).post('/auth/token', form);
  assert.deepEqual([wrong.status, wrong.body.error], [401, 'invalid_client']);
});

test('PKCE: always by rule, where the app began with it, or never', async () => {
  const lena = await signedIn();
  const app = await App.register(origin, 'symmetric');
  const withoutChallenge = (base: string) => lena.go(app.at(base).begin(SCOPE, NO_PKCE).url);
  assert.equal(returned(await withoutChallenge(at({}))).get('error'), 'invalid_request');
  for (const pkce of ['auto', 'none'] as const) {
    const loose = app.at(at({ pkce }));
    const { code } = await loose.code(lena, SCOPE, {}, NO_PKCE);
    const fields = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT };
    assert.equal((await loose.post('/auth/token', fields)).status, 200, pkce);
    // Who began with a challenge is held to it by "auto", and to nothing by "none".
    const begun = await loose.code(lena, SCOPE);
    const other = await loose.redeem(begun.code, 'x'.repeat(43));
    assert.equal(other.status, pkce === 'auto' ? 400 : 200, pkce);
    const smart = await json(fetch(`${loose.origin}/fhir/.well-known/smart-configuration`));
    assert.equal('code_challenge_methods_supported' in smart, pkce === 'auto');
  }
});

test('pages that are skipped are not shown, and what they ask for is there', async () => {
  const lena = await signedIn();
  const app = await App.register(origin, 'public');
  const titles = async (simulated: Partial<Simulated>) => {
    const there = app.at(at(simulated));
    const { code, verifier, titles: shown } = await there.code(lena, SCOPE);
    const { body } = await there.redeem(code, verifier);
    return { shown, patient: body.patient as string, encounter: body.encounter as string };
  };
  const all = await titles({});
  assert.deepEqual(all.shown, ['Choose a patient', 'Choose an encounter', 'Allow access']);
  const picked = await titles({ skipsPickers: true });
  assert.deepEqual(picked.shown, ['Allow access']);
  assert.ok(picked.patient && picked.encounter);
  const chosen = await titles({ skipsPickers: true, chart: 'kofi-mensah' });
  assert.equal(chosen.patient, 'kofi-mensah');
  const silent = await titles({ skipsPickers: true, skipsConsent: true });
  assert.deepEqual(silent.shown, []);
  const only = await titles({ skipsConsent: true });
  assert.deepEqual(only.shown, ['Choose a patient', 'Choose an encounter']);
  const again = await titles({ asksSignIn: true, skipsPickers: true });
  assert.deepEqual(again.shown, ['Sign in', 'Allow access']);
});

test('an EHR launch skips its pages too', async () => {
  const lena = new Person(origin);
  const { csrf } = await lena.signIn();
  const app = await App.register(origin, 'public');
  const headers = { 'content-type': 'application/json', 'x-csrf-token': csrf };
  const body = JSON.stringify({ app: app.clientId, skip_consent: true, skip_pickers: true });
  const made = await json(lena.request('/api/console/simulation/launch', { method: 'POST', headers, body }));
  const launch = new URL(made.launch_url).searchParams.get('launch') ?? '';
  const { code, verifier, titles } = await app.code(lena, `${SCOPE} launch`, {}, { launch });
  assert.deepEqual(titles, []);
  const { body: granted } = await app.redeem(code, verifier);
  assert.ok(granted.patient && granted.encounter, JSON.stringify(granted));
  // Nobody else can leave the question out.
  const own = await lena.launch({
    client_id: app.clientId,
    patient: 'amara-diallo',
    consented: true,
    skip_consent: true,
  });
  const asked = await app.code(lena, `${SCOPE} launch`, {}, { launch: own.body.launch });
  assert.ok(asked.titles.includes('Allow access'));
});

test('a patient launches for themselves, from a portal or the app, and sees no other patient', async () => {
  const lena = await signedIn();
  const app = await App.register(origin, 'public');
  const there = app.at(at({ person: { kind: 'patient', id: 'kofi-mensah' } }));
  const granted = await there.tokens(lena, SCOPE);
  assert.equal(granted.patient, 'kofi-mensah');
  const me = JSON.parse(Buffer.from(granted.id_token.split('.')[1], 'base64url').toString()) as Json;
  assert.match(me.fhirUser, /Patient\/kofi-mensah$/);
  assert.equal((await fhir(origin, 'Patient/kofi-mensah', granted.access_token)).status, 200);
  assert.notEqual((await fhir(origin, 'Patient/amara-diallo', granted.access_token)).status, 200);
  assert.equal((await json(lena.request('/auth/session'))).user, 'Practitioner/dr-lena-okafor', 'who signed in stays');

  const { csrf } = await json(lena.request('/auth/session'));
  const headers = { 'content-type': 'application/json', 'x-csrf-token': csrf };
  const ask = (body: object) =>
    lena.request('/api/console/simulation/launch', { method: 'POST', headers, body: JSON.stringify(body) });
  const made = await json(ask({ app: app.clientId, user: 'Patient/kofi-mensah', patient: 'kofi-mensah' }));
  const launch = new URL(made.launch_url).searchParams.get('launch') ?? '';
  assert.equal((await there.tokens(lena, `${SCOPE} launch`, {}, { launch })).patient, 'kofi-mensah');
  const other = await ask({ app: app.clientId, user: 'Patient/kofi-mensah', patient: 'amara-diallo' });
  assert.equal(other.status, 400, 'a patient is launched with their own chart');
  for (const user of ['Patient/nobody', 'Practitioner/nobody', 'Patient/', 'Observation/1', 'nobody']) {
    assert.equal((await ask({ app: app.clientId, user })).status, 400, user);
  }
});

test('anybody of the record who works here can be launched as, and is asked to sign in where it is wanted', async () => {
  const lena = await signedIn();
  const app = await App.register(origin, 'public');
  const person = { kind: 'practitioner', id: 'dr-samuel-abebe' } as const;
  const granted = await app.at(at({ person, chart: 'kofi-mensah' })).tokens(lena, `${SCOPE} user/*.rs`);
  assert.equal((await fhir(origin, 'Practitioner/dr-samuel-abebe', granted.access_token)).status, 200);
  assert.equal(granted.patient, 'kofi-mensah');
  const asking = app.at(at({ person: { kind: 'patient', id: 'priya-raman' }, asksSignIn: true }));
  const page = await lena.go(asking.begin(SCOPE).url);
  assert.match(page.text, /<title>Sign in/);
  assert.match(page.text, /Priya Raman/);
  assert.doesNotMatch(page.text, /Mei Tanaka/, 'who is expected is offered alone');
  const id = /name="sample" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
  const end = await lena.through(page, { user: id });
  assert.ok(returned(end).get('code'));
  assert.equal((await json(lena.request('/auth/session'))).user, 'Practitioner/dr-lena-okafor');
});

test('a person with a password of their own is never launched as by somebody else', async () => {
  const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
  const body = { id: 'own', name: 'Own Person', reference: 'Practitioner/own', password: 'a long enough phrase 1' };
  assert.equal((await admin.call('POST', 'users', body)).status, 201);
  const lena = await signedIn();
  const app = await App.register(origin, 'public');
  for (const kind of ['practitioner', 'user'] as const) {
    const page = await lena.go(app.at(at({ person: { kind, id: 'own' } })).begin(SCOPE).url);
    assert.equal(page.status, 400, kind);
  }
});

test('what simulated launches left is gone where launches are not simulated', async () => {
  const config = testConfig({ sampleData: true });
  const client: DeclaredClient = { type: 'public', id: 'left-behind' };
  const first = await startLockstep(config);
  const lena = new Person(first.origin);
  await lena.signIn();
  const declaredApp = await App.unregistered(simulatedServer(first.origin, { client }), 'public', client.id);
  await declaredApp.tokens(lena, SCOPE);
  const unchecked = App.stranger(simulatedServer(first.origin, { unchecked: true }), 'nobody');
  await unchecked.tokens(lena, SCOPE);
  await first.close();
  const second = await startLockstep({ ...config, sampleData: false });
  for (const id of [client.id, standInOf('nobody')]) {
    const page = await new Person(second.origin).go(App.stranger(second.origin, id).begin(SCOPE).url);
    assert.deepEqual([page.status, /not known here/.test(page.text)], [400, true], id);
  }
  await second.close();
  await rm(config.data, { recursive: true, force: true });
});
