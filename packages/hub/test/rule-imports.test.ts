import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const RULES = new URL('../src/rules/', import.meta.url);

/** The files of the rules that each of them imports, types included. */
function imports(): ReadonlyMap<string, readonly string[]> {
  const files = readdirSync(RULES).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'));
  return new Map(
    files.map((file) => {
      const text = readFileSync(new URL(file, RULES), 'utf8');
      return [file, [...text.matchAll(/ from '\.\/([^']+)'/g)].map(([, imported = '']) => imported)];
    }),
  );
}

test('no files of the rules import one another in a circle', () => {
  const left = new Map(imports());
  assert.ok(left.size > 20);
  assert.ok(left.get('decide.ts')?.includes('publish.ts'));
  // Whoever imports none of those that are left is in no circle with them.
  for (let before = 0; before !== left.size; ) {
    before = left.size;
    for (const [file, imported] of left) if (!imported.some((one) => left.has(one))) left.delete(file);
  }
  assert.deepEqual([...left.keys()], []);
});
