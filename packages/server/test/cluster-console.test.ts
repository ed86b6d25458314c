import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import test, { type TestContext } from 'node:test';
import { type Config, type Lockstep, startLockstep } from '@lockstep/server';
import { freePort, RedisProcess } from '@lockstep/store-redis/testing';
import { WebSocket } from 'ws';
import { type Json, json, patient, Subscriber, testConfig } from './harness.ts';

/** Two nodes behind one address, each reached by its own port. */
async function twoNodes(t: TestContext, overrides: Partial<Config> = {}) {
  const redis = await RedisProcess.start();
  const publicUrl = `http://localhost:${await freePort()}`;
  const ends: (() => Promise<void>)[] = [() => redis.remove()];
  t.after(async () => {
    for (const end of ends.reverse()) await end();
  });
  const start = async (): Promise<Lockstep> => {
    const config = testConfig({ redisUrl: redis.url, publicUrl, ...overrides });
    const node = await startLockstep(config);
    ends.push(async () => {
      await node.close();
      await rm(config.data, { recursive: true, force: true });
    });
    return node;
  };
  return { redis, a: await start(), b: await start() };
}

/** A person's browser, which reaches whichever node it is told. */
class Person {
  readonly #cookie: string;
  readonly #csrf: string;

  private constructor(cookie: string, csrf: string) {
    this.#cookie = cookie;
    this.#csrf = csrf;
  }

  static async signIn(node: Lockstep, given: Json): Promise<Person> {
    const response = await fetch(`http://localhost:${node.port}/auth/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(given),
    });
    assert.equal(response.status, 200, await response.clone().text());
    const cookie = response.headers.getSetCookie().map((one) => one.split(';')[0]);
    return new Person(cookie.join('; '), (await json(response)).csrf);
  }

  call(node: Lockstep, method: string, path: string, body?: Json): Promise<Response> {
    const headers = { cookie: this.#cookie, 'x-csrf-token': this.#csrf, 'content-type': 'application/json' };
    const url = `http://localhost:${node.port}/api/console/${path}`;
    return fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  }

  /** Opens a live view, and collects what it is told. */
  async live(t: TestContext, node: Lockstep, topic?: string): Promise<View> {
    const path = topic === undefined ? '' : `/${topic}`;
    const headers = { cookie: this.#cookie, origin: node.origin };
    const socket = new WebSocket(`ws://localhost:${node.port}/api/console/live${path}`, { headers });
    t.after(() => socket.terminate());
    const view = new View(socket);
    await view.until(() => view.ready);
    return view;
  }
}

class View {
  ready = false;
  changes = 0;
  readonly entries: Json[] = [];
  readonly socket: WebSocket;
  #wake: () => void = () => undefined;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data) => {
      const message = JSON.parse(data.toString()) as Json;
      if (message.kind === 'ready') this.ready = true;
      else if (message.kind === 'changed') this.changes += 1;
      else this.entries.push(...message.entries);
      this.#wake();
    });
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** Subscribes at one node and connects there. */
async function follow(node: Lockstep, token: Json, name: string): Promise<Subscriber> {
  const response = await fetch(`http://localhost:${node.port}/hub`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token.access_token}` },
    body: new URLSearchParams({
      'hub.channel.type': 'websocket',
      'hub.mode': 'subscribe',
      'hub.topic': token['hub.topic'],
      'hub.events': 'Patient-open',
      'subscriber.name': name,
    }),
  });
  assert.equal(response.status, 202, await response.clone().text());
  const { pathname } = new URL((await json(response))['hub.channel.endpoint']);
  return Subscriber.connect(`ws://localhost:${node.port}${pathname}`);
}

async function publish(node: Lockstep, token: Json, id: string): Promise<void> {
  const event = { 'hub.topic': token['hub.topic'], 'hub.event': 'Patient-open', context: [patient(id)] };
  const response = await fetch(`http://localhost:${node.port}/hub`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token.access_token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ timestamp: new Date().toISOString(), id, event }),
  });
  assert.equal(response.status, 202, await response.clone().text());
}

/** Asks until the answer is as wanted: nodes hear of each other, and of closed sockets, in their own time. */
async function eventually(ask: () => Promise<boolean>): Promise<void> {
  while (!(await ask())) await new Promise((resolve) => setTimeout(resolve, 50));
}

test('the console shows sessions, subscribers and events of every node, whichever serves it', async (t) => {
  const { redis, a, b } = await twoNodes(t);
  const admin = await Person.signIn(a, { sample: 'admin' });
  const token = await json(admin.call(a, 'POST', 'token', {}));
  const topic = token['hub.topic'] as string;
  const nodes = [a, b];
  // Nodes find each other with a beat.
  const connected = async (node: Lockstep, path = `sessions/${topic}`): Promise<string[]> => {
    const found = (await (await admin.call(node, 'GET', path)).json()) as Json;
    const session = path === 'sessions' ? found.sessions.find((one: Json) => one.topic === topic) : found;
    const names = session.subscriptions.filter((one: Json) => one.connected).map((one: Json) => one.name);
    return names.sort();
  };
  const viewer = await follow(b, token, 'Viewer');
  const reader = await follow(a, token, 'Reader');
  for (const node of nodes) {
    for (const path of ['sessions', `sessions/${topic}`, 'session'])
      await eventually(async () => (await connected(node, path)).join() === 'Reader,Viewer');
  }

  await publish(a, token, 'before');
  await viewer.event();
  await reader.event();
  const delivered = (entries: Json[], id: string): string[] =>
    entries.filter((one) => one.kind === 'answered' && one.eventId === id).map((one) => one.subscriber);
  for (const node of nodes) {
    const timeline = async () => (await (await admin.call(node, 'GET', `sessions/${topic}/timeline`)).json()) as Json[];
    await eventually(async () => delivered(await timeline(), 'before').length === 2);
    const entries = await timeline();
    assert.equal(new Set(entries.map(({ seq }) => seq)).size, entries.length, 'no two entries are taken for one');
    assert.ok(entries.every(({ seq }, i) => i === 0 || seq > entries[i - 1]!.seq));
    assert.equal(entries.filter(({ kind }) => kind === 'published').length, 1);
    const [endpoint = ''] = [viewer, reader].map((one) => one.endpoint.split('/').at(-1));
    assert.equal(JSON.stringify(entries).includes(endpoint), false, 'SUB-7 nobody learns an endpoint');
  }

  const views = await Promise.all(nodes.map((node) => admin.live(t, node, topic)));
  const lists = await Promise.all(nodes.map((node) => admin.live(t, node)));
  await publish(b, token, 'live');
  for (const view of views) {
    await view.until(() => delivered(view.entries, 'live').length === 2);
    assert.equal(view.entries.filter(({ kind, eventId }) => kind === 'published' && eventId === 'live').length, 1);
    assert.equal(delivered(view.entries, 'before').length, 2, 'what happened before is told as well');
    assert.equal(new Set(view.entries.map(({ seq }) => seq)).size, view.entries.length, 'and nothing twice');
  }
  const changes = lists.map((list) => list.changes);
  viewer.socket.terminate();
  for (const [i, list] of lists.entries()) await list.until(() => list.changes > changes[i]!);
  for (const node of nodes) await eventually(async () => (await connected(node)).join() === 'Reader');

  // Nobody looks any more: an event costs what it did before.
  for (const { socket } of [...views, ...lists]) socket.close();
  const published = async (): Promise<number> =>
    Number(/^cmdstat_evalsha:calls=(\d+)/m.exec(await redis.command('INFO', 'commandstats'))?.[1]);
  const perEvent = async (id: string): Promise<number> => {
    const before = await published();
    await publish(a, token, id);
    await reader.event();
    return (await published()) - before;
  };
  let n = 0;
  await eventually(async () => (await perEvent(`quiet-${n++}`)) === 1);
});

test('REG-4 the first administrator chooses a password once, at whichever node', async (t) => {
  const { a, b } = await twoNodes(t, { sampleData: false });
  const { user, password } = a.firstAdministrator ?? assert.fail('nobody was made');
  assert.equal(b.firstAdministrator, undefined);
  const admin = await Person.signIn(b, { user, password });
  const mustChoose = async (node: Lockstep) => (await json(admin.call(node, 'GET', 'me'))).mustChoosePassword;
  for (const node of [a, b]) assert.equal(await mustChoose(node), true);
  assert.equal((await admin.call(b, 'GET', 'sessions')).status, 403);
  const change = { before: password, after: 'a password of my own' };
  assert.equal((await admin.call(a, 'POST', 'password', change)).status, 204);
  const again = await Person.signIn(b, { user, password: change.after });
  for (const node of [a, b]) assert.equal((await again.call(node, 'GET', 'sessions')).status, 200);
});

test('while Redis does not answer, the console answers 503 with Retry-After', async (t) => {
  const { redis, a } = await twoNodes(t);
  const admin = await Person.signIn(a, { sample: 'admin' });
  assert.equal((await admin.call(a, 'GET', 'sessions')).status, 200);
  await redis.kill();
  for (const path of ['me', 'session', 'sessions', 'apps']) {
    const response = await admin.call(a, 'GET', path);
    assert.equal(response.status, 503, path);
    assert.ok(Number(response.headers.get('retry-after')) >= 1, path);
    assert.match((await json(response)).message, /try again/);
  }
  await redis.restart();
  await eventually(async () => (await admin.call(a, 'GET', 'sessions')).status === 200);
});
