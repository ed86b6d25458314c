import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lockstep } from './lockstep.ts';
import { readyText } from './serve.ts';

const lines = (lockstep: Pick<Lockstep, 'origin' | 'firstAdministrator'>) =>
  readyText(lockstep as Lockstep).split('\n');

test('that the server is ready is the last line of its start, after the one-time password where there is one', () => {
  const origin = 'http://localhost:8080';
  assert.deepEqual(lines({ origin }), ['Lockstep is ready at http://localhost:8080']);
  const told = lines({ origin, firstAdministrator: { user: 'admin', password: 'quartz-lantern' } });
  assert.equal(told.length, 2);
  assert.match(told[0]!, /\badmin\b.*\bquartz-lantern\b/);
  assert.equal(told[1], 'Lockstep is ready at http://localhost:8080');
});
