import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { GERMAN, languageOf, sentenceIn, wordsIn } from './words.ts';

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
    const files = ['sign-in.ts', 'second-factor.ts', 'passkey.ts', '../password-door.ts', '../second-factor-routes.ts'];
    const sentences = files.flatMap((file) => sentencesIn(source(`./${file}`)));
    assert.ok(sentences.length > 45, `${sentences.length} were found`);
    for (const sentence of sentences) assert.ok(Object.hasOwn(GERMAN, sentence), sentence);
    for (const [english, german] of Object.entries(GERMAN)) {
      assert.equal(german.split('{}').length, english.split('{}').length, english);
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
