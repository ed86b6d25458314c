import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createAuthorizationServer, NO_PATIENTS, NO_SESSIONS } from '@lockstep/smart';
import { openSqlite } from '@lockstep/store-sqlite';
import { FirstAdministrator } from './first-administrator.ts';
import { systemClock } from './system.ts';

const OUTSIDE = { issuer: 'https://login.example', subject: 'subject-1' };

async function start(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-first-'));
  const store = await openSqlite({ path: join(folder, 'first.db'), log: { count: 100, ageMs: 60_000 } });
  t.after(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const nothing = () => undefined;
  const { users } = await createAuthorizationServer({
    records: store.records,
    clock: systemClock,
    publicUrl: 'https://lockstep.example',
    hubUrl: 'https://lockstep.example/hub',
    loopback: false,
    sessions: NO_SESSIONS,
    patients: NO_PATIENTS,
    sampleUsers: false,
    logger: { info: nothing, warn: nothing, error: nothing },
  });
  const { records } = store;
  return { users, records, first: new FirstAdministrator(records, users, () => systemClock.now()) };
}

test('REG-4 the first administrator has a one-time password, until one is chosen', async (t) => {
  const { users, first } = await start(t);
  const made = await first.create();
  assert.equal(made?.user, 'admin');
  assert.equal((await users.checkPassword('admin', made?.password ?? ''))?.administrator, true);
  assert.equal(await first.mustChoose('admin'), true);
  assert.equal(await first.mustChoose('ann'), false);
  assert.equal(await first.create(), undefined, 'once');
  await first.chosen('admin');
  assert.equal(await first.mustChoose('admin'), false);
});

test('REG-4 nodes that start at the same time make one first administrator, with one password', async (t) => {
  const { users, records, first } = await start(t);
  const others = Array.from({ length: 4 }, () => new FirstAdministrator(records, users, () => systemClock.now()));
  const made = await Promise.all([first, ...others].map((one) => one.create()));
  const [told, ...more] = made.filter((one) => one !== undefined);
  assert.deepEqual(more, []);
  assert.ok(await users.checkPassword('admin', told?.password ?? ''));
});

test('REG-4 a first start that was broken off is brought to its end by the next', async (t) => {
  const { users, records, first } = await start(t);
  await records.put('setup', 'administrator', { body: JSON.stringify({ user: 'admin' }) }, systemClock.now());
  const made = await first.create();
  assert.ok(await users.checkPassword('admin', made?.password ?? ''));
  assert.equal(await first.mustChoose('admin'), true);
  await users.add({ id: 'ann', name: 'Ann', administrator: true, password: 'correct horse battery' });
  await users.delete('admin');
  assert.equal(await first.create(), undefined, 'where there is an administrator, nobody is made one');
  await users.delete('ann');
  await first.create();
  await first.chosen('admin');
  await users.delete('admin');
  assert.equal(await first.create(), undefined, 'whom an administrator deletes stays deleted');
});

test('REG-4 one who is linked to an outside provider has no password to choose', async (t) => {
  const { users, first } = await start(t);
  await first.create();
  assert.ok(await users.linkOutside('admin', OUTSIDE));
  assert.equal(await first.mustChoose('admin'), false);
});

test('REG-4 somebody from outside whose name is admin does not become the first administrator', async (t) => {
  const { users, first } = await start(t);
  await users.addOutside({ id: 'admin', name: 'Adam Min' }, OUTSIDE);
  const made = await first.create();
  assert.equal(made?.user, 'local-admin');
  assert.ok(await users.checkPassword('local-admin', made?.password ?? ''));
  assert.equal((await users.get('admin'))?.administrator, false);
});
