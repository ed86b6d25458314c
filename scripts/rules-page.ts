/** The page that leads from each rule to the tests whose titles name it. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RULES } from './rules.ts';

const TESTS = [
  'packages/*/{src,test}/**/*.test.{ts,tsx}',
  'samples/*/**/*.test.ts',
  'scripts/*.test.ts',
  'interop/*.test.ts',
];
const TITLE = /\b(?:test|it|describe|suite)\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g;

export interface NamedTest {
  /** Path below the repository. */
  readonly file: string;
  readonly title: string;
}

/** A title as it is read: without escapes; `…` for what a table fills in. */
function readable(title: string): string {
  return title
    .replace(/\$\{[^}]*\}/g, '…')
    .replace(/\\(.)/g, '$1')
    .replaceAll('`', "'");
}

/** The tests and suites by the rule ids in their titles. */
export function testsByRule(root: string): ReadonlyMap<string, readonly NamedTest[]> {
  const found = new Map<string, NamedTest[]>();
  const files = globSync(TESTS, { cwd: root, exclude: (path) => String(path).includes('node_modules') });
  for (const file of files.map((path) => path.replaceAll('\\', '/')).sort()) {
    for (const [, ...quoted] of readFileSync(join(root, file), 'utf8').matchAll(TITLE)) {
      const title = quoted.find((one) => one !== undefined) ?? '';
      for (const id of new Set(title.match(/\b[A-Z]{3}-\d+\b/g))) {
        found.set(id, [...(found.get(id) ?? []), { file, title: readable(title) }]);
      }
    }
  }
  return found;
}

/**
 * The page as Markdown.
 * @throws naming every rule that no test names
 */
export function rulesPage(root: string): string {
  const tests = testsByRule(root);
  const without = Object.values(RULES).flatMap((rules) => rules.map(([id]) => id).filter((id) => !tests.has(id)));
  if (without.length > 0) throw new Error(`no title of a test names ${without.join(', ')}`);
  const parts = [
    '# Rules and their tests',
    'Each rule that Lockstep keeps has an id, and each id is in the title of the tests that prove it: `npm test` runs them all. This page\n' +
      'is made from the tests by `npm run docs`, which fails when a rule has none.',
  ];
  for (const [kind, rules] of Object.entries(RULES)) {
    parts.push(`## ${kind}`);
    for (const [id, about] of rules) {
      const byFile = Map.groupBy(tests.get(id) ?? [], ({ file }) => file);
      const lines = [...byFile].flatMap(([file, named]) => [
        `- ${file}`,
        ...named.map(({ title }) => `  - \`${title}\``),
      ]);
      parts.push(`### ${id}: ${about}`, lines.join('\n'));
    }
  }
  return `${parts.join('\n\n')}\n`;
}
