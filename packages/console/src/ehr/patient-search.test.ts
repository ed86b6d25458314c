import assert from 'node:assert/strict';
import test from 'node:test';
import { matches, searchesFor, wantedBy } from './patient-search.ts';

const patient = {
  resourceType: 'Patient',
  id: 'p',
  name: [{ given: ['Rosa', 'María-Luz'], family: 'Quispe' }, { family: 'Müller' }],
  identifier: [{ value: 'NF-118203' }],
  birthDate: '1957-03-02',
};

test('HZ-14 a patient is found by the beginnings of any names in any order, parts of the number, or the date of birth', () => {
  const queries = [
    '',
    'rosa',
    'qui Maria',
    'luz',
    'muller',
    'MÜLLER rosa',
    'nf-118203',
    '8203',
    '1957-03',
    'quispe 1957',
  ];
  for (const query of queries) assert.equal(matches(patient, query, 'en-GB'), true, query);
  for (const query of ['osa', 'quispe 1958', 'nf-9']) assert.equal(matches(patient, query, 'en-GB'), false, query);
});

test('HZ-14 a date of birth is read as people of the locale write it', () => {
  const written: readonly (readonly [locale: string, ...texts: string[]])[] = [
    ['de', '2.3.1957', '02.03.1957', '2. März 1957', '1957-03-02'],
    ['en-GB', '2/3/1957', '2 March 1957', '2 Mar 1957'],
    ['en-US', '3/2/1957', 'March 2, 1957', 'Mar 2 1957'],
    ['fr', '02/03/1957', '2 mars 1957'],
  ];
  for (const [locale, ...texts] of written) {
    for (const text of texts) {
      assert.deepEqual(
        wantedBy(text, locale),
        { words: [], dates: [{ date: '1957-03-02', text }] },
        `${locale}: ${text}`,
      );
      assert.equal(matches(patient, `rosa ${text}`, locale), true, text);
    }
  }
  assert.equal(wantedBy('31/12/1957', 'en-US').dates[0]?.date, '1957-12-31', 'one day in every locale');
  assert.deepEqual(wantedBy('31.2.1957', 'de'), { words: ['31.2.1957'], dates: [] }, 'there is no such day');
});

test('HZ-14 a record that is too large to be read is asked for every word, by number, and by date', () => {
  const asked = (query: string) => searchesFor(query, 'de');
  assert.deepEqual(asked('Rosa Qui'), [
    [
      ['name', 'Rosa'],
      ['name', 'Qui'],
    ],
  ]);
  assert.deepEqual(asked('NF-118203'), [[['identifier', 'NF-118203']]]);
  assert.deepEqual(asked('1957'), [[['birthdate', '1957']], [['identifier', '1957']]]);
  assert.deepEqual(asked('Quispe 2.3.1957'), [
    [
      ['name', 'Quispe'],
      ['birthdate', '1957-03-02'],
    ],
  ]);
});
