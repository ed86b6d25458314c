import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { AuthorizationAddresses } from '../src/addresses.ts';
import { brandBundle } from '../src/discovery.ts';
import { codeFields, codeFor, refresh, registerApp, TestBrowser, tokensFor } from './browsing.ts';
import { answerOf, backend, type Json, makeKey, post, register, startServer, type TestServer } from './harness.ts';

async function read(server: TestServer, path: string, headers: Record<string, string> = {}) {
  return answerOf(await fetch(server.url(path), { headers }));
}

test('DIS-2 DIS-3 smart-configuration names every address and what is supported, whatever Accept says', async (t) => {
  const server = await startServer(t);
  for (const accept of ['application/json', 'text/html', 'application/fhir+xml', '*/*']) {
    const { status, headers, body } = await read(server, '/fhir/.well-known/smart-configuration', {
      accept,
      origin: 'https://any.example',
    });
    assert.equal(status, 200);
    assert.match(headers.get('content-type') ?? '', /^application\/json/);
    assert.equal(headers.get('access-control-allow-origin'), '*');
    const { scopes_supported: scopes, capabilities, ...rest } = body;
    const auth = `${server.origin}/auth`;
    assert.deepEqual(rest, {
      issuer: server.origin,
      jwks_uri: `${auth}/jwks`,
      authorization_endpoint: `${auth}/authorize`,
      token_endpoint: `${auth}/token`,
      introspection_endpoint: `${auth}/introspect`,
      revocation_endpoint: `${auth}/revoke`,
      registration_endpoint: `${auth}/register`,
      management_endpoint: `${auth}/manage`,
      userinfo_endpoint: `${auth}/userinfo`,
      associated_endpoints: [{ url: `${server.origin}/hub`, capabilities: ['fhircast'] }],
      user_access_brand_bundle: `${auth}/brand.json`,
      user_access_brand_identifier: { system: 'urn:ietf:rfc:3986', value: server.origin },
      grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
      token_endpoint_auth_signing_alg_values_supported: ['RS384', 'ES384'],
      dpop_signing_alg_values_supported: ['ES256', 'ES384', 'Ed25519', 'EdDSA', 'PS256', 'RS256'],
      response_types_supported: ['code'],
      response_modes_supported: ['query'],
      authorization_response_iss_parameter_supported: true,
    });
    assert.ok((scopes as string[]).includes('fhircast/*.read'));
    assert.deepEqual([...(capabilities as string[])].sort(), [
      'authorize-post',
      'client-confidential-asymmetric',
      'client-confidential-symmetric',
      'client-public',
      'context-banner',
      'context-ehr-encounter',
      'context-ehr-patient',
      'context-standalone-encounter',
      'context-standalone-patient',
      'context-style',
      'launch-ehr',
      'launch-standalone',
      'permission-offline',
      'permission-online',
      'permission-patient',
      'permission-user',
      'permission-v1',
      'permission-v2',
      'sso-openid-connect',
    ]);
  }
});

test('DIS-2 every scope that is listed can really be granted', async (t) => {
  const server = await startServer(t);
  const { body } = await read(server, '/fhir/.well-known/smart-configuration');
  const scopes = body.scopes_supported as string[];
  const app = await registerApp(server);
  const ehr = await backend(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const { body: launch } = await browser.launch({ client_id: app.clientId, patient: 'ida', encounter: 'ida-1' });
  const forUsers = scopes.filter((scope) => !scope.startsWith('system/'));
  const tokens = await tokensFor(browser, app, forUsers.join(' '), {}, { launch: String(launch.launch) });
  assert.deepEqual(new Set(String(tokens.scope).split(' ')), new Set(forUsers));
  const forSystems = scopes.filter((scope) => /^(system|fhircast|hub)/.test(scope));
  assert.equal((await ehr.token(forSystems.join(' '))).body.scope, forSystems.join(' '));
});

test('DIS-2 every address that is listed answers', async (t) => {
  const server = await startServer(t, { fhir: true });
  const { body } = await read(server, '/fhir/.well-known/smart-configuration');
  for (const [name, address] of Object.entries(body)) {
    if (!/_endpoint$|_uri$/.test(name)) continue;
    assert.doesNotMatch(String(address), /\?/);
    const response = await fetch(String(address), {
      method: /authorization|management|jwks/.test(name) ? 'GET' : 'POST',
      redirect: 'manual',
    });
    assert.notEqual(response.status, 404, name);
    assert.ok(response.status < 500, name);
  }
  const style = await tokensFor(new TestBrowser(server), await registerApp(server), 'openid user/*.rs');
  assert.equal((await fetch(String(style.smart_style_url))).status, 200);
});

test('DIS-4 smart-configuration and /metadata agree field by field', async (t) => {
  const server = await startServer(t, { fhir: true });
  const { body: config } = await read(server, '/fhir/.well-known/smart-configuration');
  const { body: metadata } = await read(server, '/fhir/metadata');
  const [rest] = metadata.rest as {
    security: { extension: { url: string; extension: { url: string; valueUri: string }[] }[] };
  }[];
  const uris = rest?.security.extension.find(({ url }) => url.endsWith('/oauth-uris'))?.extension ?? [];
  const names = {
    authorize: 'authorization',
    token: 'token',
    introspect: 'introspection',
    manage: 'management',
    register: 'registration',
    revoke: 'revocation',
  };
  assert.deepEqual(
    Object.fromEntries(uris.map(({ url, valueUri }) => [url, valueUri])),
    Object.fromEntries(Object.entries(names).map(([url, name]) => [url, config[`${name}_endpoint`]])),
  );
});

test('DIS-5 openid-configuration resolves below the issuer and agrees', async (t) => {
  const server = await startServer(t);
  const { body: smart } = await read(server, '/fhir/.well-known/smart-configuration');
  for (const path of ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']) {
    const { status, headers, body } = await read(server, path);
    assert.equal(status, 200);
    assert.equal(headers.get('access-control-allow-origin'), '*');
    assert.equal(body.issuer, smart.issuer);
    for (const name of [
      'authorization_endpoint',
      'token_endpoint',
      'jwks_uri',
      'introspection_endpoint',
      'revocation_endpoint',
    ]) {
      assert.equal(body[name], smart[name], name);
    }
    assert.deepEqual(body.id_token_signing_alg_values_supported, ['RS256']);
    assert.deepEqual(body.subject_types_supported, ['public']);
    assert.ok((body.claims_supported as string[]).includes('fhirUser'));
  }
});

test('DIS-5 keys persist, rotate, and stay in the JWKS until their tokens have expired', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'lockstep-keys-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'keys.db');
  const first = await startServer(t, { file });
  const kids = async (server: TestServer) =>
    ((await read(server, '/auth/jwks')).body.keys as Json[]).map(({ kid }) => kid);
  const [original] = await kids(first);
  assert.ok(original);
  const { origin } = first;
  await first.close();

  const server = await startServer(t, { file, publicUrl: origin });
  assert.deepEqual(await kids(server), [original], 'after a restart');
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  const idTokenOf = async () => String((await tokensFor(browser, app, 'openid user/*.rs')).id_token);
  const old = await idTokenOf();
  assert.equal(decodeProtectedHeader(old).kid, original);

  const fresh = await server.auth.keys.rotate();
  assert.deepEqual(new Set(await kids(server)), new Set([original, fresh]));
  const young = await idTokenOf();
  assert.equal(decodeProtectedHeader(young).kid, fresh);
  const jwks = (await read(server, '/auth/jwks')).body as unknown as JSONWebKeySet;
  for (const token of [old, young]) await jwtVerify(token, createLocalJWKSet(jwks), { issuer: server.origin });
  for (const key of jwks.keys) {
    assert.deepEqual(Object.keys(key).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use'], 'public parts only');
  }
  assert.equal(server.auth.keys.list().find(({ kid }) => kid === original)?.retiredAt !== undefined, true);
  server.clock.ahead = 3_600_000 + 10_000;
  assert.deepEqual(await kids(server), [fresh]);
});

test('DIS-5 a key that another node made is published at once: it signs already', async (t) => {
  const server = await startServer(t);
  const kids = async () => ((await read(server, '/auth/jwks')).body.keys as Json[]).map(({ kid }) => kid);
  const [original] = await kids();
  const kid = await (await server.node()).keys.rotate();
  assert.deepEqual(new Set(await kids()), new Set([original, kid]));
});

test('DIS-5 a rotation by another node is seen within seconds', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await tokensFor(browser, app, 'openid user/*.rs');
  const kid = await (await server.node()).keys.rotate();
  server.clock.ahead = 5_000;
  const { id_token: token } = await tokensFor(browser, app, 'openid user/*.rs');
  assert.equal(decodeProtectedHeader(String(token)).kid, kid);
});

test('REG-1 clients, grants and tokens survive a restart; a launch and a code too', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'lockstep-restart-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'restart.db');
  const first = await startServer(t, { file });
  const app = await registerApp(first);
  const browser = new TestBrowser(first);
  const { session_topic: topic } = await browser.signIn();
  const tokens = await tokensFor(browser, app, 'openid launch/patient patient/*.rs fhircast/*.* offline_access');
  const { body: launch } = await browser.launch({ client_id: app.clientId, patient: 'omar' });
  const { code, verifier } = await codeFor(browser, app, 'openid user/*.rs');
  const { origin } = first;
  await first.close();
  const server = await startServer(t, { file, publicUrl: origin });
  const info = await server.auth.verifyToken(String(tokens.access_token));
  assert.equal(info?.patient, 'ida');
  assert.deepEqual(info?.topics, [topic]);
  const again = new TestBrowser(server);
  for (const [key, cookie] of browser.cookies) again.cookies.set(key, cookie);
  const relaunched = await tokensFor(again, app, 'launch patient/*.rs', {}, { launch: String(launch.launch) });
  assert.equal(relaunched.patient, 'omar');
  assert.equal((await post(server, '/auth/token', codeFields(app, code, verifier))).status, 200);
  assert.equal((await refresh(server, app, tokens.refresh_token)).status, 200);
});

test('DIS-2 what shares the tokens, who runs it and where tokens come from can be found', async (t) => {
  const server = await startServer(t);
  const read = async (path: string) => (await answerOf(await fetch(server.url(path)))).body;
  const smart = await read('/fhir/.well-known/smart-configuration');
  assert.deepEqual(smart.associated_endpoints, [{ url: `${server.origin}/hub`, capabilities: ['fhircast'] }]);
  const brand = await read(String(smart.user_access_brand_bundle).replace(server.origin, ''));
  const [organization, endpoint] = brand.entry as { resource: Json }[];
  assert.equal(brand.resourceType, 'Bundle');
  assert.deepEqual(organization?.resource.identifier, [smart.user_access_brand_identifier]);
  assert.equal(endpoint?.resource.address, `${server.origin}/fhir`);
  for (const [path, resource] of [
    ['/fhir', `${server.origin}/fhir`],
    ['/hub', `${server.origin}/hub`],
    ['', `${server.origin}/fhir`],
  ]) {
    const described = await read(`/.well-known/oauth-protected-resource${path}`);
    assert.deepEqual([described.resource, described.authorization_servers], [resource, [server.origin]]);
  }
});

test('DIS-2 the brand is what the profiles of User-access Brands ask', async () => {
  const brand = brandBundle(new AuthorizationAddresses('https://www.hospital.example:8443/lockstep'));
  assert.deepEqual([brand.resourceType, brand.type], ['Bundle', 'collection']);
  assert.ok(Date.parse(brand.timestamp) > 0 && Date.parse(brand.meta.lastUpdated) > 0);
  const base = 'https://www.hospital.example:8443/lockstep';
  const [organization, endpoint] = brand.entry;
  assert.partialDeepStrictEqual(organization?.resource, {
    resourceType: 'Organization',
    active: true,
    name: 'www.hospital.example:8443',
    identifier: [{ system: 'urn:ietf:rfc:3986', value: base }],
    telecom: [{ system: 'url', value: base }],
    endpoint: [{ reference: 'Endpoint/fhir' }],
  });
  assert.equal(endpoint?.fullUrl, `${base}/auth/brand/Endpoint/fhir`);
  assert.partialDeepStrictEqual(endpoint.resource, {
    resourceType: 'Endpoint',
    extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/endpoint-fhir-version', valueCode: '4.0.1' }],
    status: 'active',
    connectionType: { code: 'hl7-fhir-rest' },
    contact: [{ system: 'url', value: base }],
    address: `${base}/fhir`,
  });
});

test('FHR-1 scopes that can never work are dropped, not granted', async (t) => {
  const server = await startServer(t);
  const { body } = await register(server, {
    redirect_uris: ['http://localhost/'],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'],
    scope: 'openid system/*.rs user/Patient.rs user/Patients.rs patient/NoSuch.cruds fhircast/*.read',
  });
  assert.equal(body.scope, 'openid user/Patient.rs fhircast/*.read');
  const key = await makeKey();
  const service = await register(server, {
    grant_types: ['client_credentials'],
    jwks: { keys: [key.publicJwk] },
    scope: 'openid user/*.rs system/Patient.rs system/Nothing.rs offline_access launch',
  });
  assert.equal(service.body.scope, 'system/Patient.rs launch');
  const refused = await register(server, {
    redirect_uris: ['http://localhost/'],
    scope: 'system/*.rs user/Nothing.rs',
  });
  assert.equal(refused.status, 400);
  const app = await registerApp(server, { grant_types: ['authorization_code'], scope: 'user/*.rs offline_access' });
  const tokens = await tokensFor(new TestBrowser(server), app, 'user/Patient.rs user/Nothing.rs offline_access');
  assert.deepEqual([tokens.scope, tokens.refresh_token], ['user/Patient.rs', undefined]);
});

test('DIS-5 userinfo says what an id token says, for tokens with the scope openid', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const ask = async (token: unknown) =>
    answerOf(await fetch(server.url('/auth/userinfo'), { headers: { authorization: `Bearer ${token}` } }));
  const full = await tokensFor(new TestBrowser(server), app, 'openid fhirUser user/*.rs');
  const fhirUser = `${server.origin}/fhir/Practitioner/dr-lena-okafor`;
  assert.deepEqual((await ask(full.access_token)).body, { sub: 'dr-lena-okafor', fhirUser });
  const bare = await tokensFor(new TestBrowser(server), app, 'openid user/*.rs');
  assert.deepEqual((await ask(bare.access_token)).body, { sub: 'dr-lena-okafor' });
  const none = await tokensFor(new TestBrowser(server), app, 'user/*.rs');
  const lacking = await ask(none.access_token);
  assert.deepEqual([lacking.status, lacking.body.error], [403, 'insufficient_scope']);
  assert.match(lacking.headers.get('www-authenticate') ?? '', /^Bearer .*error="insufficient_scope"/);
  const wrong = await ask('made-up');
  assert.equal(wrong.status, 401);
  assert.match(wrong.headers.get('www-authenticate') ?? '', /^Bearer/);
});
