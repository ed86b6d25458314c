import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textDirection } from './text-direction.ts';

/** What Node knows of a language; browsers may not. */
interface TextInfo {
  getTextInfo(): { readonly direction: string };
}

test('a language is written the way that Unicode says, whatever its script', () => {
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  const short = letters.flatMap((one) => letters.map((two) => one + two));
  const long = [
    'arc',
    'mid',
    'nqo',
    'otk',
    'peo',
    'phn',
    'rhg',
    'sgh',
    'smp',
    'sog',
    'syr',
    'xco',
    'xhr',
    'xld',
    'xmn',
    'xmr',
    'xna',
    'xpr',
  ];
  const named = ['ar-Latn', 'az-Arab', 'ff-Adlm', 'he-IL', 'ku-Arab-IQ', 'pa-Arab-PK', 'sr-Cyrl', 'uz-Arab', 'und'];
  for (const tag of [...short, ...long, ...named]) {
    const { direction } = (new Intl.Locale(tag) as Intl.Locale & TextInfo).getTextInfo();
    assert.equal(textDirection(tag), direction ?? 'ltr', tag);
  }
});
