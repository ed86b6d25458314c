import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { app as writer } from '../../../../samples/report-writer/manifest.ts';
import { app as viewer } from '../../../../samples/viewer/manifest.ts';
import { languages, readCatalog, SAMPLES } from '../../build/messages.ts';
import { foundBy, inOrder } from '../apps/shelf.ts';
import { appWords } from './app-words.ts';
import { speak } from './testing.ts';

after(() => speak('en', 'en-GB'));

test('what the samples register is called in every language what the samples call themselves', () => {
  for (const language of languages(SAMPLES)) {
    speak(language, language);
    const own = readCatalog(language, SAMPLES);
    for (const { name, description, words } of [viewer, writer]) {
      assert.equal(appWords(name), own[`${words}.name`], language);
      assert.equal(appWords(description), own[`${words}.description`], language);
    }
  }
});

test('what others are called stays as it is', () => {
  speak('de', 'de-DE');
  for (const name of [
    '',
    'Image Viewer',
    'image viewer',
    'PACS',
    'toString',
    '__proto__',
    'words',
    '{x}',
    'Image viewer 2',
  ])
    assert.equal(appWords(name), name);
});

test('apps are found by their name in the language of the person and in English, and are in the order of what is read', () => {
  speak('de', 'de-DE');
  const app = (name: string) => ({ id: name, name, launchKinds: [], status: 'active' as const, registeredAt: 0 });
  const apps = [app(viewer.name), app('Chart'), app(writer.name)] as unknown as Parameters<typeof foundBy>[0];
  const names = (found: typeof apps) => found.map(({ name }) => appWords(name));
  for (const query of ['bildbetr', 'image', 'VIEWER'])
    assert.deepEqual(names(foundBy(apps, query)), ['Bildbetrachter'], query);
  const shelf = { favourites: [], recent: [] };
  assert.deepEqual(names(inOrder(apps, shelf)), ['Befundschreiber', 'Bildbetrachter', 'Chart']);
});
