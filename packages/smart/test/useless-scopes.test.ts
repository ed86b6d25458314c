// FHR-1: scopes that can never open anything are dropped, whichever door they come through, also where a client was approved for them before.
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { attempt, refresh, registerApp, TestBrowser, tokensFor } from './browsing.ts';
import { answerOf, approve, backend, type Json, post, register, startServer, type TestServer } from './harness.ts';

/** Nobody serves these; the first is of a type that the endpoint here has not, the others cannot be checked anywhere. */
const NOWHERE = ['user/Observation.rs?nothing=x', 'user/Patient.r?subject.name=x'];
const NOT_HERE = ['user/Invoice.rs', 'user/Basic.cruds', 'user/Claim.read', 'user/Account.*'];
const WORKS = 'user/Patient.rs';
const ALL = [...NOT_HERE, ...NOWHERE, WORKS];
const asSystem = (scopes: readonly string[]): string => scopes.join(' ').replaceAll('user/', 'system/');
const sorted = (scope: unknown): readonly string[] => String(scope).split(' ').sort();

interface Rig {
  readonly server: TestServer;
  /** What is asked for. */
  readonly asked: string;
  /** A public application that was registered. */
  readonly app: { readonly clientId: string };
  /** What a service is given that asks for this, or for nothing. */
  readonly asService: (scope?: string) => Promise<Json>;
}

/** Every door that takes scopes: what it makes of those asked for. A service's scopes are of the system. */
const DOORS: Readonly<Record<string, (rig: Rig) => Promise<unknown>>> = {
  'an app that registers itself': async ({ server, asked }) =>
    (await register(server, { redirect_uris: ['http://localhost/'], token_endpoint_auth_method: 'none', scope: asked }))
      .body.scope,
  'an app that changes its registration': async ({ server, asked }) => {
    const { body } = await register(server, {
      redirect_uris: ['http://localhost/'],
      token_endpoint_auth_method: 'none',
    });
    const changed = await fetch(String(body.registration_client_uri).replace(/^.*(?=\/auth\/)/, server.origin), {
      method: 'PUT',
      headers: { authorization: `Bearer ${body.registration_access_token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        client_id: body.client_id,
        redirect_uris: ['http://localhost/'],
        token_endpoint_auth_method: 'none',
        scope: asked,
      }),
    });
    const { status, body: now } = await answerOf(changed);
    assert.equal(status, 200, JSON.stringify(now));
    return now.scope;
  },
  'an administrator’s form': async ({ server, asked }) => {
    const metadata = { client_name: 'Form', redirect_uris: ['http://localhost/'], scope: asked };
    return (await server.auth.clients.add(metadata, { status: 'active' })).client.scope;
  },
  'a service that registers itself': async ({ server, asked }) => {
    const service = await backend(server, { scope: asSystem(asked.split(' ')) });
    return (await server.auth.clients.get(service.clientId))?.scope.replaceAll('system/', 'user/');
  },
  authorization: async ({ server, app, asked }) => (await tokensFor(new TestBrowser(server), app, asked)).scope,
  'authorization by a form': async ({ server, app, asked }) => {
    const browser = new TestBrowser(server);
    const { url } = attempt(server, app, asked);
    await browser.signIn();
    const page = await browser.go('/auth/authorize', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URL(url).search.slice(1),
    });
    return [...page.text.matchAll(/name="scope" value="([^"]*)"/g)].map(([, scope]) => scope).join(' ');
  },
  'a service': async ({ asService, asked }) =>
    String((await asService(asSystem(asked.split(' ')))).scope).replaceAll('system/', 'user/'),
  'a launch without OAuth': async ({ server, app, asked }) => {
    const client = await server.auth.clients.get(app.clientId);
    return client && server.auth.launchTokens.scope(client, asked);
  },
};

async function openRig(t: Pick<TestContext, 'after'>, fhir: true | 'behind'): Promise<Rig> {
  const server = await startServer(t, { fhir });
  const app = await registerApp(server);
  const service = await backend(server);
  return { server, app, asked: ALL.join(' '), asService: async (scope = '') => (await service.token(scope)).body };
}

describe('FHR-1 scopes that can never open anything', () => {
  it('are dropped at every door that takes scopes, by what the FHIR endpoint serves', async (t) => {
    const here = await openRig(t, true);
    const behind = await openRig(t, 'behind');
    for (const [name, make] of Object.entries(DOORS)) {
      assert.deepEqual(sorted(await make(here)), [WORKS], name);
      // A FHIR server behind may have resources of every type.
      assert.deepEqual(sorted(await make(behind)), [WORKS, ...NOT_HERE].sort(), `${name}, with a server behind`);
    }
  });

  it('are no longer given to a client that was approved for them, or got them, before', async (t) => {
    let isServed = true;
    const server = await startServer(t, { canEverOpen: ({ type }) => isServed || type !== 'Invoice' });
    const both = 'user/Invoice.rs user/Patient.rs offline_access';
    const app = await registerApp(server, { scope: both, launch_kinds: ['ehr', 'command-line'] });
    const service = await backend(server, { scope: 'system/Invoice.rs system/Patient.rs' });
    const connector = await register(server, {
      client_name: 'Connector',
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'client_secret_post',
      switches: { secretCredentials: true },
      scope: 'system/Invoice.rs system/Patient.rs',
    });
    const before = await tokensFor(new TestBrowser(server), app, both);
    assert.deepEqual(sorted(before.scope), sorted(both));
    isServed = false;
    const rest = ['offline_access', 'user/Patient.rs'];
    const renewed = (await refresh(server, app, before.refresh_token)).body;
    assert.deepEqual(sorted(renewed.scope), rest);
    // The list that it always asks for is no error.
    assert.deepEqual(sorted((await refresh(server, app, renewed.refresh_token, { scope: both })).body.scope), rest);
    assert.deepEqual(sorted((await tokensFor(new TestBrowser(server), app, both)).scope), rest);
    assert.equal((await service.token('system/Invoice.rs system/Patient.rs')).body.scope, 'system/Patient.rs');
    assert.equal((await service.token('system/Invoice.rs')).body.error, 'invalid_scope');
    const client = await server.auth.clients.get(app.clientId);
    assert.ok(client);
    assert.equal(server.auth.launchTokens.scope(client, both), 'user/Patient.rs');
    assert.equal(connector.status, 201, JSON.stringify(connector.body));
    const unasked = await post(server, '/auth/token', {
      grant_type: 'client_credentials',
      client_id: String(connector.body.client_id),
      client_secret: String(connector.body.client_secret),
    });
    assert.equal(unasked.body.scope, 'system/Patient.rs');
  });

  const asked = 'user/Invoice.rs user/Patient.rs offline_access';

  it('fall away with the next change of a registration, whose access goes on', async (t) => {
    let isServed = true;
    const server = await startServer(t, { canEverOpen: ({ type }) => isServed || type !== 'Invoice' });
    const app = await registerApp(server, { scope: asked });
    const tokens = await tokensFor(new TestBrowser(server), app, asked);
    isServed = false;
    const renamed = await server.auth.clients.patch(app.clientId, { client_name: 'Reader' });
    assert.equal(renamed?.scope, 'user/Patient.rs offline_access');
    const renewed = await refresh(server, app, tokens.refresh_token);
    assert.equal(renewed.status, 200, JSON.stringify(renewed.body));
    await server.auth.clients.patch(app.clientId, { scope: 'user/Patient.r offline_access' });
    assert.equal((await refresh(server, app, renewed.body.refresh_token)).status, 400, 'the app may do less now');
  });

  it('do not keep an app from changing its own registration, which still may not ask for more', async (t) => {
    let isServed = true;
    const canEverOpen = ({ type }: { readonly type: string }) => isServed || type !== 'Invoice';
    const server = await startServer(t, { canEverOpen, loopback: false });
    const metadata = { redirect_uris: ['http://localhost/'], token_endpoint_auth_method: 'none', scope: asked };
    const { body } = await register(server, metadata);
    const id = String(body.client_id);
    await approve(server, id);
    isServed = false;
    const change = async (more: Json) => {
      const headers = { authorization: `Bearer ${body.registration_access_token}`, 'content-type': 'application/json' };
      const fields = JSON.stringify({ ...metadata, client_id: id, ...more });
      return answerOf(await fetch(server.url(`/auth/register/${id}`), { method: 'PUT', headers, body: fields }));
    };
    const contacts = ['app@hospital.example'];
    assert.equal((await change({ contacts, scope: `${asked} openid` })).status, 403);
    const changed = await change({ contacts });
    assert.deepEqual([changed.status, changed.body.scope], [200, 'user/Patient.rs offline_access']);
    isServed = true;
    assert.equal((await change({ contacts })).status, 403, 'what has fallen away is not had back without approval');
  });
});
