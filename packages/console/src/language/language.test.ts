import './testing.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { isolated, t } from './language.ts';

/** How deep isolates are after a text, and whether one was closed that the text did not open (Unicode UAX #9, BD9). */
function depthsOf(text: string): { readonly end: number; readonly least: number } {
  let [end, least] = [0, 0];
  for (const character of text) {
    if (/[\u2066-\u2068]/.test(character)) end += 1;
    if (character === '\u2069') end -= 1;
    least = Math.min(least, end);
  }
  return { end, least };
}

test('CWE-451 a value that turns the direction of writing is closed in itself, and other values are as they were', () => {
  const texts = fc.string({
    unit: fc.constantFrom('a', 'א', '\u202a', '\u202e', '\u202c', '\u2066', '\u2068', '\u2069'),
  });
  fc.assert(
    fc.property(texts, (text) => {
      const inner = isolated(text);
      if (!/[\u202a-\u202e\u2066-\u2069]/.test(text)) return assert.equal(inner, text);
      assert.deepEqual(depthsOf(inner), { end: 0, least: 0 });
      // From the first to the last character it is one isolate.
      assert.deepEqual(depthsOf(inner.slice(0, -1)), { end: 1, least: 0 });
      assert.ok(inner.startsWith('\u2068') && depthsOf(inner.slice(1)).end === -1);
      assert.equal(depthsOf(inner.slice(1, -1)).least, 0);
      const plain = (one: string): string => one.replaceAll(/[\u2066-\u2069]/g, '');
      assert.equal(plain(inner), plain(text));
    }),
  );
});

test('CWE-451 a file’s name does not turn the words that say what is wrong with it', () => {
  assert.equal(t('apps.runNamed', { name: 'exe\u202ecod' }), 'Run \u2068exe\u202ecod\u2069');
  assert.equal(t('apps.runNamed', { name: 'Image viewer' }), 'Run Image viewer');
});
