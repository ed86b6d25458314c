import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import type { ClientMetadata } from 'oidc-provider';
import type { OutsideOptions } from '../src/index.ts';
import { attempt, codeFields, formsOf, registerApp, returned, TestBrowser } from './browsing.ts';
import { answerOf, post } from './harness.ts';
import { CLIENT_ID, SECRET, startOutside, Traveller, waysOf } from './outside-provider.ts';

test('REG-4 somebody who signs in at the outside provider becomes a user, and stays the same one', async (t) => {
  const { server, idp, person } = await startOutside(t);
  const page = await person.browser.go('/auth/sign-in?return=/auth/manage');
  assert.deepEqual(waysOf(page), { outside: 'Sign in with City Hospital', password: true });
  const landed = await person.through(page);
  assert.equal(new URL(landed.url).pathname, '/auth/manage');
  const { body } = await person.browser.session();
  assert.equal(body.user_name, 'vsole');
  assert.equal(body.name, 'Dr. Vera Sole');
  assert.equal(body.user, 'Practitioner/vsole');
  assert.equal(body.administrator, false);
  const user = await server.auth.users.get('vsole');
  assert.deepEqual(user?.outside, { issuer: idp.origin, subject: 'subject-1' });

  idp.people.set('subject-1', { name: 'Prof. Vera Sole', preferred_username: 'someone-else' });
  const again = new Traveller(server, idp);
  await again.signIn();
  const renamed = (await again.browser.session()).body;
  assert.deepEqual([renamed.user_name, renamed.name], ['vsole', 'Prof. Vera Sole'], 'by subject, not by name');
  assert.equal(await server.auth.users.get('someone-else'), undefined);
  const actions = server.audits.map(({ action }) => action);
  assert.deepEqual(actions, ['user.add', 'sign-in', 'sign-in']);
});

test('REG-4 the request carries PKCE, state and nonce, new ones each time', async (t) => {
  const { idp, person } = await startOutside(t);
  await person.signIn();
  person.forget();
  await person.browser.go('/auth/sign-in');
  await person.signIn();
  const [one, two] = idp.requests.filter((request) => request.has('state'));
  for (const request of [one, two]) {
    assert.equal(request?.get('response_type'), 'code');
    assert.equal(request?.get('code_challenge_method'), 'S256');
    assert.equal(request?.get('scope'), 'openid profile');
    assert.equal(request?.get('prompt'), null);
  }
  for (const name of ['state', 'nonce', 'code_challenge']) {
    assert.ok((one?.get(name)?.length ?? 0) >= 43, name);
    assert.notEqual(one?.get(name), two?.get(name));
  }
});

test('REG-4 an app gets its token from a person who signs in outside', async (t) => {
  const { server, idp, person } = await startOutside(t);
  const app = await registerApp(server);
  const { url, verifier, state } = attempt(server, app, 'openid fhirUser launch/patient patient/*.rs fhircast/*.read');
  const signIn = await person.browser.go(url);
  const back = returned(await person.browser.through(await person.through(signIn)));
  assert.equal(back.get('state'), state);
  const { status, body } = await post(server, '/auth/token', codeFields(app, back.get('code') ?? '', verifier));
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.patient, 'ida');
  assert.equal((await server.auth.verifyToken(String(body.access_token)))?.user, 'Practitioner/vsole');
  assert.ok(!idp.requests.some((request) => request.has('prompt')));
});

test('REG-4 an app that wants the person to sign in again is not served from the provider’s memory', async (t) => {
  const { server, idp, person } = await startOutside(t);
  const app = await registerApp(server);
  await person.signIn();
  const page = await person.browser.go(attempt(server, app, 'openid', { prompt: 'login' }).url);
  await person.answered(await person.leave(page));
  assert.equal(idp.requests.findLast((request) => request.has('state'))?.get('prompt'), 'login');
});

test('REG-4 workstation and page to go on with come along; the browser goes nowhere else', async (t) => {
  const { server, idp, person } = await startOutside(t);
  const page = await person.browser.go('/auth/sign-in?return=/auth/manage%3Fa=b');
  const door = await person.browser.submit(page, { label: 'Sign in with' }, { workstation: 'reading room 2' });
  const landed = await person.browser.go(await person.answered(door));
  assert.equal(landed.url, `${server.origin}/auth/manage?a=b`);
  assert.equal((await person.browser.session()).body.workstation, 'reading room 2');
  for (const next of ['https://evil.example/', '//evil.example/', '/\\evil.example', 'javascript:1']) {
    const other = new Traveller(server, idp);
    const { url } = await other.signIn(next);
    assert.equal(url, `${server.origin}/`, next);
  }
});

test('REG-4 the console shows the outside sign-in, and its link works', async (t) => {
  const { server, idp, person } = await startOutside(t);
  const { status, body } = await person.browser.session();
  assert.equal(status, 401);
  assert.deepEqual(body.outside, { name: 'City Hospital', url: '/auth/outside' });
  assert.equal(body.passwords, true);
  const door = await person.browser.go('/auth/outside?return=/auth/manage', {
    headers: { 'sec-fetch-site': 'same-origin' },
  });
  assert.ok(door.url.startsWith(`${idp.origin}/auth?`), door.url);
  const foreign = await new TestBrowser(server).go('/auth/outside?return=/auth/manage', {
    headers: { 'sec-fetch-site': 'cross-site' },
  });
  assert.equal(foreign.url, `${server.origin}/auth/sign-in?return=%2Fauth%2Fmanage`);
  assert.match(foreign.text, /<h1>Sign in</);
});

test('REG-4 a user from outside has no password, and gets none', async (t) => {
  const { server, person } = await startOutside(t);
  await person.signIn();
  await assert.rejects(server.auth.users.edit('vsole', { password: 'correct horse battery' }), /without a password/);
  assert.equal(await server.auth.users.checkPassword('vsole', ''), undefined);
  const edited = await server.auth.users.edit('vsole', { aliases: ['urn:hospital|4711'] });
  assert.equal(edited?.outside?.subject, 'subject-1');
  assert.deepEqual(edited?.aliases, ['urn:hospital|4711']);
});

test('REG-4 where passwords are off, no user can sign in by a password or by a click', async (t) => {
  const { server, person } = await startOutside(t, { outside: { passwords: false } });
  await server.auth.users.add({ id: 'local', name: 'Local', password: 'correct horse battery' });
  const page = await person.browser.go('/auth/sign-in');
  assert.deepEqual(waysOf(page), { outside: 'Sign in with City Hospital', password: false });
  assert.equal(formsOf(page).length, 1);
  const { body } = await person.browser.session();
  assert.deepEqual([body.passwords, body.sample_users], [false, []]);
  for (const given of [{ user: 'local', password: 'correct horse battery' }, { sample: 'dr-lena-okafor' }]) {
    const response = await person.browser.request('/auth/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(given),
    });
    assert.equal(response.status, 403);
  }
  const csrf = Object.fromEntries(formsOf(page)[0]?.fields ?? []).csrf ?? '';
  const form = new URLSearchParams({ csrf, user: 'local', password: 'correct horse battery' });
  const posted = await person.browser.request('/auth/sign-in', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
  });
  assert.equal(posted.status, 403);
  assert.equal((await person.browser.session()).status, 401);
  await person.signIn();
  assert.equal((await person.browser.session()).body.user_name, 'vsole');
});

test('REG-4 a user who was here before is not taken over by a name, unless the configuration says so', async (t) => {
  const { server, idp, person } = await startOutside(t);
  await server.auth.users.add({ id: 'vsole', name: 'Vera', administrator: true, password: 'correct horse battery' });
  const refused = await person.signIn();
  assert.equal(refused.status, 403);
  assert.match(refused.text, /another user vsole here already/);
  assert.equal((await person.browser.session()).status, 401);
  assert.ok(await server.auth.users.checkPassword('vsole', 'correct horse battery'));
  // Nor by an alias, an e-mail address, or a resource that looks alike.
  const others = [
    { preferred_username: 'lokafor' },
    { preferred_username: 'new-1', email: 'vsole' },
    { preferred_username: 'dr_lena-okafor' },
    { preferred_username: 'new-2', fhirUser: 'Practitioner/dr-lena-okafor' },
  ];
  const seen: (string | undefined)[] = [];
  for (const [index, claims] of others.entries()) {
    idp.subject = `other-${index}`;
    idp.people.set(idp.subject, claims);
    const other = new Traveller(server, idp);
    await other.signIn();
    seen.push((await other.browser.session()).body.user as string | undefined);
  }
  assert.deepEqual(seen, [undefined, 'Practitioner/new-1', undefined, undefined]);
});

test('REG-4 linking by name: a name that becomes the same only in lower case, or without white space, is nobody (CWE-1007)', async (t) => {
  const { server, idp } = await startOutside(t, { outside: { linkByName: true, newUsers: true } });
  await server.auth.users.add({ id: 'kim', name: 'Kim', administrator: true, password: 'correct horse battery' });
  for (const [index, name] of [
    '\u212aim',
    'K\u0131m',
    'k\u0130m',
    '\uff2bim',
    ' kim',
    'Kim ',
    'kim\u00a0',
    '\u3000kim',
  ].entries()) {
    idp.subject = `alike-${index}`;
    idp.people.set(idp.subject, { preferred_username: name });
    const impostor = new Traveller(server, idp);
    assert.ok((await impostor.signIn()).status >= 400, name);
    assert.equal((await impostor.browser.session()).status, 401, name);
  }
  assert.ok(await server.auth.users.checkPassword('kim', 'correct horse battery'));
  assert.equal((await server.auth.users.get('kim'))?.outside, undefined);
});

test('REG-4 linking by name: the first to come with it has the user from then on, without the password', async (t) => {
  const { server, idp, person } = await startOutside(t, { outside: { linkByName: true, newUsers: false } });
  await server.auth.users.add({
    id: 'vsole',
    name: 'Vera',
    reference: 'Practitioner/p-17',
    aliases: ['urn:hospital|4711'],
    password: 'correct horse battery',
  });
  await person.signIn();
  const { body } = await person.browser.session();
  assert.deepEqual([body.user_name, body.user], ['vsole', 'Practitioner/p-17']);
  assert.equal(await server.auth.users.checkPassword('vsole', 'correct horse battery'), undefined);
  assert.deepEqual((await server.auth.users.get('vsole'))?.aliases, ['urn:hospital|4711']);

  idp.subject = 'subject-2';
  idp.people.set('subject-2', { name: 'Impostor', preferred_username: 'vsole' });
  const impostor = new Traveller(server, idp);
  assert.equal((await impostor.signIn()).status, 403);
  assert.equal((await impostor.browser.session()).status, 401);

  await server.auth.users.delete('vsole');
  const gone = new Traveller(server, idp);
  idp.subject = 'subject-1';
  const refused = await gone.signIn();
  assert.equal(refused.status, 403);
  assert.match(refused.text, /City Hospital knows you, but you are no user here yet/);
});

test('REG-4 two windows of a new person at the same moment make one user', async (t) => {
  const { server, idp, person } = await startOutside(t);
  const second = new Traveller(server, idp);
  const answers = await Promise.all(
    [person, second].map(async (one) => one.answered(await one.leave(await one.browser.go('/auth/sign-in')))),
  );
  const [a = '', b = ''] = answers;
  await Promise.all([person.browser.go(a), second.browser.go(b)]);
  for (const one of [person, second]) assert.equal((await one.browser.session()).body.user_name, 'vsole');
});

test('REG-4 of several requests with the same answer at the same moment one signs in', async (t) => {
  const { person } = await startOutside(t);
  const answer = await person.answered(
    await person.leave(await person.browser.go('/auth/sign-in?return=/auth/manage')),
  );
  const responses = await Promise.all(Array.from({ length: 5 }, () => person.browser.request(answer)));
  assert.deepEqual(responses.map(({ status }) => status).sort(), [303, 400, 400, 400, 400]);
});

test('REG-4 administrators by a role, as long as they have it', async (t) => {
  const administrators = { claim: 'realm_access.roles', role: 'lockstep-admin' };
  const { server, idp, person } = await startOutside(t, { outside: { administrators } });
  const vera = { name: 'Vera', preferred_username: 'vsole' };
  const roles: [unknown, boolean][] = [
    [undefined, false],
    [{ roles: ['staff'] }, false],
    [{ roles: ['staff', 'lockstep-admin'] }, true],
    [{ roles: 'staff lockstep-admin' }, true],
    [{ roles: 'not-lockstep-admin' }, false],
    ['lockstep-admin', false],
  ];
  for (const [realm_access, administrator] of roles) {
    idp.people.set('subject-1', { ...vera, realm_access });
    await person.signIn();
    assert.equal((await person.browser.session()).body.administrator, administrator, JSON.stringify(realm_access));
    await person.browser.request('/auth/session', {
      method: 'DELETE',
      headers: { 'x-csrf-token': String((await person.browser.session()).body.csrf) },
    });
  }
  const changes = server.audits.map(({ action }) => action).filter((action) => /administrator/.test(action));
  assert.deepEqual(changes, ['user.administrator', 'user.no-administrator']);
});

test('REG-4 administrators that were made here stay so where no role decides', async (t) => {
  const { server, idp, person } = await startOutside(t);
  await person.signIn();
  await server.auth.users.edit('vsole', { administrator: true });
  const again = new Traveller(server, idp);
  await again.signIn();
  assert.equal((await again.browser.session()).body.administrator, true);
});

test('REG-4 the fhirUser claim: a reference or an address; when it changes, what the user had ends', async (t) => {
  const { server, idp, person } = await startOutside(t);
  const claims: [string, string | undefined][] = [
    ['Practitioner/p-1', 'Practitioner/p-1'],
    ['https://ehr.example/r4/Practitioner/p-2', 'Practitioner/p-2'],
    ['Practitioner/', undefined],
    ['urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0', undefined],
    ['Organization/o-1', undefined],
  ];
  for (const [index, [fhirUser, reference]] of claims.entries()) {
    idp.subject = `fhir-${index}`;
    idp.people.set(idp.subject, { preferred_username: `fhir-${index}`, fhirUser });
    const one = new Traveller(server, idp);
    await one.signIn();
    assert.equal((await one.browser.session()).body.user, reference, fhirUser);
  }
  idp.subject = 'fhir-0';
  await person.signIn();
  const second = new Traveller(server, idp);
  idp.people.set('fhir-0', { preferred_username: 'fhir-0', fhirUser: 'Practitioner/p-9' });
  await second.signIn();
  assert.equal((await second.browser.session()).body.user, 'Practitioner/p-9');
  assert.equal((await person.browser.session()).status, 401);
});

test('REG-4 claims come from the id token where it has them', async (t) => {
  const { idp, person } = await startOutside(t, { idp: { claimsInIdToken: true } });
  idp.people.set('subject-1', { preferred_username: 'in-the-token' });
  await person.signIn();
  assert.equal((await person.browser.session()).body.user_name, 'in-the-token');
});

test('REG-4 a suspended user stays out; whom the provider gives no usable name does so too', async (t) => {
  const { server, idp, person } = await startOutside(t);
  await person.signIn();
  await server.auth.users.suspend('vsole');
  const refused = await new Traveller(server, idp).signIn();
  assert.equal(refused.status, 403);
  assert.match(refused.text, /Your account here is suspended/);
  const names: [unknown, number][] = [
    [undefined, 502],
    [7, 502],
    ['HOSPITAL\\vera', 403],
    ['véra', 403],
    ['x'.repeat(101), 403],
    ['x'.repeat(99), 403],
  ];
  for (const [index, [name, status]] of names.entries()) {
    idp.subject = `nameless-${index}`;
    idp.people.set(idp.subject, { preferred_username: name });
    const one = new Traveller(server, idp);
    const page = await one.signIn();
    assert.equal(page.status, status, String(name));
    assert.match(page.text, /role="alert"/);
    assert.equal((await one.browser.session()).status, 401, String(name));
  }
});

test('REG-4 every way to authenticate at the provider: secret by header and by form, key, none', async (t) => {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const clientKey = { ...(await exportJWK(privateKey)), alg: 'ES256', kid: 'lockstep-1' };
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'lockstep-1', use: 'sig' }] };
  const ways: [Partial<OutsideOptions>, Partial<ClientMetadata>][] = [
    [{ clientSecret: SECRET }, { token_endpoint_auth_method: 'client_secret_basic' }],
    [{ clientSecret: SECRET }, { token_endpoint_auth_method: 'client_secret_post' }],
    [{ clientKey }, { token_endpoint_auth_method: 'private_key_jwt', jwks, client_secret: undefined }],
    [{}, { token_endpoint_auth_method: 'none', client_secret: undefined }],
  ];
  for (const [given, client] of ways) {
    const outside = { clientSecret: undefined, ...given } as Partial<OutsideOptions>;
    const { person } = await startOutside(t, {
      outside,
      idp: { client, clientAuthMethods: [client.token_endpoint_auth_method ?? 'none'] },
    });
    const page = await person.signIn();
    assert.equal((await person.browser.session()).status, 200, `${client.token_endpoint_auth_method}: ${page.text}`);
  }
});

test('REG-4 signing out goes on at the provider, so that the next person does not come in as this one', async (t) => {
  const { server, idp, person } = await startOutside(t);
  await person.signIn();
  const manage = await person.browser.go('/auth/manage');
  const out = await person.browser.submit(manage, { label: 'Sign out' });
  assert.equal((await person.browser.session()).status, 401);
  const target = new URL(out.url);
  assert.equal(target.origin, idp.origin);
  assert.equal(target.searchParams.get('post_logout_redirect_uri'), `${server.origin}/auth/signed-out`);
  assert.equal(target.searchParams.get('client_id'), CLIENT_ID);
  assert.equal(target.searchParams.get('id_token_hint'), null);
  assert.match((await person.browser.go('/auth/signed-out')).text, /You are signed out/);

  const other = new Traveller(server, idp);
  await other.signIn();
  const { csrf } = (await other.browser.session()).body;
  const response = await other.browser.request('/auth/session', {
    method: 'DELETE',
    headers: { 'x-csrf-token': String(csrf) },
  });
  const answer = await answerOf(response);
  assert.ok(String(answer.body.sign_out_url).startsWith(`${idp.origin}/session/end?`));

  const sample = new TestBrowser(server);
  await sample.signIn();
  const page = await sample.submit(await sample.go('/auth/manage'), { label: 'Sign out' });
  assert.match(page.text, /You are signed out/, 'who came by a way of ours stays here');
});

test('REG-4 signing out here works while the provider does not answer', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-outside-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'smart.db');
  const before = await startOutside(t, { server: { file } });
  await before.person.signIn();
  await before.server.close();
  const { origin } = before.server;
  // Started again, the server has not heard of the provider yet, and will not.
  const { idp } = await startOutside(t, { server: { file, publicUrl: origin } });
  await idp.stop();
  const { browser } = before.person;
  assert.equal((await browser.session()).body.user_name, 'vsole');
  const page = await browser.submit(await browser.go('/auth/manage'), { label: 'Sign out' });
  assert.equal(page.status, 200);
  assert.match(page.text, /You are signed out/);
  assert.equal((await browser.session()).status, 401);
});
