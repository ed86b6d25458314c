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

test('docs/architecture.md says of every rule where it is kept', () => {
  const page = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8');
  const rows = page.match(/^\| [A-Z]{3}-\d[^|]*/gm) ?? [];
  const placed = new Set<string>();
  for (const row of rows) {
    // `SUB-1 to SUB-6` names those between too.
    for (const [, kind = '', first = '', last = first] of row.matchAll(/\b([A-Z]{3})-(\d+)(?: to [A-Z]{3}-(\d+))?/g)) {
      for (let n = Number(first); n <= Number(last); n++) placed.add(`${kind}-${n}`);
    }
  }
  const rules = readFileSync(join(root, 'docs', 'rules.md'), 'utf8').matchAll(/^### ([A-Z]{3}-\d+):/gm);
  const ids = [...rules].map(([, id = '']) => id);
  assert.ok(ids.length > 90);
  assert.deepEqual(
    ids.filter((id) => !placed.has(id)),
    [],
  );
});

/**
 * Exported types that several packages declare, each with one meaning everywhere: shapes that are declared on both sides of a
 * port or of the wire, since neither side may import the other.
 */
const DECLARED_ON_BOTH_SIDES: Readonly<Record<string, string>> = {
  Clock: 'time and timers: a port of the client library, the Hub and the authorization server',
  ContextElement: 'the conformance suite reads messages on its own',
  EncounterSummary: 'what the authorization server asks the FHIR service for',
  EventMessage: 'the conformance suite reads messages on its own',
  JsonObject: 'an object of JSON',
  LaunchKind: 'how an app is started: kept by the authorization server, shown by the console',
  LiveToken: 'a token that is valid: kept by the authorization server, shown by the console',
  PatientSummary: 'what the authorization server asks the FHIR service for',
  RegisteredApp: 'an app as administrators see it: told by the server, shown by the console',
  Resource: 'a FHIR resource',
  TokenInfo: 'what a bearer token stands for: found by the authorization server, asked by the FHIR service',
  Verdict: 'what a check came to: told by the suite, shown by the console',
};

test('an exported type has one meaning: its name is declared once, or on both sides of a port', () => {
  const declared = new Map<string, string[]>();
  for (const path of sources.filter((one) => one.startsWith('packages/'))) {
    const text = readFileSync(join(root, path), 'utf8');
    for (const [, name = ''] of text.matchAll(/^export (?:abstract )?(?:interface|type|class|enum) (\w+)/gm)) {
      declared.set(name, [...(declared.get(name) ?? []), path]);
    }
  }
  const several = [...declared].filter(([, paths]) => paths.length > 1);
  for (const [name, paths] of several) assert.ok(name in DECLARED_ON_BOTH_SIDES, `${name}: ${paths.join(', ')}`);
  for (const name of Object.keys(DECLARED_ON_BOTH_SIDES)) {
    assert.ok(
      several.some(([one]) => one === name),
      `${name} is declared once: take it off the list`,
    );
  }
});

test('no file of a package can reach itself by its imports', () => {
  const imports = new Map(
    sources.map((path) => [
      path,
      importsOf(path)
        .filter((name) => name.startsWith('.'))
        .map((name) => join(dirname(path), name)),
    ]),
  );
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    assert.ok(!way.includes(path), `a circle: ${[...way.slice(way.indexOf(path)), path].join(' → ')}`);
    if (done.has(path)) return;
    for (const next of imports.get(path) ?? []) visit(next, [...way, path]);
    done.add(path);
  };
  for (const path of imports.keys()) visit(path, []);
});
