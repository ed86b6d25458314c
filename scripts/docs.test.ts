import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { pages } from './docs.ts';
import { rulesPage } from './rules-page.ts';

test('the pages made from the sources are up to date: npm run docs writes them', () => {
  for (const [path, text] of pages()) {
    const written = readFileSync(join(dirname(import.meta.dirname), path), 'utf8');
    assert.equal(written, text, `${path} is not what the sources say: run npm run docs`);
  }
});

test('every rule has a test whose title names it, and the page leads there: npm run docs writes it', () => {
  const root = dirname(import.meta.dirname);
  const page = rulesPage(root);
  const written = readFileSync(join(root, 'docs', 'rules.md'), 'utf8');
  const ids = (text: string): readonly string[] =>
    [...text.matchAll(/^### ([A-Z]{3}-\d+): /gm)].map(([, id = '']) => id);
  assert.deepEqual(ids(written), ids(page));
  assert.equal(new Set(ids(page)).size, ids(page).length, 'each once');
  for (const kind of new Set(ids(page).map((id) => id.slice(0, 3)))) {
    const numbers = ids(page)
      .filter((id) => id.startsWith(kind))
      .map((id) => Number(id.slice(4)));
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => index + 1),
      `${kind}: no gap`,
    );
  }
});

test('a rule that no test names stops the page', (t) => {
  const empty = mkdtempSync(join(tmpdir(), 'lockstep-rules-'));
  t.after(() => rmSync(empty, { recursive: true }));
  assert.throws(() => rulesPage(empty), /no title of a test names SES-1, /);
});

test('every public name of the client library is documented', () => {
  const reference = pages().get('docs/api/client.md') ?? '';
  for (const name of [
    'Subscriber',
    'SubscriberOptions',
    'SyncState',
    'fromSmart',
    'fromTicket',
    'refuse',
    'HubError',
  ]) {
    assert.match(reference, new RegExp(`### ${name}\n\n[^\`]`), name);
  }
  assert.ok(!reference.includes('#private'), 'what is private is not shown');
});
