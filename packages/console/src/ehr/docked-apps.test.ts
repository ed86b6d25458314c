import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPlainText } from '@lockstep/fhircast';
import { shownWords } from './docked-apps.ts';

test('HZ-15 what an application says it has not saved is shown in its place, whatever it holds', () => {
  for (const [words, shown] of [
    ['a report is not signed', 'a report is not signed'],
    ['ein Befund für Müller 日本語 👩‍⚕️ ', 'ein Befund für Müller 日本語 👩‍⚕️'],
    ['two\nlines\tand\u2028more\u0085still', 'two lines and more still'],
    ['\u202egnirts\u202c', 'gnirts'],
    ['\u2066a\u2067b\u2068c\u2069', 'abc'],
    ['a\u0000b\u0007c\u001b[31md\u007f', 'abc[31md'],
    ['\u200b\u200e\u200f\ufeff', '…'],
    [' \n ', '…'],
    ['<img src=x onerror=alert(1)>', '<img src=x onerror=alert(1)>'],
  ] as const) {
    assert.equal(shownWords(words), shown, JSON.stringify(words));
  }
  for (const endless of [
    'x'.repeat(10_000_000),
    '👩'.repeat(1_000_000),
    '\u202e'.repeat(1_000_000),
    ' '.repeat(1_000_000),
  ]) {
    const shown = shownWords(endless);
    assert.ok(shown.length > 0 && shown.length <= 1_000, `${shown.length}`);
    assert.ok(isPlainText(shown) && shown.isWellFormed(), shown.slice(0, 10));
  }
});
