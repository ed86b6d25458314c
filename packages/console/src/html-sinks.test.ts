/** What is published or stored may hold markup, a narrative before all (`text.div`): no page of ours makes HTML of text (CWE-79). */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../../../scripts/bootstrap.mjs';

const SINKS =
  /dangerouslySetInnerHTML|\b(innerHTML|outerHTML|srcdoc)\b|insertAdjacentHTML|document\.write|createContextualFragment|setHTMLUnsafe|DOMParser|(?<![.#\w])eval\(|new Function\(/;
const SOURCES = [
  'packages/*/src/**/*.{ts,tsx}',
  'samples/**/*.{ts,tsx,html}',
  'examples/**/*.{js,mjs,ts,html}',
  'packages/*/*.html',
];
/** What only reads or refuses such a name. */
const NAMES_ONLY = [
  'packages/r4/src/narrative.ts',
  'packages/r4/src/narrative.test.ts',
  'packages/console/src/html-sinks.test.ts',
];

test('no page makes HTML of text', () => {
  const files = globSync(SOURCES, { cwd: root, exclude: (name) => /^(node_modules|dist)$/.test(name) });
  assert.ok(files.length > 500, `${files.length} files`);
  const found = files
    .filter((file) => !/(^|\/)(node_modules|dist)\//.test(file) && !NAMES_ONLY.includes(file))
    .filter((file) => SINKS.test(readFileSync(join(root, file), 'utf8')));
  assert.deepEqual(found, []);
});
