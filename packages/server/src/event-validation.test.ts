import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '@lockstep/fhircast';
import { R4Validator } from '@lockstep/r4';
import { EventValidation } from './event-validation.ts';

const CLIENTS = ['a', 'a', 'a', 'b', 'c'];

test('PUB-5 large events are given to the thread one at a time, of each client in turn', async () => {
  const given: { readonly id: string | undefined; readonly end: () => void }[] = [];
  let wake: (() => void) | undefined;
  const thread = {
    check: (resources: readonly unknown[]) =>
      new Promise<undefined>((resolve) => {
        given.push({ id: (resources[0] as Resource).id, end: () => resolve(undefined) });
        wake?.();
      }),
  };
  const validation = new EventValidation({ validator: new R4Validator(), thread, r5: false });
  const all = CLIENTS.map((client, n) =>
    validation.problemAmong([{ resourceType: 'Patient', id: `${client}${n}` }], false, client),
  );
  for (let n = 0; n < CLIENTS.length; n++) {
    while (given.length <= n) await new Promise<void>((resolve) => (wake = resolve));
    // Turns of the event loop in which another could be given, were there no turns of clients.
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(given.length, n + 1);
    given[n]?.end();
  }
  assert.deepEqual(
    await Promise.all(all),
    CLIENTS.map(() => undefined),
  );
  assert.deepEqual(
    given.map(({ id }) => id),
    ['a0', 'a1', 'b3', 'c4', 'a2'],
  );
});
