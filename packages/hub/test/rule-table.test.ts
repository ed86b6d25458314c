/** The rules that the machine decides alone have tests of the machine alone; `docs/rules.md` has the tests of every rule. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const ROOT = join(import.meta.dirname, '../../..');

/** What the machine decides alone, without a store, a socket or HTTP: each has a test in `src/rules`. */
const DECIDED = [
  ['SES-1', 'SES-2', 'SES-4', 'SES-5', 'SES-6', 'SES-8'],
  ['SUB-2', 'SUB-3', 'SUB-4', 'SUB-5', 'SUB-6', 'SUB-7', 'SUB-8', 'SUB-9', 'SUB-10', 'SUB-12', 'SUB-13'],
  ['PUB-2', 'PUB-3', 'PUB-5', 'PUB-7', 'PUB-8', 'PUB-9', 'PUB-10', 'PUB-11', 'PUB-12', 'PUB-13', 'PUB-14'],
  ['CON-1', 'CON-2', 'CON-3', 'CON-4', 'CON-5', 'CON-6', 'CON-7', 'CON-8', 'CON-9'],
  ['ERR-2', 'ERR-3', 'ERR-4', 'ERR-5', 'ERR-6', 'ERR-8'],
  ['DER-1', 'DER-2', 'WEB-1', 'WEB-3'],
].flat();

const TITLE = /\b(?:it|test)\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g;
const DESCRIBED = /\b(?:describe|suite)\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g;

/** Titles by the rule ids in them, of the test files that match. */
function titles(pattern: string, kinds: readonly RegExp[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const file of globSync(pattern, { cwd: ROOT, exclude: (path) => String(path).includes('node_modules') })) {
    const text = readFileSync(join(ROOT, file), 'utf8');
    for (const kind of kinds) {
      for (const [, ...quoted] of text.matchAll(kind)) {
        const title = quoted.find((one) => one !== undefined) ?? '';
        for (const id of new Set(title.match(/\b[A-Z]{3}-\d+\b/g))) {
          found.set(id, [...(found.get(id) ?? []), `${file}: ${title}`]);
        }
      }
    }
  }
  return found;
}

describe('the rules of the Hub', () => {
  it('that need no store, socket or HTTP have one of the machine alone', () => {
    const table = titles('packages/hub/src/rules/*.test.ts', [TITLE, DESCRIBED]);
    assert.deepEqual(
      DECIDED.filter((id) => !table.has(id)),
      [],
    );
  });
});

describe('the machine', () => {
  const files = globSync('packages/hub/src/rules/*.ts', { cwd: ROOT }).filter((file) => !file.endsWith('.test.ts'));

  it('imports nothing but the protocol and itself', () => {
    const imports = files.flatMap((file) =>
      [...readFileSync(join(ROOT, file), 'utf8').matchAll(/from '([^']+)'/g)].map(([, name = '']) => name),
    );
    assert.ok(imports.length > 0);
    assert.deepEqual(
      imports.filter((name) => name !== '@lockstep/fhircast' && !/^\.\/[a-z-]+\.ts$/.test(name)),
      [],
    );
  });

  it('knows no HTTP status', () => {
    const statuses = files.flatMap((file) =>
      [...readFileSync(join(ROOT, file), 'utf8').matchAll(/(?<![\w./-])(?:20\d|3\d\d|4\d\d|5[0-2]\d)(?![\w.])/g)].map(
        ([n]) => `${file} ${n}`,
      ),
    );
    assert.deepEqual(statuses, []);
  });
});
