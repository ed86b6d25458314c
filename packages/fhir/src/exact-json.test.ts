import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { numberOf, parseExact, withPlainNumbers } from './exact-json.ts';

test('FHR-3 numbers are written as they were read', () => {
  for (const number of [
    '7.10',
    '0.0',
    '1e-7',
    '1E5',
    '12345678901234567890.12345',
    '-0',
    '-0.50',
    '100',
    '0.1',
    '1.005',
  ]) {
    const text = `{"a":[${number},{"b":${number}}],"c":"7.10"}`;
    assert.equal(JSON.stringify(parseExact(text)), text);
    const { c, a } = parseExact(text) as unknown as { a: [never]; c: string };
    assert.deepEqual([numberOf(a[0]), c], [Number(number), '7.10']);
    assert.deepEqual(withPlainNumbers(parseExact(text)), JSON.parse(text));
  }
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
