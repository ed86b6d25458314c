/** Keeps `docs/compatibility.md` to what tests show. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

const ROOT = new URL('../../../', import.meta.url);
const page = readFileSync(new URL('docs/compatibility.md', ROOT), 'utf8');

function cells(line: string): readonly string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

/** The rows of the first table below a heading. */
function table(heading: string): readonly (readonly string[])[] {
  const after = page.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  return after
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map(cells);
}

const tests = new Map(table('Tests').map(([key = '', file = '', title = '']) => [key, { file, title }]));
const KEY = /\b[A-Z]\d\b/g;

describe('the compatibility table', () => {
  it('names tests that are there', () => {
    assert.ok(tests.size > 20);
    for (const [key, { file, title }] of tests) {
      const source = readFileSync(new URL(file, ROOT), 'utf8').replaceAll("\\'", "'");
      assert.ok(source.includes(title), `${key}: ${file} has no test "${title}"`);
    }
  });

  it('has no cell without one, and none that says no', () => {
    const rows = table('Clients');
    assert.ok(rows.length > 10);
    for (const [feature = '', ...clients] of rows) {
      for (const cell of clients) {
        assert.doesNotMatch(cell, /^no\b(?! used)/, feature);
        if (/^not used/.test(cell)) continue;
        assert.match(cell, /^yes /, feature);
        assert.ok(
          cell.match(KEY)?.every((key) => tests.has(key)),
          `${feature}: ${cell}`,
        );
      }
    }
  });

  it('uses every test that it lists', () => {
    const used = new Set(page.split('## Tests')[0]?.match(KEY));
    assert.deepEqual(
      [...tests.keys()].filter((key) => !used.has(key)),
      [],
    );
  });
});
