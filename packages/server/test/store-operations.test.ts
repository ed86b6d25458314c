/** How often an authorization asks the store: each such question costs both threads more than the work between two of them. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { it } from 'node:test';
import { startLockstep } from '@lockstep/server';
import type { SqliteStore } from '@lockstep/store-sqlite';
import { openStore, type ServerStore } from '../src/store.ts';
import { ConsolePerson } from './console-person.ts';
import { json, testConfig } from './harness.ts';
import { App, Person } from './person.ts';

/** From the authorization request to the code, for a person who is signed in and an app that needs no page. */
const TO_CODE = 12;
/** From the code to the tokens. */
const TO_TOKENS = 4;

it('AUT-3 a launch asks the store at most 12 times from the request to the code, and 4 times for its tokens', async () => {
  const config = testConfig();
  let store!: ServerStore & Pick<SqliteStore, 'stats'>;
  const lockstep = await startLockstep(config, async (opened) => {
    store = (await openStore(opened)) as typeof store;
    return store;
  });
  try {
    const app = await App.register(lockstep.origin);
    const admin = await ConsolePerson.signIn(lockstep.origin, { sample: 'admin' });
    const { metadata } = await json(admin.call('GET', `apps/${app.clientId}`));
    const changed = await admin.call('PUT', `apps/${app.clientId}`, { ...metadata, trusted: true });
    assert.equal(changed.status, 200, await changed.text());
    const person = new Person(lockstep.origin);
    await person.signIn();
    const asked = async (): Promise<number> => (await store.stats()).operations;
    // The first launch opens what later ones find.
    for (const counted of [false, true]) {
      const { status, body } = await person.launch({ client_id: app.clientId, patient: 'arthur-bellweather' });
      assert.equal(status, 201, JSON.stringify(body));
      const before = await asked();
      const { code, verifier, titles } = await app.code(
        person,
        'launch openid fhirUser fhircast/*.* patient/*.rs',
        {},
        { launch: body.launch },
      );
      const then = await asked();
      assert.deepEqual(titles, []);
      assert.equal((await app.redeem(code, verifier)).status, 200);
      const after = await asked();
      if (!counted) continue;
      // Each look at the count is an operation, too.
      assert.ok(then - before - 1 <= TO_CODE, `${then - before - 1} to the code`);
      assert.ok(after - then - 1 <= TO_TOKENS, `${after - then - 1} to the tokens`);
    }
  } finally {
    await lockstep.close();
    await rm(config.data, { recursive: true, force: true });
  }
});
