// A language in which every letter of a sentence is another one, so that text which is not from the catalog is seen at once.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { RECORD_WORDS, SENTENCES } from '../src/pages/sentences.ts';

/** Its dates and lists hold no Latin letter either. */
export const PSEUDO = 'ja';

/** `Sign in {}` → `Ｓｉｇｎ ｉｎ {}` */
export function pseudo(sentence: string): string {
  return sentence.replaceAll(/[!-z]/g, (letter) =>
    /[A-Za-z]/.test(letter) ? String.fromCodePoint((letter.codePointAt(0) ?? 0) + 0xfee0) : letter,
  );
}

/** A folder of languages with this one in it. */
export function pseudoLanguages(t: Pick<TestContext, 'after'>): URL {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-languages-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const catalog = Object.fromEntries([...SENTENCES, ...RECORD_WORDS].map((one) => [one, pseudo(one)]));
  writeFileSync(join(folder, `${PSEUDO}.json`), JSON.stringify(catalog));
  return pathToFileURL(`${folder}/`);
}

const decoded = (text: string): string =>
  text.replaceAll(/&(\w+|#\d+);/g, (entity) => ({ '&quot;': '"', '&#39;': "'", '&ndash;': '–' })[entity] ?? ' ');

/**
 * What people read on a page, or are read, that is not in this language. Left out are the name of the product and of the zone, what
 * stands as code, and what says that it is in another language.
 * @param values of the page that are nobody's sentence: names, for example
 */
export function untranslated(page: string, values: readonly string[] = []): readonly string[] {
  const shown = page
    .replaceAll(/<(script|code)\b[^>]*>[\s\S]*?<\/\1>/g, '')
    .replaceAll(/<(\w+) [^>]*\bhreflang="(?!ja)[^"]*"[^>]*>[\s\S]*?<\/\1>/g, '');
  const attributes = [...shown.matchAll(/\s(?:aria-label|title|placeholder|alt)="([^"]*)"/g)].map(
    ([, text = '']) => text,
  );
  const texts = shown.split(/<[^>]*>/);
  return [...attributes, ...texts]
    .map((text) => values.reduce((rest, value) => rest.replaceAll(value, ''), decoded(text)))
    .map((text) => text.replaceAll(/\b(Lockstep|UTC)\b/g, '').trim())
    .filter((text) => /\p{Script=Latin}/u.test(text.replaceAll(/[Ａ-Ｚａ-ｚ]/g, '')));
}
