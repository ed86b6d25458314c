import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  attempt,
  codeFields,
  codeFor,
  launched,
  REDIRECT,
  registerApp,
  returned,
  TestBrowser,
  tokensFor,
} from './browsing.ts';
import { answerOf, backend, type Json, post, startServer, type TestServer } from './harness.ts';

const SCOPE = 'openid fhirUser launch/patient patient/*.rs';

test('AUT-1 standalone: code, PKCE, patient picker, consent, token', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const tokens = await tokensFor(new TestBrowser(server), app, SCOPE, { patient: 'omar' });
  assert.equal(tokens.patient, 'omar');
  assert.equal(tokens.scope, SCOPE);
  const info = await server.auth.verifyToken(String(tokens.access_token));
  assert.equal(info?.patient, 'omar');
  assert.equal(info?.user, 'Practitioner/dr-lena-okafor');
  assert.equal(info?.fhirUser, `${server.origin}/fhir/Practitioner/dr-lena-okafor`);
});

test('AUT-1 the same by POST', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const { url, state } = attempt(server, app, SCOPE);
  const browser = new TestBrowser(server);
  const first = await browser.go('/auth/authorize', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URL(url).search.slice(1),
  });
  assert.equal(returned(await browser.through(first)).get('state'), state);
});

test('AUT-1 a POST of up to 64 KB becomes no address, before and after the sign-in', async (t) => {
  const server = await startServer(t);
  const categories = Array.from(
    { length: 140 },
    (_, n) => `http://terminology.hl7.org/CodeSystem/observation-category/of-a-hospital|code-${n}`,
  );
  const scope = categories.map((one) => `patient/Observation.rs?category=${one}`).join(' ');
  const app = await registerApp(server, { scope: 'patient/*.rs openid' });
  const begun = attempt(server, app, scope);
  const browser = new TestBrowser(server);
  const body = new URL(begun.url).search.slice(1);
  assert.ok(body.length > 16_384, 'more than an address may hold');
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const post_ = (text: string) => browser.request('/auth/authorize', { method: 'POST', headers, body: text });
  const answer = await post_(body);
  assert.equal(answer.status, 303);
  assert.ok((answer.headers.get('location') ?? '').length < 200);
  const sent = await browser.through(await browser.go(answer.headers.get('location') ?? ''));
  const code = returned(sent).get('code') ?? '';
  const redeemed = await post(server, '/auth/token', codeFields(app, code, begun.verifier));
  assert.equal(redeemed.status, 200);
  assert.equal(redeemed.body.scope, scope);
  assert.equal((await post_(`${body}&padding=${'x'.repeat(64 * 1024 - body.length - 9)}`)).status, 303, '64 KiB');
  assert.equal((await post_(`${body}&padding=${'x'.repeat(64 * 1024)}`)).status, 413);
  assert.equal((await browser.request('/auth/authorize/held/made-up')).status, 400);
});

test('AUT-2 what is wrong with a POST is answered at once, and kept nowhere', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  const send = (changes: Record<string, string | undefined>) =>
    browser.request('/auth/authorize', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URL(attempt(server, app, SCOPE, changes).url).search.slice(1),
    });
  assert.equal((await send({ client_id: 'nobody' })).status, 400);
  assert.equal((await send({ redirect_uri: 'https://evil.example/' })).status, 400);
  const faulty = await send({ aud: 'https://elsewhere.example/fhir' });
  assert.match(faulty.headers.get('location') ?? '', /^http:\/\/localhost:9090\/callback\?error=invalid_request/);
});

test('AUT-1 DIS-1 resource is a synonym of aud, and a trailing slash does no harm', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await codeFor(browser, app, SCOPE, {}, { aud: undefined, resource: `${server.origin}/fhir` });
  await codeFor(browser, app, SCOPE, {}, { aud: `${server.origin}/fhir/` });
});

interface Refusal {
  readonly change: Record<string, string | undefined>;
  readonly error: string;
}

const REDIRECTED: Readonly<Record<string, Refusal>> = {
  'a missing aud': { change: { aud: undefined }, error: 'invalid_request' },
  'a wrong aud': { change: { aud: 'https://elsewhere.example/fhir' }, error: 'invalid_request' },
  'a wrong resource beside a right aud': {
    change: { resource: 'https://elsewhere.example/fhir' },
    error: 'invalid_request',
  },
  'a missing challenge': {
    change: { code_challenge: undefined, code_challenge_method: undefined },
    error: 'invalid_request',
  },
  'a challenge without method': { change: { code_challenge_method: undefined }, error: 'invalid_request' },
  'plain PKCE': { change: { code_challenge_method: 'plain' }, error: 'invalid_request' },
  'a challenge that is no SHA-256': { change: { code_challenge: 'short' }, error: 'invalid_request' },
  'a missing scope': { change: { scope: undefined }, error: 'invalid_request' },
  'scopes that nobody knows': { change: { scope: 'foo bar/baz' }, error: 'invalid_scope' },
  'system scopes': { change: { scope: 'system/*.rs' }, error: 'invalid_scope' },
  'another response_type': { change: { response_type: 'token' }, error: 'unsupported_response_type' },
  'a missing response_type': { change: { response_type: undefined }, error: 'invalid_request' },
  'another response_mode': { change: { response_mode: 'fragment' }, error: 'unsupported_response_mode' },
  'an unknown launch': { change: { scope: 'launch openid', launch: 'guessed' }, error: 'invalid_request' },
  'a request object': { change: { request: 'x.y.z' }, error: 'request_not_supported' },
  'prompt=none': { change: { prompt: 'none' }, error: 'login_required' },
};

test('AUT-2 other faults reach the app by redirect, with state and iss', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  for (const [fault, { change, error }] of Object.entries(REDIRECTED)) {
    const { url, state } = attempt(server, app, SCOPE, change);
    const params = returned(await new TestBrowser(server).go(url));
    assert.equal(params.get('error'), error, fault);
    assert.ok(params.get('error_description'), fault);
    assert.equal(params.get('state'), state, fault);
    assert.equal(params.get('iss'), server.origin, fault);
    assert.equal(params.get('code'), null, fault);
  }
  const { url } = attempt(server, app, SCOPE, { state: undefined });
  const params = returned(await new TestBrowser(server).go(url));
  assert.equal(params.get('error'), 'invalid_request', 'a missing state');
  assert.equal(params.get('state'), null);
});

const PAGES: Readonly<Record<string, Record<string, string | undefined>>> = {
  'an unknown client': { client_id: 'nobody' },
  'no client': { client_id: undefined },
  'no redirect_uri': { redirect_uri: undefined },
  'an unregistered redirect_uri': { redirect_uri: 'https://evil.example/callback' },
  'a longer path': { redirect_uri: `${REDIRECT}/more` },
  'another host of loopback': { redirect_uri: 'http://127.0.0.1:9090/callback' },
  'another path at another port': { redirect_uri: 'http://localhost:9091/elsewhere' },
  'an added query': { redirect_uri: `${REDIRECT}?x=1` },
  'other case': { redirect_uri: REDIRECT.toUpperCase() },
  'user info before the host': { redirect_uri: 'http://localhost:9090@evil.example/callback' },
};

test('AUT-2 an unknown client or redirect_uri gets a page, never a redirect', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  for (const [fault, change] of Object.entries(PAGES)) {
    const { url } = attempt(server, app, SCOPE, { ...change, aud: undefined });
    const response = await new TestBrowser(server).request(url);
    assert.equal(response.status, 400, fault);
    assert.equal(response.headers.get('location'), null, fault);
    assert.match(await response.text(), /<h1>/, fault);
  }
});

test('AUT-2 a repeated parameter, which could hide the one that was checked, is refused: by a page where it decides the way', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const refused: Readonly<Record<string, string>> = {
    scope: 'user/*.cruds',
    aud: 'https://elsewhere.example',
    '</x>': 'y',
  };
  for (const [name, value] of Object.entries(refused)) {
    const { url, state } = attempt(server, app, SCOPE, { [name]: value });
    const params = returned(await new TestBrowser(server).go(`${url}&${new URLSearchParams({ [name]: value })}`));
    assert.deepEqual(
      [params.get('error'), params.get('state'), params.get('code')],
      ['invalid_request', state, null],
      name,
    );
    assert.match(params.get('error_description') ?? '', /more than once/);
  }
  const { url } = attempt(server, app, SCOPE);
  const twice = returned(await new TestBrowser(server).go(`${url}&state=another`));
  assert.deepEqual([twice.get('error'), twice.get('state')], ['invalid_request', null], 'neither state is sent back');
  for (const [name, value] of [
    ['redirect_uri', 'https://evil.example/callback'],
    ['client_id', app.clientId],
  ]) {
    const page = await new TestBrowser(server).request(`${url}&${new URLSearchParams({ [name!]: value! })}`);
    assert.deepEqual([page.status, page.headers.get('location')], [400, null], name);
  }
});

test('AUT-2 a native app is held to its redirect_uri; on loopback it comes with the port that was free', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server, { redirect_uris: ['org.example.viewer://callback', REDIRECT] });
  const browser = new TestBrowser(server);
  const page = await browser.through(
    await browser.go(attempt(server, app, SCOPE, { redirect_uri: 'org.example.viewer://callback' }).url),
  );
  assert.match(page.url, /^org\.example\.viewer:\/\/callback\?code=/);
  for (const registered of [REDIRECT, 'http://127.0.0.1/back?x=1', 'http://[::1]:7/back']) {
    const native = await registerApp(server, { redirect_uris: [registered] });
    for (const port of ['1024', '50123']) {
      const url = new URL(registered);
      url.port = port;
      const redeem = async (redirect_uri: string) => {
        const begun = attempt(server, native, SCOPE, { redirect_uri: url.href });
        const sent = await browser.through(await browser.go(begun.url));
        assert.ok(sent.url.startsWith(url.href), sent.url);
        const fields = codeFields(native, new URL(sent.url).searchParams.get('code') ?? '', begun.verifier);
        return post(server, '/auth/token', { ...fields, redirect_uri });
      };
      assert.equal((await redeem(registered)).body.error, 'invalid_grant', 'a code belongs to the port it was sent to');
      assert.equal((await redeem(url.href)).status, 200, url.href);
      url.searchParams.set('y', '2');
      const query = await browser.request(attempt(server, native, SCOPE, { redirect_uri: url.href }).url);
      assert.equal(query.status, 400, 'the query is that of the registration');
    }
  }
  const web = await registerApp(server, { redirect_uris: ['https://app.example/callback'] });
  const elsewhere = attempt(server, web, SCOPE, { redirect_uri: 'https://app.example:8443/callback' });
  assert.equal((await browser.request(elsewhere.url)).status, 400);
});

async function legacyCode(server: TestServer, change: Record<string, string | undefined>) {
  const app = await registerApp(server, { legacy: true });
  return { app, ...(await codeFor(new TestBrowser(server), app, SCOPE, {}, change)) };
}

test('AUT-1 a client with the legacy switch may leave PKCE out or use plain', async (t) => {
  const server = await startServer(t);
  const without = await legacyCode(server, { code_challenge: undefined, code_challenge_method: undefined });
  const { code_verifier: _, ...fields } = codeFields(without.app, without.code, '');
  assert.equal((await post(server, '/auth/token', fields)).status, 200);
  const secret = 'plain-'.repeat(8);
  const plain = await legacyCode(server, { code_challenge: secret, code_challenge_method: 'plain' });
  assert.equal(
    (await post(server, '/auth/token', codeFields(plain.app, plain.code, `${secret}x`))).body.error,
    'invalid_grant',
  );
  assert.equal((await post(server, '/auth/token', codeFields(plain.app, plain.code, secret))).status, 200);
});

test('AUT-6 a code needs its own client, redirect_uri and verifier', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const other = await registerApp(server);
  const { code, verifier } = await codeFor(new TestBrowser(server), app, SCOPE);
  const good = codeFields(app, code, verifier);
  const { createHash } = await import('node:crypto');
  const faults: Record<string, Record<string, string>> = {
    'wrong verifier': { ...good, code_verifier: `${verifier}x` },
    'challenge sent as verifier': { ...good, code_verifier: createHash('sha256').update(verifier).digest('base64url') },
    'another client': { ...good, client_id: other.clientId },
    'another redirect_uri': { ...good, redirect_uri: `${REDIRECT}/` },
    'an unknown code': { ...good, code: 'guessed' },
  };
  const { code_verifier: _, ...withoutVerifier } = good;
  faults['no verifier'] = withoutVerifier;
  for (const [fault, fields] of Object.entries(faults)) {
    const answer = await post(server, '/auth/token', fields);
    assert.equal(answer.status, 400, fault);
    assert.equal(answer.body.error, 'invalid_grant', fault);
    assert.equal(answer.headers.get('pragma'), 'no-cache', fault);
  }
  assert.equal((await post(server, '/auth/token', { ...good, client_id: 'nobody' })).body.error, 'invalid_client');
  assert.equal((await post(server, '/auth/token', good)).status, 200, 'none of the faults has spent the code');
});

test('AUT-6 a code is good for one minute', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const { code, verifier } = await codeFor(new TestBrowser(server), app, SCOPE);
  server.clock.ahead = 61_000;
  assert.equal((await post(server, '/auth/token', codeFields(app, code, verifier))).body.error, 'invalid_grant');
});

test('AUT-6 under parallel redemption exactly one wins, and a replay revokes what it got', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const { code, verifier } = await codeFor(new TestBrowser(server), app, `${SCOPE} offline_access`);
  const fields = codeFields(app, code, verifier);
  const answers = await Promise.all(Array.from({ length: 8 }, () => post(server, '/auth/token', fields)));
  const won = answers.filter(({ status }) => status === 200);
  assert.equal(won.length, 1);
  for (const answer of answers) if (answer.status !== 200) assert.equal(answer.body.error, 'invalid_grant');
  assert.equal(await server.auth.verifyToken(String(won[0]?.body.access_token)), undefined);
});

test('AUT-6 a replay revokes access token and refresh token', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const { code, verifier } = await codeFor(new TestBrowser(server), app, `${SCOPE} offline_access`);
  const { body } = await post(server, '/auth/token', codeFields(app, code, verifier));
  assert.ok(await server.auth.verifyToken(String(body.access_token)));
  assert.equal((await post(server, '/auth/token', codeFields(app, code, verifier))).body.error, 'invalid_grant');
  assert.equal(await server.auth.verifyToken(String(body.access_token)), undefined);
  assert.equal(server.ended.at(-1)?.clientId, app.clientId);
  const again = await post(server, '/auth/token', {
    grant_type: 'refresh_token',
    client_id: app.clientId,
    refresh_token: String(body.refresh_token),
  });
  assert.equal(again.body.error, 'invalid_grant');
});

test('AUT-3 an EHR launch brings patient, encounter, study, intent and topic', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  const session = await browser.signIn();
  const tokens = await launched(browser, app, 'launch openid fhirUser patient/*.rs fhircast/*.*', {
    patient: 'omar',
    encounter: 'omar-1',
    imaging_study: 'omar-ct',
    topic: session.session_topic,
    intent: 'read-study',
    tenant: 'north',
    need_patient_banner: false,
  });
  const { patient, encounter, fhirContext, intent, tenant, need_patient_banner: banner } = tokens;
  assert.deepEqual(
    { patient, encounter, fhirContext, intent, tenant, banner },
    {
      patient: 'omar',
      encounter: 'omar-1',
      fhirContext: [{ reference: 'ImagingStudy/omar-ct' }],
      intent: 'read-study',
      tenant: 'north',
      banner: false,
    },
  );
  assert.equal(tokens['hub.topic'], session.session_topic);
  assert.equal(tokens['hub.url'], `${server.origin}/hub`);
  assert.equal(tokens['cast-hub'], undefined);
});

test('AUT-3 a second launch in the same browser gets its own patient, and the first window keeps working', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const first = await launched(browser, app, 'launch openid patient/*.rs online_access', { patient: 'ida' });
  const second = await launched(browser, app, 'launch openid patient/*.rs online_access', { patient: 'omar' });
  assert.equal(first.patient, 'ida');
  assert.equal(second.patient, 'omar');
  assert.equal((await server.auth.verifyToken(String(first.access_token)))?.patient, 'ida');
  assert.equal((await server.auth.verifyToken(String(second.access_token)))?.patient, 'omar');
});

test('AUT-3 two launches side by side in one browser do not mix', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const start = async (patient: string) => {
    const { body } = await browser.launch({ client_id: app.clientId, patient });
    const made = attempt(server, app, 'launch patient/*.rs', { launch: String(body.launch) });
    return { ...made, page: await browser.go(made.url) };
  };
  const [ida, omar] = [await start('ida'), await start('omar')];
  const finish = async ({ page, verifier }: typeof ida) => {
    const code = returned(await browser.through(page)).get('code') ?? '';
    return (await post(server, '/auth/token', codeFields(app, code, verifier))).body;
  };
  assert.equal((await finish(omar)).patient, 'omar');
  assert.equal((await finish(ida)).patient, 'ida');
});

test('AUT-3 a launch is opaque, used once, and only by its own client and person', async (t) => {
  const server = await startServer(t);
  const [app, other] = [await registerApp(server), await registerApp(server)];
  const browser = new TestBrowser(server);
  await browser.signIn();
  const make = async () => String((await browser.launch({ client_id: app.clientId, patient: 'ida' })).body.launch);
  const launch = await make();
  assert.ok(Buffer.from(launch, 'base64url').length >= 16, 'at least 128 bits');
  assert.doesNotMatch(launch, /\bida\b|okafor/);
  const scope = 'launch patient/*.rs';
  const foreign = returned(await browser.go(attempt(server, other, scope, { launch }).url));
  assert.equal(foreign.get('error'), 'invalid_request');
  assert.equal(await server.auth.launchAsked(launch), false, 'its own app has not come with it');
  await codeFor(browser, app, scope, {}, { launch });
  assert.equal(await server.auth.launchAsked(launch), true);
  const reused = returned(await browser.go(attempt(server, app, scope, { launch }).url));
  assert.equal(reused.get('error'), 'invalid_request');

  const stolen = await make();
  const thief = new TestBrowser(server);
  await thief.signIn('dr-mei-tanaka');
  const refused = returned(await thief.go(attempt(server, app, scope, { launch: stolen }).url));
  assert.equal(refused.get('error'), 'access_denied');

  const late = await make();
  server.clock.ahead = 5 * 60_000 + 1000;
  const expired = returned(await browser.go(attempt(server, app, scope, { launch: late }).url));
  assert.equal(expired.get('error'), 'invalid_request');
});

test('AUT-3 a launch redeemed by two windows at once gives exactly one code', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const launch = String((await browser.launch({ client_id: app.clientId, patient: 'ida' })).body.launch);
  const pages = await Promise.all(
    [1, 2, 3].map(() => browser.go(attempt(server, app, 'launch patient/*.rs', { launch }).url)),
  );
  const ends = await Promise.all(pages.map((page) => browser.through(page)));
  const codes = ends.map((end) => returned(end).get('code')).filter(Boolean);
  assert.equal(codes.length, 1);
});

test('AUT-3 POST /launch refuses what does not fit together', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const silent = await registerApp(server, { launch_url: undefined });
  const browser = new TestBrowser(server);
  const csrf = String((await browser.signIn()).csrf);
  const other = await server.sessions.open({ user: 'Practitioner/dr-mei-tanaka', aliases: [] });
  const bad: Json[] = [
    {},
    { client_id: 'nobody' },
    { client_id: silent.clientId },
    { client_id: app.clientId, patient: 'nobody' },
    { client_id: app.clientId, encounter: 'ida-1' },
    { client_id: app.clientId, patient: 'ida', encounter: 'omar-1' },
    { client_id: app.clientId, patient: 'ida', imaging_study: 'omar-ct' },
    { client_id: app.clientId, topic: other.topic },
    { client_id: app.clientId, patient: 7 },
  ];
  for (const body of bad) {
    const answer = await browser.launch(body, csrf);
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.equal(answer.body.error, 'invalid_request', JSON.stringify(body));
  }
  const mei = await browser.launch({ client_id: app.clientId, user: 'Practitioner/dr-mei-tanaka' }, csrf);
  assert.equal(mei.status, 403);
  const good = await browser.launch({ client_id: app.clientId, user: 'lokafor' }, csrf);
  assert.equal(good.status, 201);
  const url = new URL(String(good.body.launch_url));
  assert.equal(url.searchParams.get('iss'), `${server.origin}/fhir`);
  assert.equal(url.searchParams.get('launch'), good.body.launch);
});

test('FHR-2 a patient is launched with the own chart only, a relative with the chart an EHR chooses', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const password = 'correct horse';
  await server.auth.users.add({ id: 'ida', name: 'Ida Holm', reference: 'Patient/ida', password });
  await server.auth.users.add({ id: 'son', name: 'A son', reference: 'RelatedPerson/son', password });
  const token = (await (await backend(server)).token('launch')).body.access_token;
  const byEhr = async (user: string, patient: string) => {
    const response = await fetch(server.url('/launch'), {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ client_id: app.clientId, user, patient }),
    });
    return answerOf(response);
  };
  const signedIn = async (user: string) => {
    const browser = new TestBrowser(server);
    const response = await browser.request('/auth/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user, password }),
    });
    assert.equal(response.status, 200);
    return browser;
  };
  const [ida, son] = [await signedIn('ida'), await signedIn('son')];
  const chart = 'patient: the user may not open this chart';
  assert.equal((await byEhr('ida', 'omar')).body.error_description, chart);
  assert.equal((await ida.launch({ client_id: app.clientId, patient: 'omar' })).body.error_description, chart);
  assert.equal((await ida.launch({ client_id: app.clientId, patient: 'ida' })).status, 201);
  assert.equal((await son.launch({ client_id: app.clientId, patient: 'ida' })).body.error_description, chart);

  const scope = 'launch/patient patient/*.rs';
  assert.equal((await tokensFor(ida, app, scope)).patient, 'ida', 'without a picker');
  const refused = returned(await son.go(attempt(server, app, scope).url));
  assert.equal(refused.get('error'), 'access_denied', 'nobody offers a relative every chart');
  const launch = String((await byEhr('son', 'ida')).body.launch);
  assert.equal((await tokensFor(son, app, 'launch patient/*.rs', {}, { launch })).patient, 'ida');
});

test('AUT-4 the encounter picker comes for launch/encounter', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  const tokens = await tokensFor(browser, app, 'launch/patient launch/encounter patient/*.rs', {
    patient: 'omar',
    encounter: 'omar-1',
  });
  assert.equal(tokens.encounter, 'omar-1');
  const none = await tokensFor(browser, app, 'launch/encounter patient/*.rs', { encounter: 'none' });
  assert.equal(none.encounter, undefined);
  assert.equal(none.patient, 'ida');
  const patients = await browser.go(attempt(server, app, 'launch/encounter').url);
  const page = await browser.submit(patients, { name: 'patient', value: 'ida' });
  const forged = { ...page, text: page.text.replaceAll('"ida-1"', '"omar-1"') };
  const refused = await browser.submit(forged, { name: 'encounter', value: 'omar-1' });
  assert.equal(refused.status, 400, 'an encounter of another patient');
});

test('AUT-4 the session picker comes when there is more than one, a new session when there is none', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  const { session_topic: first } = await browser.signIn('dr-lena-okafor', 'reading-room-1');
  const scope = 'openid fhircast/*.read';
  assert.equal((await tokensFor(browser, app, scope))['hub.topic'], first, 'one session needs no picker');
  const { topic: second } = await server.sessions.open({
    user: 'Practitioner/dr-lena-okafor',
    aliases: [],
    workstation: 'reading-room-2',
  });
  assert.equal((await tokensFor(browser, app, scope, { topic: second }))['hub.topic'], second);
  const page = await browser.go(attempt(server, app, scope).url);
  assert.match(page.text, /reading-room-2/);
  const foreign = await server.sessions.open({ user: 'Practitioner/dr-mei-tanaka', aliases: [] });
  const refused = await browser.submit(page, { label: 'Continue' }, { topic: foreign.topic });
  assert.equal(refused.status, 400);
  assert.match(refused.text, /role="alert"/);
  server.sessions.open_.length = 0;
  const fresh = await tokensFor(browser, app, scope);
  assert.ok(await server.sessions.belongsTo(String(fresh['hub.topic']), 'Practitioner/dr-lena-okafor'));
});

test('AUT-5 consent speaks plainly, and what is switched off is not granted', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const scope = 'openid fhirUser user/Patient.rs user/DiagnosticReport.cruds fhircast/Patient-open.* offline_access';
  const page = await browser.go(attempt(server, app, scope).url);
  assert.match(page.text, /see which patient you have open and change the open patient/);
  assert.match(
    page.text,
    /add, read, change, delete and search diagnostic report records of every patient you may see/,
  );
  const tokens = await tokensFor(browser, app, scope, { scopes: ['user/Patient.rs', 'fhircast/Patient-open.*'] });
  assert.equal(tokens.scope, 'user/Patient.rs fhircast/Patient-open.*');
  assert.equal(tokens.id_token, undefined);
  assert.equal(tokens.refresh_token, undefined);
});

test('AUT-5 an app whose launch scope was switched off gets nothing of the launch', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const { body } = await browser.launch({
    client_id: app.clientId,
    patient: 'omar',
    encounter: 'omar-1',
    imaging_study: 'omar-ct',
  });
  const changes = { launch: String(body.launch) };
  const tokens = await tokensFor(browser, app, 'launch openid patient/*.rs', { scopes: ['openid'] }, changes);
  assert.deepEqual(
    [tokens.scope, tokens.patient, tokens.encounter, tokens.fhirContext],
    ['openid', undefined, undefined, undefined],
  );
});

test('AUT-5 denial, nothing allowed and cancelling are access_denied', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const consent = await browser.go(attempt(server, app, 'openid user/*.rs').url);
  assert.equal(returned(await browser.submit(consent, { value: 'deny' })).get('error'), 'access_denied');
  const again = await browser.go(attempt(server, app, 'openid user/*.rs').url);
  assert.equal(returned(await browser.submit(again, { value: 'allow' }, { scope: [] })).get('error'), 'access_denied');
  const { url, state } = attempt(server, app, 'launch/patient');
  const cancelled = returned(await browser.submit(await browser.go(url), { label: 'Cancel' }));
  assert.equal(cancelled.get('error'), 'access_denied');
  assert.equal(cancelled.get('state'), state);
});

test('AUT-5 an EHR launch of a trusted app skips consent; a standalone start of it does not', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  await server.auth.clients.patch(app.clientId, { trusted: true });
  const browser = new TestBrowser(server);
  await browser.signIn();
  const { body } = await browser.launch({ client_id: app.clientId, patient: 'ida' });
  const { url } = attempt(server, app, 'launch patient/*.rs', { launch: String(body.launch) });
  assert.ok(returned(await browser.go(url)).get('code'));
  const standalone = await browser.go(attempt(server, app, 'openid user/*.rs').url);
  assert.match(standalone.text, /Allow Viewer\?/);
});

test('REG-1 an app cannot register itself as trusted', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server, { trusted: true });
  assert.equal((await server.auth.clients.get(app.clientId))?.trusted, false);
});

test('FHR-1 a patient scope never goes without a patient', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const page = await browser.go(attempt(server, app, 'patient/*.rs').url);
  assert.match(page.text, /Choose a patient/);
  const consent = page.url.replace(/\?.*$/, '');
  const skipped = await browser.go(`${consent}/consent`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      csrf: String((await browser.session()).body.csrf),
      decision: 'allow',
      scope: 'patient/*.rs',
    }).toString(),
  });
  assert.match(skipped.text, /Choose a patient/);
  const { body } = await browser.launch({ client_id: app.clientId });
  const launched = await browser.go(attempt(server, app, 'launch patient/*.rs', { launch: String(body.launch) }).url);
  assert.match(launched.text, /Choose a patient/);
});

test('FHR-1 a scope that can never let anybody in is dropped, by GET and POST and for services', async (t) => {
  const server = await startServer(t, { fhir: true });
  const app = await registerApp(server);
  const works = 'patient/Observation.rs?category=laboratory';
  const never =
    'patient/Practitioner.cud patient/Medication.c patient/Patient.c patient/Invoice.rs patient/Observation.rs?nothing=x patient/Observation.rs?subject.name=x patient/*.rs?date=yesterday';
  const tokens = await tokensFor(new TestBrowser(server), app, `launch/patient ${never} ${works}`, {
    patient: 'arthur-bellweather',
  });
  assert.deepEqual(String(tokens.scope).split(' ').sort(), ['launch/patient', works]);
  const { url, state } = attempt(server, app, never);
  for (const init of [
    { redirect: 'manual' },
    {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URL(url).search.slice(1),
    },
  ] as const) {
    const address = 'method' in init ? server.url('/auth/authorize') : url;
    const refused = new URL((await fetch(address, init)).headers.get('location') ?? '').searchParams;
    assert.deepEqual([refused.get('error'), refused.get('state')], ['invalid_scope', state]);
  }
  const service = await backend(server);
  const asSystem = (scopes: string) => scopes.replaceAll('patient/', 'system/');
  const neverAsSystem = asSystem(never.replace(/^.*patient\/Invoice/, 'patient/Invoice'));
  assert.equal((await service.token(`${neverAsSystem} ${asSystem(works)}`)).body.scope, asSystem(works));
  assert.equal((await service.token(neverAsSystem)).body.error, 'invalid_scope');
});

test('AUT-1 prompt=login asks for the password again, max_age when the sign-in is too old', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const page = await browser.go(attempt(server, app, 'openid user/*.rs', { prompt: 'login' }).url);
  assert.match(page.text, /<h1>Sign in<\/h1>/);
  assert.ok(returned(await browser.through(page)).get('code'));
  const old = await browser.go(attempt(server, app, 'openid user/*.rs', { max_age: '0' }).url);
  assert.match(old.text, /<h1>Sign in<\/h1>/);
});
