import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshFor } from './client-keys.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');

test('TOK-1 a key set is kept no longer than its headers say', () => {
  const cases: [Record<string, string>, number][] = [
    [{ 'cache-control': 'max-age=20' }, 20_000],
    [{ 'cache-control': 'public, Max-Age="7", must-revalidate' }, 7_000],
    [{ 'cache-control': 'max-age=0' }, 0],
    [{ 'cache-control': 'max-age=20', age: '15' }, 5_000],
    [{ 'cache-control': 'max-age=20', age: '25' }, 0],
    [{ 'cache-control': 'max-age=20', age: '-25' }, 20_000],
    [{ 'cache-control': 'no-store' }, 0],
    [{ 'cache-control': 'max-age=600, no-cache' }, 0],
    [{ 'cache-control': 'max-age=99999999' }, 24 * 3_600_000],
    [{ expires: 'Sun, 22 Nov 2026 12:00:30 GMT' }, 30_000],
    [{ expires: 'Sun, 22 Nov 2026 11:00:00 GMT' }, 0],
    [{ 'cache-control': 'max-age=5', expires: 'Sun, 22 Nov 2026 13:00:00 GMT' }, 5_000],
    [{}, 60_000],
  ];
  for (const [headers, expected] of cases)
    assert.equal(freshFor(new Headers(headers), NOW), expected, JSON.stringify(headers));
});
