import '../language/testing.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldOf, NEW_USER, problemsOf, toBody, toFields } from './fields.ts';

const MARTA = { ...NEW_USER, id: ' MRuiz ', name: 'Dr. Marta Ruiz', aliases: 'urn:hospital|4711\n\n mr \nmr' };

test('REG-4 a user is sent as entered, without what is left empty', () => {
  assert.deepEqual(problemsOf(MARTA, false), {});
  const body = { name: 'Dr. Marta Ruiz', aliases: ['urn:hospital|4711', 'mr'], administrator: false };
  assert.deepEqual(toBody(MARTA, false), { id: 'mruiz', ...body });
  const typed = { ...MARTA, typed: true, password: 'a good one' };
  assert.deepEqual(toBody(typed, false), { id: 'mruiz', ...body, password: 'a good one' });
  const known = { id: 'mruiz', name: 'M', reference: 'Practitioner/1', aliases: ['a', 'b'], administrator: true };
  const fields = toFields({ ...known, sample: false, outside: false, status: 'active', sessions: 0 });
  const { id: _, ...sent } = known;
  assert.deepEqual(toBody(fields, true), sent);
});

test('REG-4 an error of what is entered is shown at its field', () => {
  assert.ok(problemsOf({ ...MARTA, id: 'Marta Ruiz' }, false).id);
  assert.ok(problemsOf({ ...MARTA, id: '' }, false).id);
  assert.ok(problemsOf({ ...MARTA, name: ' ' }, false).name);
  assert.ok(problemsOf({ ...MARTA, reference: 'Marta' }, false).reference);
  assert.ok(problemsOf({ ...MARTA, typed: true, password: 'short' }, false).password);
  assert.equal(problemsOf({ ...MARTA, password: 'short' }, false).password, undefined);
  assert.ok(problemsOf({ ...MARTA, reference: '' }, true).reference, 'a user who is there has one');
});

test("a server's refusal finds its field", () => {
  assert.equal(fieldOf('there is a user mruiz already'), 'id');
  assert.equal(fieldOf('aliases: mr means Dr. Mei Tanaka already'), 'aliases');
  assert.equal(fieldOf('a password has at least 8 characters'), 'password');
  assert.equal(fieldOf('Something else.'), undefined);
});
