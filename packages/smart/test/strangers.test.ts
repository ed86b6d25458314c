import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { RecordStore } from '@lockstep/store';
import { openSqlite } from '@lockstep/store-sqlite';
import { revisionOf } from '../src/index.ts';
import { MAX_WAITING, MAX_WAITING_OF_NETWORK, WAITING_LIFE } from '../src/waiting-registrations.ts';
import { answerOf, approve, countClients, type Json, register, startServer, type TestServer } from './harness.ts';

const APP = { redirect_uris: ['https://app.example/callback'], token_endpoint_auth_method: 'none', scope: 'openid' };

/** Fills the places that wait, as strangers of many networks would. */
async function fill({ auth }: TestServer, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await auth.clients.add(APP, { status: 'waiting', network: `network ${n}` });
}

function manage(server: TestServer, { client_id: id, registration_access_token: token }: Json, body: object) {
  return fetch(server.url(`/auth/register/${id}`), {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }).then(answerOf);
}

test('REG-6 a registration of more than 8 KiB is refused, whatever holds the bytes', async (t) => {
  const server = await startServer(t, { loopback: false });
  const long = 'x'.repeat(8 * 1024);
  for (const field of [{ client_name: long }, { contacts: Array(100).fill('x'.repeat(100)) }, { unknown: long }]) {
    assert.equal((await register(server, { ...APP, ...field })).status, 413);
  }
  assert.equal(await countClients(server), 0);
  const { body } = await register(server, APP);
  assert.equal((await manage(server, body, { ...body, unknown: long })).status, 413, 'nor does it grow later');
});

test('REG-6 few registrations wait, fewer of one network, and each expires', async (t) => {
  const server = await startServer(t, { loopback: false });
  for (let n = 0; n < MAX_WAITING_OF_NETWORK; n++) assert.equal((await register(server, APP)).status, 201);
  const { status, body } = await register(server, APP);
  assert.equal(status, 429);
  assert.match(String(body.error_description), /initial access token/);
  await fill(server, MAX_WAITING - MAX_WAITING_OF_NETWORK);
  await assert.rejects(server.auth.clients.add(APP, { status: 'waiting', network: 'another' }), /too many/);
  assert.equal(await countClients(server), MAX_WAITING);
  server.clock.ahead += WAITING_LIFE;
  assert.equal(await countClients(server), 0, 'they have expired');
  assert.equal((await register(server, APP)).status, 201);
});

test('REG-6 an approved registration stays and gives its place back, as a deleted one does', async (t) => {
  const server = await startServer(t, { loopback: false });
  const { body } = await register(server, APP);
  const other = await register(server, APP);
  await fill(server, MAX_WAITING - 2);
  await approve(server, String(body.client_id));
  await server.auth.clients.delete(String(other.body.client_id));
  await fill(server, 2);
  await assert.rejects(fill(server, 1), /too many/);
  server.clock.ahead += WAITING_LIFE;
  assert.equal((await server.auth.clients.get(String(body.client_id)))?.status, 'active');
});

test('REG-6 of many registrations at the same moment no more get in than there are places', async (t) => {
  const server = await startServer(t, { loopback: false });
  const answers = await Promise.all(Array.from({ length: 3 * MAX_WAITING_OF_NETWORK }, () => register(server, APP)));
  assert.equal(answers.filter(({ status }) => status === 201).length, MAX_WAITING_OF_NETWORK);
});

test('REG-6 where registration is closed, strangers do not register; with the initial access token apps do', async (t) => {
  for (const loopback of [true, false]) {
    const server = await startServer(t, { loopback, strangersRegister: false, initialAccessToken: 'given-by-hand' });
    const { status, body } = await register(server, APP);
    assert.deepEqual([status, body.error], [403, 'access_denied']);
    const invited = await register(server, APP, { authorization: 'Bearer given-by-hand' });
    assert.equal(invited.body.status, 'active');
  }
});

test('REG-6 what an administrator approves is what was shown', async (t) => {
  const server = await startServer(t, { loopback: false });
  const changes: Json[] = [
    { scope: 'openid user/*.cruds' },
    { redirect_uris: ['https://elsewhere.example/'] },
    { client_name: 'Another' },
    { description: 'Says more' },
    { logo_uri: 'https://app.example/other.png' },
    { switches: { secretCredentials: true } },
    { launch_url: 'https://app.example/launch' },
    { contacts: ['someone@app.example'] },
  ];
  for (const change of changes) {
    const { body } = await register(server, APP);
    const id = String(body.client_id);
    const shown = (await server.auth.clients.get(id))!;
    assert.equal((await manage(server, body, { ...body, ...change })).status, 200);
    await assert.rejects(server.auth.clients.activate(id, revisionOf(shown)), { status: 409 }, JSON.stringify(change));
    assert.equal((await server.auth.clients.get(id))?.status, 'waiting');
    await server.auth.clients.activate(id, revisionOf((await server.auth.clients.get(id))!));
    assert.equal((await server.auth.clients.get(id))?.status, 'active', 'after it was reviewed again');
    await server.auth.clients.delete(id);
  }
});

test('REG-6 a change that arrives while the app is approved is held to what was approved', async (t) => {
  const server = await startServer(t, { loopback: false });
  for (let round = 0; round < 10; round++) {
    const { body } = await register(server, APP);
    const id = String(body.client_id);
    const shown = (await server.auth.clients.get(id))!;
    const [approved] = await Promise.allSettled([
      server.auth.clients.activate(id, revisionOf(shown)),
      manage(server, body, { ...body, scope: 'openid user/*.cruds' }),
    ]);
    const after = (await server.auth.clients.get(id))!;
    assert.equal(after.status === 'active', approved.status === 'fulfilled');
    if (after.status === 'active') assert.equal(after.scope, 'openid', 'nothing that was not shown is active');
    await server.auth.clients.delete(id);
  }
});

test('REG-6 a suspended app cannot change itself either', async (t) => {
  const server = await startServer(t, { loopback: false });
  const { body } = await register(server, APP);
  const id = String(body.client_id);
  await approve(server, id);
  await server.auth.clients.suspend(id);
  assert.equal((await manage(server, body, { ...body, scope: 'openid user/*.cruds' })).status, 403);
});

test('REG-6 registering, preflights and sign-in read no list of clients or users', async (t) => {
  const lists: string[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-strangers-'));
  const store = await openSqlite({ path: join(folder, 'records.db'), log: { count: 10, ageMs: 1000 } });
  t.after(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });
  const records = new Proxy(store.records, {
    get(target, name: keyof RecordStore) {
      const method = target[name] as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => {
        if (name === 'list') lists.push(String(args[0]));
        return method.apply(target, args);
      };
    },
  });
  const server = await startServer(t, { loopback: false, records });
  lists.length = 0;
  await register(server, APP);
  await fetch(server.url('/auth/session'));
  await fetch(server.url('/auth/sign-in'));
  await fetch(server.url('/auth/token'), { method: 'OPTIONS', headers: { origin: 'https://app.example' } });
  await fetch(server.url('/auth/authorize?client_id=x'));
  assert.deepEqual(lists, []);
});
