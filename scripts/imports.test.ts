import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';

const root = dirname(import.meta.dirname);

/** Files that ship, without their tests. */
const sources = globSync(['packages/*/src/**/*.{ts,tsx}', 'samples/*/src/**/*.{ts,tsx}', 'samples/kit/*.{ts,tsx}'], {
  cwd: root,
}).filter((path) => !/\.test\.tsx?$/.test(path));

/** What a file imports: package names and paths. Type imports count too: they tie files together as well. */
function importsOf(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8');
  return [...text.matchAll(/^(?:import|export)\s[^;]*?from '([^']+)'|import\('([^']+)'\)/gm)].map(
    ([, from = '', lazy = '']) => from || lazy,
  );
}

/** The folder of the package or sample that a path lies in, such as `hub`. */
const homeOf = (path: string): string => path.split('/')[1] ?? '';

/** The table "What may import what" of the architecture page: package → the packages that it may import. */
function allowedImports(): Map<string, Set<string>> {
  const page = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8');
  const rows = page.matchAll(/^\| `(?:packages|samples)\/([a-z0-9-]+)` \|[^|]*\| ([^|]*) \|$/gm);
  return new Map([...rows].map(([, name = '', list = '']) => [name, new Set(list.match(/[a-z0-9-]+/g) ?? [])]));
}

test('every package imports only what the table in docs/architecture.md allows', () => {
  const allowed = allowedImports();
  for (const path of sources) {
    const home = homeOf(path);
    const mayImport = allowed.get(home);
    assert.ok(mayImport, `docs/architecture.md has no row for ${home}`);
    for (const name of importsOf(path)) {
      const other = /^@lockstep\/([a-z0-9-]+)/.exec(name)?.[1]?.replace(/^sample-/, '');
      if (other === undefined) continue;
      assert.ok(mayImport.has(other), `${path} imports ${name}, which docs/architecture.md does not allow`);
    }
  }
});

test('the table of imports allows no circles', () => {
  const allowed = allowedImports();
  const reaches = (from: string, seen: Set<string>): boolean =>
    [...(allowed.get(from) ?? [])].some((next) => seen.has(next) || reaches(next, new Set([...seen, next])));
  for (const name of allowed.keys()) assert.ok(!reaches(name, new Set([name])), `${name} can reach itself`);
});

test('no package reaches into the files of another', () => {
  for (const path of sources) {
    for (const name of importsOf(path)) {
      if (!name.startsWith('.')) continue;
      const target = relative(root, join(root, dirname(path), name));
      const shared = path.startsWith('samples/') && target.startsWith('samples/kit/');
      assert.ok(shared || homeOf(target) === homeOf(path), `${path} imports ${name}`);
    }
  }
});

test("the Hub's rules import the protocol and one another, and nothing else", () => {
  const rules = sources.filter((path) => path.startsWith('packages/hub/src/rules/'));
  for (const path of rules) {
    for (const name of importsOf(path)) {
      const own = name.startsWith('.') && join(dirname(path), name).startsWith('packages/hub/src/rules/');
      assert.ok(own || name === '@lockstep/fhircast', `${path} imports ${name}`);
    }
  }
});

test('docs/architecture.md names files that are there', () => {
  const page = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8');
  const named = [...page.matchAll(/`((?:packages|samples)\/[\w/.-]+)`/g)].map(([, path = '']) => path);
  assert.ok(named.length > 20);
  for (const path of named.filter((one) => one.split('/').length > 2)) assert.ok(existsSync(join(root, path)), path);
  const rules = [...(page.split('| rules |')[1]?.split('\n\n')[0] ?? '').matchAll(/`([a-z-]+\.ts)`/g)];
  const held = globSync('*.ts', { cwd: join(root, 'packages/hub/src/rules') });
  for (const [, name = ''] of rules) {
    assert.ok(held.includes(name) || existsSync(join(root, 'packages/fhircast/src', name)), name);
  }
});
