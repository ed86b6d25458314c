import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PatientDirectory } from '../src/index.ts';
import { attempt, formsOf, launched, type Page, registerApp, returned, TestBrowser, tokensFor } from './browsing.ts';
import { answerOf, patients, startServer, type TestServer } from './harness.ts';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

async function flowAt(server: TestServer, browser: TestBrowser, scope: string, title: RegExp): Promise<Page> {
  const app = await registerApp(server);
  const page = await browser.go(attempt(server, app, scope).url);
  assert.match(page.text, title);
  return page;
}

/** Posts to an address with a wrong csrf, none, and from another site's page: all must be refused. */
async function assertGuarded(
  browser: TestBrowser,
  address: string,
  fields: Record<string, string>,
  csrf: string,
): Promise<void> {
  const attempts: [Record<string, string>, Record<string, string>][] = [
    [{ ...fields }, {}],
    [{ ...fields, csrf: 'x'.repeat(43) }, {}],
    [{ ...fields, csrf }, { origin: 'https://evil.example' }],
    [{ ...fields, csrf }, { origin: 'null' }],
  ];
  for (const [body, headers] of attempts) {
    const response = await browser.request(address, {
      method: 'POST',
      headers: { ...FORM, ...headers },
      body: new URLSearchParams(body).toString(),
    });
    assert.equal(response.status, 403, `${address} ${JSON.stringify([body, headers])}`);
    assert.equal(response.headers.get('location'), null);
  }
}

test('AUT-7 CSRF: every form of every page is refused without its own value', async (t) => {
  const server = await startServer(t);
  const browser = new TestBrowser(server);
  const signIn = await flowAt(server, browser, 'openid user/*.rs', /<h1>Sign in/);
  const [form] = formsOf(signIn);
  const before = Object.fromEntries(form?.fields ?? []).csrf ?? '';
  await assertGuarded(browser, form?.action ?? '', { sample: 'dr-lena-okafor' }, before);
  await assertGuarded(browser, '/auth/sign-in', { sample: 'dr-lena-okafor' }, before);
  assert.equal((await browser.session()).status, 401, 'nobody was signed in');

  const csrf = String((await browser.signIn()).csrf);
  await server.sessions.open({ user: 'Practitioner/dr-lena-okafor', aliases: [], workstation: 'b' });
  const steps: [string, RegExp, string, Record<string, string>][] = [
    ['launch/patient', /Choose a patient/, 'patient', { patient: 'ida' }],
    ['launch/patient', /Choose a patient/, 'cancel', {}],
    ['openid fhircast/*.*', /Choose a session/, 'session', { topic: server.sessions.open_[0]?.topic ?? '' }],
    ['openid user/*.rs', /Allow Viewer/, 'consent', { decision: 'allow', scope: 'openid' }],
  ];
  for (const [scope, title, step, fields] of steps) {
    const page = await flowAt(server, browser, scope, title);
    await assertGuarded(browser, `${new URL(page.url).pathname}/${step}`, fields, csrf);
  }
  const picker = await flowAt(server, browser, 'launch/patient launch/encounter', /Choose a patient/);
  const encounter = await browser.submit(picker, { value: 'ida' });
  assert.match(encounter.text, /Choose an encounter/);
  await assertGuarded(browser, `${new URL(encounter.url).pathname}/encounter`, { encounter: 'ida-1' }, csrf);
  await assertGuarded(browser, '/auth/manage', { grant: 'x' }, csrf);
  await assertGuarded(browser, '/auth/sign-out', {}, csrf);
  assert.equal((await browser.session()).status, 200, 'still signed in');
});

test('AUT-7 CSRF: calls of the console need their header, and JSON sign-in is no form', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  assert.equal((await browser.launch({ client_id: app.clientId }, 'wrong')).status, 403);
  const bare = await browser.request('/auth/session', { method: 'DELETE' });
  assert.equal(bare.status, 403);
  assert.equal((await browser.session()).status, 200);
  const form = await browser.request('/auth/session', { method: 'POST', headers: FORM, body: 'sample=dr-mei-tanaka' });
  assert.equal(form.status, 415);
  const foreign = await browser.request('/auth/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: 'https://evil.example' },
    body: '{"sample":"dr-mei-tanaka"}',
  });
  assert.equal(foreign.status, 403);
  assert.equal((await browser.session()).body.user_name, 'dr-lena-okafor');
});

test('AUT-7 a flow belongs to the browser that began it', async (t) => {
  const server = await startServer(t);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const page = await flowAt(server, browser, 'openid user/*.rs', /Allow Viewer/);
  const other = new TestBrowser(server);
  await other.signIn('dr-mei-tanaka');
  const seen = await other.go(page.url);
  assert.equal(seen.status, 400);
  assert.match(seen.text, /expired/);
});

test('AUT-7 pages forbid framing, scripts and caching; an embedded launch may be framed by our own pages', async (t) => {
  const server = await startServer(t);
  const browser = new TestBrowser(server);
  const policy = (page: Page) => page.headers.get('content-security-policy') ?? '';
  const signIn = await browser.go('/auth/sign-in');
  await browser.signIn();
  const app = await registerApp(server);
  const pages = [
    signIn,
    await browser.go(attempt(server, app, 'launch/patient').url),
    await browser.go('/auth/manage'),
  ];
  for (const page of pages) {
    assert.match(policy(page), /frame-ancestors 'none'/, page.url);
    assert.match(policy(page), /default-src 'none'/);
    assert.doesNotMatch(policy(page), /unsafe|script-src/);
    assert.doesNotMatch(page.text, /<script|\son[a-z]+=|style="/);
    assert.match(page.headers.get('cache-control') ?? '', /no-store/);
  }
  const error = await browser.go('/auth/authorize?client_id=nobody');
  assert.match(policy(error), /frame-ancestors 'none'/);
  const { body } = await browser.launch({ client_id: app.clientId, patient: 'ida', embedded: true });
  const framed = await browser.go(attempt(server, app, 'launch patient/*.rs', { launch: String(body.launch) }).url);
  assert.match(policy(framed), /frame-ancestors 'self'/);
});

test('AUT-7 a frame of another site comes once more from ours, so that cookies go along', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  const { url } = attempt(server, app, 'openid user/*.rs', { state: '"><script>alert(1)</script>' });
  const bounced = await browser.request(url, {
    headers: { 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'cross-site' },
  });
  const text = await bounced.text();
  assert.equal(bounced.status, 200);
  assert.match(text, /http-equiv="refresh"/);
  assert.match(bounced.headers.get('content-security-policy') ?? '', /frame-ancestors 'self'/);
  assert.doesNotMatch(text, /<script/);
  const same = await browser.request(url, { headers: { 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'same-origin' } });
  assert.equal(same.status, 303);
});

test('AUT-7 session fixation: signing in never keeps the browser session that came', async (t) => {
  const server = await startServer(t);
  const attacker = new TestBrowser(server);
  await attacker.signIn('dr-mei-tanaka');
  const victim = new TestBrowser(server);
  for (const [key, cookie] of attacker.cookies) victim.cookies.set(key, cookie);
  victim.cookies.set('lockstep_session;/', { value: 'chosen-by-the-attacker', path: '/' });
  await victim.signIn('dr-lena-okafor');
  assert.notEqual(victim.cookies.get('lockstep_session;/')?.value, 'chosen-by-the-attacker');
  assert.equal((await attacker.session()).body.user_name, 'dr-mei-tanaka');
  const guess = new TestBrowser(server);
  guess.cookies.set('lockstep_session;/', { value: 'chosen-by-the-attacker', path: '/' });
  assert.equal((await guess.session()).status, 401);

  const shared = new TestBrowser(server);
  for (const [key, cookie] of attacker.cookies) shared.cookies.set(key, cookie);
  await shared.signIn('dr-lena-okafor');
  assert.equal((await attacker.session()).status, 401, 'the session left behind has ended');
  const again = shared.cookies.get('lockstep_session;/')?.value;
  await shared.signIn('dr-lena-okafor');
  assert.notEqual(shared.cookies.get('lockstep_session;/')?.value, again, 'the same person gets a new cookie too');
});

test('AUT-7 signing in again as the same person keeps the windows that are open', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const tokens = await tokensFor(browser, app, 'openid user/*.rs online_access');
  await browser.signIn();
  assert.ok(await server.auth.verifyToken(String(tokens.access_token)));
  await browser.signIn('dr-mei-tanaka');
  assert.equal(
    await server.auth.verifyToken(String(tokens.access_token)),
    undefined,
    'another person at the browser ends them',
  );
});

const OPEN_REDIRECTS = [
  'https://evil.example/',
  '//evil.example/',
  '/\\evil.example/',
  '/\t/evil.example',
  '/%09//evil.example'.replace('%09', '\t'),
  '\\\\evil.example',
  'javascript:alert(1)',
  '/..//evil.example',
  'evil.example',
];

test('AUT-7 open redirects: after signing in the browser stays here', async (t) => {
  const server = await startServer(t);
  for (const target of OPEN_REDIRECTS) {
    const browser = new TestBrowser(server);
    const page = await browser.go(`/auth/sign-in?${new URLSearchParams({ return: target })}`);
    const [form] = formsOf(page);
    const fields = new URLSearchParams(form?.fields);
    fields.set('sample', 'dr-lena-okafor');
    const response = await browser.request(`/auth/sign-in?${new URLSearchParams({ return: target })}`, {
      method: 'POST',
      headers: FORM,
      body: fields.toString(),
    });
    assert.equal(response.status, 303, target);
    const location = new URL(response.headers.get('location') ?? '', server.origin);
    assert.equal(location.origin, server.origin, target);
  }
  const browser = new TestBrowser(server);
  const page = await browser.submit(await browser.go('/auth/sign-in?return=%2Fauth%2Fmanage'), {
    value: 'dr-lena-okafor',
  });
  assert.match(page.url, /\/auth\/manage$/);
});

test('AUT-2 a forged Host header changes no address', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const { get } = await import('node:http');
  const { pathname, search, port } = new URL(attempt(server, app, 'openid user/*.rs').url);
  const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' };
  const location = await new Promise<string | undefined>((resolve, reject) => {
    get({ host: 'localhost', port, path: `${pathname}${search}`, headers }, (response) => {
      response.resume();
      resolve(response.headers.location);
    }).on('error', reject);
  });
  assert.equal(new URL(location ?? '', server.origin).origin, server.origin);
});

test('AUT-4 the patient picker shows a page, asks the server for more, and says when there is no patient', async (t) => {
  const asked: unknown[] = [];
  /** Of 120 patients the search looks at 50 at a time. */
  const search: PatientDirectory['search'] = async (text, limit, after = '') => {
    asked.push([text, limit, after]);
    const from = Number(after);
    const all = Array.from({ length: 120 }, (_, index) => ({ id: `n${index}`, name: `Person ${index}` }));
    const patients = all.slice(from, from + 50).filter(({ name }) => text === '' || name === text);
    return { patients, ...(from + 50 < 120 && { next: String(from + 50) }) };
  };
  const server = await startServer(t, { patients: { ...patients, search } });
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  const signIn = await browser.go(attempt(server, app, 'launch/patient').url);
  const first = await browser.submit(signIn, { name: 'sample', value: 'dr-lena-okafor' });
  const { pathname } = new URL(first.url);
  const further = (page: { readonly text: string }): string | undefined =>
    /<a href="([^"]*)">Search on/.exec(page.text)?.[1]?.replaceAll('&amp;', '&');
  assert.deepEqual(asked, [['', 50, '']]);
  assert.match(first.text, /Person 49\n/);
  assert.match(first.text, /There may be more patients/);
  const none = await browser.go(`${pathname}?search=Person+110`);
  assert.match(none.text, /No patient was found yet: not the whole record was searched/);
  assert.doesNotMatch(none.text, /No patient was found\./);
  let page = none;
  for (let next = further(page); next !== undefined; next = further(page)) page = await browser.go(next);
  assert.match(page.text, /Person 110\n/);
  assert.deepEqual(asked.at(-1), ['Person 110', 50, '100'], 'the words go along');
  const nobody = await browser.go(`${pathname}?search=Nobody&after=100`);
  assert.match(nobody.text, /No patient was found\./);
  const { length } = server.audits.filter(({ shown }) => shown?.type === 'Patient');
  assert.equal(length, asked.length, 'what was shown is recorded');
});

test('CWE-79 what an app or a person calls itself is text on every page', async (t) => {
  const server = await startServer(t);
  const evil = '<img src=x onerror=alert(1)>';
  const app = await registerApp(server, { client_name: evil, description: evil });
  await server.auth.users.add({ id: 'eve', name: evil, password: 'correct horse' });
  const browser = new TestBrowser(server);
  const signIn = await browser.go(attempt(server, app, 'openid user/*.rs').url);
  const wrong = await browser.submit(signIn, { label: 'Sign in' }, { user: '"><script>', password: 'x' });
  assert.equal(wrong.status, 401);
  const consent = await browser.submit(wrong, { label: 'Sign in' }, { user: 'eve', password: 'correct horse' });
  assert.match(consent.text, /Allow &lt;img/);
  const search = await browser.go(attempt(server, app, 'launch/patient').url);
  const searched = await browser.go(`${new URL(search.url).pathname}?search=${encodeURIComponent('"><script>')}`);
  for (const page of [signIn, wrong, consent, searched]) assert.doesNotMatch(page.text, /<img|<script/);
});

test('REG-4 password sign-in: right, wrong, unknown, suspended, and slower after failures', async (t) => {
  const server = await startServer(t);
  server.clock.freeze();
  await server.auth.users.add({ id: 'ann', name: 'Ann', password: 'correct horse' });
  await assert.rejects(server.auth.users.add({ id: 'ann', name: 'Ann' }), { name: 'InvalidUser' });
  await assert.rejects(server.auth.users.add({ id: 'bob', name: 'Bob', password: 'short' }), { name: 'InvalidUser' });
  const tryIn = async (user: string, password: string) =>
    answerOf(
      await new TestBrowser(server).request('/auth/session', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ user, password }),
      }),
    );
  const good = await tryIn(' ANN ', 'correct horse');
  assert.equal(good.status, 200);
  assert.equal(good.body.user, 'Practitioner/ann');
  assert.equal(good.body.administrator, false);
  assert.equal((await tryIn('nobody', 'correct horse')).status, 401);
  assert.equal((await tryIn('dr-lena-okafor', '')).status, 401, 'a sample user has no password');
  for (let failures = 0; failures < 5; failures += 1) assert.equal((await tryIn('ann', 'wrong')).status, 401);
  assert.equal((await tryIn('ann', 'correct horse')).status, 429);
  server.clock.ahead = 3000;
  assert.equal((await tryIn('ann', 'correct horse')).status, 200);
  await server.auth.users.suspend('ann');
  assert.equal((await tryIn('ann', 'correct horse')).status, 401);
  await server.auth.users.activate('ann');
  await server.auth.users.edit('ann', { password: 'new password', administrator: true });
  assert.equal((await tryIn('ann', 'correct horse')).status, 401);
  assert.equal((await tryIn('ann', 'new password')).body.administrator, true);
  assert.ok((await server.auth.users.list()).every((user) => !('password' in user)));
});

test('REG-4 sample users sign in by one click on loopback only', async (t) => {
  const server = await startServer(t);
  const { body } = await new TestBrowser(server).session();
  assert.deepEqual(
    (body.sample_users as { id: string }[]).map(({ id }) => id),
    ['admin', 'dr-lena-okafor', 'dr-mei-tanaka', 'dr-tomas-lindqvist'],
  );
  assert.equal((await new TestBrowser(server).signIn('admin')).administrator, true);
  const open = await startServer(t, { loopback: false });
  const browser = new TestBrowser(open);
  assert.deepEqual((await browser.session()).body.sample_users, []);
  const refused = await browser.request('/auth/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"sample":"admin"}',
  });
  assert.equal(refused.status, 401);
});

test('SES-2 signing in opens a session of the workstation, or joins the one that is open', async (t) => {
  const server = await startServer(t);
  const left = new TestBrowser(server);
  const one = await left.signIn('dr-lena-okafor', 'left');
  assert.equal(one.workstation, 'left');
  const right = await new TestBrowser(server).signIn('dr-lena-okafor', 'right');
  assert.notEqual(right.session_topic, one.session_topic);
  assert.equal((await new TestBrowser(server).signIn('dr-lena-okafor', 'left')).session_topic, one.session_topic);
  const page = await left.go('/auth/sign-in');
  assert.match(page.text, /value="left"/, 'the browser remembers its workstation');
  const signedIn = await server.auth.signedIn({ headers: { cookie: left.cookieHeader('/') } });
  assert.equal(signedIn?.user.reference, 'Practitioner/dr-lena-okafor');
  assert.equal(signedIn?.topic, one.session_topic);
});

test('SES-2 the workstation that was typed stays typed when a password was wrong, and is the one signed in at', async (t) => {
  const server = await startServer(t);
  await server.auth.users.add({ id: 'ann', name: 'Ann', password: 'correct horse' });
  const app = await registerApp(server);
  for (const [address, room] of [
    ['/auth/sign-in', 'Room <1>'],
    [attempt(server, app, 'openid').url, 'Room <2>'],
  ] as const) {
    const browser = new TestBrowser(server);
    const press = { label: 'Sign in' };
    const typed = { user: 'ann', password: 'wrong', workstation: room };
    const again = await browser.submit(await browser.go(address), press, typed);
    assert.match(again.text, /is wrong/, address);
    assert.ok(
      again.text.includes(`name="workstation" value="${room.replace('<', '&lt;').replace('>', '&gt;')}"`),
      address,
    );
    const fields = formsOf(again).flatMap(({ fields: all }) => all);
    const kept = fields.find(([name]) => name === 'workstation')?.[1] ?? '';
    await browser.submit(again, press, { user: 'ann', password: 'correct horse', workstation: kept });
    assert.equal((await browser.session()).body.workstation, room, address);
  }
});

test('SES-2 onSignedOut tells whose session it was', async (t) => {
  const server = await startServer(t);
  const told: object[] = [];
  server.auth.onSignedOut((ended) => void told.push(ended));
  const browser = new TestBrowser(server);
  const { session_topic: topic } = await browser.signIn();
  const page = await browser.submit(await browser.go('/auth/manage'), { label: 'Sign out' });
  assert.match(page.text, /You are signed out/);
  assert.deepEqual(told, [{ user: 'Practitioner/dr-lena-okafor', topic }]);
});

test('DIS-2 the management page lists what has access and takes it back', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  const start = await browser.go('/auth/manage');
  assert.match(start.text, /<h1>Sign in/);
  await browser.signIn();
  const tokens = await launched(browser, app, 'launch patient/*.rs fhircast/*.read offline_access');
  const page = await browser.go('/auth/manage');
  assert.match(page.text, /<h2>Viewer<\/h2>/);
  assert.match(page.text, /see what you have open in your other applications/);
  const grantId = (await server.auth.verifyToken(String(tokens.access_token)))?.grantId;
  const mei = new TestBrowser(server);
  const { csrf } = await mei.signIn('dr-mei-tanaka');
  await mei.go('/auth/manage', {
    method: 'POST',
    headers: FORM,
    body: new URLSearchParams({ csrf: String(csrf), grant: String(grantId) }).toString(),
  });
  assert.ok(await server.auth.verifyToken(String(tokens.access_token)), 'another person cannot');
  const after = await browser.submit(page, { value: String(grantId) });
  assert.match(after.text, /No application has access/);
  assert.equal(await server.auth.verifyToken(String(tokens.access_token)), undefined);
});

test('AUT-3 an outside EHR launches with a backend token of the scope launch, for the users it may see', async (t) => {
  const server = await startServer(t);
  const { backend } = await import('./harness.ts');
  const app = await registerApp(server);
  const ehr = await backend(server);
  const narrow = await backend(server, { session_users: ['Practitioner/dr-mei-tanaka'] });
  const call = async (token: unknown, body: object) =>
    answerOf(
      await fetch(server.url('/launch'), {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify(body),
      }),
    );
  const token = (await ehr.token('launch hub/session.write')).body.access_token;
  const made = await call(token, { client_id: app.clientId, user: 'Practitioner/dr-lena-okafor', patient: 'ida' });
  assert.equal(made.status, 201);
  assert.equal(made.body.expires_in, 300);
  assert.equal((await call(token, { client_id: app.clientId })).status, 400, 'user is missing');
  assert.equal((await call(token, { client_id: app.clientId, user: 'Practitioner/nobody' })).status, 400);
  const narrowToken = (await narrow.token('launch')).body.access_token;
  const refused = await call(narrowToken, { client_id: app.clientId, user: 'Practitioner/dr-lena-okafor' });
  assert.deepEqual(
    refused.body,
    (await call(narrowToken, { client_id: app.clientId, user: 'Practitioner/nobody' })).body,
    'SES-4',
  );
  assert.equal((await call(narrowToken, { client_id: app.clientId, user: 'mtanaka' })).status, 201);
  const noScope = (await ehr.token('hub/session.write')).body.access_token;
  assert.equal((await call(noScope, { client_id: app.clientId, user: 'Practitioner/dr-lena-okafor' })).status, 403);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const appToken = (await launched(browser, app, 'launch patient/*.rs')).access_token;
  assert.equal(
    (await call(appToken, { client_id: app.clientId, user: 'Practitioner/dr-lena-okafor' })).status,
    403,
    'an app cannot launch',
  );
  assert.equal((await call('made-up', { client_id: app.clientId })).status, 401);

  const fresh = new TestBrowser(server);
  const { url } = attempt(server, app, 'launch patient/*.rs', { launch: String(made.body.launch) });
  assert.ok(returned(await fresh.through(await fresh.go(url))).get('code'), 'the person signs in on the way');
});

test('AUT-7 behind TLS every cookie is Secure and every address is the public one', async (t) => {
  const server = await startServer(t, { publicUrl: 'https://lockstep.example' });
  const app = await registerApp(server);
  const { pathname, search } = new URL(attempt(server, app, 'openid user/*.rs').url);
  const begun = await fetch(server.url(`${pathname}${search}`), { redirect: 'manual' });
  assert.equal(begun.status, 303);
  const location = new URL(begun.headers.get('location') ?? '', server.origin);
  assert.equal(location.origin, server.origin);
  const cookies = begun.headers.getSetCookie();
  const page = await fetch(server.url(location.pathname), {
    headers: { cookie: cookies.map((one) => one.split(';')[0]).join('; ') },
  });
  assert.equal(page.status, 200);
  const chosen = await fetch(server.url('/auth/language?to=de'), { redirect: 'manual' });
  assert.equal(chosen.headers.getSetCookie().length, 1);
  for (const cookie of [cookies, page.headers.getSetCookie(), chosen.headers.getSetCookie()].flat()) {
    assert.match(cookie, /; secure/i);
    // What belongs to one request has a path of its own; everything else is of this very host only.
    if (!/^lockstep_(interaction|resume)/.test(cookie)) assert.match(cookie, /^__Host-lockstep_\w+=.*; path=\/(;|$)/i);
  }
  assert.ok(page.headers.getSetCookie().some((cookie) => cookie.startsWith('__Host-lockstep_form=')));
  const { body } = await answerOf(await fetch(server.url('/fhir/.well-known/smart-configuration')));
  assert.equal(body.token_endpoint, 'https://lockstep.example/auth/token');
});
