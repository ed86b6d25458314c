import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConsolePerson } from './console-person.ts';
import { json, withLockstep } from './harness.ts';
import { App, fhir, Person, REDIRECT, returned } from './person.ts';

const SCOPE = 'openid fhirUser launch user/*.rs offline_access fhircast/*.*';

test('with client checks off an app that nobody registered is let in, and asks for consent', () =>
  withLockstep(async ({ origin }) => {
    const lena = new Person(origin);
    await lena.signIn();
    const stranger = App.stranger(`${origin}/simulate/unchecked`, 'nobody');
    const { code, verifier, titles } = await stranger.code(lena, SCOPE, {}, { launch: undefined });
    assert.deepEqual(titles, ['Allow access']);
    const granted = await stranger.redeem(code, verifier);
    assert.equal(granted.status, 200, JSON.stringify(granted.body));
    assert.equal((await fhir(origin, 'Patient?_count=1', granted.body.access_token)).status, 200);
    assert.equal((await stranger.refresh(granted.body.refresh_token)).status, 200);
    // PKCE may be missing, and a secret may be anything.
    const bare = await stranger.code(lena, SCOPE, {}, { code_challenge: undefined, code_challenge_method: undefined });
    const credentials = { client_secret: 'whatever', client_id: 'nobody' };
    const fields = { grant_type: 'authorization_code', code: bare.code, redirect_uri: REDIRECT, ...credentials };
    assert.equal((await stranger.post('/auth/token', fields)).status, 200);

    const real = App.stranger(origin, 'nobody');
    assert.equal((await lena.go(real.begin(SCOPE).url)).status, 400, 'the real endpoint checks');
    const dangerous = stranger.begin(SCOPE, { redirect_uri: 'javascript:alert(1)' });
    assert.equal((await lena.request(dangerous.url)).status, 400);
    const apps = await (await (await ConsolePerson.signIn(origin, { sample: 'admin' })).call('GET', 'apps')).text();
    assert.doesNotMatch(apps, /not checked/, 'it stands in for an app, and is none');
  }));

test('with client checks off a registered app may come from an address it never named, and how it proves itself is not looked at', () =>
  withLockstep(async ({ origin }) => {
    const registered = await App.register(origin, 'asymmetric', { redirect_uris: ['https://app.example.org/'] });
    const lena = new Person(origin);
    await lena.signIn();
    const page = await lena.go(registered.begin(SCOPE).url);
    assert.equal(page.status, 400);
    const loose = registered.at(`${origin}/simulate/unchecked`);
    const { access_token: token } = await loose.tokens(lena, SCOPE);
    assert.equal((await fhir(origin, 'Patient?_count=1', token)).status, 200);
  }));

test('TOK-1 an app with keys authenticates at the simulated token endpoint, which it names as audience', () =>
  withLockstep(async ({ origin }) => {
    const app = await App.register(origin, 'asymmetric');
    const lena = new Person(origin);
    await lena.signIn();
    const { access_token: token } = await app.at(`${origin}/simulate/slow-hub`).tokens(lena, SCOPE);
    assert.equal((await fhir(origin, 'Patient?_count=1', token)).status, 200);
    const elsewhere = app.at(`${origin}.example/simulate/slow-hub`);
    const wrong = await elsewhere.post('/auth/token', {}).catch(() => undefined);
    assert.equal(wrong, undefined);
    const { access_token: expired } = await app.at(`${origin}/simulate/expired-token`).tokens(lena, SCOPE);
    assert.equal((await fhir(origin, 'Patient?_count=1', expired)).status, 401);
  }));

test('a launch as another sample user leaves whoever is signed in signed in', () =>
  withLockstep(async ({ origin, hub }) => {
    const app = await App.register(origin, 'public');
    const lena = new Person(origin);
    const own = await lena.signIn();
    const headers = { 'content-type': 'application/json', 'x-csrf-token': own.csrf };
    const ask = (body: object) =>
      lena.request('/api/console/simulation/launch', { method: 'POST', headers, body: JSON.stringify(body) });
    const offer = await json(lena.request('/api/console/simulation'));
    assert.deepEqual(offer.users.map(({ id }: { id: string }) => id).sort(), [
      'admin',
      'dr-mei-tanaka',
      'dr-tomas-lindqvist',
    ]);

    const made = await ask({ app: app.clientId, user: 'dr-mei-tanaka', patient: 'amara-diallo' });
    assert.equal(made.status, 201, await made.clone().text());
    const launch = new URL((await json(made)).launch_url).searchParams.get('launch') ?? '';
    const there = app.at(`${origin}/simulate/user:dr-mei-tanaka`);
    const { url, verifier } = there.begin('openid fhirUser launch patient/*.rs fhircast/*.read', { launch });
    const consent = await lena.go(url);
    assert.match(consent.text, /A simulated launch, as Dr\. Mei Tanaka/);
    const end = await lena.through(consent);
    const granted = await there.redeem(returned(end).get('code') ?? '', verifier);
    assert.equal(granted.status, 200, JSON.stringify(granted.body));
    assert.equal(granted.body.patient, 'amara-diallo');
    const [session] = await hub.sessions({ user: 'Practitioner/dr-mei-tanaka' });
    assert.equal(granted.body['hub.topic'], session?.topic);
    assert.equal((await fhir(origin, 'Practitioner/dr-mei-tanaka', granted.body.access_token)).status, 200);
    assert.equal((await json(lena.request('/auth/session'))).user, 'Practitioner/dr-lena-okafor');

    assert.equal((await ask({ app: app.clientId, user: 'nobody' })).status, 400);
    assert.equal((await ask({ unchecked: true, address: 'app.example.org' })).status, 400);
    assert.equal((await ask({ app: 'lockstep-console' })).status, 404);
    assert.equal((await lena.request(`${origin}/simulate/user:nobody/person/auth/authorize`)).status, 400);
  }));

test('an unchecked EHR launch brings its user, patient and session to whoever redeems it', () =>
  withLockstep(async ({ origin }) => {
    const lena = new Person(origin);
    const own = await lena.signIn();
    const headers = { 'content-type': 'application/json', 'x-csrf-token': own.csrf };
    const body = JSON.stringify({ unchecked: true, address: 'http://localhost:9090/launch', patient: 'amara-diallo' });
    const made = await json(lena.request('/api/console/simulation/launch', { method: 'POST', headers, body }));
    const address = new URL(made.launch_url);
    assert.equal(address.searchParams.get('iss'), `${origin}/fhir`);
    const stranger = App.stranger(`${origin}/simulate/unchecked`, 'nobody');
    const launch = address.searchParams.get('launch') ?? '';
    const granted = await stranger.tokens(lena, SCOPE, {}, { launch });
    assert.equal(granted.patient, 'amara-diallo');
    assert.equal(granted['hub.topic'], own.session_topic);
    assert.equal(
      (await lena.request('/api/console/simulation/launch', { method: 'POST', body })).status,
      403,
      'CWE-352',
    );
  }));

test('a server that others reach switches no checks off and launches nobody as somebody else', () =>
  withLockstep(
    async ({ origin, port }) => {
      const at = (options: string) =>
        fetch(`http://127.0.0.1:${port}/simulate/${options}/fhir/.well-known/smart-configuration`);
      assert.equal((await at('slow-hub')).status, 200);
      assert.equal((await at('unchecked')).status, 403);
      assert.equal((await at('user:admin')).status, 403);
      assert.notEqual(origin, '');
    },
    { sampleData: true, publicUrl: 'https://lockstep.example.org' },
  ));

test('where there is no sample data nothing is simulated', () =>
  withLockstep(
    async ({ origin }) => {
      assert.equal((await fetch(`${origin}/simulate/none/fhir/metadata`)).status, 404);
      assert.equal((await fetch(`${origin}/api/console/simulation`)).status, 401);
    },
    { sampleData: false },
  ));
