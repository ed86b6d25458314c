/** What the server says about itself, wherever it says it; and its keys (DIS-2 to DIS-5, CAP-1, CAP-2). */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Config, type Lockstep, startLockstep } from '@lockstep/server';
import { createAuthorizationServer, NO_PATIENTS, NO_SESSIONS } from '@lockstep/smart';
import { openSqlite } from '@lockstep/store-sqlite';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { HubClient, type Json, json, sharedLockstep, testConfig } from './harness.ts';
import { App, answerOf, fhir, Person } from './person.ts';

const { origin } = await sharedLockstep();
const OAUTH = 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris';
const at = (path: string, headers: Record<string, string> = {}): Promise<Json> =>
  json(fetch(`${origin}${path}`, { headers }));

describe('discovery', () => {
  it('DIS-4 smart-configuration and /metadata agree field by field', async () => {
    const smart = await at('/fhir/.well-known/smart-configuration');
    const metadata = await at('/fhir/metadata');
    const [rest] = metadata.rest;
    const { extension } = rest.security.extension.find(({ url }: Json) => url === OAUTH);
    const named = Object.fromEntries(extension.map(({ url, valueUri }: Json) => [url, valueUri]));
    const pairs = {
      authorize: smart.authorization_endpoint,
      token: smart.token_endpoint,
      introspect: smart.introspection_endpoint,
      manage: smart.management_endpoint,
      register: smart.registration_endpoint,
      revoke: smart.revocation_endpoint,
    };
    assert.deepEqual(named, pairs, 'each there exactly when the other has it');
    assert.equal(extension.length, 6);
    assert.equal(rest.security.service[0].coding[0].code, 'SMART-on-FHIR');
    assert.equal(rest.security.cors, true);
    assert.equal(metadata.implementation.url, `${origin}/fhir`);
    assert.ok(!smart.authorization_endpoint.includes('?'));
    for (const value of Object.values(pairs)) assert.ok(String(value).startsWith(`${origin}/`), String(value));
  });

  it('DIS-5 openid-configuration has the same issuer, addresses and methods, and so has RFC 8414', async () => {
    const smart = await at('/fhir/.well-known/smart-configuration');
    assert.equal(smart.issuer, origin);
    for (const path of ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']) {
      const openid = await at(path);
      for (const [name, value] of Object.entries(smart)) {
        if (/^(capabilities|management_endpoint|associated_endpoints|user_access_.*)$/.test(name)) continue;
        assert.deepEqual(openid[name], value, `${path} ${name}`);
      }
    }
  });

  it('CAP-2 the CapabilityStatement names the Hub that tokens name and that answers', async () => {
    const [rest] = (await at('/fhir/metadata')).rest;
    const hubs = rest.extension
      .flatMap(({ extension }: Json) => extension)
      .filter(({ url }: Json) => url === 'hub.url');
    assert.ok(hubs.length > 0);
    for (const { valueUrl, valueUri } of hubs) assert.equal(valueUrl ?? valueUri, `${origin}/hub`);
    const app = await App.register(origin);
    const person = new Person(origin);
    await person.signIn();
    assert.equal((await app.tokens(person, 'fhircast/*.read'))['hub.url'], `${origin}/hub`);
    const hub = await at('/hub/.well-known/fhircast-configuration');
    assert.equal(hub.fhircastVersion, '3.0.0');
  });

  it('DIS-2 JSON whatever Accept says, for every page', async () => {
    for (const accept of ['application/json', 'text/html', 'application/fhir+xml', '*/*', 'image/png']) {
      const headers = { accept, origin: 'https://app.example' };
      const response = await fetch(`${origin}/fhir/.well-known/smart-configuration`, { headers });
      assert.equal(response.status, 200, accept);
      assert.match(response.headers.get('content-type') ?? '', /^application\/json/, accept);
      assert.equal(response.headers.get('access-control-allow-origin'), '*', accept);
    }
  });

  it('DIS-2 every scope that is listed is granted by the whole server', async () => {
    const { scopes_supported: scopes } = await at('/fhir/.well-known/smart-configuration');
    const app = await App.register(origin);
    const person = new Person(origin);
    const { session_topic: topic } = await person.signIn();
    const forUsers = scopes.filter((scope: string) => !scope.startsWith('system/'));
    const viewer = await HubClient.backend(origin, 'system/*.rs', { scope: 'system/*.rs' });
    const { body } = await fhir(origin, 'Patient?_count=1', viewer.token);
    const context = { patient: body.entry[0].resource.id, topic };
    const token = await app.launched(person, forUsers.join(' '), context);
    assert.deepEqual(new Set(token.scope.split(' ')), new Set(forUsers));
    const forSystems = scopes.filter((scope: string) => /^(system|fhircast|hub)/.test(scope)).join(' ');
    assert.ok((await HubClient.backend(origin, forSystems, { scope: forSystems })).token);
  });

  it('TOK-2 CORS: pages of registered origins reach token, FHIR and Hub, preflight included', async () => {
    const app = await App.register(origin);
    const page = 'http://localhost:9090';
    const asks = {
      origin: page,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    };
    for (const path of ['/auth/token', '/auth/introspect', '/auth/revoke', '/fhir/Patient', '/hub']) {
      const response = await fetch(`${origin}${path}`, { method: 'OPTIONS', headers: asks });
      assert.equal(response.status, 204, path);
      assert.ok([page, '*'].includes(response.headers.get('access-control-allow-origin') ?? ''), path);
      assert.match(response.headers.get('access-control-allow-headers') ?? '', /authorization/i, path);
    }
    const stranger = { ...asks, origin: 'https://stranger.example' };
    const refused = await fetch(`${origin}/auth/token`, { method: 'OPTIONS', headers: stranger });
    assert.equal(refused.headers.get('access-control-allow-origin'), null);
    assert.ok(app.clientId);
  });
});

/** Runs a server on the data of a folder, on the same port each time. */
async function onData(config: Config, run: (lockstep: Lockstep) => Promise<void>): Promise<void> {
  const lockstep = await startLockstep(config);
  try {
    await run(lockstep);
  } finally {
    await lockstep.close();
  }
}

/** Makes a new signing key, as an administrator's command does while no server runs. */
async function rotate(config: Config): Promise<string> {
  const store = await openSqlite({ path: join(config.data, 'lockstep.db'), log: { count: 100, ageMs: 60_000 } });
  const silent = (): undefined => undefined;
  const { keys } = await createAuthorizationServer({
    records: store.records,
    clock: { now: () => Date.now(), after: () => silent },
    publicUrl: 'http://localhost',
    hubUrl: 'http://localhost/hub',
    loopback: false,
    sessions: NO_SESSIONS,
    patients: NO_PATIENTS,
    sampleUsers: false,
    logger: { info: silent, warn: silent, error: silent },
  });
  const kid = await keys.rotate();
  await store.close();
  return kid;
}

describe('keys', () => {
  it('DIS-5 are rotated while tokens live: old id tokens verify, access and refresh go on, new ones use the new key', async (t) => {
    let config = testConfig();
    t.after(() => rm(config.data, { recursive: true, force: true }));
    const verify = (idToken: string, at: string) => jwtVerify(idToken, createRemoteJWKSet(new URL(`${at}/auth/jwks`)));
    let refresh = async (): Promise<Json> => ({});
    let clientId = '';
    let old: Json = {};
    await onData(config, async ({ origin: at, port }) => {
      config = { ...config, port };
      const app = await App.register(at);
      clientId = app.clientId;
      const person = new Person(at);
      await person.signIn();
      old = await app.tokens(person, 'openid fhirUser user/*.rs fhircast/*.* offline_access');
      assert.equal((await verify(old.id_token, at)).payload.iss, at);
      refresh = async () => (await app.refresh(old.refresh_token)).body;
    });
    const kid = await rotate(config);
    await onData(config, async ({ origin: at }) => {
      assert.notEqual(decodeProtectedHeader(old.id_token).kid, kid);
      assert.equal((await verify(old.id_token, at)).payload.aud, clientId);
      assert.equal((await fhir(at, 'Patient?_count=1', old.access_token)).status, 200);
      const subscriber = await new HubClient(old['hub.url'], old.access_token).subscribe(old['hub.topic'], '*');
      assert.equal((await subscriber.next())['hub.mode'], 'subscribe');
      await subscriber.close();
      const fresh = await refresh();
      assert.equal(decodeProtectedHeader(fresh.id_token).kid, kid);
      await verify(fresh.id_token, at);
      const { keys } = await json(fetch(`${at}/auth/jwks`));
      assert.equal(keys.length, 2);
      for (const key of keys) {
        assert.deepEqual(Object.keys(key).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use'], 'nothing private');
      }
      const { headers } = await answerOf(fetch(`${at}/auth/jwks`));
      assert.match(headers.get('cache-control') ?? '', /max-age=\d+/, 'how long a copy may be kept');
    });
  });
});
