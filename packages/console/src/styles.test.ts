/** Styles stand beside their components: each rule is used, and each class that a component names has a rule. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const under = (pattern: string): readonly string[] =>
  globSync(pattern, { cwd: root }).filter((file) => !/(^|\/)(node_modules|dist)\//.test(file));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

const components = under('{packages/console/src,samples}/**/*.tsx');

/** Classes that a sheet has rules for. */
function classesOf(sheet: string): ReadonlySet<string> {
  const selectors = read(sheet)
    .replace(/\/\*[\s\S]*?\*\/|:global\([^)]*\)/g, '')
    .replace(/\{[^{}]*\}/g, '{}');
  return new Set([...selectors.matchAll(/\.([a-zA-Z][\w-]*)/g)].map(([, name]) => name ?? ''));
}

/** Every use of a sheet's classes, as `sheet.module.css name`. */
const used = new Set(
  components.flatMap((file) => {
    const text = read(file);
    return [...text.matchAll(/import (\w+) from '([^']+\.module\.css)'/g)].flatMap(([, alias, from = '']) => {
      const sheet = from.startsWith('@lockstep/console/')
        ? from.replace('@lockstep/console', 'packages/console/src')
        : join(dirname(file), from);
      return [...text.matchAll(new RegExp(`(?<![\\w.])${alias}\\.(\\w+)`, 'g'))].map(([, name]) => `${sheet} ${name}`);
    });
  }),
);
const defined = new Set(
  under('{packages/console/src,samples}/**/*.module.css').flatMap((sheet) =>
    [...classesOf(sheet)].map((name) => `${sheet} ${name}`),
  ),
);

test('every rule of a CSS module is of a class that a component names, and the other way round', () => {
  assert.ok(defined.size > 100);
  assert.deepEqual(
    [...defined].filter((one) => !used.has(one)),
    [],
    'rules that nothing uses',
  );
  assert.deepEqual(
    [...used].filter((one) => !defined.has(one)),
    [],
    'classes without a rule',
  );
});

const CONSOLE_SHEETS = ['tokens', 'common', 'base'].map((name) => `packages/console/src/${name}.css`);

/** Rules of a sheet that are not in a media query, by selector. */
const rulesOf = (sheet: string): ReadonlyMap<string, string> =>
  new Map(
    [
      ...read(sheet)
        .replace(/\/\*[\s\S]*?\*\//g, '')
        .matchAll(/^([^\s@}][^{}]*)\{([^{}]*)\}/gm),
    ].map(([, selector = '', rule = '']) => [selector.replace(/\s+/g, ' ').trim(), rule.replace(/\s+/g, ' ').trim()]),
  );

test('what the pages of the console and of the samples have in common is in one sheet', () => {
  const [, common = '', own = ''] = CONSOLE_SHEETS;
  const shared = rulesOf(common);
  assert.ok(shared.size > 4);
  const samples = rulesOf('samples/kit/base.css');
  for (const [selector, rule] of rulesOf(own)) assert.notEqual(samples.get(selector), rule, selector);
  for (const sheet of [own, 'samples/kit/base.css']) {
    for (const [selector, rule] of rulesOf(sheet)) assert.notEqual(shared.get(selector), rule, `${sheet}: ${selector}`);
  }
});

test('the sheets for all pages have no classes of ours but the name that stands in the page before its script', () => {
  for (const sheet of [...CONSOLE_SHEETS, 'samples/kit/base.css']) {
    const own = [...classesOf(sheet)].filter((name) => !name.startsWith('mantine-'));
    assert.deepEqual(
      own,
      sheet.startsWith('samples/') ? ['main'] : sheet.endsWith('base.css') ? ['starting'] : [],
      sheet,
    );
  }
  const named = components.flatMap((file) =>
    [...read(file).matchAll(/className="([^"]*)"/g)].map(([, name]) => `${file} ${name}`),
  );
  assert.deepEqual(
    named.filter((one) => !one.endsWith(' main')),
    [],
  );
});
