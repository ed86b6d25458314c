import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { test } from 'node:test';
import { exportSPKI, generateKeyPair, importJWK, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { formsOf, type Page, TestBrowser } from './browsing.ts';
import { serve, startServer } from './harness.ts';
import { CLIENT_ID, type OutsideIdp, SECRET, startOutside, Traveller } from './outside-provider.ts';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

async function assertNobody({ browser }: Traveller, page: Page, status: number, words: RegExp): Promise<void> {
  assert.equal(page.status, status, page.text);
  assert.match(page.text, words);
  assert.equal((await browser.session()).status, 401, 'nobody is signed in');
}

async function withKey(claims: JWTPayload, alg: string, key: Parameters<SignJWT['sign']>[0]): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg, kid: 'outside' }).sign(key);
}

const now = (): number => Math.floor(Date.now() / 1000);

/** Answers of a provider that is not what it says, or that somebody has changed on the way. */
const BAD: Readonly<Record<string, NonNullable<OutsideIdp['idToken']>>> = {
  'another nonce': (claims, idp) => idp.sign({ ...claims, nonce: 'x'.repeat(43) }),
  'no nonce': ({ nonce: _, ...claims }, idp) => idp.sign(claims),
  'another audience': (claims, idp) => idp.sign({ ...claims, aud: 'another-client' }),
  'several audiences and another party': (claims, idp) =>
    idp.sign({ ...claims, aud: [CLIENT_ID, 'another-client'], azp: 'another-client' }),
  'no audience': ({ aud: _, ...claims }, idp) => idp.sign(claims),
  'another issuer': (claims, idp) => idp.sign({ ...claims, iss: 'https://evil.example' }),
  'no subject': ({ sub: _, ...claims }, idp) => idp.sign(claims),
  'expired by more than the clocks may differ': (claims, idp) => idp.sign({ ...claims, exp: now() - 60 }),
  'no end': ({ exp: _, ...claims }, idp) => idp.sign(claims),
  'not valid yet': (claims, idp) => idp.sign({ ...claims, nbf: now() + 120 }),
  'alg none': (claims) => new UnsecuredJWT(claims).encode(),
  'HS256 with the client secret': (claims) => withKey(claims, 'HS256', createSecretKey(Buffer.from(SECRET))),
  'HS256 with the public key': async (claims, idp) => {
    const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...publicJwk } = idp.key.jwk;
    const pem = await exportSPKI(
      (await importJWK(publicJwk, 'RS256')) as Awaited<ReturnType<typeof generateKeyPair>>['publicKey'],
    );
    return withKey(claims, 'HS256', createSecretKey(Buffer.from(pem)));
  },
  'signed by another key of the same name': async (claims, idp) =>
    idp.sign(claims, (await generateKeyPair('RS256')).privateKey),
  'a key that is not published': async (claims) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid: 'unknown' })
      .sign((await generateKeyPair('RS256')).privateKey),
  'changed after signing': async (claims, idp) => {
    const [header, , signature] = (await idp.sign(claims)).split('.');
    const changed = Buffer.from(JSON.stringify({ ...claims, sub: 'subject-2' })).toString('base64url');
    return [header, changed, signature].join('.');
  },
  'no JWT': () => 'id-token',
  'no id token': () => undefined,
};

test('REG-4 an id token that is wrong in any point is refused', async (t) => {
  const { server, idp } = await startOutside(t);
  for (const [what, idToken] of Object.entries(BAD)) {
    const person = new Traveller(server, idp);
    idp.idToken = idToken;
    const page = await person.signIn();
    assert.equal(page.status, 502, what);
    await assertNobody(person, page, 502, /The answer of City Hospital cannot be trusted/);
    assert.ok(!page.text.includes('subject-1'), what);
  }
  assert.equal(await server.auth.users.get('vsole'), undefined);
  idp.idToken = (claims, provider) => provider.sign({ ...claims, exp: now() - 5, iat: now() - 60 });
  const person = new Traveller(server, idp);
  await person.signIn();
  assert.equal((await person.browser.session()).status, 200, 'clocks may differ by some seconds');
});

test('REG-4 the user at the userinfo endpoint must be that of the id token', async (t) => {
  const { idp, person } = await startOutside(t);
  idp.people.set('subject-2', { preferred_username: 'other' });
  idp.idToken = (claims, provider) => provider.sign({ ...claims, sub: 'subject-2' });
  await assertNobody(person, await person.signIn(), 502, /cannot be trusted/);
});

test('REG-4 an answer comes back once', async (t) => {
  const { server, person } = await startOutside(t);
  const door = await person.leave(await person.browser.go('/auth/sign-in'));
  const cookies = new Map(person.browser.cookies);
  const answer = await person.answered(door);
  await person.browser.go(answer);
  const first = (await person.browser.session()).body;
  assert.equal(first.user_name, 'vsole');
  for (const [name, cookie] of cookies) person.browser.cookies.set(name, cookie);
  const replayed = await person.browser.go(answer);
  assert.equal(replayed.status, 400);
  assert.match(replayed.text, /has expired or is over/);
  const elsewhere = await new TestBrowser(server).go(answer);
  assert.equal(elsewhere.status, 403);
});

test('REG-4 an answer made for another browser is refused here, and stays good in its own (CWE-352)', async (t) => {
  const { server, idp, person } = await startOutside(t);
  const answer = await person.answered(await person.leave(await person.browser.go('/auth/sign-in')));
  const victim = new Traveller(server, idp);
  await assertNobody(victim, await victim.browser.go(answer), 403, /begun in another browser/);
  // Even one that is itself on its way.
  await victim.leave(await victim.browser.go('/auth/sign-in'));
  await assertNobody(victim, await victim.browser.go(answer), 403, /begun in another browser/);
  await person.browser.go(answer);
  assert.equal((await person.browser.session()).body.user_name, 'vsole');
});

test('REG-4 a wrong, missing or repeated state signs nobody in; so does another sign-in’s code', async (t) => {
  const { server, idp, person } = await startOutside(t);
  const answer = new URL(await person.answered(await person.leave(await person.browser.go('/auth/sign-in'))));
  const state = answer.searchParams.get('state') ?? '';
  const changes: [(params: URLSearchParams) => void, number][] = [
    [(params) => params.set('state', 'x'.repeat(43)), 400],
    [(params) => params.delete('state'), 400],
    [(params) => params.set('state', ''), 400],
  ];
  for (const [change, status] of changes) {
    const url = new URL(answer);
    change(url.searchParams);
    const page = await person.browser.go(url.href);
    await assertNobody(person, page, status, /has expired or is over/);
  }
  const twice = new URL(answer);
  twice.searchParams.append('state', state);
  await assertNobody(person, await person.browser.go(twice.href), 502, /cannot be trusted/);

  // A code that was given to somebody else: PKCE and nonce tie it to their sign-in.
  const attacker = new Traveller(server, idp);
  const stolen = new URL(await attacker.answered(await attacker.leave(await attacker.browser.go('/auth/sign-in'))));
  const own = new URL(await person.answered(await person.leave(await person.browser.go('/auth/sign-in'))));
  own.searchParams.set('code', stolen.searchParams.get('code') ?? '');
  await assertNobody(person, await person.browser.go(own.href), 502, /cannot be trusted/);

  // An answer in another provider's name (RFC 9207).
  const mixed = new URL(await person.answered(await person.leave(await person.browser.go('/auth/sign-in'))));
  mixed.searchParams.set('iss', 'https://evil.example');
  await assertNobody(person, await person.browser.go(mixed.href), 502, /cannot be trusted/);
});

test('REG-4 a sign-in that takes more than a quarter of an hour has expired', async (t) => {
  const { server, person } = await startOutside(t);
  const answer = await person.answered(await person.leave(await person.browser.go('/auth/sign-in')));
  server.clock.ahead += 15 * 60_000 + 1;
  await assertNobody(person, await person.browser.go(answer), 400, /has expired/);
});

test('REG-4 two windows of one browser do not take each other’s sign-in', async (t) => {
  const { server, person } = await startOutside(t);
  const one = await person.leave(await person.browser.go('/auth/sign-in?return=/auth/manage%3Fn=1'));
  const two = await person.leave(await person.browser.go('/auth/sign-in?return=/auth/manage%3Fn=2'));
  assert.equal((await person.browser.go(await person.answered(two))).url, `${server.origin}/auth/manage?n=2`);
  assert.equal((await person.browser.go(await person.answered(one))).url, `${server.origin}/auth/manage?n=1`);
});

test('REG-4 what the provider refuses is said in plain words, and other ways stay open', async (t) => {
  const { idp, person } = await startOutside(t);
  const refusals: [{ error: string; error_description?: string }, RegExp][] = [
    [{ error: 'access_denied' }, /City Hospital did not let you in, or you stopped the sign-in there/],
    [{ error: 'temporarily_unavailable' }, /City Hospital is not available now\. Try again later/],
    [{ error: 'login_required' }, /wants you to sign in there first/],
    [{ error: 'invalid_scope' }, /refused the request \(invalid_scope\)\. Tell an administrator/],
    [{ error: 'toString' }, /refused the request \(toString\)\. Tell an administrator/],
    [
      { error: 'access_denied', error_description: 'Your badge <b>has expired</b>.' },
      /did not let you in.* <code>Your badge &lt;b&gt;has expired&lt;\/b&gt;\.<\/code>/,
    ],
  ];
  for (const [refusal, words] of refusals) {
    idp.refusal = refusal;
    await assertNobody(person, await person.signIn('/auth/manage'), 403, words);
  }
  const page = await person.signIn('/auth/manage');
  idp.refusal = undefined;
  const landed = await person.through(page);
  assert.equal(new URL(landed.url).pathname, '/auth/manage', 'the page to go on with is not forgotten');
});

test('REG-4 without the provider there is a clear page, and passwords go on', async (t) => {
  const { server, idp, person } = await startOutside(t);
  await server.auth.users.add({ id: 'local', name: 'Local', password: 'correct horse battery' });
  // It goes while somebody is on the way back.
  const answer = await person.answered(
    await person.leave(await person.browser.go('/auth/sign-in?return=/auth/manage')),
  );
  await idp.stop();
  const away = /City Hospital cannot be reached now\. Try again later, or sign in with a password/;
  const page = await person.browser.go(answer);
  await assertNobody(person, page, 503, away);
  const given = { user: 'local', password: 'correct horse battery' };
  const landed = await person.browser.submit(page, { label: 'Sign in' }, given);
  assert.equal(new URL(landed.url).pathname, '/auth/manage');
  assert.equal((await person.browser.session()).body.user_name, 'local');
});

test('REG-4 a provider that was never there, or is none, brings a page and no error of ours', async (t) => {
  const gone = await serve(t, () => undefined);
  await new Promise((resolve) => gone.server.close(resolve));
  const wrongIssuer = await serve(t, (_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ issuer: 'https://evil.example', authorization_endpoint: 'https://evil.example/a' }));
  });
  const page = await serve(t, (_request, response) => response.end('<h1>Welcome</h1>'));
  const trouble = await serve(t, (_request, response) => response.writeHead(503).end());
  const elsewhere = await serve(t, (_request, response) => {
    response.writeHead(302, { location: `${page.origin}/` }).end();
  });
  const cases: [string, number, RegExp][] = [
    [gone.origin, 503, /cannot be reached now/],
    [trouble.origin, 503, /cannot be reached now/],
    [wrongIssuer.origin, 502, /cannot be trusted/],
    [page.origin, 502, /cannot be trusted/],
    [elsewhere.origin, 502, /cannot be trusted/],
  ];
  for (const [issuer, status, words] of cases) {
    const { server, idp } = await startOutside(t, { outside: { issuer } });
    const person = new Traveller(server, idp);
    await assertNobody(person, await person.leave(await person.browser.go('/auth/sign-in')), status, words);
    await server.close();
  }
});

test('REG-4 the way to the provider begins on our pages only (CWE-352)', async (t) => {
  const { person } = await startOutside(t);
  const page = await person.browser.go('/auth/sign-in');
  const csrf = Object.fromEntries(formsOf(page)[0]?.fields ?? []).csrf ?? '';
  const attempts: [Record<string, string>, Record<string, string>][] = [
    [{}, {}],
    [{ csrf: 'x'.repeat(43) }, {}],
    [{ csrf }, { origin: 'https://evil.example' }],
  ];
  for (const [fields, headers] of attempts) {
    const response = await person.browser.request('/auth/outside', {
      method: 'POST',
      headers: { ...FORM, ...headers },
      body: new URLSearchParams(fields).toString(),
    });
    assert.equal(response.status, 403);
    assert.equal(response.headers.get('location'), null);
  }
  assert.equal((await person.browser.session()).status, 401);
});

test('REG-4 a sign-in from outside gets a session of its own, and ends the one before it (CWE-384)', async (t) => {
  const { person } = await startOutside(t);
  const { browser } = person;
  await browser.signIn('dr-mei-tanaka');
  const before = new Map(browser.cookies);
  await person.signIn();
  assert.equal((await browser.session()).body.user_name, 'vsole');
  assert.notEqual(browser.cookies.get('lockstep_session;/')?.value, before.get('lockstep_session;/')?.value);
  for (const [name, cookie] of before) browser.cookies.set(name, cookie);
  assert.equal((await browser.session()).status, 401, 'the earlier sign-in has ended');
});

test('REG-4 without configuration there is no way outside', async (t) => {
  const server = await startServer(t);
  const browser = new TestBrowser(server);
  const page = await browser.go('/auth/sign-in');
  assert.doesNotMatch(page.text, /Sign in with/);
  assert.equal((await browser.request('/auth/outside')).status, 404);
  assert.equal((await browser.request('/auth/outside/callback?state=x&code=y')).status, 404);
  assert.equal((await browser.session()).body.outside, undefined);
});
