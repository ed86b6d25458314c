import assert from 'node:assert/strict';
import { request } from 'node:http';
import { text as textOfStream } from 'node:stream/consumers';
import { test } from 'node:test';
import { ConsolePerson } from './console-person.ts';
import { json, withLockstep } from './harness.ts';
import { App, fhir, Person, REDIRECT, returned } from './person.ts';

const SCOPE = 'openid fhirUser launch user/*.rs offline_access fhircast/*.*';

test('with client checks off an unregistered app is let in, and the user is asked for consent', () =>
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

test('where others reach the server nothing is simulated', () =>
  withLockstep(
    async ({ port }) => {
      for (const options of ['none', 'slow-hub', 'unchecked', 'user:admin', 'denied-consent']) {
        for (const path of ['fhir/metadata', 'fhir/.well-known/smart-configuration', 'auth/authorize', 'hub']) {
          const { status } = await fetch(`http://127.0.0.1:${port}/simulate/${options}/${path}`, {
            redirect: 'manual',
          });
          assert.equal(status, 404, `${options}/${path}`);
        }
      }
    },
    { sampleData: true, publicUrl: 'https://lockstep.example.org' },
  ));

test('a simulated refusal goes to an address that the app registered, or with client checks off to this machine', () =>
  withLockstep(async ({ origin }) => {
    const app = await App.register(origin, 'public');
    const ask = (faults: string, client: string, redirect: string) =>
      fetch(
        `${origin}/simulate/${faults}/auth/authorize?client_id=${client}&redirect_uri=${encodeURIComponent(redirect)}`,
        { redirect: 'manual' },
      );
    for (const fault of ['wrong-aud', 'bad-scope', 'denied-consent']) {
      const good = await ask(fault, app.clientId, REDIRECT);
      assert.equal(good.status, 303, fault);
      assert.ok(good.headers.get('location')?.startsWith(REDIRECT), fault);
      const evil = [
        'https://evil.example/',
        'http://localhost.evil.example/',
        `${REDIRECT}.evil.example`,
        `${REDIRECT}/../x`,
        '//evil.example',
        'javascript:alert(1)',
        '',
      ];
      for (const redirect of evil) {
        for (const faults of [fault, `unchecked,${fault}`]) {
          for (const client of [app.clientId, 'nobody', '']) {
            const { status, headers } = await ask(faults, client, redirect);
            const loopback = faults !== fault && redirect.startsWith(REDIRECT);
            if (!loopback) assert.equal(status, 400, `${faults} ${client} ${redirect} → ${headers.get('location')}`);
          }
        }
      }
      assert.equal((await ask(`unchecked,${fault}`, 'nobody', 'http://127.0.0.1:9/back')).status, 303);
    }
  }));

test('an address is passed on as it was written, and leads nowhere but below its own', () =>
  withLockstep(async ({ origin, port }) => {
    const raw = (path: string): Promise<{ status: number | undefined; body: string }> =>
      new Promise((resolve, reject) => {
        const sent = request(
          { port, host: '127.0.0.1', path, headers: { host: new URL(origin).host } },
          async (answer) => {
            const body = await textOfStream(answer);
            resolve({ status: answer.statusCode, body });
          },
        );
        sent.on('error', reject);
        sent.end();
      });
    assert.equal((await raw('/simulate/none/fhir/metadata')).status, 200);
    assert.equal((await raw('/simulate/none/hub/.well-known/fhircast-configuration')).status, 200);
    const ups = ['..', '%2e%2e', '.%2e', '%2E.', '..%2f..', '%2e%2e%2f', '..%5c', '%252e%252e', '..%252f', '.;/..'];
    for (const door of ['fhir', 'hub', 'person/auth']) {
      for (const up of ups) {
        for (const target of ['metrics', 'health/ready', 'api/admin/server', 'auth/jwks', '../metrics']) {
          for (const join of ['/', '%2f', '%5c', '\\']) {
            const { status = 0, body } = await raw(`/simulate/none/${door}/${up}${join}${target}`);
            assert.ok(status >= 400 && status < 500, `${door}/${up}${join}${target}: ${status}`);
            assert.doesNotMatch(
              body,
              /lockstep_events_total|"status":"ready"|"keys":/,
              `${door}/${up}${join}${target}`,
            );
          }
        }
      }
    }
  }));

test('where there is no sample data nothing is simulated', () =>
  withLockstep(
    async ({ origin }) => {
      assert.equal((await fetch(`${origin}/simulate/none/fhir/metadata`)).status, 404);
      assert.equal((await fetch(`${origin}/api/console/simulation`)).status, 401);
    },
    { sampleData: false },
  ));
