import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test, { type TestContext } from 'node:test';
import { type Commit, type SessionStore, type StoreNotice, StoreUnavailable } from '@lockstep/store';
import { RedisProcess } from '../test/redis-process.ts';
import { openRedis, type RedisOptions, type RedisStore } from './index.ts';

const LOG = { count: 100, ageMs: 3_600_000 };

async function start(t: TestContext, settings?: Record<string, string>): Promise<RedisProcess> {
  const server = await RedisProcess.start(settings);
  t.after(() => server.remove());
  return server;
}

/** A store that listens to `topic`, and waits longer than a busy machine may keep it waiting, unless the test is about that. */
async function open(t: TestContext, url: string, options: Partial<RedisOptions> = {}): Promise<RedisStore> {
  const store = await openRedis({ url, log: LOG, timeoutMs: 20_000, ...options });
  t.after(() => store.close());
  await store.sessions.listen('topic').ready;
  return store;
}

function change(topic: string, expected: number, more: Partial<Commit> = {}): Commit {
  const at = Date.now();
  const append = [{ number: expected + 1, id: `event-${expected + 1}`, at, body: '{}' }];
  return { topic, expected, parts: new Map([['head', `${expected + 1}`]]), append, at, ...more };
}

function notice(store: RedisStore, kind: StoreNotice['kind']): Promise<StoreNotice> {
  return new Promise((resolve) => {
    const end = store.sessions.watch((one) => {
      if (one.kind !== kind) return;
      end();
      resolve(one);
    });
  });
}

/** Tries until the store is back. */
async function whenBack<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Makes a session that all who are told listen to. A busy machine may keep a healthy replica from confirming in time; the next one then counts. */
async function accepted(sessions: SessionStore, name: string, told = sessions): Promise<string> {
  for (let n = 0; ; n++) {
    await told.listen(`${name}${n}`).ready;
    try {
      await sessions.commit(change(`${name}${n}`, 0));
      return `${name}${n}`;
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || n === 20) throw error;
    }
  }
}

/** Names and contents of all keys. */
async function everything(server: RedisProcess): Promise<string> {
  return server.command(
    'EVAL',
    `local all = {}
     for _, key in ipairs(redis.call('KEYS', '*')) do
       local kind = redis.call('TYPE', key).ok
       all[#all + 1] = key
       if kind == 'hash' then all[#all + 1] = table.concat(redis.call('HGETALL', key), ' ')
       elseif kind == 'string' then all[#all + 1] = redis.call('GET', key) end
     end
     return table.concat(all, ' ')`,
    '0',
  );
}

test('SES-5 an erased session leaves no key, no hint and no name', async (t) => {
  const server = await start(t);
  const { sessions } = await open(t, server.url);
  const topic = randomUUID();
  const index = { add: ['all', 'user:practitioner/secret', 'endpoint:secret'] };
  const parts = new Map([['anchor:Patient/secret', '{"name":"secret"}']]);
  await sessions.commit(change(topic, 0, { parts, index }));
  const held = await everything(server);
  assert.ok(held.includes('secret') && held.includes(topic));
  await sessions.commit(change(topic, 1, { index: { remove: ['endpoint:secret'] } }));
  await sessions.erase(topic);
  const left = await everything(server);
  assert.equal(left.replace(/lockstep:format \d+ ?/g, ''), '', 'only the format is left');
});

test('every key that holds patient data expires, and every commit puts that off', async (t) => {
  const server = await start(t);
  const { sessions, records } = await open(t, server.url, { sessionExpiryMs: 50_000 });
  const index = { add: ['all'] };
  await sessions.commit(change('topic', 0, { index }));
  const expiresAt = Date.now() + 60_000;
  await records.put('code', 'c', { body: '{}', expiresAt }, Date.now());
  const lives = (key: string) => server.command('PTTL', key).then((reply) => Number(reply.slice(1)));
  const keys = ['session', 'log', 'heads'].map((name) => `lockstep:{topic}:${name}`);
  for (const key of [...keys, 'lockstep:index:{all}', 'lockstep:{records}:record:4:codec']) {
    assert.ok((await lives(key)) > 40_000, key);
  }
  for (const key of keys) await server.command('PEXPIRE', key, '20000');
  await sessions.commit(change('topic', 1));
  for (const key of keys) assert.ok((await lives(key)) > 40_000, key);
});

test('a session is found by its keys for as long as it lives, however old its hints are', async (t) => {
  const server = await start(t);
  const { sessions } = await open(t, server.url, { sessionExpiryMs: 40_000 });
  await sessions.commit(change('topic', 0, { index: { add: ['all'] } }));
  await server.command('PEXPIRE', 'lockstep:index:{all}', '1000');
  // A quarter of the expiry later, the hints are given again.
  await sessions.commit(change('topic', 1, { at: Date.now() + 10_001 }));
  while (Number((await server.command('PTTL', 'lockstep:index:{all}')).slice(1)) < 30_000);
  assert.deepEqual(await sessions.lookup('all'), ['topic']);
});

test('a hint whose session says otherwise is not followed, and removed once it is old', async (t) => {
  const server = await start(t);
  const { sessions } = await open(t, server.url);
  await sessions.commit(change('topic', 0, { index: { add: ['real'] } }));
  await server.command('HSET', 'lockstep:index:{false}', 'topic', `${Date.now()}.fresh`, 'gone', '1000.old');
  assert.deepEqual(await sessions.lookup('false'), []);
  while ((await server.command('HEXISTS', 'lockstep:index:{false}', 'gone')) !== ':0');
  assert.equal(await server.command('HEXISTS', 'lockstep:index:{false}', 'topic'), ':1');
});

test('PUB-4 with appendfsync always, what was committed survives kill -9 of Redis, and the store returns by itself', async (t) => {
  const server = await start(t);
  const { sessions, ping } = await open(t, server.url);
  const gap = notice({ sessions } as RedisStore, 'gap');
  let committed = 0;
  const killed = new Promise<void>((resolve) => setTimeout(() => resolve(server.kill()), 300));
  await assert.rejects(async () => {
    for (;;) {
      await sessions.commit(change('topic', committed));
      committed += 1;
    }
  }, StoreUnavailable);
  await killed;
  await assert.rejects(sessions.load('topic'), StoreUnavailable);
  await assert.rejects(sessions.announce('topic', ''), StoreUnavailable);
  await assert.rejects(ping(), (error) => error instanceof StoreUnavailable && error.retryAfterSeconds >= 1);
  await server.restart();
  const stored = await whenBack(() => sessions.load('topic'));
  await gap;
  assert.ok(committed > 0);
  // The one under way may have happened; none that was answered may be missing.
  assert.ok(
    stored?.revision === committed || stored?.revision === committed + 1,
    `${stored?.revision} of ${committed}`,
  );
  const { log, revision } = stored;
  assert.equal((await sessions.readLog('topic', revision - log.length))?.length, log.length);
  await whenBack(ping);
});

test('a commit that a frozen Redis did not answer in time does not happen later', async (t) => {
  const server = await start(t);
  const { sessions } = await open(t, server.url, { timeoutMs: 1000 });
  await whenBack(() => sessions.commit(change('topic', 0)));
  server.signal('SIGSTOP');
  await assert.rejects(sessions.commit(change('topic', 1)), StoreUnavailable);
  const soon = new Promise((resolve) => setImmediate(resolve, 'asked Redis'));
  const next = sessions.commit(change('topic', 1)).catch((error: unknown) => error);
  assert.ok((await Promise.race([next, soon])) instanceof StoreUnavailable, 'the next ones fail at once');
  server.signal('SIGCONT');
  assert.equal((await whenBack(() => sessions.load('topic')))?.revision, 1);
  // Its own answer may be late as well: then the next attempt finds it done.
  assert.equal((await whenBack(() => sessions.commit(change('topic', 1)))).revision, 2);
});

test('a connection that lost notices tells a gap, and brings the next ones', async (t) => {
  const server = await start(t);
  const [a, b] = [await open(t, server.url, { nodeId: 'a' }), await open(t, server.url, { nodeId: 'b' })];
  const gap = notice(b, 'gap');
  await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await gap;
  await whenBack(() => b.ping());
  const told = notice(b, 'commit');
  await a.sessions.commit(change('topic', 0, { note: 'why' }));
  const one = await told;
  assert.ok(one.kind === 'commit' && !one.local && one.revision === 1 && one.commit.note === 'why');
});

test('a full memory refuses commits without changing anything, and takes erasures', async (t) => {
  const server = await start(t, { 'maxmemory-policy': 'noeviction' });
  const { sessions, records, ping } = await open(t, server.url);
  await sessions.commit(change('topic', 0));
  await server.command('CONFIG', 'SET', 'maxmemory', '1');
  await assert.rejects(sessions.commit(change('topic', 1)), StoreUnavailable);
  await assert.rejects(records.put('kind', 'id', { body: '' }, Date.now()), StoreUnavailable);
  await assert.rejects(ping(), StoreUnavailable);
  assert.equal((await sessions.load('topic'))?.revision, 1);
  assert.equal(await sessions.erase('topic'), true);
  await server.command('CONFIG', 'SET', 'maxmemory', '0');
  await ping();
});

test('with replicas to wait for, what they do not have counts as not done', async (t) => {
  const server = await start(t);
  const replica = await start(t, { replicaof: `127.0.0.1 ${server.port}` });
  await replica.inSync();
  const { sessions } = await open(t, server.url, { replicas: 1, timeoutMs: 2000 });
  const topic = await accepted(sessions, 'topic');
  assert.match(await replica.command('HGET', `lockstep:{${topic}}:session`, 'r'), /1/);
  replica.signal('SIGSTOP');
  const heard: string[] = [];
  let wake = (): void => undefined;
  sessions.watch((one) => {
    if (one.kind === 'commit') heard.push(`${one.topic}@${one.revision}`);
    wake();
  });
  await assert.rejects(sessions.commit(change(topic, 1)), StoreUnavailable);
  replica.signal('SIGCONT');
  const other = await accepted(sessions, 'other');
  while (!heard.includes(`${other}@1`)) {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  assert.ok(!heard.includes(`${topic}@2`), 'nobody was told of what may be lost');
});

test('PUB-4 what replicas do not have is not read either, and every node looks again for itself', async (t) => {
  const server = await start(t);
  const replica = await start(t, { replicaof: `127.0.0.1 ${server.port}` });
  await replica.inSync();
  const { sessions } = await open(t, server.url, { nodeId: 'a', replicas: 1, timeoutMs: 2000 });
  const other = await open(t, server.url, { nodeId: 'b', replicas: 1, timeoutMs: 2000 });
  const topic = await accepted(sessions, 'topic', other.sessions);
  const doubted = (): Promise<unknown> =>
    new Promise<void>((resolve) => {
      const end = other.sessions.watch((one) => {
        if (one.kind !== 'gap' || one.topic !== topic) return;
        end();
        resolve();
      });
    });

  replica.signal('SIGSTOP');
  const committed = doubted();
  await assert.rejects(sessions.commit(change(topic, 1)), StoreUnavailable);
  await assert.rejects(sessions.load(topic), StoreUnavailable, 'a retry would be told that it was accepted before');
  await committed;
  replica.signal('SIGCONT');
  assert.equal((await whenBack(() => other.sessions.load(topic)))?.revision, 2, 'it stands once a replica has it');

  replica.signal('SIGSTOP');
  const erased = doubted();
  await assert.rejects(sessions.erase(topic), StoreUnavailable);
  await erased;
  replica.signal('SIGCONT');
  assert.equal(await whenBack(() => other.sessions.load(topic)), undefined);
});

test('a broken connection is reported as a gap: the next one may lead to a server that has something else', async (t) => {
  const server = await start(t);
  const { sessions, ping } = await open(t, server.url);
  const gap = notice({ sessions } as RedisStore, 'gap');
  await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await gap;
  await whenBack(ping);
});

test('a server that cannot be reached, or loses what it accepts, is reported at the start', async (t) => {
  await assert.rejects(openRedis({ url: 'redis://127.0.0.1:1', log: LOG, timeoutMs: 300 }), StoreUnavailable);
  const careless = await start(t, { appendonly: 'no', 'maxmemory-policy': 'allkeys-lru' });
  const { warnings } = await open(t, careless.url);
  assert.deepEqual(
    warnings.map((warning) => warning.split(' ')[0]),
    ['maxmemory-policy', 'appendonly'],
  );
  const careful = await start(t);
  assert.deepEqual((await open(t, careful.url)).warnings, []);
});
