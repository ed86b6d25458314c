import assert from 'node:assert/strict';
import { test } from 'node:test';
import fastify from 'fastify';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { codeFields, codeFor, launched, refresh, registerApp, TestBrowser, tokensFor } from './browsing.ts';
import { answerOf, assertion, assertionFields, backend, type Json, makeKey, post, startServer } from './harness.ts';

const SCOPE = 'openid fhirUser launch/patient patient/*.rs';

function basic(id: string, secret: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` };
}

test('TOK-1 a symmetric client authenticates by Basic, raw or form-encoded, and by post', async (t) => {
  const server = await startServer(t);
  const browser = new TestBrowser(server);
  const app = await registerApp(server, { token_endpoint_auth_method: 'client_secret_basic' });
  const secret = app.secret ?? '';
  const ways: [Record<string, string>, Record<string, string>][] = [
    [basic(app.clientId, secret), {}],
    [
      basic(encodeURIComponent(app.clientId).replaceAll('-', '%2D'), encodeURIComponent(secret).replaceAll('-', '%2D')),
      {},
    ],
    [{}, { client_id: app.clientId, client_secret: secret }],
    [basic(app.clientId, secret), { client_id: app.clientId }],
  ];
  for (const [headers, more] of ways) {
    const { code, verifier } = await codeFor(browser, app, SCOPE);
    const { client_id: _, ...fields } = codeFields(app, code, verifier);
    const answer = await post(server, '/auth/token', { ...fields, ...more }, headers);
    assert.equal(answer.status, 200, JSON.stringify([headers, more, answer.body]));
  }
});

test('the answer to each grant goes out only when what must be kept of it is kept', async (t) => {
  let isKept = true;
  const server = await startServer(t, {
    pages: (app) =>
      app.addHook('onSend', async (request) => {
        if (request.url === '/auth/token' && !isKept) throw Object.assign(new Error('not kept'), { statusCode: 503 });
      }),
  });
  const browser = new TestBrowser(server);
  const app = await registerApp(server, { token_endpoint_auth_method: 'client_secret_basic' });
  const headers = basic(app.clientId, app.secret ?? '');
  for (const kept of [false, true]) {
    const { code, verifier } = await codeFor(browser, app, SCOPE);
    isKept = kept;
    const { client_id: _, ...fields } = codeFields(app, code, verifier);
    const answer = await post(server, '/auth/token', fields, headers);
    assert.equal(answer.status, kept ? 200 : 503);
    assert.equal(answer.body.access_token !== undefined, kept);
    const wrong = await post(server, '/auth/token', { ...fields, code: 'made-up' }, headers);
    assert.equal(wrong.status, kept ? 400 : 503, 'a refusal is recorded, too');
    isKept = true;
  }
});

test('TOK-1 Basic credentials are split at the first colon', async (t) => {
  const server = await startServer(t);
  const added = await server.auth.clients.add(
    { client_name: 'Colon', redirect_uris: ['http://localhost:9090/callback'] },
    { status: 'active', id: 'colon', secret: 'a:b:c+%41' },
  );
  const answer = await post(server, '/auth/introspect', { token: 'x' }, basic(added.client.id, 'a:b:c+%41'));
  assert.deepEqual([answer.status, answer.body], [200, { active: false }]);
});

test('TOK-1 wrong or missing client credentials are invalid_client, and spend nothing', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server, { token_endpoint_auth_method: 'client_secret_post' });
  const { code, verifier } = await codeFor(new TestBrowser(server), app, SCOPE);
  const fields = codeFields(app, code, verifier);
  const { client_id: _, ...anonymous } = fields;
  const faults: [Record<string, string>, Record<string, string>][] = [
    [fields, {}],
    [{ ...fields, client_secret: 'wrong' }, {}],
    [anonymous, basic(app.clientId, 'wrong')],
    [anonymous, basic('nobody', app.secret ?? '')],
    [anonymous, { authorization: 'Basic !!!' }],
    [anonymous, { authorization: 'Bearer x' }],
    [anonymous, {}],
    [{ ...fields, client_id: 'other' }, basic(app.clientId, app.secret ?? '')],
  ];
  for (const [params, headers] of faults) {
    const answer = await post(server, '/auth/token', params, headers);
    assert.equal(answer.status, 401, JSON.stringify([params, headers]));
    assert.equal(answer.body.error, 'invalid_client');
    assert.ok(answer.headers.get('www-authenticate'));
  }
  const mixed = await post(
    server,
    '/auth/token',
    { ...fields, client_secret: app.secret ?? '' },
    basic(app.clientId, app.secret ?? ''),
  );
  assert.equal(mixed.body.error, 'invalid_request');
  assert.equal((await post(server, '/auth/token', { ...fields, client_secret: app.secret ?? '' })).status, 200);
});

for (const alg of ['RS384', 'ES384'] as const) {
  test(`TOK-1 an asymmetric app redeems and refreshes with ${alg} assertions, and not without`, async (t) => {
    const server = await startServer(t);
    const key = await makeKey(alg);
    const app = await registerApp(server, {
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [key.publicJwk] },
    });
    const { code, verifier } = await codeFor(new TestBrowser(server), app, `${SCOPE} offline_access`);
    const { client_id: _, ...fields } = codeFields(app, code, verifier);
    assert.equal((await post(server, '/auth/token', codeFields(app, code, verifier))).body.error, 'invalid_client');
    const proof = async () => assertionFields(await assertion(server, key, app.clientId));
    const first = await post(server, '/auth/token', { ...fields, ...(await proof()) });
    assert.equal(first.status, 200);
    const again = { grant_type: 'refresh_token', refresh_token: String(first.body.refresh_token) };
    assert.equal((await post(server, '/auth/token', again)).body.error, 'invalid_client', 'TOK-4');
    const second = await post(server, '/auth/token', { ...again, ...(await proof()) });
    assert.equal(second.status, 200);
    assert.equal(second.body.refresh_token, first.body.refresh_token, 'confidential clients keep their refresh token');
  });
}

test('TOK-2 the response has every field, numbers as numbers, and is not cached', async (t) => {
  const server = await startServer(t, { smartStyleUrl: 'https://style.example/style.json' });
  const app = await registerApp(server);
  const { code, verifier } = await codeFor(
    new TestBrowser(server),
    app,
    `${SCOPE} offline_access fhircast/*.read nonsense`,
  );
  const { status, headers, body } = await post(server, '/auth/token', codeFields(app, code, verifier));
  assert.equal(status, 200);
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(headers.get('pragma'), 'no-cache');
  assert.match(headers.get('content-type') ?? '', /^application\/json/);
  const { access_token: token, refresh_token: refreshToken, id_token: idToken, 'hub.topic': topic, ...rest } = body;
  for (const value of [token, refreshToken, idToken, topic]) assert.equal(typeof value, 'string');
  assert.match(String(token), /^[\w-]{40,}$/);
  assert.deepEqual(rest, {
    token_type: 'Bearer',
    expires_in: 3600,
    scope: `${SCOPE} offline_access fhircast/*.read`,
    patient: 'ida',
    need_patient_banner: true,
    smart_style_url: 'https://style.example/style.json',
    'hub.url': `${server.origin}/hub`,
  });
});

test('TOK-2 scopes come back as they were asked for, in v1 and v2 spelling', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const scope =
    'launch/patient patient/*.read patient/Observation.rs?category=laboratory user/Patient.write fhircast/patient-OPEN.Read';
  assert.equal((await tokensFor(new TestBrowser(server), app, scope)).scope, scope);
});

test('TOK-2 a client with the STU2 switch gets fhirContext as strings', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server, { stu2: true });
  const browser = new TestBrowser(server);
  await browser.signIn();
  const tokens = await launched(browser, app, 'launch patient/*.rs', { patient: 'ida', imaging_study: 'ida-ct' });
  assert.deepEqual(tokens.fhirContext, ['ImagingStudy/ida-ct']);
});

test('TOK-2 a page of a registered origin may read the answer, another may not', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const own = 'http://localhost:9090';
  const preflight = await fetch(server.url('/auth/token'), {
    method: 'OPTIONS',
    headers: {
      origin: own,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    },
  });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get('access-control-allow-origin'), own);
  assert.match(preflight.headers.get('access-control-allow-methods') ?? '', /POST/);
  assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /authorization/);
  const stranger = await fetch(server.url('/auth/token'), {
    method: 'OPTIONS',
    headers: { origin: 'https://evil.example' },
  });
  assert.equal(stranger.headers.get('access-control-allow-origin'), null);

  const { code, verifier } = await codeFor(new TestBrowser(server), app, SCOPE);
  const fields = codeFields(app, code, verifier);
  const refused = await post(server, '/auth/token', fields, { origin: 'https://evil.example' });
  assert.equal(refused.status, 400);
  assert.equal(refused.headers.get('access-control-allow-origin'), null);
  const answer = await post(server, '/auth/token', fields, { origin: own });
  assert.equal(answer.status, 200, 'the refusal has not spent the code');
  assert.equal(answer.headers.get('access-control-allow-origin'), own);
  const asked = { token: String(answer.body.access_token) };
  const headers = { authorization: `Bearer ${answer.body.access_token}` };
  assert.equal((await post(server, '/auth/introspect', asked, { ...headers, origin: own })).body.active, true);
  assert.equal(
    (await post(server, '/auth/introspect', asked, { ...headers, origin: 'https://evil.example' })).status,
    400,
  );
  const plain = await refresh(server, app, 'unknown');
  assert.equal(plain.headers.get('access-control-allow-origin'), null);
});

test('TOK-3 the bare fhircast scope brings cast-hub and cast-session: a string for one session, an array for several', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  const { session_topic: first } = await browser.signIn('dr-lena-okafor', 'left');
  const one = await tokensFor(browser, app, 'openid FHIRcast');
  assert.equal(one['cast-hub'], `${server.origin}/hub`);
  assert.equal(one['cast-session'], `${server.origin}/hub/${first}`);
  assert.equal(one['hub.topic'], first);
  const { topic: second } = await server.sessions.open({
    user: 'Practitioner/dr-lena-okafor',
    aliases: [],
    workstation: 'right',
  });
  const both = await tokensFor(browser, app, 'fhircast', { topic: [String(first), second] });
  assert.deepEqual(
    both['cast-session'],
    [first, second].map((topic) => `${server.origin}/hub/${topic}`),
  );
  const info = await server.auth.verifyToken(String(both.access_token));
  assert.deepEqual(info?.topics, [first, second]);
  assert.equal(info?.scopes.mayPublish('DiagnosticReport-update'), true);
});

test('TOK-2 without a FHIRcast scope there is no hub and no topic', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const tokens = await tokensFor(new TestBrowser(server), app, SCOPE);
  assert.deepEqual(
    Object.keys(tokens).filter((name) => /hub|cast/.test(name)),
    [],
  );
  assert.deepEqual((await server.auth.verifyToken(String(tokens.access_token)))?.topics, []);
});

test('TOK-4 refresh rotates for public clients, repeats the context, and may leave client_id out', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const tokens = await tokensFor(new TestBrowser(server), app, `${SCOPE} offline_access fhircast/*.read`);
  const answer = await post(server, '/auth/token', {
    grant_type: 'refresh_token',
    refresh_token: String(tokens.refresh_token),
  });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.notEqual(answer.body.refresh_token, tokens.refresh_token);
  assert.notEqual(answer.body.access_token, tokens.access_token);
  for (const name of ['patient', 'scope', 'hub.topic', 'hub.url', 'need_patient_banner', 'smart_style_url']) {
    assert.deepEqual(answer.body[name], tokens[name], name);
  }
  assert.equal(answer.headers.get('pragma'), 'no-cache');
  assert.ok(await server.auth.verifyToken(String(tokens.access_token)), 'the earlier access token lives on');
});

test('TOK-4 refresh narrows the scope, never widens it', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const tokens = await tokensFor(new TestBrowser(server), app, `${SCOPE} offline_access`);
  const wider = await refresh(server, app, tokens.refresh_token, { scope: `${SCOPE} offline_access user/*.rs` });
  assert.equal(wider.status, 400);
  assert.equal(wider.body.error, 'invalid_scope');
  const narrower = await refresh(server, app, tokens.refresh_token, { scope: 'patient/*.rs' });
  assert.equal(narrower.status, 200);
  assert.equal(narrower.body.scope, 'patient/*.rs');
  for (const scope of [' ', '\t \n', '\u00a0']) {
    const none = await refresh(server, app, narrower.body.refresh_token, { scope });
    assert.deepEqual([none.status, none.body.error], [400, 'invalid_scope'], 'a token for nothing');
  }
  const full = await refresh(server, app, narrower.body.refresh_token);
  assert.equal(full.body.scope, `${SCOPE} offline_access`, 'the refresh token keeps its scope');
});

test('TOK-4 a refresh token of another client is refused and stays good', async (t) => {
  const server = await startServer(t);
  const [app, other] = [await registerApp(server), await registerApp(server)];
  const tokens = await tokensFor(new TestBrowser(server), app, `${SCOPE} offline_access`);
  assert.equal((await refresh(server, other, tokens.refresh_token)).body.error, 'invalid_grant');
  assert.equal((await refresh(server, app, 'made-up')).body.error, 'invalid_grant');
  assert.equal((await refresh(server, app, tokens.refresh_token)).status, 200);
});

test('TOK-4 reuse of a rotated refresh token after the grace time revokes the family', async (t) => {
  const server = await startServer(t);
  server.clock.freeze();
  const app = await registerApp(server);
  const first = await tokensFor(new TestBrowser(server), app, `${SCOPE} offline_access`);
  const second = await refresh(server, app, first.refresh_token);
  server.clock.ahead += 30_001;
  assert.equal((await refresh(server, app, first.refresh_token)).body.error, 'invalid_grant');
  assert.equal((await refresh(server, app, second.body.refresh_token)).body.error, 'invalid_grant');
  for (const token of [first.access_token, second.body.access_token]) {
    assert.equal(await server.auth.verifyToken(String(token)), undefined);
  }
});

test('TOK-4 within the grace time a rotated refresh token gets the same successor, in parallel too', async (t) => {
  const server = await startServer(t);
  server.clock.freeze();
  const app = await registerApp(server);
  const other = await registerApp(server);
  const tokens = await tokensFor(new TestBrowser(server), app, `${SCOPE} offline_access`);
  const answers = await Promise.all(Array.from({ length: 8 }, () => refresh(server, app, tokens.refresh_token)));
  server.clock.ahead += 30_000;
  answers.push(await refresh(server, app, tokens.refresh_token));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  assert.equal(new Set(answers.map(({ body }) => body.refresh_token)).size, 1);
  for (const { body } of answers) assert.ok(await server.auth.verifyToken(String(body.access_token)));
  assert.equal(
    (await refresh(server, other, tokens.refresh_token)).body.error,
    'invalid_grant',
    'the same client only',
  );
  assert.equal((await refresh(server, app, answers[0]?.body.refresh_token)).status, 200, 'the successor works');
  const stored = await server.auth.clients.page();
  assert.ok(!JSON.stringify(stored).includes(String(answers[0]?.body.refresh_token)));
});

test('TOK-4 two tabs at two nodes get the same successor, and its reuse after the grace time ends the family at both', async (t) => {
  const server = await startServer(t);
  server.clock.freeze();
  const app = await registerApp(server);
  const tokens = await tokensFor(new TestBrowser(server), app, `${SCOPE} offline_access`);
  const second = fastify();
  await second.register((await server.node()).plugin);
  t.after(() => second.close());
  const there = async (token: unknown) => {
    const fields = { grant_type: 'refresh_token', client_id: app.clientId, refresh_token: String(token) };
    const { host } = new URL(server.origin);
    const { statusCode, body } = await second.inject({
      method: 'POST',
      url: '/auth/token',
      headers: { 'content-type': 'application/x-www-form-urlencoded', host },
      payload: new URLSearchParams(fields).toString(),
    });
    return { status: statusCode, body: JSON.parse(body) as Json };
  };
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, tab) =>
      tab % 2 === 0 ? there(tokens.refresh_token) : refresh(server, app, tokens.refresh_token),
    ),
  );
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  assert.equal(new Set(answers.map(({ body }) => body.refresh_token)).size, 1);
  server.clock.ahead += 30_001;
  assert.equal((await there(tokens.refresh_token)).body.error, 'invalid_grant');
  const successor = answers[0]?.body.refresh_token;
  assert.equal((await refresh(server, app, successor)).body.error, 'invalid_grant');
  assert.equal((await there(successor)).body.error, 'invalid_grant');
});

test('TOK-4 the grace time is as long as configured, and can be none', async (t) => {
  for (const [refreshGrace, ahead, status] of [
    [0, 0, 400],
    [120, 119_999, 200],
    [120, 120_001, 400],
  ] as const) {
    const server = await startServer(t, { refreshGrace });
    server.clock.freeze();
    const app = await registerApp(server);
    const tokens = await tokensFor(new TestBrowser(server), app, `${SCOPE} offline_access`);
    assert.equal((await refresh(server, app, tokens.refresh_token)).status, 200);
    server.clock.ahead += ahead;
    assert.equal((await refresh(server, app, tokens.refresh_token)).status, status);
  }
});

test("TOK-4 the life of a confidential client's refresh token starts again at each use", async (t) => {
  const server = await startServer(t);
  server.clock.freeze();
  const day = 24 * 3_600_000;
  const app = await registerApp(server, { token_endpoint_auth_method: 'client_secret_post' });
  const { code, verifier } = await codeFor(new TestBrowser(server), app, `${SCOPE} offline_access`);
  const secret = { client_secret: String(app.secret), client_id: app.clientId };
  const { body: tokens } = await post(server, '/auth/token', { ...codeFields(app, code, verifier), ...secret });
  const use = () => refresh(server, app, tokens.refresh_token, secret);
  for (let months = 0; months < 15; months++) {
    server.clock.ahead += 60 * day;
    const { status, body } = await use();
    assert.deepEqual([status, body.refresh_token], [200, tokens.refresh_token], `after ${2 * (months + 1)} months`);
    assert.ok(await server.auth.verifyToken(String(body.access_token)));
  }
  server.clock.ahead += 91 * day;
  assert.equal((await use()).body.error, 'invalid_grant', 'one that is not used ends');
});

test('TOK-4 narrower scopes are those that mean less, in either syntax', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const scope = 'launch/patient patient/*.rs user/Observation.cruds fhircast/*.* offline_access';
  const { refresh_token: token } = await tokensFor(new TestBrowser(server), app, scope);
  const asked = async (wanted: string) => (await refresh(server, app, token, { scope: wanted })).body;
  for (const narrower of [
    ...['patient/Observation.rs', 'patient/Observation.r', 'patient/*.s', 'patient/Patient.read', 'user/Observation.c'],
    ...['patient/Observation.rs?category=laboratory', 'fhircast/Patient-open.read', 'fhircast/Patient-open.*'],
    ...['patient/Observation.rs fhircast/Patient-open.read offline_access', 'patient/*.read', 'user/Observation.write'],
    ...['patient/Observation.s?category=laboratory&status=final', 'FHIRcast/patient-OPEN.write'],
  ]) {
    assert.equal((await asked(narrower)).scope, narrower);
  }
  for (const wider of [
    'patient/Observation.cruds',
    'user/Patient.rs',
    'system/*.rs',
    'patient/*.write',
    'openid',
    'nonsense',
    'user/*.r',
    'patient/*.*',
    'launch',
    'online_access',
    'hub/session.read',
  ]) {
    assert.equal((await asked(`patient/*.rs ${wider}`)).error, 'invalid_scope', wider);
  }
});

test('TOK-4 a granular scope is narrowed by more conditions and fewer alternatives, never by others', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const held = 'patient/Observation.rs?category=laboratory,vital-signs';
  const scope = `launch/patient ${held} offline_access`;
  const { refresh_token: token } = await tokensFor(new TestBrowser(server), app, scope);
  const asked = async (wanted: string) => (await refresh(server, app, token, { scope: wanted })).body;
  const by = (query: string, letters = 'rs') => `patient/Observation.${letters}${query}`;
  for (const narrower of [
    held,
    by('?category=vital-signs'),
    by('?category=laboratory,vital-signs&status=final'),
    by('?status=final&category=laboratory', 's'),
  ]) {
    assert.equal((await asked(narrower)).scope, narrower);
  }
  for (const wider of [
    by(''),
    by('?category=imaging'),
    by('?category=laboratory,imaging'),
    by('?status=final'),
    by('?category:not=laboratory'),
    by('?category=laboratory', 'cruds'),
    'patient/Observation.read',
    'patient/*.rs?category=laboratory',
  ]) {
    assert.equal((await asked(wider)).error, 'invalid_scope', wider);
  }
});

test('TOK-4 sign-out ends online_access and its subscriptions at once; offline_access may refresh again', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  const { csrf } = await browser.signIn();
  const online = await tokensFor(browser, app, `${SCOPE} online_access fhircast/*.*`);
  const offline = await tokensFor(browser, app, `${SCOPE} offline_access fhircast/*.*`);
  const grants = await Promise.all(
    [online, offline].map(async ({ access_token: token }) => (await server.auth.verifyToken(String(token)))?.grantId),
  );
  const out = await browser.request('/auth/session', { method: 'DELETE', headers: { 'x-csrf-token': String(csrf) } });
  assert.equal(out.status, 204);
  assert.equal((await browser.session()).status, 401);
  for (const { access_token: token } of [online, offline])
    assert.equal(await server.auth.verifyToken(String(token)), undefined);
  assert.deepEqual(server.ended.map(({ grantId }) => grantId).sort(), grants.sort());
  assert.ok(
    server.ended.every(
      ({ user, clientId, reason }) => user === 'Practitioner/dr-lena-okafor' && clientId === app.clientId && reason,
    ),
  );
  assert.equal((await refresh(server, app, online.refresh_token)).body.error, 'invalid_grant');
  const again = await refresh(server, app, offline.refresh_token);
  assert.equal(again.status, 200);
  assert.ok(await server.auth.verifyToken(String(again.body.access_token)));
});

test('TOK-4 online_access also ends when the sign-in has run out by itself', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  server.clock.ahead = 11 * 3_600_000;
  const online = await tokensFor(browser, app, `${SCOPE} online_access`);
  const offline = await tokensFor(browser, app, `${SCOPE} offline_access`);
  const { status, body } = await refresh(server, app, online.refresh_token);
  assert.equal(status, 200);
  server.clock.ahead = 13 * 3_600_000;
  assert.equal((await refresh(server, app, body.refresh_token)).body.error, 'invalid_grant');
  assert.equal((await refresh(server, app, offline.refresh_token)).status, 200);
});

test('TOK-2 without online_access and offline_access there is no refresh token', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  assert.equal((await tokensFor(new TestBrowser(server), app, SCOPE)).refresh_token, undefined);
});

test('TOK-6 introspection tells scope, client, times, person and launch context', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server, { token_endpoint_auth_method: 'client_secret_basic', resource_server: true });
  const browser = new TestBrowser(server);
  await browser.signIn();
  const { body: launch } = await browser.launch({
    client_id: app.clientId,
    patient: 'ida',
    encounter: 'ida-1',
    imaging_study: 'ida-ct',
    intent: 'x',
  });
  const scope = 'openid fhirUser launch patient/*.rs fhircast fhircast/*.* offline_access';
  const { code, verifier } = await codeFor(browser, app, scope, {}, { launch: String(launch.launch) });
  const { client_id: _, ...fields } = codeFields(app, code, verifier);
  const headers = basic(app.clientId, app.secret ?? '');
  const { body: tokens } = await post(server, '/auth/token', fields, headers);
  const { status, body } = await post(server, '/auth/introspect', { token: String(tokens.access_token) }, headers);
  assert.equal(status, 200);
  const claims = decodeJwt(String(tokens.id_token));
  const { exp, iat, ...rest } = body;
  assert.ok(Math.abs(Number(exp) - Date.now() / 1000 - 3600) < 60);
  assert.equal(typeof iat, 'number');
  const context = Object.fromEntries(
    Object.entries(tokens).filter(([name]) => !/^(access_token|refresh_token|id_token|expires_in)$/.test(name)),
  );
  assert.deepEqual(rest, {
    ...context,
    active: true,
    client_id: app.clientId,
    sub: claims.sub,
    iss: claims.iss,
    aud: `${server.origin}/fhir`,
    fhirUser: claims.fhirUser,
  });
  const refreshed = await post(server, '/auth/introspect', { token: String(tokens.refresh_token) }, headers);
  assert.equal(refreshed.body.active, true);
  const other = await backend(server);
  const foreign = String((await other.token('system/*.rs')).body.access_token);
  const seen = await post(server, '/auth/introspect', { token: foreign }, headers);
  assert.deepEqual([seen.body.active, seen.body.client_id, seen.body.scope], [true, other.clientId, 'system/*.rs']);
  const byBearer = await post(
    server,
    '/auth/introspect',
    { token: String(tokens.access_token) },
    { authorization: `Bearer ${tokens.access_token}` },
  );
  assert.equal(byBearer.body.active, true);
});

test('TOK-6 anything else is inactive, and strangers learn nothing', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const nosy = await registerApp(server, { token_endpoint_auth_method: 'client_secret_basic' });
  const tokens = await tokensFor(new TestBrowser(server), app, `${SCOPE} offline_access`);
  const ask = (token: unknown, headers = basic(nosy.clientId, nosy.secret ?? '')) =>
    post(server, '/auth/introspect', { token: String(token) }, headers);
  assert.deepEqual((await ask('made-up')).body, { active: false });
  assert.deepEqual((await ask(tokens.access_token)).body, { active: false }, 'the token of another client');
  assert.equal((await ask(tokens.access_token, {} as never)).status, 401);
  assert.equal((await post(server, '/auth/introspect', { token: 'x', client_id: app.clientId })).status, 401, 'public');
  assert.equal((await ask(tokens.access_token, { authorization: 'Bearer wrong' })).status, 401);
  assert.equal(
    (await post(server, '/auth/introspect', {}, basic(nosy.clientId, nosy.secret ?? ''))).body.error,
    'invalid_request',
  );
});

test('TOK-6 revoking either token of a grant ends both at once, the listeners hear of it', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  for (const which of ['access_token', 'refresh_token']) {
    const tokens = await tokensFor(browser, app, `${SCOPE} offline_access`);
    const info = await server.auth.verifyToken(String(tokens.access_token));
    const answer = await post(server, '/auth/revoke', { token: String(tokens[which]), client_id: app.clientId });
    assert.equal(answer.status, 200);
    assert.equal(await server.auth.verifyToken(String(tokens.access_token)), undefined, which);
    assert.equal((await refresh(server, app, tokens.refresh_token)).body.error, 'invalid_grant', which);
    assert.equal(server.ended.at(-1)?.grantId, info?.grantId);
    assert.equal(
      (await post(server, '/auth/revoke', { token: String(tokens[which]), client_id: app.clientId })).status,
      200,
      'again',
    );
  }
});

test('TOK-6 a check that began before the revocation does not survive it', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const tokens = await tokensFor(new TestBrowser(server), app, SCOPE);
  const token = String(tokens.access_token);
  const checks = [1, 2, 3].map(() => server.auth.verifyToken(token));
  const info = await checks[0];
  const [, , revoked] = await Promise.all([
    server.auth.verifyToken(token),
    ...checks.slice(1),
    server.auth.revokeToken(info?.tokenId ?? ''),
  ]);
  assert.ok(revoked !== undefined);
  assert.equal(await server.auth.verifyToken(token), undefined);
});

test('TOK-6 what another node revokes is void here within two seconds, and at once when its notice arrives', async (t) => {
  const server = await startServer(t);
  const other = await server.node();
  const app = await backend(server);
  const make = async () => String((await app.token('system/*.rs')).body.access_token);
  const first = await make();
  assert.ok(await server.auth.verifyToken(first));
  await other.revokeToken((await other.verifyToken(first))?.tokenId ?? '');
  server.clock.ahead = 2000;
  assert.equal(await server.auth.verifyToken(first), undefined);

  const second = await make();
  const tokenId = (await server.auth.verifyToken(second))?.tokenId ?? '';
  other.onAccessEnded((ended) => server.auth.invalidate(ended));
  await other.revokeToken(tokenId);
  assert.equal(await server.auth.verifyToken(second), undefined);
  assert.equal(server.ended.at(-1)?.tokenId, tokenId);

  const third = await make();
  assert.ok(await server.auth.verifyToken(third));
  await other.clients.suspend(app.clientId);
  assert.equal(await server.auth.verifyToken(third), undefined);
  assert.equal((await app.token('system/*.rs')).body.error, 'invalid_client');
});

test('TOK-6 whoever revokes is answered once the listeners are done', async (t) => {
  const server = await startServer(t);
  const app = await backend(server);
  const told: string[] = [];
  server.auth.onAccessEnded(async (ended) => {
    await new Promise(setImmediate);
    told.push(ended.tokenId ?? `all of ${ended.clientId}`);
  });
  const { access_token: token } = (await app.token('system/*.rs')).body;
  const tokenId = (await server.auth.verifyToken(String(token)))?.tokenId ?? '';
  await server.auth.revokeToken(tokenId);
  assert.deepEqual(told, [tokenId]);
  await server.auth.clients.suspend(app.clientId);
  assert.deepEqual(told, [tokenId, `all of ${app.clientId}`]);
});

test('TOK-6 where changes may have been missed, the store is asked about tokens and clients', async (t) => {
  const server = await startServer(t);
  const other = await server.node();
  const app = await backend(server);
  const { access_token: token } = (await app.token('system/*.rs')).body;
  const tokenId = (await server.auth.verifyToken(String(token)))?.tokenId ?? '';
  await other.revokeToken(tokenId);
  await other.clients.patch(app.clientId, { client_name: 'Renamed' });
  server.auth.doubt();
  assert.equal(await server.auth.verifyToken(String(token)), undefined);
  assert.equal((await server.auth.clients.get(app.clientId))?.name, 'Renamed');
});

test('REG-3 other nodes receive a notice of each registration that changes', async (t) => {
  const server = await startServer(t);
  const app = await backend(server);
  const changed: string[] = [];
  server.auth.clients.onChanged((id) => void changed.push(id));
  await server.auth.clients.patch(app.clientId, { client_name: 'Renamed' });
  await server.auth.clients.suspend(app.clientId);
  await server.auth.clients.delete(app.clientId);
  assert.deepEqual(changed, [app.clientId, app.clientId, app.clientId]);
});

test('TOK-6 suspending a user ends the sign-in and the tokens', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn('dr-mei-tanaka');
  const tokens = await tokensFor(browser, app, `${SCOPE} offline_access`);
  await server.auth.users.suspend('dr-mei-tanaka');
  assert.equal(await server.auth.verifyToken(String(tokens.access_token)), undefined);
  assert.equal((await refresh(server, app, tokens.refresh_token)).body.error, 'invalid_grant');
  assert.equal((await browser.session()).status, 401);
  assert.ok(server.ended.some(({ user }) => user === 'Practitioner/dr-mei-tanaka'));
});

test('TOK-7 the id token verifies against the JWKS, echoes the nonce, and survives atob', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  const nonce = 'n-0S6_WzA2Mj';
  const tokens = await tokensFor(browser, app, 'openid fhirUser profile user/*.rs', {}, { nonce });
  const idToken = String(tokens.id_token);
  const jwks = (await answerOf(await fetch(server.url('/auth/jwks')))).body as unknown as JSONWebKeySet;
  const { payload } = await jwtVerify(idToken, createLocalJWKSet(jwks), {
    issuer: server.origin,
    audience: app.clientId,
    algorithms: ['RS256'],
  });
  const fhirUser = `${server.origin}/fhir/Practitioner/dr-lena-okafor`;
  const { exp, iat, ...claims } = payload;
  assert.deepEqual(claims, {
    sub: 'dr-lena-okafor',
    fhirUser,
    profile: fhirUser,
    nonce,
    iss: server.origin,
    aud: app.clientId,
  });
  assert.ok(Number(exp) > Number(iat));
  assert.equal(decodeProtectedHeader(idToken).kid, jwks.keys[0]?.kid);
  const decoded = JSON.parse(atob(idToken.split('.')[1] ?? '')) as Json;
  assert.equal(decoded.fhirUser, fhirUser);
  assert.doesNotMatch(JSON.stringify(payload), /[~?>]|[^ -~]/);
});

test('TOK-7 no user can have a name that breaks atob', async (t) => {
  const server = await startServer(t);
  for (const id of ['Ä', 'a~b', 'a?b', 'a>b', '', 'a b']) {
    await assert.rejects(server.auth.users.add({ id, name: 'x' }), { name: 'InvalidUser' }, id);
  }
  const user = await server.auth.users.add({
    id: 'Jörg-Smith'.normalize('NFD').replaceAll(/[^\w-]/g, ''),
    name: 'Jörg Smith ~ ?',
  });
  assert.equal(user.id, 'jorg-smith');
});

test('SES-7 a user is found by reference, alias or sign-in name', async (t) => {
  const server = await startServer(t);
  await server.auth.users.add({
    id: 'ann',
    name: 'Ann',
    reference: 'Practitioner/77',
    aliases: ['urn:oid:1.2|ANN7', 'HOSPITAL\\ann'],
  });
  for (const name of ['Practitioner/77', 'urn:oid:1.2|ANN7', 'HOSPITAL\\ann', 'Ann', 'ann']) {
    assert.equal((await server.auth.users.resolve(name))?.id, 'ann', name);
  }
  assert.equal(await server.auth.users.resolve('nobody'), undefined);
});

test('REG-3 whoever revokes all tokens of an app ends its refresh tokens, too, and every one of more than a page', async (t) => {
  const server = await startServer(t);
  server.clock.freeze();
  const app = await registerApp(server);
  const { refresh_token: idle } = await tokensFor(new TestBrowser(server), app, `${SCOPE} offline_access`);
  server.clock.ahead += 2 * 3600_000;
  assert.deepEqual(await server.auth.liveTokens(app.clientId), []);
  const client = await server.auth.clients.get(app.clientId);
  const user = await server.auth.users.get('dr-lena-okafor');
  assert.ok(client && user);
  const bearers: string[] = [];
  for (let index = 0; index < 120; index += 1) {
    const until = server.clock.now() + 60_000;
    const grantId = await server.auth.launchTokens.open(client, user, { topic: 'topic', binding: {}, until });
    const issued = await server.auth.launchTokens.issue(client, { grantId, scope: 'fhircast/*.*', binding: {} });
    bearers.push(issued?.token ?? '');
  }
  await server.auth.revokeAllOf(app.clientId);
  for (const bearer of bearers) assert.equal(await server.auth.verifyToken(bearer), undefined);
  assert.equal((await refresh(server, app, idle)).body.error, 'invalid_grant');
});
