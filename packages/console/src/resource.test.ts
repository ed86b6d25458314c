import assert from 'node:assert/strict';
import { test } from 'node:test';
import './language/testing.ts';
import { dayOf, nameOf } from './resource.ts';

test('HZ-6 of a date of birth that is a year or a month no day is made, in no zone', (t) => {
  const zone = process.env.TZ;
  t.after(() => {
    process.env.TZ = zone;
  });
  for (const place of ['UTC', 'America/Los_Angeles', 'Pacific/Kiritimati']) {
    process.env.TZ = place;
    assert.equal(dayOf('1957'), '1957', place);
    assert.equal(dayOf('1957-03'), 'Mar 1957', place);
    assert.equal(dayOf('1957-03-01'), '1 Mar 1957', place);
    for (const text of ['', 'unknown', '1957-13', '1957-02-99']) assert.equal(dayOf(text), text, place);
  }
  assert.equal(dayOf(undefined), '');
});

test('HZ-6 of several names the one that is used now is shown, and no mixture', () => {
  const maiden = { use: 'maiden', given: ['Anna'], family: 'Schulz' };
  const official = { use: 'official', given: ['Anna', 'Maria'], family: 'Meier' };
  const old = { use: 'old', text: 'A. Schulz' };
  const plain = { given: ['Anna'], family: 'Berg' };
  const shown = (...name: readonly object[]) => nameOf({ resourceType: 'Patient', id: '1', name });
  for (const names of [
    [maiden, official],
    [official, maiden, old, plain],
    [plain, official],
  ])
    assert.equal(shown(...names), 'Anna Maria Meier');
  assert.equal(shown(old, plain), 'Anna Berg');
  assert.equal(shown(old, maiden), 'A. Schulz');
  assert.equal(shown({}), 'Patient 1');
  assert.equal(shown({ given: [7, null, 'Ada'] }), 'Ada');
  assert.equal(nameOf(undefined), '');
});
