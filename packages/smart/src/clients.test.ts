import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { RecordStore } from '@lockstep/store';
import { openSqlite } from '@lockstep/store-sqlite';
import { Clients } from './clients.ts';

test('REG-3 what was read of a client before it was suspended is not taken for its state afterwards', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-clients-'));
  const { records, close } = await openSqlite({ path: join(folder, 'store.db'), log: { count: 1, ageMs: 1 } });
  t.after(async () => {
    await close();
    await rm(folder, { recursive: true });
  });
  let held: Promise<void> | undefined;
  const get: RecordStore['get'] = async (...args) => {
    const gate = held;
    const record = await records.get(...args);
    await gate;
    return record;
  };
  const slow = new Proxy(records, {
    get: (store, name) => (name === 'get' ? get : Reflect.get(store, name).bind(store)),
  });
  const clock = { now: () => 1_000_000, after: () => () => undefined };
  const clients = new Clients(slow, clock, {
    policy: { insecureAllowed: true, keyHostAllowed: () => true, maxTokenLife: 86_400, canEverOpen: () => true },
    endLaunchedBy: async () => undefined,
    end: async () => undefined,
  });
  const { client } = await clients.add({ redirect_uris: ['http://localhost/'] }, { status: 'active' });
  const { promise, resolve } = Promise.withResolvers<void>();
  held = promise;
  const before = clients.get(client.id);
  held = undefined;
  await clients.suspend(client.id);
  resolve();
  assert.equal((await before)?.status, 'active', 'it was read before');
  assert.equal((await clients.get(client.id))?.status, 'suspended');
});
