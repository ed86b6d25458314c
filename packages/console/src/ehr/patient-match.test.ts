import '../language/testing.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import { contradiction, identifierSearches } from './patient-match.ts';

const MRN = 'urn:hospital:mrn';
const patient = (more: object) => ({ resourceType: 'Patient', id: 'p', ...more });
const numbered = (...values: readonly string[]) =>
  patient({ identifier: values.map((value) => ({ system: MRN, value })), birthDate: '1961-03-12' });

test('HZ-5 another number of the same system under the same id is another person', () => {
  assert.equal(contradiction(numbered('2'), numbered('1')), 'identifier');
  assert.equal(contradiction(numbered('1'), numbered('1', '0')), undefined, 'a person may have several');
  assert.equal(contradiction(patient({ identifier: [{ system: 'urn:other', value: '2' }] }), numbered('1')), undefined);
});

test('HZ-5 another date of birth under the same id is another person; less of the same date is not', () => {
  assert.equal(contradiction(patient({ birthDate: '1961-03-13' }), numbered('1')), 'date of birth');
  for (const birthDate of ['1961', '1961-03', '1961-03-12'])
    assert.equal(contradiction(patient({ birthDate }), numbered('1')), undefined, birthDate);
  assert.equal(contradiction(patient({}), numbered('1')), undefined, 'an event that names an id alone');
});

test('a person known here under another id is looked for by identifiers that name their system', () => {
  assert.deepEqual(identifierSearches(patient({ identifier: [{ value: '1' }, { system: MRN, value: '7' }] })), [
    `${MRN}|7`,
  ]);
});
