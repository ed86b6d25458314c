import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConsolePerson } from './console-person.ts';
import { type Json, json, withLockstep } from './harness.ts';

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
