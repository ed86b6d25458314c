import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { numberOf, parseExact, withPlainNumbers } from './exact-json.ts';

test('FHR-3 numbers are written as they were read', () => {
  for (const number of [
    '7.10',
    '0.0',
    '1e-7',
    '0.0000001',
    '0.000001',
    '1E5',
    '12345678901234567890.12345',
    '-0',
    '-0.50',
    '100',
    '0.1',
    '1.005',
  ]) {
    const text = `{"a":[${number},{"b":${number}}],"c":"7.10","d":${number}}`;
    assert.equal(JSON.stringify(parseExact(`{"e": ${number} }`)), `{"e":${number}}`);
    for (const alone of [`[1,${number}]`, `[${number}]`, `{"a":${number},"b":1}`]) {
      assert.equal(JSON.stringify(parseExact(alone)), alone);
    }
    assert.equal(JSON.stringify(parseExact(text)), text);
    const { c, a } = parseExact(text) as unknown as { a: [never]; c: string };
    assert.deepEqual([numberOf(a[0]), c], [Number(number), '7.10']);
    assert.deepEqual(withPlainNumbers(parseExact(text)), JSON.parse(text));
  }
});

test('FHR-3 any number is written as it was read', () => {
  const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 20 });
  const number = fc
    .tuple(
      fc.constantFrom('', '-'),
      digits,
      fc.option(digits),
      fc.option(fc.tuple(fc.constantFrom('e', 'E', 'e-', 'E+'), digits)),
    )
    .map(([sign, whole, part, power]) => {
      const first = whole.replace(/^0+(?=\d)/, '');
      return `${sign}${first}${part === null ? '' : `.${part}`}${power === null ? '' : power.join('').slice(0, 4)}`;
    })
    .filter((text) => Number.isFinite(Number(text)));
  fc.assert(
    fc.property(number, (text) => {
      for (const json of [`{"a":${text}}`, `[1,${text},2]`, `{"a":${text},"b":[${text}]}`]) {
        assert.equal(JSON.stringify(parseExact(json)), json);
      }
    }),
    { numRuns: 1000 },
  );
});

test('FHR-3 any JSON is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.deepEqual(withPlainNumbers(parseExact(text)), JSON.parse(JSON.stringify(JSON.parse(text))));
    }),
  );
  assert.equal(numberOf('7'), undefined);
  assert.equal(numberOf({ rawJSON: '7' }), undefined);
});
