import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { connect, createServer, type Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import type { Commit, StoreNotice } from '@lockstep/store';
import { Redis } from 'ioredis';
import { RedisProcess, startCluster } from '../test/redis-process.ts';
import { openRedis, type RedisOptions, type RedisStore } from './index.ts';
import { hashSlot, noticeChannel } from './keys.ts';
import { commitFields, decode, encode, type Fields } from './notice.ts';

const LOG = { count: 100, ageMs: 3_600_000 };
const quick = { appendfsync: 'no' };

async function start(t: TestContext): Promise<RedisProcess> {
  const server = await RedisProcess.start(quick);
  t.after(() => server.remove());
  return server;
}

async function cluster(t: TestContext): Promise<{ servers: readonly RedisProcess[]; url: string }> {
  const servers = await startCluster(3, quick);
  t.after(() => Promise.all(servers.map((server) => server.remove())));
  return { servers, url: `redis+cluster://${servers.map(({ port }) => `127.0.0.1:${port}`).join()}` };
}

async function open(t: TestContext, url: string, options: Partial<RedisOptions> = {}): Promise<RedisStore> {
  const store = await openRedis({ url, log: LOG, timeoutMs: 20_000, ...options });
  t.after(() => store.close());
  return store;
}

function change(topic: string, expected: number): Commit {
  const at = Date.now();
  const append = [{ number: expected + 1, id: `event-${expected + 1}`, at, body: '{}' }];
  return { topic, expected, parts: new Map([['head', `${expected + 1}`]]), append, at };
}

/** Collects what a node is told. */
class Ears {
  readonly heard: StoreNotice[] = [];
  #wake: () => void = () => undefined;

  constructor({ sessions }: RedisStore) {
    sessions.watch((notice) => {
      this.heard.push(notice);
      this.#wake();
    });
  }

  of(topic: string): readonly StoreNotice['kind'][] {
    return this.heard.filter((notice) => notice.topic === topic).map(({ kind }) => kind);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** A way to a server that keeps what the server says. */
async function tapped(t: TestContext, server: RedisProcess): Promise<{ url: string; received: () => string }> {
  const chunks: Buffer[] = [];
  const sockets = new Set<Socket>();
  const tap = createServer((near) => {
    const far = connect(server.port, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        near.destroy();
        far.destroy();
      });
    }
    far.on('data', (chunk: Buffer) => chunks.push(chunk));
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => tap.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    tap.close();
  });
  const { port } = tap.address() as { port: number };
  return { url: `redis://127.0.0.1:${port}`, received: () => Buffer.concat(chunks).toString('latin1') };
}

test('an event is sent to the nodes that listen to its topic, and to no other: counted in the bytes from the server', async (t) => {
  const server = await start(t);
  const taps = await Promise.all([1, 2, 3].map(() => tapped(t, server)));
  const stores = await Promise.all(taps.map(({ url }, n) => open(t, url, { nodeId: `node-${n}` })));
  const ears = stores.map((store) => new Ears(store));
  const topics = Array.from({ length: 40 }, (_, n) => `topic-${n}`);
  const listeners = topics.map(() => stores.map(() => randomInt(2) === 1));
  await Promise.all(
    topics.flatMap((topic, n) =>
      stores.map((store, at) => (listeners[n]![at] ? store.sessions.listen(topic).ready : undefined)),
    ),
  );
  await Promise.all(
    topics.map(async (topic, n) => {
      const { sessions } = stores[n % stores.length]!;
      for (let revision = 0; revision < 3; revision++) await sessions.commit(change(topic, revision));
      const reached = await sessions.announce(topic, 'body');
      assert.equal(reached, listeners[n]!.filter(Boolean).length, topic);
      await sessions.erase(topic);
    }),
  );
  // Each node hears what comes after all of it.
  await Promise.all(stores.map(({ sessions }) => sessions.listen('end').ready));
  await stores[0]!.sessions.announce('end', '');
  await Promise.all(ears.map((one) => one.until(() => one.of('end').length === 1)));
  for (const [at, { received }] of taps.entries()) {
    const bytes = received();
    for (const [n, topic] of topics.entries()) {
      const channel = noticeChannel('lockstep', topic, 0);
      const count = bytes.split(`smessage\r\n$${channel.length}\r\n${channel}\r\n`).length - 1;
      assert.equal(count, listeners[n]![at] ? 5 : 0, `${topic} at node ${at}`);
    }
    assert.doesNotMatch(bytes, /\r\nmessage\r\n/, 'no node is told of every topic');
  }
});

test('in a cluster the servers have a channel for each topic that is listened to, and none that is not', async (t) => {
  const { servers, url } = await cluster(t);
  const [a, b] = [await open(t, url, { nodeId: 'a' }), await open(t, url, { nodeId: 'b' })];
  const ears = new Ears(b);
  const topics = Array.from({ length: 12 }, (_, n) => `topic-${n}`);
  const listening = topics.map((topic) => b.sessions.listen(topic));
  await Promise.all(listening.map(({ ready }) => ready));
  const channels = async (): Promise<number> => {
    const lists = await Promise.all(servers.map((server) => server.command('PUBSUB', 'SHARDCHANNELS', '*notices*')));
    return lists.join('').split('lockstep:{topic-').length - 1;
  };
  assert.equal(await channels(), 12);
  for (const topic of topics) await a.sessions.commit(change(topic, 0));
  await ears.until(() => topics.every((topic) => ears.of(topic).length === 1));
  for (const { end } of listening) end();
  while ((await channels()) > 0);
  for (const topic of topics) await a.sessions.commit(change(topic, 1));
  await b.sessions.listen('end').ready;
  await a.sessions.announce('end', '');
  await ears.until(() => ears.of('end').length === 1);
  for (const topic of topics) assert.deepEqual(ears.of(topic), ['commit']);
});

test('the slot of a channel is the one that a cluster says', async (t) => {
  const { servers } = await cluster(t);
  const keys = ['a', 'lockstep:{topic}:notices:0', 'a{}b', 'a{b', 'a}b{c}d', '{a}{b}', 'ä€山', `{${'x'.repeat(200)}}`];
  for (const key of keys) {
    assert.equal(await servers[0]!.command('CLUSTER', 'KEYSLOT', key), `:${hashSlot(key)}`, key);
  }
});

test('where a slot goes to another server, that is a gap, and what follows is heard', async (t) => {
  const { servers, url } = await cluster(t);
  const [a, b] = [await open(t, url, { nodeId: 'a' }), await open(t, url, { nodeId: 'b' })];
  const ears = new Ears(b);
  await b.sessions.listen('topic').ready;
  await a.sessions.announce('topic', 'before');
  await ears.until(() => ears.of('topic').length === 1);
  const slot = String(hashSlot('topic'));
  const ids = await Promise.all(servers.map((server) => server.command('CLUSTER', 'MYID')));
  const owns = await Promise.all(servers.map((server) => server.command('CLUSTER', 'COUNTKEYSINSLOT', slot)));
  assert.equal(owns.length, 3);
  const first = await servers[0]!.command('GET', '{topic}');
  const owner = first.startsWith('-MOVED') ? servers.findIndex(({ port }) => first.endsWith(`:${port}`)) : 0;
  const target = (owner + 1) % 3;
  for (const n of [target, owner, 3 - owner - target]) {
    await servers[n]!.command('CLUSTER', 'SETSLOT', slot, 'NODE', ids[target]!);
  }
  await ears.until(() => ears.heard.some(({ kind, topic }) => kind === 'gap' && topic === undefined));
  for (let n = 0; ears.of('topic').length < 2; n++) {
    await a.sessions.announce('topic', `after ${n}`).catch(() => undefined);
    await b.ping().catch(() => undefined);
  }
});

/** A node of the version before each topic had a channel. */
class OlderNode {
  readonly heard: { readonly number: number; readonly notice: StoreNotice; readonly origin: string }[] = [];
  readonly #listener: Redis;
  readonly #client: Redis;
  #wake: () => void = () => undefined;

  constructor(t: TestContext, { port }: RedisProcess) {
    this.#listener = new Redis(port, '127.0.0.1');
    this.#client = new Redis(port, '127.0.0.1');
    t.after(() => [this.#listener, this.#client].map((one) => one.disconnect()));
  }

  async start(): Promise<void> {
    this.#listener.on('messageBuffer', (_channel: Buffer, bytes: Buffer) => {
      const message = decode(bytes, 'older');
      if (!('notice' in message)) return;
      this.heard.push({
        number: Number.parseInt(bytes.toString(), 10),
        notice: message.notice,
        origin: message.origin,
      });
      this.#wake();
    });
    await this.#listener.subscribe('lockstep:notices:0');
    await this.publish(['beat', 'older', 1, 0]);
  }

  async publish(fields: Fields): Promise<void> {
    const number =
      fields[0] === 'beat' ? await this.#client.get('lockstep:notices') : await this.#client.incr('lockstep:notices');
    await this.#client.publish('lockstep:notices:0', `${number ?? 0}\n${encode(fields)}`);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

test('PUB-3 while an older node is there, it and the newer ones tell each other everything, once', async (t) => {
  const server = await start(t);
  const [a, b] = [await open(t, server.url, { nodeId: 'a' }), await open(t, server.url, { nodeId: 'b' })];
  const ears = new Ears(b);
  await Promise.all([a, b].map(({ sessions }) => sessions.listen('topic').ready));
  await a.sessions.commit(change('topic', 0));
  await ears.until(() => ears.of('topic').length === 1);

  const older = new OlderNode(t, server);
  await older.start();
  // It is told to look for itself: it may have read the session before.
  const isDoubt = (origin: string) =>
    older.heard.some(
      (one) => one.origin.startsWith(origin) && one.notice.kind === 'gap' && one.notice.topic === 'topic',
    );
  await older.until(() => isDoubt('a') && isDoubt('b'));
  older.heard.length = 0;

  await a.sessions.commit(change('topic', 1));
  await b.sessions.announce('topic', 'body');
  await older.until(() => older.heard.length === 2);
  const [committed, announced] = older.heard.map(({ notice }) => notice);
  assert.ok(committed?.kind === 'commit' && committed.revision === 2 && !committed.local);
  assert.deepEqual(
    committed.commit.append,
    change('topic', 1).append.map((entry) => ({ ...entry, at: committed.commit.at })),
  );
  assert.deepEqual(announced, { kind: 'announcement', topic: 'topic', body: 'body', local: false });
  assert.equal(older.heard[1]!.number, older.heard[0]!.number + 1, 'numbered as it expects');

  await older.publish(commitFields('older', change('topic', 2), 'epoch', true));
  await older.publish(['erased', 'older', 'topic']);
  await ears.until(() => ears.of('topic').includes('erased'));
  assert.deepEqual(ears.of('topic'), ['commit', 'commit', 'announcement', 'commit', 'erased'], 'each once');

  await a.sessions.commit(change('erased', 0));
  await a.sessions.erase('erased');
  await older.until(() => older.heard.some(({ notice }) => notice.kind === 'erased' && notice.topic === 'erased'));
});

test('where nothing of an older version shows itself, its channel is silent', async (t) => {
  const server = await start(t);
  const { url, received } = await tapped(t, server);
  const a = await open(t, server.url, { nodeId: 'a' });
  const b = await open(t, url, { nodeId: 'b' });
  for (let n = 0; n < 10; n++) await a.sessions.commit(change('topic', n));
  await b.ping();
  assert.equal(await server.command('EXISTS', 'lockstep:notices'), ':0');
  assert.doesNotMatch(received(), /\r\nmessage\r\n/);
});
