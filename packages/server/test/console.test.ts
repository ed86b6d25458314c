import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Lockstep } from '@lockstep/server';
import { WebSocket } from 'ws';
import { ConsolePerson } from './console-person.ts';
import { type Json, json, withLockstep } from './harness.ts';
import { App, REDIRECT } from './person.ts';

/** Whether a live view opens, or the status it is refused with. */
function live(lockstep: Lockstep, path: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${lockstep.port}${path}`, { headers });
  return new Promise((resolve, reject) => {
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
    socket.on('open', () => {
      socket.terminate();
      resolve(101);
    });
    socket.on('error', reject);
  });
}

test('the console answers the person signed in, and changes nothing without the CSRF value', () =>
  withLockstep(async ({ origin }) => {
    assert.equal((await fetch(`${origin}/api/console/apps`)).status, 401);
    const lena = await ConsolePerson.signIn(origin, { sample: 'dr-lena-okafor' });
    assert.equal((await lena.call('POST', 'token', {}, { 'x-csrf-token': 'wrong' })).status, 403);
    assert.equal((await lena.call('POST', 'token', {}, { origin: 'https://elsewhere.example' })).status, 403);
    const apps = (await json(lena.call('GET', 'apps'))) as unknown as Json[];
    assert.deepEqual(apps.map(({ id }) => id).sort(), ['sample-report-writer', 'sample-viewer']);
    const administrators = ['GET sessions', 'GET apps/sample-viewer', 'POST apps', 'DELETE apps/sample-viewer'];
    for (const route of administrators) {
      const [method = '', path = ''] = route.split(' ');
      assert.equal((await lena.call(method, path, method === 'POST' ? {} : undefined)).status, 403, route);
    }
  }));

test('SES-6 the EHR of the console gets a token for its own session, and sign-out ends it', () =>
  withLockstep(async ({ origin }) => {
    const lena = await ConsolePerson.signIn(origin, { sample: 'dr-lena-okafor' });
    const token = await json(lena.call('POST', 'token', {}));
    assert.equal(token['hub.topic'], lena.session.session_topic);
    const authorization = { authorization: `Bearer ${token.access_token}` };
    const read = () => fetch(`${token['hub.url']}/${token['hub.topic']}`, { headers: authorization });
    assert.equal((await read()).status, 200);
    assert.equal((await fetch(`${token.fhir}/Patient?_count=1`, { headers: authorization })).status, 200);
    const write = { method: 'DELETE', headers: authorization };
    assert.equal((await fetch(`${token.fhir}/Patient/amara-diallo`, write)).status, 403);
    const out = { method: 'DELETE', headers: { cookie: lena.cookie, 'x-csrf-token': lena.session.csrf } };
    assert.equal((await fetch(`${origin}/auth/session`, out)).status, 204);
    assert.equal((await read()).status, 401);
  }));

test('live views open for their own people from our own pages only', () =>
  withLockstep(async (lockstep) => {
    const { origin } = lockstep;
    const lena = await ConsolePerson.signIn(origin, { sample: 'dr-lena-okafor' });
    const tomas = await ConsolePerson.signIn(origin, { sample: 'dr-tomas-lindqvist' });
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    const own = `/api/console/live/${lena.session.session_topic}`;
    assert.equal(await live(lockstep, own, { cookie: lena.cookie, origin }), 101);
    assert.equal(await live(lockstep, own, { cookie: lena.cookie, origin: 'https://elsewhere.example' }), 403);
    assert.equal(await live(lockstep, own, { cookie: lena.cookie }), 403);
    assert.equal(await live(lockstep, own, { origin }), 403);
    assert.equal(await live(lockstep, own, { cookie: tomas.cookie, origin }), 403);
    assert.equal(await live(lockstep, own, { cookie: admin.cookie, origin }), 101);
    assert.equal(await live(lockstep, '/api/console/live', { cookie: lena.cookie, origin }), 403);
    assert.equal(await live(lockstep, '/api/console/live', { cookie: admin.cookie, origin }), 101);
  }));

test('one person has 64 live views open at once, whatever others have', () =>
  withLockstep(async (lockstep) => {
    const { origin, port } = lockstep;
    const lena = await ConsolePerson.signIn(origin, { sample: 'dr-lena-okafor' });
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    const own = `/api/console/live/${lena.session.session_topic}`;
    const headers = { cookie: lena.cookie, origin };
    const open = Array.from({ length: 64 }, () => new WebSocket(`ws://127.0.0.1:${port}${own}`, { headers }));
    await Promise.all(open.map((socket) => once(socket, 'open')));
    assert.equal(await live(lockstep, own, headers), 429);
    assert.equal(await live(lockstep, own, { cookie: admin.cookie, origin }), 101);
    open[0]?.close();
    while ((await live(lockstep, own, headers)) !== 101) await new Promise((resolve) => setTimeout(resolve, 10));
    for (const socket of open) socket.terminate();
  }));

test('what the console shows of subscriptions does not contain their endpoints', () =>
  withLockstep(async ({ origin, hub }) => {
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    const token = await json(admin.call('POST', 'token', {}));
    const topic = token['hub.topic'] as string;
    const response = await fetch(token['hub.url'], {
      method: 'POST',
      headers: { authorization: `Bearer ${token.access_token}` },
      body: new URLSearchParams({
        'hub.channel.type': 'websocket',
        'hub.mode': 'subscribe',
        'hub.topic': topic,
        'hub.events': 'Patient-open',
      }),
    });
    const secret =
      String((await json(response))['hub.channel.endpoint'])
        .split('/')
        .at(-1) ?? '';
    assert.ok((await hub.inspect(topic))?.state.subscriptions.has(secret));
    for (const path of [
      'session',
      'sessions',
      `sessions/${topic}`,
      `sessions/${topic}/timeline`,
      `sessions/${topic}/export`,
    ]) {
      const text = await (await admin.call('GET', path)).text();
      assert.ok(text.includes('EHR'), path);
      assert.equal(text.includes(secret), false, path);
    }
  }));

test('pages are strict about what they load, and are kept by the hash in their names', () =>
  withLockstep(async ({ origin, port }) => {
    const page = await fetch(origin);
    const policy = page.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'; script-src 'self';/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe/);
    const html = await page.text();
    const nonce = /'nonce-([^']+)'/.exec(policy)?.[1] ?? '';
    assert.ok(nonce.length > 16 && html.includes(nonce));
    const asset = /src="(\/assets\/[^"]+)"/.exec(html)?.[1] ?? '';
    const script = await fetch(`${origin}${asset}`, { headers: { 'accept-encoding': 'br' } });
    assert.equal(script.headers.get('cache-control'), 'public, max-age=31536000, immutable');
    assert.equal(script.headers.get('content-encoding'), 'br');
    assert.match(
      (await fetch(`${origin}/samples/viewer/`)).headers.get('content-security-policy') ?? '',
      /frame-ancestors 'self'/,
    );
    for (const path of ['/samples/viewer/../../package.json', '/assets/../index.html', '/.built-from', '/nothing']) {
      assert.ok([403, 404].includes((await fetch(`${origin}${path}`)).status), path);
    }
    const byNumber = await fetch(`http://127.0.0.1:${port}/apps?x=1`, { redirect: 'manual' });
    assert.equal(byNumber.headers.get('location'), `${origin}/apps?x=1`);
  }));

test('REG-4 a server that others can reach makes one administrator, whose one-time password must be changed', () =>
  withLockstep(
    async (lockstep) => {
      const { origin, firstAdministrator } = lockstep;
      assert.ok(firstAdministrator && firstAdministrator.password.length >= 16);
      const { user, password } = firstAdministrator;
      const admin = await ConsolePerson.signIn(origin, { user, password });
      assert.deepEqual(await json(admin.call('GET', 'me')), { mustChoosePassword: true });
      assert.equal((await admin.call('GET', 'sessions')).status, 403);
      const headers = { cookie: admin.cookie, origin };
      for (const views of ['', '/a-topic']) {
        assert.equal(await live(lockstep, `/api/console/live${views}`, headers), 403, views);
      }
      const wrong = await admin.call('POST', 'password', { before: 'not it', after: 'a new password' });
      assert.equal(wrong.status, 400);
      const short = await admin.call('POST', 'password', { before: password, after: 'short' });
      assert.equal(short.status, 400);
      assert.equal((await admin.call('POST', 'password', { before: password, after: 'a new password' })).status, 204);
      assert.equal(await live(lockstep, '/api/console/live', headers), 101);
      const again = await ConsolePerson.signIn(origin, { user, password: 'a new password' });
      assert.equal((await again.call('GET', 'sessions')).status, 200);
      assert.deepEqual(await json(again.call('GET', 'me')), { mustChoosePassword: false });
    },
    { sampleData: false },
  ));

test('what an administrator deletes stays deleted; addresses follow the server', () =>
  withLockstep(async ({ origin }) => {
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    assert.equal((await admin.call('DELETE', 'apps/lockstep-console')).status, 404);
    assert.equal((await admin.call('DELETE', 'apps/sample-viewer')).status, 204);
    assert.equal((await admin.call('GET', 'apps/sample-viewer')).status, 404);
    const writer = await json(admin.call('GET', 'apps/sample-report-writer'));
    assert.equal(writer.launchUrl, `${origin}/samples/report-writer/`);
    const bad = await admin.call('POST', 'apps', { client_name: 'x', redirect_uris: ['javascript:alert(1)'] });
    assert.equal(bad.status, 400);
    assert.match((await json(bad)).message, /^redirect_uris/);
  }));

test('simulated faults refuse as a troubled server would, and unknown ones are named', () =>
  withLockstep(async ({ origin }) => {
    const at = (faults: string) => `${origin}/simulate/${faults}`;
    const found = await json(fetch(`${at('slow-hub')}/fhir/.well-known/smart-configuration`));
    assert.equal(found.token_endpoint, `${at('slow-hub')}/auth/token`);
    const app = await App.register(origin, 'public');
    const query = new URLSearchParams({
      client_id: app.clientId,
      redirect_uri: REDIRECT,
      state: 's',
      aud: `${at('none')}/fhir`,
    });
    const authorize = async (faults: string) => {
      const response = await fetch(`${at(faults)}/auth/authorize?${query}`, { redirect: 'manual' });
      return new URL(response.headers.get('location') ?? '');
    };
    assert.equal((await authorize('denied-consent')).searchParams.get('error'), 'access_denied');
    assert.equal((await authorize('bad-scope')).searchParams.get('error'), 'invalid_scope');
    assert.equal((await authorize('wrong-aud')).searchParams.get('error'), 'invalid_request');
    assert.equal((await authorize('none')).searchParams.get('aud'), `${origin}/fhir`);
    assert.equal((await fetch(`${at('made-up')}/fhir/metadata`)).status, 400);
    assert.equal((await fetch(`${at('none')}/fhir/metadata`)).status, 200);
    assert.equal(
      (await fetch(`${at('refused-subscription')}/hub`, { method: 'POST', body: new URLSearchParams({ a: 'b' }) }))
        .status,
      403,
    );
  }));
