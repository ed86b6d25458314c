import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formsOf, registerApp, TestBrowser, tokensFor } from './browsing.ts';
import { answerOf, backend, post, startServer, type TestServer } from './harness.ts';

/** A limit that is reached when the test says so; it notes who was counted. */
function limit() {
  const taken: string[] = [];
  const reached = new Set<string>();
  return {
    taken,
    reached,
    take(caller: string): boolean {
      taken.push(caller);
      return !reached.has(caller.split(' ')[0] ?? '');
    },
  };
}

async function signIn(server: TestServer, user: string, password: string) {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ user, password });
  return answerOf(await fetch(server.url('/auth/session'), { method: 'POST', headers, body }));
}

test('too many requests of one address: a page in plain words, an OAuth error for programs, both with Retry-After', async (t) => {
  const rateLimit = limit();
  const server = await startServer(t, { rateLimit });
  rateLimit.reached.add('authorization');
  for (const path of ['/auth/sign-in', '/auth/authorize?client_id=x', '/auth/interaction/x', '/auth/manage']) {
    const response = await fetch(server.url(path));
    assert.equal(response.status, 429, path);
    assert.equal(response.headers.get('retry-after'), '1');
    assert.match(response.headers.get('content-type') ?? '', /^text\/html/);
    assert.match(await response.text(), /Too many requests come from your network\. Wait a moment/);
  }
  for (const path of [
    '/auth/token',
    '/auth/introspect',
    '/auth/revoke',
    '/auth/register',
    '/auth/session',
    '/launch',
  ]) {
    const response = await fetch(server.url(path), { method: 'POST' });
    assert.equal(response.status, 429, path);
    assert.equal(response.headers.get('retry-after'), '1');
    assert.equal(((await response.json()) as { error: string }).error, 'slow_down');
  }
  const open = [
    '/fhir/.well-known/smart-configuration',
    '/.well-known/openid-configuration',
    '/auth/jwks',
    '/auth/style.css',
    '/auth/smart-style.json',
  ];
  for (const path of open) assert.equal((await fetch(server.url(path))).status, 200, path);
});

test('too many token requests of one client: it waits, whatever address it has; the others go on', async (t) => {
  const rateLimit = limit();
  const server = await startServer(t, { rateLimit });
  const one = await backend(server, { scope: 'fhircast/*.*' });
  assert.equal((await one.token('fhircast/*.read')).status, 200);
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await tokensFor(browser, app, 'openid user/*.rs');
  assert.ok(rateLimit.taken.includes(`tokens of ${one.clientId}`));
  assert.ok(rateLimit.taken.includes(`tokens of ${app.clientId}`));
  rateLimit.reached.add('tokens');
  const waits = await one.token('fhircast/*.read');
  assert.deepEqual([waits.status, waits.body.error], [429, 'slow_down']);
  assert.equal(waits.headers.get('retry-after'), '1');
  assert.match(waits.headers.get('cache-control') ?? '', /no-store/);
  const unknown = await post(server, '/auth/token', { grant_type: 'client_credentials', client_id: 'nobody' });
  assert.equal(unknown.status, 401, 'who is nobody is counted by address only');
});

test('REG-4 guessing a password: 429 with Retry-After and a page in plain words', async (t) => {
  const server = await startServer(t);
  server.clock.freeze();
  await server.auth.users.add({ id: 'ann', name: 'Ann', password: 'correct horse' });
  for (let n = 0; n < 5; n += 1) assert.equal((await signIn(server, 'ann', 'wrong')).status, 401);
  const json = await signIn(server, 'ann', 'correct horse');
  assert.equal(json.status, 429);
  assert.equal(json.headers.get('retry-after'), '2');
  const browser = new TestBrowser(server);
  const page = await browser.submit(
    await browser.go('/auth/sign-in'),
    { label: 'Sign in' },
    { user: 'Ann ', password: 'correct horse' },
  );
  assert.equal(page.status, 429);
  assert.equal(page.headers.get('retry-after'), '2');
  assert.match(page.text, /Too many attempts\. Try again in 2 seconds\./);
  assert.equal(formsOf(page).length, 2, 'with the form to try again');
  server.clock.ahead += 2000;
  assert.equal((await signIn(server, 'ann', 'correct horse')).status, 200);
});

test('REG-4 many guesses at the same moment get no further than one after the other', async (t) => {
  const server = await startServer(t);
  server.clock.freeze();
  await server.auth.users.add({ id: 'ann', name: 'Ann', password: 'correct horse' });
  const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => signIn(server, 'ann', `guess ${n}`)));
  const statuses = answers.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [...Array<number>(5).fill(401), ...Array<number>(25).fill(429)]);
});
