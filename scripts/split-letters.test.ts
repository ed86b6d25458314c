import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const root = dirname(import.meta.dirname);
const SOURCES = ['packages/*/{src,test}/**/*.{ts,tsx,mjs}', '{bench,scripts,interop,examples}/**/*.{ts,mjs}'];

/** A chunk that is made text by itself: added to a text, or turned into one that is. */
const BY_ITSELF = /\+= ?(?:String\()?(?:chunk|data|bytes|part|piece)\b(?!(?:\.\w+)*\.length)(?!\.toString\('latin1'\))/;
/** What makes chunks text of whole letters, or the chunk was text before. */
const WHOLE = /setEncoding\('utf8'\)|stream: true|createInterface|StringDecoder/;

/** Lines of a text that break a letter whose bytes come in two chunks. */
function broken(text: string): readonly string[] {
  const lines = text.split('\n');
  return lines.filter(
    (line, n) => BY_ITSELF.test(line) && !WHOLE.test(lines.slice(Math.max(0, n - 8), n + 1).join('\n')),
  );
}

test('no program of ours breaks a letter whose bytes come in two chunks', () => {
  assert.deepEqual(broken("let text = '';\nfor await (const chunk of body) text += chunk;"), [
    'for await (const chunk of body) text += chunk;',
  ]);
  assert.deepEqual(broken("request.on('data', (data) => {\n  text += data.toString();"), [
    '  text += data.toString();',
  ]);
  assert.deepEqual(broken("request.setEncoding('utf8').on('data', (data) => {\n  text += data;"), []);
  const files = globSync(SOURCES, { cwd: root, exclude: (name) => /node_modules|split-letters/.test(String(name)) });
  assert.ok(files.length > 500);
  const found = files.flatMap((file) =>
    broken(readFileSync(join(root, file), 'utf8')).map((line) => `${file}: ${line}`),
  );
  assert.deepEqual(found, []);
});
