import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTime } from './dates.ts';

const range = (text: string) => {
  const found = parseTime(text);
  return found && [new Date(found.low).toISOString(), new Date(found.high).toISOString()];
};

test('FHR-3 a partial date covers all of its year, month, day, minute or second', () => {
  assert.deepEqual(range('2026'), ['2026-01-01T00:00:00.000Z', '2026-12-31T23:59:59.999Z']);
  assert.deepEqual(range('2024-02'), ['2024-02-01T00:00:00.000Z', '2024-02-29T23:59:59.999Z']);
  assert.deepEqual(range('2026-12-31'), ['2026-12-31T00:00:00.000Z', '2026-12-31T23:59:59.999Z']);
  assert.deepEqual(range('2026-03-01T10:20Z'), ['2026-03-01T10:20:00.000Z', '2026-03-01T10:20:59.999Z']);
  assert.deepEqual(range('2026-03-01T10:20:30Z'), ['2026-03-01T10:20:30.000Z', '2026-03-01T10:20:30.999Z']);
});

test('FHR-3 time zones are honoured, fractions kept to the millisecond', () => {
  assert.deepEqual(range('2026-03-01T00:30:00+02:00')?.[0], '2026-02-28T22:30:00.000Z');
  assert.deepEqual(range('2026-03-01T23:30:00-05:30')?.[0], '2026-03-02T05:00:00.000Z');
  assert.deepEqual(range('2026-03-01T10:20:30.1239Z'), ['2026-03-01T10:20:30.123Z', '2026-03-01T10:20:30.123Z']);
});

test('FHR-3 what is no date is refused', () => {
  const wrong = [
    '',
    '26',
    '2026-13',
    '2026-00',
    '2026-02-30',
    '2026-3-1',
    '2026-03-01T25:00Z',
    '2026-03-01T10',
    'now',
    '2026-03-01 10:20',
  ];
  for (const text of wrong) assert.equal(parseTime(text), undefined, text);
});
