import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConsolePerson } from './console-person.ts';
import { HubClient, type Json, json, withLockstep } from './harness.ts';

const APP = { redirect_uris: ['https://app.example/callback'], token_endpoint_auth_method: 'none', scope: 'openid' };

function register(origin: string, metadata: Json = {}): Promise<Json> {
  const body = JSON.stringify({ ...APP, ...metadata });
  return json(
    fetch(`${origin}/auth/register`, { method: 'POST', headers: { 'content-type': 'application/json' }, body }),
  );
}

test('REG-6 an administrator approves the registration that was shown, not one that came after it', () =>
  withLockstep(async ({ origin }) => {
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    const app = await register(origin);
    const path = `apps/${app.client_id}`;
    assert.equal((await admin.call('POST', `${path}/suspend`, {})).status, 200);
    const { revision } = await json(admin.call('GET', path));
    const changed = await fetch(app.registration_client_uri, {
      method: 'PUT',
      headers: { authorization: `Bearer ${app.registration_access_token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...app, scope: 'openid user/*.cruds' }),
    });
    assert.equal(changed.status, 200);
    assert.equal((await admin.call('POST', `${path}/activate`, { revision })).status, 409);
    assert.equal((await admin.call('POST', `${path}/activate`, {})).status, 400);
    const shown = await json(admin.call('GET', path));
    assert.deepEqual([shown.status, shown.metadata.scope], ['suspended', 'openid user/*.cruds']);
    const { revision: reviewed } = shown;
    assert.equal((await json(admin.call('POST', `${path}/activate`, { revision: reviewed }))).status, 'active');
  }));

test('REG-6 the list of apps comes in pages that hold every app once', () =>
  withLockstep(async ({ origin }) => {
    for (let n = 0; n < 7; n++) await register(origin, { client_name: `App ${n}` });
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    const whole = (await json(admin.call('GET', 'apps'))) as unknown as Json[];
    const found: Json[] = [];
    let next: string | undefined = 'apps?limit=2';
    while (next !== undefined) {
      const response: Response = await admin.call('GET', next);
      const page = (await json(response)) as unknown as Json[];
      assert.ok(page.length <= 2);
      found.push(...page);
      next = /<\/api\/console\/([^>]+)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
    }
    assert.deepEqual(found, whole);
    assert.equal(whole.length, 9, 'seven of ours and two samples');
  }));

test('REG-1 CWE-918 key sets in networks of the server are refused when an app registers', () =>
  withLockstep(
    async ({ port }) => {
      const at = (jwks_uri: string) =>
        fetch(`http://127.0.0.1:${port}/auth/register`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ jwks_uri, token_endpoint_auth_method: 'private_key_jwt' }),
        });
      const inside = [
        ...['127.0.0.1', '127.1', '0x7f000001', '10.0.0.7', '192.168.1.1', '172.16.0.1', '169.254.169.254', '0.0.0.0'],
        ...['[::1]', '[fd00::1]', '[fe80::1]', '[::ffff:10.0.0.7]', '100.64.0.1'],
        ...[
          'localhost',
          'keys',
          'keys.local',
          'metadata.google.internal',
          'a.localhost',
          'router.lan',
          'x.home.arpa',
          'keys.',
        ],
      ];
      for (const host of inside) {
        const refused = await at(`https://${host}/jwks`);
        assert.equal(refused.status, 400, host);
        assert.match((await json(refused)).error_description, /^jwks_uri/, host);
      }
      assert.equal((await at('https://keys.example.com/jwks')).status, 201);
    },
    { publicUrl: 'https://lockstep.example' },
  ));

test("REG-1 an administrator may choose the client_id of an app, but none that is taken or the server's own", () =>
  withLockstep(async ({ origin }) => {
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    const add = (client_id: unknown) => admin.call('POST', 'apps', { ...APP, client_id });
    const added = await add('growth_chart');
    assert.equal(added.status, 201);
    assert.equal((await json(added)).id, 'growth_chart');
    assert.equal((await add('growth_chart')).status, 409);
    for (const id of ['lockstep-x', 'unchecked-x', 'with:colon', 'with space', 'ä', 'x'.repeat(101), '.', '..', 5]) {
      assert.equal((await add(id)).status, 400, String(id));
    }
    assert.notEqual((await register(origin, { client_id: 'chosen' })).client_id, 'chosen', 'strangers choose none');
  }));

test('SUB-2 the token of a connector lasts as long as a lease of its working day', () =>
  withLockstep(async ({ origin }) => {
    const connector = await register(origin, {
      redirect_uris: [],
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'client_secret_post',
      switches: { secretCredentials: true },
      scope: 'fhircast/*.* hub/session.*',
      token_life: 28_800,
    });
    const form = {
      grant_type: 'client_credentials',
      client_id: connector.client_id,
      client_secret: connector.client_secret,
    };
    const token = await json(fetch(`${origin}/auth/token`, { method: 'POST', body: new URLSearchParams(form) }));
    const hub = new HubClient(`${origin}/hub`, token.access_token);
    const topic = await hub.session('dr-lena-okafor');
    const answer = await hub.subscribe(topic, 'Patient-open', { 'hub.lease_seconds': '28800' });
    assert.equal((await answer.next())['hub.lease_seconds'], 28_800);
    await answer.close();
  }));
