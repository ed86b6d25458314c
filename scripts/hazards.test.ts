import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const root = dirname(import.meta.dirname);
const page = readFileSync(join(root, 'docs', 'safety', 'hazards.md'), 'utf8');

interface Hazard {
  readonly id: string;
  /** Every column besides the ids of rules, which may be none. */
  readonly told: readonly string[];
  /** The last column: `package: title` of each test. */
  readonly tests: readonly string[];
}

const hazards = page
  .split('\n')
  .filter((line) => line.startsWith('| HZ-'))
  .map((line): Hazard => {
    const [id = '', hazard = '', cause = '', harm = '', control = '', , tests = ''] = line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim());
    return {
      id,
      told: [hazard, cause, harm, control],
      tests: [...tests.matchAll(/`([^`]+)`/g)].map(([, one = '']) => one),
    };
  });

/** The titles of a package's tests and suites, as they stand in the source. */
function titlesIn(name: string): ReadonlySet<string> {
  const files = globSync([`packages/${name}/{src,test}/**/*.test.{ts,tsx}`, `samples/${name}/src/**/*.test.{ts,tsx}`], {
    cwd: root,
  });
  const calls = /\b(?:test|it|describe)\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g;
  return new Set(
    files.flatMap((file) =>
      [...readFileSync(join(root, file), 'utf8').matchAll(calls)].map(([, a, b, c]) => a ?? b ?? c ?? ''),
    ),
  );
}

test('every hazard has a cause, a harm and a control, and their ids have no gap', () => {
  assert.deepEqual(
    hazards.map(({ id }) => id),
    hazards.map((_, index) => `HZ-${index + 1}`),
  );
  assert.ok(hazards.length >= 18);
  for (const { id, told } of hazards) for (const cell of told) assert.notEqual(cell, '', id);
});

test('every control of a hazard names tests, and they are there', () => {
  const titles = new Map<string, ReadonlySet<string>>();
  const missing: string[] = [];
  for (const { id, tests } of hazards) {
    if (tests.length === 0) missing.push(`${id} names no test`);
    for (const one of tests) {
      const [, name = '', title = ''] = /^([a-z0-9-]+): (.+)$/.exec(one) ?? [];
      const known = titles.get(name) ?? titlesIn(name);
      titles.set(name, known);
      if (!known.has(title)) missing.push(`${id}: ${one}`);
    }
  }
  assert.deepEqual(missing, []);
});
