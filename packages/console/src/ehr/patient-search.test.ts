import assert from 'node:assert/strict';
import test from 'node:test';
import type { Resource } from '@lockstep/fhircast';
import { matcherOf, readingsOf, searchesFor } from './patient-search.ts';

const matches = (one: Resource, query: string, locale: string): boolean => matcherOf(query, locale)(one);

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

/** A day on which nobody can be born in 2057 yet. */
const NOW = new Date(2026, 10, 30);
/** The dates of birth that a text may be, read by people of the locale. */
const datesIn = (text: string, locale: string): readonly string[] =>
  readingsOf(text, locale, NOW).flatMap(({ dates }) => dates.flatMap(({ anyOf }) => anyOf));

test('HZ-14 a date of birth is read as people of the locale write it', () => {
  const written: readonly (readonly [locale: string, ...texts: string[]])[] = [
    ['de', '2.3.1957', '02.03.1957', '2.3.57', '02.03.57', '2. März 1957', '2. Mär. 57', '02031957', '2-3-1957'],
    ['en-GB', '2/3/1957', '2 March 1957', '2 Mar 1957', '2/3/57', '02031957'],
    ['en-US', '3/2/1957', 'March 2, 1957', 'Mar 2 1957', '3/2/57', '03021957', 'March 2 57'],
    ['fr', '02/03/1957', '2 mars 1957', '02-03-57'],
    ...['de', 'en-GB', 'en-US', 'fr'].map((locale) => [locale, '1957-03-02', '1957/3/2', '19570302'] as const),
  ];
  for (const [locale, ...texts] of written) {
    for (const text of texts) {
      const [reading] = readingsOf(text, locale, NOW);
      assert.deepEqual(reading, { words: [], dates: [{ anyOf: ['1957-03-02'], text }] }, `${locale}: ${text}`);
      for (const query of [`rosa ${text}`, `${text}, Quispe`])
        assert.equal(matches(patient, query, locale), true, query);
    }
  }
  assert.deepEqual(datesIn('31/12/1957', 'en-US'), ['1957-12-31'], 'one day in every locale');
  assert.deepEqual(readingsOf('31.2.1957', 'de', NOW), [{ words: ['31.2.1957'], dates: [] }], 'there is no such day');
  assert.deepEqual(datesIn('1.2.24', 'de'), ['1924-02-01', '2024-02-01'], 'a child, or somebody very old');
  for (const text of ['1957-13', '13/1957', '99999999', '00000000']) {
    assert.deepEqual(datesIn(text, 'en-GB'), [], text);
  }
});

test('HZ-14 a month with a year is a date of birth, and may be a name with one', () => {
  for (const text of ['3/1957', '03.1957', 'März 1957', 'March 1957']) {
    assert.ok(datesIn(text, 'de').includes('1957-03'), text);
    assert.equal(matches(patient, text, 'de'), true, text);
  }
  const may = { resourceType: 'Patient', name: [{ given: ['May'], family: 'Li' }], birthDate: '1957-03-02' };
  for (const one of [may, { ...patient, birthDate: '1957-05-30' }]) assert.ok(matches(one, 'may 1957', 'en-GB'));
  assert.equal(matches(patient, 'may 1957', 'en-GB'), false);
});

test('HZ-14 names are found as they are typed: last name first, without accents, initials with a point', () => {
  const people: readonly (readonly [given: readonly string[], family: string, ...queries: string[]])[] = [
    [
      ['Rosa', 'María', 'Luz'],
      'Quispe',
      'Quispe, Rosa',
      'quispe,rosa',
      'luz maria rosa',
      'Q. Rosa M.',
      'maria; quispe',
    ],
    [['Jürgen'], 'Müller', 'mueller', 'MUELLER, JUERGEN', 'muller jurgen', 'Mueller'],
    [['Björn'], 'Großmann', 'grossmann', 'bjoern', 'bjorn GROSSMANN'],
    [['Ömer'], 'Yıldız', 'yildiz omer', 'Oemer', 'YILDIZ'],
    [['Michael'], "O'Brien", 'obrien', 'o’brien michael', 'Michael'],
    [['Siobhán'], 'Ní Bhriain', 'ni bhriain', 'bhriain, siobhan'],
    [['Łukasz'], 'Bauer-Søgaard', 'lukasz', 'sogaard', 'bauer', 'Bauer-Sogaard'],
  ];
  for (const [given, family, ...queries] of people) {
    const one = { resourceType: 'Patient', name: [{ given, family }] };
    for (const query of queries) assert.equal(matches(one, query, 'de'), true, query);
    for (const query of ['%', '*', '…', 'zzz', `${family} zzz`]) assert.equal(matches(one, query, 'de'), false, query);
  }
  const bauer = { resourceType: 'Patient', name: [{ given: ['Noel'], family: 'Bauer' }] };
  for (const query of ['nol', 'baur', 'boehm']) assert.equal(matches(bauer, query, 'de'), false, query);
});

test('HZ-14 a record that is too large to be read is asked for every word, by number, and by date', () => {
  const asked = (query: string) => searchesFor(query, 'de');
  assert.deepEqual(asked('Rosa Qui'), [
    [
      ['name', 'Rosa'],
      ['name', 'Qui'],
    ],
  ]);
  assert.deepEqual(asked('Quispe, Rosa'), [
    [
      ['name', 'Quispe'],
      ['name', 'Rosa'],
    ],
  ]);
  assert.deepEqual(asked('Mueller'), [[['name', 'Mueller,Muller']]]);
  assert.deepEqual(asked('a\\b|c$d'), [[['name', 'a\\\\b\\|c\\$d']]], 'signs that mean something to a search');
  assert.deepEqual(asked('May 1957'), [
    [
      ['name', 'May'],
      ['birthdate', '1957'],
    ],
    [['birthdate', '1957-05']],
  ]);
  for (const query of ['%', ', ;', '…']) assert.deepEqual(asked(query), [], query);
  assert.deepEqual(asked('NF-118203'), [[['identifier', 'NF-118203']]]);
  assert.deepEqual(asked('1957'), [[['birthdate', '1957']], [['identifier', '1957']]]);
  assert.deepEqual(asked('Quispe 2.3.1957'), [
    [
      ['name', 'Quispe'],
      ['birthdate', '1957-03-02'],
    ],
  ]);
});
