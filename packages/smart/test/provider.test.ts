// What oidc-provider does otherwise than SMART App Launch needs, one test an override. Number 12, the pages in a real
// browser, is in browser.test.ts; the parallel redemptions of number 3 are with their rules (AUT-6, TOK-4, TOK-1, AUT-3).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  attempt,
  codeFields,
  codeFor,
  launched,
  refresh,
  registerApp,
  returned,
  TestBrowser,
  tokensFor,
} from './browsing.ts';
import { post, startServer } from './harness.ts';

test('oidc-provider 1: an older grant of the same app and person is never taken up again', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const grants = new Set<string | undefined>();
  for (const patient of ['ida', 'omar', 'ida']) {
    const tokens = await launched(browser, app, 'launch patient/*.rs', { patient });
    assert.equal(tokens.patient, patient);
    grants.add((await server.auth.verifyToken(String(tokens.access_token)))?.grantId);
  }
  assert.equal(grants.size, 3);
});

test('oidc-provider 2: a later launch in the same browser ends no token of an earlier one', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const scope = 'launch patient/*.rs online_access';
  const first = await launched(browser, app, scope, { patient: 'ida' });
  await launched(browser, app, scope, { patient: 'omar' });
  assert.ok(await server.auth.verifyToken(String(first.access_token)));
  assert.equal((await refresh(server, app, first.refresh_token)).body.patient, 'ida');
});

test('oidc-provider 3: a code that is spent in the store cannot be spent again, even when it was read before', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  for (let round = 0; round < 3; round += 1) {
    const { code, verifier } = await codeFor(browser, app, 'openid user/*.rs');
    const answers = await Promise.all(
      [1, 2, 3, 4].map(() => post(server, '/auth/token', codeFields(app, code, verifier))),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400, 400, 400]);
  }
});

test('oidc-provider 4: offline_access is granted without prompt=consent', async (t) => {
  const server = await startServer(t);
  const tokens = await tokensFor(new TestBrowser(server), await registerApp(server), 'openid user/*.rs offline_access');
  assert.match(String(tokens.scope), /offline_access/);
  assert.equal(typeof tokens.refresh_token, 'string');
});

test('oidc-provider 5: scopes that OpenID Connect does not know are granted, kept by refresh, and all are echoed', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const scope =
    'launch openid fhirUser offline_access patient/Observation.rs?category=laboratory user/Patient.read fhircast/Home-open.write hub/session.read';
  const tokens = await launched(browser, app, scope);
  assert.equal(tokens.scope, scope);
  assert.equal((await refresh(server, app, tokens.refresh_token)).body.scope, scope);
});

test('oidc-provider 6: declined scopes are settled; consent does not come again', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const page = await browser.go(attempt(server, app, 'openid fhirUser offline_access user/*.rs fhircast/*.*').url);
  const back = await browser.submit(page, { value: 'allow' }, { scope: ['fhircast/*.*'] });
  assert.ok(returned(back).get('code'));
});

test('oidc-provider 7: a POST to authorize becomes a GET, and cookies stay SameSite=Lax', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  const { url } = attempt(server, app, 'openid user/*.rs');
  const posted = await browser.request('/auth/authorize', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URL(url).search.slice(1),
  });
  assert.equal(posted.status, 303);
  assert.equal(posted.headers.getSetCookie().length, 0);
  const next = await browser.request(posted.headers.get('location') ?? '');
  const cookies = next.headers.getSetCookie();
  assert.ok(cookies.length > 0);
  for (const cookie of cookies) {
    assert.match(cookie, /samesite=lax/i);
    assert.match(cookie, /httponly/i);
  }
});

test('oidc-provider 8: token answers, good and bad, carry Pragma: no-cache', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const { code, verifier } = await codeFor(new TestBrowser(server), app, 'openid user/*.rs');
  for (const expected of [200, 400]) {
    const { status, headers } = await post(server, '/auth/token', codeFields(app, code, verifier));
    assert.equal(status, expected);
    assert.equal(headers.get('pragma'), 'no-cache');
    assert.match(headers.get('cache-control') ?? '', /no-store/);
  }
});

test('oidc-provider 9: launch context is kept with the grant, not with the browser', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  const { csrf, session_topic: topic } = await browser.signIn();
  const tokens = await launched(browser, app, 'launch patient/*.rs fhircast/*.* offline_access', {
    patient: 'omar',
    encounter: 'omar-1',
    intent: 'x',
    topic,
  });
  await browser.request('/auth/session', { method: 'DELETE', headers: { 'x-csrf-token': String(csrf) } });
  const { body } = await refresh(server, app, tokens.refresh_token);
  assert.deepEqual([body.patient, body.encounter, body.intent, body['hub.topic']], ['omar', 'omar-1', 'x', topic]);
});

test('oidc-provider 11: a native app that is trusted is launched from the EHR without a page', async (t) => {
  const server = await startServer(t);
  const redirect = 'org.example.viewer://callback';
  const app = await registerApp(server, { redirect_uris: [redirect] });
  await server.auth.clients.patch(app.clientId, { trusted: true });
  const browser = new TestBrowser(server);
  await browser.signIn();
  const { body } = await browser.launch({ client_id: app.clientId, patient: 'ida' });
  const made = attempt(server, app, 'launch patient/*.rs', { redirect_uri: redirect, launch: String(body.launch) });
  const page = await browser.go(made.url);
  assert.match(page.url, /^org\.example\.viewer:\/\/callback\?code=/);
});

test('oidc-provider: a client that is suspended, deleted or foreign gets nothing by its old ids', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const page = await browser.go(attempt(server, app, 'openid user/*.rs').url);
  await server.auth.clients.delete(app.clientId);
  const refused = await browser.submit(page, { value: 'allow' });
  assert.equal(refused.status, 400);
  assert.ok(refused.url.startsWith(server.origin), 'no redirect to an app that is gone');
});
