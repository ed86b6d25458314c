import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { signedOutPage } from './manage.ts';
import { encounterPage, patientPage, sessionPage } from './pickers.ts';
import { GERMAN, languageOf, type PageLanguage, sentenceIn, wordsIn } from './words.ts';

/** R4's value set encounter-status. */
const ENCOUNTER_STATUSES = [
  'planned',
  'arrived',
  'triaged',
  'in-progress',
  'onleave',
  'finished',
  'cancelled',
  'entered-in-error',
  'unknown',
];

const source = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');

/** Sentences that a file says in words of the page, or as a problem. */
function sentencesIn(text: string): string[] {
  const called = [...text.matchAll(/words\(\s*'((?:[^'\\]|\\.)*)'/g)];
  const problems = [...text.matchAll(/problem: '([^']*)'/g)];
  const long = [...text.matchAll(/^ {4,}'([A-Z][^']*)[;,]?'[;,]/gm)];
  return [...called, ...problems, ...long].map(([, sentence = '']) => sentence);
}

describe('REG-4 pages of signing in', () => {
  it('say in German whatever they say in English', () => {
    const files = [
      'sign-in.ts',
      'second-factor.ts',
      'passkey.ts',
      'pickers.ts',
      '../password-door.ts',
      '../second-factor-routes.ts',
    ];
    const sentences = files.flatMap((file) => sentencesIn(source(`./${file}`)));
    assert.ok(sentences.length > 45, `${sentences.length} were found`);
    for (const sentence of sentences) assert.ok(Object.hasOwn(GERMAN, sentence), sentence);
    for (const [english, german] of Object.entries(GERMAN)) {
      assert.equal(german.split('{}').length, english.split('{}').length, english);
    }
  });

  it('say nothing in English where patients, encounters and sessions are chosen, and when one is signed out', () => {
    const view = (language: PageLanguage) => ({
      base: '',
      flow: '/f',
      csrf: 'c',
      app: 'X',
      problem: undefined,
      language,
    });
    const pages = (language: PageLanguage): readonly string[] => [
      patientPage({ ...view(language), search: '', patients: [] }),
      patientPage({ ...view(language), search: '', patients: [], next: '7' }),
      patientPage({ ...view(language), search: '', patients: [{ id: '1', name: '7' }], next: '7' }),
      patientPage({ ...view(language), problem: 'There is no such patient.', search: '', patients: [] }),
      encounterPage({ ...view(language), problem: 'The patient has no such encounter.', encounters: [] }),
      ...['male', 'female', 'other', 'unknown'].map((gender) =>
        patientPage({ ...view(language), search: '', patients: [{ id: '1', name: '7', birthDate: '1961', gender }] }),
      ),
      ...ENCOUNTER_STATUSES.map((status) =>
        encounterPage({ ...view(language), encounters: [{ id: '1', title: '7', status, start: '2026' }] }),
      ),
      ...['Choose one of your sessions.', undefined].map((problem) =>
        sessionPage({
          ...view(language),
          problem,
          sessions: [{ topic: 't', startedAt: 0, subscribers: [] }],
          own: 't',
          several: true,
        }),
      ),
      signedOutPage('', language),
    ];
    /** What somebody reads or is read of a page, but for values: those hold no word here. */
    const texts = (text: string): readonly string[] =>
      text
        .replace(/<head>[\s\S]*?<title>/, '')
        .replace(/ · Lockstep|>Lockstep</g, '<')
        .split(/<[^>]*>/)
        .map((one) => one.replace(/[\d\s,.:·-]+/g, ' ').trim())
        .filter((one) => /[A-Za-z]{2}/.test(one));
    const [english, german] = [pages('en'), pages('de')];
    for (const [index, one] of german.entries()) {
      assert.match(one, /<html lang="de">/);
      const said = texts(english[index] ?? '');
      assert.ok(said.length > 1, `${index}`);
      // Names of lists and buttons are other words in German, each of them.
      for (const words of texts(one)) assert.ok(!said.includes(words), `"${words}" is English`);
    }
  });

  it('are in the language that the browser likes best of both, English where it likes neither', () => {
    for (const [asked, language] of [
      [undefined, 'en'],
      ['', 'en'],
      ['de', 'de'],
      ['DE-at', 'de'],
      ['fr, de;q=0.3', 'de'],
      ['en, de', 'en'],
      ['en;q=0.1, de;q=0.2', 'de'],
      ['de;q=0', 'en'],
      ['de;q=x, en', 'en'],
      ['*', 'en'],
      [`${'x,'.repeat(100_000)}de`, 'en'],
    ] as const)
      assert.equal(languageOf(asked), language, asked?.slice(0, 50));
  });

  it('put values into sentences, and numbers that a sentence has', () => {
    const words = wordsIn('de');
    assert.equal(words('Sign in with {}', '{}'), 'Anmelden mit {}');
    assert.match(sentenceIn(words, 'Too many attempts. Try again in 12 seconds.'), /in 12 Sekunden/);
    assert.equal(sentenceIn(words, 'Sign in with Hospital 7.'), 'Sign in with Hospital 7.');
  });
});
