import assert from 'node:assert/strict';
import test from 'node:test';
import { matches, searchesFor } from './patient-search.ts';

const patient = {
  resourceType: 'Patient',
  id: 'p',
  name: [{ given: ['Rosa', 'María'], family: 'Quispe' }],
  identifier: [{ value: 'NF-118203' }],
  birthDate: '1957-03-02',
};

test('a patient is found by the beginnings of names, parts of the number, or the date of birth', () => {
  for (const query of ['', 'rosa', 'Maria qui', 'nf-118203', '8203', '1957-03', 'quispe 1957'])
    assert.equal(matches(patient, query), true, query);
  for (const query of ['osa', 'quispe 1958', 'nf-9']) assert.equal(matches(patient, query), false, query);
});

test('a record that is too large to be read is asked by name, by number, and by date', () => {
  assert.deepEqual(searchesFor('Rosa Qui'), [{ name: 'Rosa Qui' }]);
  assert.deepEqual(searchesFor('NF-118203'), [{ identifier: 'NF-118203' }]);
  assert.deepEqual(searchesFor('1957-03-02'), [{ identifier: '1957-03-02' }, { birthdate: '1957-03-02' }]);
});
