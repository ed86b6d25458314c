/**
 * What may be used once is spent on every node, and what has ended is ended on every node: two servers on one Redis, and somebody
 * who goes to the other one with what was used at the first.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { newProofKey, proofFetch, proofSource } from '@lockstep/client/dpop';
import { type Lockstep, startLockstep } from '@lockstep/server';
import { RedisProcess } from '@lockstep/store-redis/testing';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { WebSocket } from 'ws';
import { goBy } from '../src/system.ts';
import { ConsolePerson } from './console-person.ts';
import { Backend, EVERYTHING, HubClient, type Json, json, patient, Subscriber, testConfig } from './harness.ts';
import { App, ASSERTION_TYPE, Person, register, returned } from './person.ts';

const SCOPE = 'openid fhirUser offline_access fhircast/*.*';
/** Somebody whose access ends in all ways. */
const PERSON = 'dr-mei-tanaka';
const PASSWORD = 'a lantern of quartz';

/** Both are reached by one address; which of them gets a request is said before. */
const nodes: Lockstep[] = [];
let current = 0;
const entry = createServer((request, response) => {
  const { method, url, headers } = request;
  const onward = forward({ port: nodes[current]?.port, method, path: url, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    answer.pipe(response);
  });
  onward.on('error', () => response.destroy());
  request.pipe(onward);
});

/** Does something at one node. */
async function at<T>(node: number, work: () => Promise<T>): Promise<T> {
  current = node;
  return work();
}

/** Does the same at both at once. */
function atBoth<T>(work: () => Promise<T>): Promise<readonly T[]> {
  // A request is handed on when its head arrives: the second is begun once the first has.
  const first = at(0, () => arriving(work));
  return first.then(({ done }) => Promise.all([done, at(1, work)]));
}

/** Begins something, and waits until its first request has arrived. */
async function arriving<T>(work: () => Promise<T>): Promise<{ readonly done: Promise<T> }> {
  const arrived = once(entry, 'request');
  const done = work();
  await arrived;
  return { done };
}

describe('TOK-6 two nodes on one Redis', () => {
  let origin: string;
  let redis: RedisProcess;
  let admin: ConsolePerson;
  let app: App;
  let person: Person;
  const folders: string[] = [];

  before(async () => {
    redis = await RedisProcess.start();
    entry.listen(0, 'localhost');
    await once(entry, 'listening');
    origin = `http://localhost:${(entry.address() as AddressInfo).port}`;
    for (let node = 0; node < 2; node += 1) {
      const config = testConfig({ redisUrl: redis.url, publicUrl: origin, sampleData: true, refreshGraceSeconds: 0 });
      folders.push(config.data);
      nodes.push(await startLockstep(config));
    }
    admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    app = await App.register(origin);
    person = new Person(origin);
    await person.signIn();
  });
  after(async () => {
    entry.close();
    entry.closeAllConnections();
    for (const node of nodes) await node.close();
    await redis?.remove();
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  });

  const hub = (token: string): HubClient => new HubClient(`${origin}/hub`, token);
  const listed = (token: string): Promise<Response> => hub(token).request('/session');
  const tokensAt = (node: number): Promise<Json> => at(node, () => app.tokens(person, SCOPE));

  it('take a code once, and end what it opened when it comes again at the other', async () => {
    const { code, verifier } = await at(0, () => app.code(person, SCOPE));
    const { status, body } = await at(0, () => app.redeem(code, verifier));
    assert.equal(status, 200);
    const known = () => listed(body.access_token);
    assert.notEqual((await at(1, known)).status, 401);
    const again = await at(1, () => app.redeem(code, verifier));
    assert.deepEqual([again.status, again.body.error], [400, 'invalid_grant']);
    assert.equal((await at(1, known)).status, 401);
    assert.equal((await at(0, known)).status, 401);
  });

  it('give one of two that bring the same code at the same moment its tokens', async () => {
    const { code, verifier } = await at(0, () => app.code(person, SCOPE));
    const answers = await atBoth(() => app.redeem(code, verifier));
    const good = answers.filter(({ status }) => status === 200);
    assert.ok(good.length <= 1, JSON.stringify(answers));
  });

  it('take a refresh token once after its time of grace, and end its family when it comes again at the other', async () => {
    const tokens = await tokensAt(0);
    const next = await at(0, () => app.refresh(tokens.refresh_token));
    assert.equal(next.status, 200);
    const again = await at(1, () => app.refresh(tokens.refresh_token));
    assert.deepEqual([again.status, again.body.error], [400, 'invalid_grant']);
    for (const node of [1, 0]) {
      assert.equal((await at(node, () => app.refresh(next.body.refresh_token))).status, 400);
      assert.equal((await at(node, () => listed(next.body.access_token))).status, 401);
    }
  });

  it('take a DPoP proof once', async () => {
    const proof = await proofSource(await newProofKey());
    const backend = await Backend.register(origin, { dpop_bound_access_tokens: true, scope: EVERYTHING });
    const token = await at(0, () => backend.token(EVERYTHING, proofFetch(proof)));
    const dpop = await proof({ method: 'GET', url: `${origin}/hub/session`, token });
    const ask = () =>
      fetch(`${origin}/hub/session`, { headers: { authorization: `DPoP ${token}`, dpop: String(dpop) } });
    assert.equal((await at(0, ask)).status, 200);
    assert.equal((await at(1, ask)).status, 401);
    assert.equal((await at(0, ask)).status, 401);
  });

  it('take a client assertion once', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES384', { extractable: true });
    const { body } = await register(origin, {
      client_name: 'Signs itself',
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES384', use: 'sig' }] },
      scope: EVERYTHING,
    });
    const assertion = await new SignJWT({})
      .setProtectedHeader({ alg: 'ES384', kid: 'k', typ: 'JWT' })
      .setIssuer(body.client_id)
      .setSubject(body.client_id)
      .setAudience(`${origin}/auth/token`)
      .setJti(crypto.randomUUID())
      .setExpirationTime('2m')
      .sign(privateKey);
    const ask = () =>
      fetch(`${origin}/auth/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          scope: EVERYTHING,
          client_assertion_type: ASSERTION_TYPE,
          client_assertion: assertion,
        }),
      });
    const statuses = (await atBoth(ask)).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 200).length, 1, statuses.join());
    for (const node of [0, 1]) assert.ok((await at(node, ask)).status >= 400);
  });

  it('take a launch once', async () => {
    const { body } = await at(0, () => person.launch({ client_id: app.clientId, patient: 'amara-diallo' }));
    const scope = 'launch openid fhirUser patient/Patient.rs';
    await at(0, () => app.code(person, scope, {}, { launch: body.launch }));
    const { url } = app.begin(scope, { launch: body.launch });
    const page = await at(1, () => person.go(url));
    const end = page.url.startsWith(origin) ? await at(1, () => person.through(page)) : page;
    assert.notEqual(returned(end).get('error'), null, end.url);
    assert.equal(returned(end).get('code'), null);
  });

  it('take a launch ticket once', async () => {
    const scope = `launch ${EVERYTHING}`;
    const ehr = await Backend.register(origin, { scope });
    const { metadata } = await json(admin.call('GET', `apps/${ehr.clientId}`));
    assert.equal((await admin.call('PUT', `apps/${ehr.clientId}`, { ...metadata, launcher: true })).status, 200);
    const launched = await register(origin, {
      client_name: 'PACS',
      launch_kinds: ['command-line'],
      grant_types: [],
      token_endpoint_auth_method: 'none',
      scope: 'fhircast/*.*',
    });
    const from = hub(await ehr.token(scope));
    const topic = await from.session('dr-lena-okafor');
    const ticket = await json(from.json('/ticket', { client_id: launched.body.client_id, user: 'lokafor', topic }));
    const redeem = () => fetch(ticket.ticket_url, { method: 'POST' });
    const statuses = (await atBoth(redeem)).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 200).length, 1, statuses.join());
    for (const node of [1, 0]) assert.equal((await at(node, redeem)).status, 400);
  });

  it('count wrong passwords together', async () => {
    assert.equal((await admin.call('POST', 'users', { id: 'guessed', name: 'G', password: PASSWORD })).status, 201);
    const guess = (password: string) => () =>
      fetch(`${origin}/auth/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ user: 'guessed', password }),
      });
    const statuses: number[] = [];
    for (let guesses = 0; guesses < 12; guesses += 1) statuses.push((await at(guesses % 2, guess('wrong'))).status);
    const wrong = statuses.filter((status) => status === 401).length;
    assert.ok(wrong >= 5 && wrong < 10, statuses.join());
  });

  /** What ends, at which of two things that one person holds at the other node: a browser of theirs, and an app. */
  const ENDS: Readonly<Record<string, (held: Held) => Promise<{ readonly status: number }>>> = {
    'app: the token is revoked': ({ app: of, tokens }) => of.post('/auth/revoke', { token: tokens.access_token }),
    'app: the refresh token is revoked': ({ app: of, tokens }) =>
      of.post('/auth/revoke', { token: tokens.refresh_token }),
    'app: its tokens are taken back': ({ app: of }) => admin.call('DELETE', `apps/${of.clientId}/tokens`),
    'app: it is suspended': ({ app: of }) => admin.call('POST', `apps/${of.clientId}/suspend`),
    'app: it is deleted': ({ app: of }) => admin.call('DELETE', `apps/${of.clientId}`),
    'browser: signed out': ({ browser: { cookie, session } }) =>
      fetch(`${origin}/auth/session`, { method: 'DELETE', headers: { cookie, 'x-csrf-token': session.csrf } }),
    'both: signed out by an administrator': () => admin.call('POST', `users/${PERSON}/sign-out`, {}),
    'both: another password': () => admin.call('POST', `users/${PERSON}/password`, {}),
    'both: suspended': () => admin.call('POST', `users/${PERSON}/suspend`, {}),
    'both: another reference': () =>
      admin.call('PUT', `users/${PERSON}`, { name: 'Mei', reference: 'Practitioner/other-than-before' }),
    'both: deleted': () => admin.call('DELETE', `users/${PERSON}`),
  };

  /** What a person holds, all of it found good at the second node just now. */
  interface Held {
    readonly app: App;
    readonly tokens: Json;
    readonly browser: ConsolePerson;
    readonly page: Json;
  }

  async function holding(): Promise<Held> {
    await admin.call('POST', `users/${PERSON}/activate`, {});
    const of = await App.register(origin);
    const someone = new Person(origin);
    await someone.signIn(PERSON);
    const browser = await ConsolePerson.signIn(origin, { sample: PERSON });
    const page = await json(browser.call('POST', 'token', {}));
    return { app: of, tokens: await of.tokens(someone, `${SCOPE} user/Patient.rs`), browser, page };
  }

  /** Everything that a token opens, as it comes to the doors: Hub, FHIR endpoint, authorization server. */
  function doorsOf({
    access_token: token,
    'hub.topic': topic,
  }: Json): Readonly<Record<string, () => Promise<Response>>> {
    const subscription = { 'hub.channel.type': 'websocket', 'hub.mode': 'subscribe', 'hub.events': 'Patient-open' };
    const headers = { authorization: `Bearer ${token}` };
    return {
      publish: () => hub(token).publish(topic, 'Patient-open', [patient('p1')]),
      subscribe: () => hub(token).form({ ...subscription, 'hub.topic': topic }),
      context: () => hub(token).request(`/${topic}`),
      sessions: () => listed(token),
      invite: () => hub(token).json(`/session/${topic}/invitation`, {}),
      fhir: () => fetch(`${origin}/fhir/Patient/amara-diallo`, { headers }),
      search: () => fetch(`${origin}/fhir/Patient/_search`, { method: 'POST', headers, body: new URLSearchParams() }),
      person: () => fetch(`${origin}/auth/userinfo`, { headers }),
    };
  }

  /** Connects to a node, past the address that both have. */
  async function follower({ access_token: token, 'hub.topic': topic }: Json): Promise<Subscriber> {
    const fields = { 'hub.channel.type': 'websocket', 'hub.mode': 'subscribe', 'hub.events': 'Patient-open' };
    const answer = await json(hub(token).form({ ...fields, 'hub.topic': topic }));
    const { pathname } = new URL(answer['hub.channel.endpoint']);
    return Subscriber.connect(`ws://localhost:${nodes[1]?.port}${pathname}`);
  }

  for (const [name, end] of Object.entries(ENDS)) {
    it(`refuse the very next request once it was ended at the other, also when no time passes (${name})`, async (t) => {
      const what = name.split(':')[0];
      const held = await at(1, holding);
      const { app: of, tokens, browser, page } = held;
      // What nodes remember for a while they would remember for ever.
      const now = Date.now();
      t.after(goBy({ now: () => now, wall: () => now }));
      const ended = [...(what === 'browser' ? [] : [tokens]), ...(what === 'app' ? [] : [page])];
      const doors = ended.flatMap((one) => Object.entries(doorsOf(one)));
      const following = await at(1, () => Promise.all(ended.map(follower)));
      const me = () => browser.call('GET', 'me');
      const view = new WebSocket(`ws://localhost:${nodes[1]?.port}/api/console/live/${browser.session.session_topic}`, {
        headers: { cookie: browser.cookie, origin },
      });
      await once(view, 'message');
      let pings = 0;
      view.on('ping', () => pings++);
      for (const [door, ask] of doors) assert.notEqual((await at(1, ask)).status, 401, door);
      assert.equal((await at(1, me)).status, 200);

      const received = following.map((one) => one.received.length);
      const { status } = await at(0, () => end(held));
      assert.ok(status >= 200 && status < 300, `${status}`);
      current = 1;
      const [answers, signedIn, renewed] = await Promise.all([
        Promise.all(doors.map(async ([door, ask]) => `${door} ${(await ask()).status}`)),
        me(),
        of.refresh(tokens.refresh_token),
      ]);
      assert.deepEqual(
        answers,
        doors.map(([door]) => `${door} 401`),
      );
      assert.equal(signedIn.status, what === 'app' ? 200 : 401);
      assert.equal(renewed.status === 200, what === 'browser');
      for (const [n, one] of following.entries()) {
        await one.closed;
        const events = one.received.slice(received[n]).flatMap(({ event }) => event?.['hub.event'] ?? []);
        assert.ok(!events.includes('Patient-open'), events.join());
        await assert.rejects(Subscriber.connect(one.endpoint));
      }
      if (what === 'app') view.terminate();
      else if (view.readyState !== WebSocket.CLOSED) await once(view, 'close');
      // Every half minute views are looked after anyway.
      assert.equal(pings, 0);
    });
  }

  it('refuse the token of a service once it was revoked at the other', async () => {
    const backend = await Backend.register(origin);
    const token = await at(1, () => backend.token());
    assert.equal((await at(1, () => listed(token))).status, 200);
    await at(0, () => backend.revoke(token));
    assert.equal((await at(1, () => listed(token))).status, 401);
  });
});
