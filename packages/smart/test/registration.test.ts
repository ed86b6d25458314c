import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attempt, codeFor, registerApp, TestBrowser, tokensFor } from './browsing.ts';
import {
  answerOf,
  approve,
  backend,
  countClients,
  type Json,
  makeKey,
  post,
  register,
  startServer,
  type TestServer,
} from './harness.ts';

const REDIRECTS = ['https://app.example/callback'];

test('REG-1 a registration keeps every field and tells the secret once', async (t) => {
  const server = await startServer(t);
  const metadata = {
    client_name: 'Viewer',
    description: 'Shows images',
    client_uri: 'https://app.example',
    logo_uri: 'https://app.example/logo.png',
    contacts: ['it@app.example'],
    token_endpoint_auth_method: 'client_secret_post',
    redirect_uris: REDIRECTS,
    launch_url: 'https://app.example/launch',
    launch_kinds: ['ehr', 'standalone', 'web'],
    origins: ['https://app.example', 'https://other.example'],
    scope: 'launch patient/*.rs openid fhirUser fhircast/Patient-open.read',
    stu2: true,
    legacy: false,
    acknowledgements: 'strict',
    switches: { target_actor: true },
  };
  const { status, headers, body } = await register(server, { ...metadata, unknown_field: 1 });
  assert.equal(status, 201);
  assert.match(headers.get('cache-control') ?? '', /no-store/);
  const {
    client_id: id,
    client_secret: secret,
    registration_access_token: token,
    registration_client_uri: uri,
    client_id_issued_at: at,
    ...rest
  } = body;
  assert.deepEqual(rest, {
    ...metadata,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    client_secret_expires_at: 0,
    resource_server: false,
    status: 'active',
  });
  assert.ok(Math.abs(Number(at) - Date.now() / 1000) < 60);
  const read = await answerOf(await fetch(String(uri), { headers: { authorization: `Bearer ${token}` } }));
  assert.equal(read.status, 200);
  assert.equal(read.body.client_secret, undefined);
  assert.equal(read.body.client_id, id);
  const stored = await server.auth.clients.get(String(id));
  assert.doesNotMatch(JSON.stringify(stored), new RegExp(String(secret)), 'kept as a digest only');
  assert.deepEqual(stored?.switches, { acknowledgements: 'strict', legacy: false, stu2: true, target_actor: true });
});

test('REG-1 an icon is an address or a small picture itself, and no SVG, which may hold more', async (t) => {
  const server = await startServer(t);
  const app = { redirect_uris: REDIRECTS, token_endpoint_auth_method: 'none' };
  const ask = (logo: string) => register(server, { ...app, logo_uri: logo });
  for (const logo of [
    'data:image/png;base64,aWNvbg==',
    'data:image/webp;base64,aWNv',
    'data:image/jpeg;base64,aWNvbg==',
  ]) {
    const { status, body } = await ask(logo);
    assert.equal(status, 201, logo);
    assert.equal(body.logo_uri, logo);
  }
  for (const logo of [
    'data:image/svg+xml;base64,aWNv',
    'data:text/html;base64,aWNv',
    'DATA:image/png;base64,aWNv',
    'data:image/png,icon',
    'data:image/png;base64,',
    'data:image/png;base64,a b',
    'data:image/png;base64,aWNv"onerror=',
    `data:image/png;base64,${'a'.repeat(6 * 1024)}`,
    'javascript:alert(1)',
  ]) {
    const { status, body } = await ask(logo);
    assert.equal(status, 400, logo.slice(0, 60));
    assert.match(String(body.error_description), /^logo_uri/);
  }
});

test('REG-1 what a registration leaves out has sensible defaults', async (t) => {
  const server = await startServer(t);
  const app = await register(server, { redirect_uris: ['http://localhost:9090/callback'] });
  assert.equal(app.body.token_endpoint_auth_method, 'client_secret_basic');
  assert.deepEqual(app.body.origins, ['http://localhost:9090']);
  assert.deepEqual(app.body.launch_kinds, ['standalone']);
  const key = await makeKey();
  const service = await register(server, { jwks: { keys: [key.publicJwk] } });
  assert.equal(service.body.token_endpoint_auth_method, 'private_key_jwt');
  assert.deepEqual(service.body.grant_types, ['client_credentials']);
  assert.deepEqual(service.body.launch_kinds, ['backend']);
  assert.deepEqual(service.body.response_types, []);
});

test('REG-1 what cannot be is refused, saying which field, and registers nothing', async (t) => {
  const server = await startServer(t);
  const key = await makeKey();
  const jwks = { keys: [key.publicJwk] };
  const app = { redirect_uris: REDIRECTS };
  const bad: [Json, RegExp, string?][] = [
    [{ ...app, token_endpoint_auth_method: 'tls_client_auth' }, /token_endpoint_auth_method/],
    [{ ...app, token_endpoint_auth_method: 'private_key_jwt' }, /jwks/],
    [{ ...app, jwks, jwks_uri: 'https://app.example/jwks' }, /jwks_uri/],
    [{ ...app, jwks: { keys: [] } }, /jwks/],
    [{ ...app, jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] } }, /RSA or EC/],
    [{ ...app, jwks: { keys: [{ ...key.publicJwk, d: 'x' }] } }, /private/],
    [{ ...app, jwks_uri: 'ftp://app.example/jwks' }, /jwks_uri/],
    [{ grant_types: ['authorization_code'] }, /redirect_uris/, 'invalid_redirect_uri'],
    [{ redirect_uris: ['/callback'] }, /absolute/, 'invalid_redirect_uri'],
    [{ redirect_uris: ['https://app.example/#x'] }, /fragment/, 'invalid_redirect_uri'],
    [{ redirect_uris: ['javascript:alert(1)'] }, /javascript/, 'invalid_redirect_uri'],
    [{ redirect_uris: 'https://app.example' }, /redirect_uris/],
    [{ redirect_uris: [7] }, /redirect_uris/],
    [{ grant_types: ['client_credentials'], token_endpoint_auth_method: 'client_secret_basic' }, /private_key_jwt/],
    [{ grant_types: ['password'], ...app }, /grant_types/],
    [{ ...app, response_types: ['token'] }, /response_types/],
    [{ ...app, scope: 'nothing/known' }, /scope/],
    [{ ...app, client_name: 7 }, /client_name/],
    [{ ...app, client_name: 'x'.repeat(3000) }, /client_name/],
    [{ ...app, launch_kinds: ['magic'] }, /launch_kinds/],
    [{ ...app, launch_url: 'https://user:secret@app.example/' }, /launch_url/],
    [{ ...app, origins: ['https://app.example/path'] }, /origins/],
    [{ ...app, acknowledgements: 'sometimes' }, /acknowledgements/],
    [{ ...app, legacy: 'yes' }, /legacy/],
    [{ ...app, switches: [] }, /switches/],
    [{ ...app, switches: { deep: {} } }, /switches/],
    [{ ...app, session_users: 'all' }, /session_users/],
  ];
  const before = await countClients(server);
  for (const [metadata, words, error = 'invalid_client_metadata'] of bad) {
    const { status, body } = await register(server, metadata);
    assert.equal(status, 400, JSON.stringify(metadata));
    assert.equal(body.error, error, JSON.stringify(metadata));
    assert.match(String(body.error_description), words);
  }
  for (const body of ['[]', '"x"', 'null']) {
    const response = await fetch(server.url('/auth/register'), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    assert.equal(response.status, 400, body);
  }
  const broken = await fetch(server.url('/auth/register'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{',
  });
  assert.equal(broken.status, 400);
  assert.equal(await countClients(server), before);
});

test('REG-1 beyond loopback plain http is for loopback addresses', async (t) => {
  const server = await startServer(t, { loopback: false });
  assert.equal(
    (await register(server, { redirect_uris: ['http://app.example/callback'] })).body.error,
    'invalid_redirect_uri',
  );
  assert.equal((await register(server, { redirect_uris: ['http://localhost:9090/callback'] })).status, 201);
  for (const jwks_uri of ['http://app.example/jwks', 'http://localhost:9090/jwks']) {
    const { status, body } = await register(server, { token_endpoint_auth_method: 'private_key_jwt', jwks_uri });
    assert.equal(status, 400);
    assert.match(String(body.error_description), /^jwks_uri must use https/);
  }
});

async function manage(server: TestServer, id: string, token: unknown, method: string, body?: object) {
  const response = await fetch(server.url(`/auth/register/${id}`), {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return answerOf(response);
}

test('REG-1 RFC 7592: only the app itself reads, changes and deletes its registration', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const { registration_access_token: token } = app.metadata;
  const other = await registerApp(server);
  for (const wrong of ['made-up', other.metadata.registration_access_token]) {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const answer = await manage(server, app.clientId, wrong, method, method === 'PUT' ? {} : undefined);
      assert.equal(answer.status, 401, method);
    }
  }
  const tokens = await tokensFor(new TestBrowser(server), app, 'openid user/*.rs');
  const change = {
    client_id: app.clientId,
    client_name: 'Renamed',
    token_endpoint_auth_method: 'none',
    redirect_uris: app.metadata.redirect_uris,
  };
  assert.equal((await manage(server, app.clientId, token, 'PUT', { ...change, client_id: 'x' })).status, 400);
  const chosen = await manage(server, app.clientId, token, 'PUT', { ...change, client_secret: 'of my own' });
  assert.equal(chosen.body.error, 'invalid_request', 'nobody chooses a secret');
  const renamed = await manage(server, app.clientId, token, 'PUT', change);
  assert.equal(renamed.body.client_name, 'Renamed');
  assert.ok(await server.auth.verifyToken(String(tokens.access_token)), 'a new name ends nothing');
  const narrowed = await manage(server, app.clientId, token, 'PUT', { ...change, scope: 'openid' });
  assert.equal(narrowed.body.scope, 'openid');
  assert.equal(
    await server.auth.verifyToken(String(tokens.access_token)),
    undefined,
    'narrower scopes end what was given',
  );
  assert.equal((await manage(server, app.clientId, token, 'DELETE')).status, 204);
  assert.equal((await manage(server, app.clientId, token, 'GET')).status, 401);
  assert.equal(await server.auth.clients.get(app.clientId), undefined);
});

test('REG-2 what an administrator approved, the app itself cannot widen', async (t) => {
  const server = await startServer(t, { loopback: false });
  const app = await registerApp(server, { scope: 'openid' });
  const { registration_access_token: token } = app.metadata;
  const change = { ...app.metadata, scope: 'openid user/*.cruds' };
  assert.equal((await manage(server, app.clientId, token, 'PUT', change)).status, 200, 'while it waits');
  await approve(server, app.clientId);
  const approved = (await manage(server, app.clientId, token, 'GET')).body;
  assert.equal(
    (await manage(server, app.clientId, token, 'PUT', { ...approved, scope: 'openid user/*.cruds patient/*.cruds' }))
      .status,
    403,
  );
  for (const wider of [
    { token_endpoint_auth_method: 'client_secret_basic' },
    { legacy: true },
    { switches: { legacy: true } },
    { switches: { anything: true } },
    { redirect_uris: ['https://elsewhere.example/'] },
    { resource_server: true },
    { client_name: 'Somebody else’s app' },
    { launch_url: 'https://elsewhere.example/launch' },
    { launch_kinds: ['ehr', 'web'] },
  ]) {
    const refused = await manage(server, app.clientId, token, 'PUT', { ...approved, ...wider });
    assert.ok([400, 403].includes(refused.status), JSON.stringify(wider));
  }
  assert.deepEqual((await manage(server, app.clientId, token, 'GET')).body, approved);
  assert.equal(
    (await manage(server, app.clientId, token, 'PUT', { ...approved, description: 'Says more' })).status,
    200,
  );
});

test('REG-2 a waiting app gets no page and no token', async (t) => {
  const server = await startServer(t, { loopback: false });
  const app = await registerApp(server);
  assert.equal(app.metadata.status, 'waiting');
  assert.equal((await new TestBrowser(server).go(attempt(server, app, 'openid').url)).status, 400);
  await approve(server, app.clientId);
  assert.equal((await new TestBrowser(server).go(attempt(server, app, 'openid user/*.rs').url)).status, 200);
});

test('REG-3 administrators suspend, edit, delete apps and see launches and live tokens', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  const tokens = await tokensFor(browser, app, 'openid user/*.rs offline_access');
  assert.ok((await server.auth.clients.get(app.clientId))?.lastLaunchAt);
  const [live] = await server.auth.liveTokens(app.clientId);
  assert.equal(live?.user, 'Practitioner/dr-lena-okafor');
  assert.equal(live?.scope, 'openid user/*.rs offline_access');
  assert.equal(await server.auth.revokeToken(live?.tokenId ?? ''), true);
  assert.equal(await server.auth.revokeToken('unknown'), false);
  assert.equal(await server.auth.verifyToken(String(tokens.access_token)), undefined);

  const { code, verifier } = await codeFor(browser, app, 'openid user/*.rs');
  await server.auth.clients.suspend(app.clientId);
  const { codeFields } = await import('./browsing.ts');
  assert.equal((await post(server, '/auth/token', codeFields(app, code, verifier))).body.error, 'invalid_client');
  assert.equal((await browser.go(attempt(server, app, 'openid').url)).status, 400, 'no page either');
  await approve(server, app.clientId);
  assert.equal(
    (await post(server, '/auth/token', codeFields(app, code, verifier))).body.error,
    'invalid_grant',
    'the code went with it',
  );

  const edited = await server.auth.clients.patch(app.clientId, { client_name: 'Approved', trusted: true });
  assert.deepEqual(
    [edited?.name, edited?.trusted, edited?.launchUrl],
    ['Approved', true, 'http://localhost:9090/launch'],
  );
  await assert.rejects(server.auth.clients.patch(app.clientId, { trusted: 'yes' }), /trusted/);
  assert.equal(await server.auth.clients.delete(app.clientId), true);
  assert.equal(await server.auth.clients.delete(app.clientId), false);
});

test('REG-1 a secret is rotated, the old one is void at once', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server, { token_endpoint_auth_method: 'client_secret_post' });
  const ask = (secret: string) =>
    post(server, '/auth/introspect', { token: 'x', client_id: app.clientId, client_secret: secret });
  assert.equal((await ask(app.secret ?? '')).status, 200);
  const fresh = await server.auth.clients.rotateSecret(app.clientId);
  assert.equal((await ask(app.secret ?? '')).status, 401);
  assert.equal((await ask(fresh ?? '')).status, 200);
  const service = await backend(server);
  assert.equal(await server.auth.clients.rotateSecret(service.clientId), undefined);
});

test('REG-3 every change leaves a line in the audit trail', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  await browser.launch({ client_id: app.clientId, patient: 'ida' });
  await tokensFor(browser, app, 'openid user/*.rs');
  assert.deepEqual(
    server.audits.map(({ action }) => action),
    ['client.register', 'sign-in', 'launch', 'consent'],
  );
  assert.doesNotMatch(JSON.stringify(server.audits), /\bida\b/, 'without patients');
});
