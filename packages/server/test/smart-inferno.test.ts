/** What the SMART App Launch test kit sends that other tests do not, in its own way of sending it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import { HubClient, type Json, sharedLockstep } from './harness.ts';
import { App, answerOf, fhir, Person, post, REDIRECT, register, resources, returned } from './person.ts';

const { origin } = await sharedLockstep();
const STU2 = 'launch/patient openid fhirUser offline_access patient/*.rs user/Practitioner.rs';
const STU1 = 'launch/patient openid fhirUser offline_access patient/*.read user/Practitioner.read';
const INTROSPECT = `${origin}/auth/introspect`;
const viewer = await HubClient.backend(origin, 'system/*.rs', { scope: 'system/*.rs' });
const [first] = await resources(origin, 'Patient?_count=1', viewer.token);
const choices = { patient: String(first?.id) };

/** The kit's introspection request: the token first, then what the tester has typed. */
async function introspect(token: string, headers: Record<string, string>, more: Record<string, string> = {}) {
  const accept = { accept: 'application/json', ...headers };
  return {
    active: await post(INTROSPECT, { token, ...more }, accept),
    invalid: await post(INTROSPECT, { token: 'invalid_token_value' }, accept),
  };
}

function assertIntrospected(answer: Json, token: Json, app: App): void {
  const claims = decodeJwt(token.id_token);
  assert.equal(answer.active, true);
  assert.equal(answer.client_id, app.clientId);
  assert.deepEqual(answer.scope.split(' ').sort(), token.scope.split(' ').sort());
  assert.ok(answer.exp > Date.now() / 1000 - 600);
  assert.deepEqual([answer.patient, answer.encounter], [token.patient, token.encounter]);
  assert.deepEqual([answer.iss, answer.sub, answer.fhirUser], [claims.iss, claims.sub, claims.fhirUser]);
}

describe('introspection as the kit asks for it', () => {
  it('TOK-6 a public app’s token, with an Authorization header of the tester’s', async () => {
    const app = await App.register(origin);
    const token = await app.tokens(new Person(origin), STU2, choices);
    const { body: server } = await register(origin, {
      client_name: 'A resource server',
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: [],
      resource_server: true,
    });
    const basic = Buffer.from(`${server.client_id}:${server.client_secret}`).toString('base64');
    for (const [name, authorization] of Object.entries({
      'a resource server’s secret': `Basic ${basic}`,
      'the very token': `Bearer ${token.access_token}`,
    })) {
      const { active, invalid } = await introspect(token.access_token, { authorization });
      assert.equal(active.status, 200, name);
      assertIntrospected(active.body, token, app);
      assert.deepEqual([invalid.status, invalid.body], [200, { active: false }], name);
      assert.match(active.headers.get('content-type') ?? '', /^application\/json/);
    }
    for (const headers of [{}, { authorization: 'Bearer made-up' }, { authorization: 'Basic bm9ib2R5Og==' }]) {
      const { active } = await introspect(token.access_token, headers as Record<string, string>);
      assert.equal(active.status, 401, JSON.stringify(headers));
      assert.equal(active.body.active, undefined);
    }
    const bare = await post(INTROSPECT, { token: token.access_token, client_id: app.clientId });
    assert.equal(bare.status, 401, 'a name is no authorization');
  });

  it('TOK-6 a symmetric app asks about its own token, by header and by parameters', async () => {
    const app = await App.register(origin, 'symmetric', { token_endpoint_auth_method: 'client_secret_post' });
    const token = await app.tokens(new Person(origin), STU2, choices);
    const { client_id, client_secret } = app.registration;
    const { active } = await introspect(token.access_token, {}, { client_id, client_secret });
    assertIntrospected(active.body, token, app);
    const other = await App.register(origin, 'symmetric');
    const foreign = await other.post('/auth/introspect', { token: token.access_token });
    assert.deepEqual(
      [foreign.status, foreign.body],
      [200, { active: false }],
      'another’s token is none of its business',
    );
  });

  it('TOK-6 a backend’s token opens introspection of its own tokens only', async () => {
    const app = await App.register(origin);
    const token = await app.tokens(new Person(origin), STU2, choices);
    const authorization = `Bearer ${viewer.token}`;
    const { active } = await introspect(token.access_token, { authorization });
    assert.deepEqual(active.body, { active: false });
    const { active: own } = await introspect(viewer.token, { authorization });
    assert.deepEqual([own.body.active, own.body.sub], [true, own.body.client_id]);
  });
});

describe('launches as the kit makes them', () => {
  for (const [name, scope, metadata, byPost] of [
    ['STU2, by POST', STU2, {}, true],
    ['STU2, by GET', STU2, {}, false],
    ['STU1 without PKCE, for an app with the legacy switch', STU1, { legacy: true }, false],
    ['STU1 with PKCE plain, for an app with the legacy switch', STU1, { legacy: true, plain: true }, false],
  ] as const) {
    it(`AUT-1 ${name}: token headers, OpenID Connect, patient, refresh with and without scope`, async () => {
      const { plain, ...more } = metadata as Json;
      const app = await App.register(origin, 'symmetric', more);
      const verifier = `${crypto.randomUUID()}-${crypto.randomUUID()}`;
      const changes = plain
        ? { code_challenge: verifier, code_challenge_method: 'plain' }
        : more.legacy
          ? { code_challenge: undefined, code_challenge_method: undefined }
          : {};
      const begun = app.begin(scope, changes);
      const person = new Person(origin);
      const page = byPost
        ? await person.go('/auth/authorize', { method: 'POST', body: new URL(begun.url).searchParams })
        : await person.go(begun.url);
      const back = returned(await person.through(page, choices));
      assert.equal(back.get('state'), begun.state);
      const used = plain ? verifier : more.legacy ? undefined : begun.verifier;
      const fields = { grant_type: 'authorization_code', code: back.get('code') ?? '', redirect_uri: REDIRECT };
      const { client_id: id, client_secret: secret } = app.registration;
      const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
      const kit = { authorization, origin: new URL(REDIRECT).origin };
      const token = await post(`${origin}/auth/token`, { ...fields, ...(used && { code_verifier: used }) }, kit);
      assert.equal(token.status, 200, JSON.stringify(token.body));
      assert.match(token.headers.get('cache-control') ?? '', /no-store/);
      assert.match(token.headers.get('pragma') ?? '', /no-cache/);
      assert.equal(token.headers.get('access-control-allow-origin'), kit.origin);
      assert.deepEqual(new Set(token.body.scope.split(' ')), new Set(scope.split(' ')));
      const { fhirUser } = decodeJwt(token.body.id_token) as Json;
      const path = String(fhirUser).replace(`${origin}/fhir/`, '');
      assert.equal((await fhir(origin, path, token.body.access_token)).status, 200);
      assert.equal((await fhir(origin, `Patient/${token.body.patient}`, token.body.access_token)).status, 200);
      for (const given of [{}, { scope: token.body.scope }] as Record<string, string>[]) {
        const again = { grant_type: 'refresh_token', refresh_token: token.body.refresh_token, ...given };
        const refreshed = await post(`${origin}/auth/token`, again, kit);
        assert.equal(refreshed.status, 200, JSON.stringify(refreshed.body));
        assert.equal(refreshed.body.patient, token.body.patient);
        assert.match(refreshed.headers.get('pragma') ?? '', /no-cache/);
      }
    });
  }

  it('DIS-2 the well-known and the CapabilityStatement, with a trailing slash and the kit’s headers', async () => {
    const headers = { accept: 'application/json', origin: 'http://localhost:4567' };
    for (const base of [`${origin}/fhir`, `${origin}/fhir/`]) {
      for (const path of ['/.well-known/smart-configuration', '/metadata']) {
        const { status, headers: told } = await answerOf(fetch(`${base}${path}`, { headers }));
        assert.deepEqual([status, told.get('access-control-allow-origin')], [200, '*'], `${base}${path}`);
      }
    }
    const app = await App.register(origin);
    const { code, verifier } = await app.code(new Person(origin), 'openid', {}, { aud: `${origin}/fhir/` });
    assert.equal((await app.redeem(code, verifier)).status, 200);
  });
});
