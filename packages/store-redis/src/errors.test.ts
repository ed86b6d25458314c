import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreUnavailable } from '@lockstep/store';
import { RedisProcess } from '../test/redis-process.ts';
import { openRedis } from './index.ts';

test('PUB-4 a commit whose replicas cannot be waited for, since its server is one now, may be asked again', async (t) => {
  const [server, other] = [await RedisProcess.start(), await RedisProcess.start()];
  t.after(() => Promise.all([server.remove(), other.remove()]));
  const log = { count: 100, ageMs: 3_600_000 };
  const { sessions, close } = await openRedis({ url: server.url, log, replicas: 1, timeoutMs: 2000 });
  t.after(() => close());
  const commit = { topic: 'topic', expected: 0, parts: new Map([['a', '1']]), append: [], at: Date.now() };
  // The commit is made; while its replicas are waited for, the server is demoted.
  const asked = assert.rejects(sessions.commit(commit), StoreUnavailable);
  while (!/^blocked_clients:[1-9]/m.test(await server.command('INFO', 'clients')));
  await server.command('REPLICAOF', '127.0.0.1', String(other.port));
  await asked;
  // From now on it refuses to wait at all.
  for (let attempt = 0; attempt < 5; attempt++) {
    await assert.rejects(sessions.commit(commit), StoreUnavailable);
    await assert.rejects(sessions.load('topic'), StoreUnavailable);
  }
});
