import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { pages } from './docs.ts';

test('the pages made from the sources are up to date: npm run docs writes them', () => {
  for (const [path, text] of pages()) {
    const written = readFileSync(join(dirname(import.meta.dirname), path), 'utf8');
    assert.equal(written, text, `${path} is not what the sources say: run npm run docs`);
  }
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
