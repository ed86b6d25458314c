import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { languages, REASONS, readCatalog } from '../../build/messages.ts';
import { reasonWords } from './reasons.ts';
import { speak } from './testing.ts';

after(() => speak('en', 'en-GB'));

const GERMAN = readCatalog('de', REASONS);
const REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url));

const sources = (pattern: string): string =>
  globSync(pattern, { cwd: REPOSITORY, exclude: ['**/*.test.ts', '**/node_modules/**', '**/dist/**'] })
    .map((file) => readFileSync(`${REPOSITORY}${file}`, 'utf8'))
    .join('\n');

test('a reason is said in the language of the person, alone and in the sentences around it', () => {
  speak('de', 'de-DE');
  for (const [said, words] of [
    ['a report is not signed or saved', 'ein Befund ist nicht unterschrieben oder gespeichert'],
    ['denied: The lease has ended', 'abgewiesen: die Laufzeit ist abgelaufen'],
    ['the connection was closed (1006)', 'die Verbindung wurde geschlossen (1006)'],
    ['the connection was closed (1001: going away)', 'die Verbindung wurde geschlossen (1001: going away)'],
    ['the application answered 409', 'die Anwendung antwortete 409'],
    // A name alone before a reason is put into words too, as `<lockstep-status>` says it.
    ['Report writer: the record does not allow it', 'Befundschreiber: die Akte erlaubt es nicht'],
    ['Report writer: somebody is at the scanner', 'Befundschreiber: somebody is at the scanner'],
    ['PACS: a note is not saved', 'PACS: eine Notiz ist nicht gespeichert'],
    ['Image viewer has not answered yet', 'Bildbetrachter hat noch nicht geantwortet'],
    [
      'Report writer was sent Patient-open and refused to follow it (409): a report is not signed or saved.',
      'Befundschreiber folgt nicht (409): ein Befund ist nicht unterschrieben oder gespeichert.',
    ],
    ['PACS did not answer Patient-open within 10 seconds.', 'PACS hat nicht rechtzeitig geantwortet.'],
    ['PACS lost its connection (1006) and may not follow the context.', 'PACS hat die Verbindung verloren (1006).'],
    ['PACS did not follow: somebody is at the scanner', 'PACS ist nicht gefolgt: somebody is at the scanner'],
  ] as const) {
    assert.equal(reasonWords(said), words);
  }
});

test('words that no catalog knows, and whatever else is sent as a reason, stay as they are', () => {
  speak('de', 'de-DE');
  for (const said of [
    '',
    '.',
    ' ',
    ': ',
    '(409)',
    'toString',
    '__proto__',
    'constructor: toString',
    'der Rechner ist aus',
    '<b>a note is not saved',
    `a note is not saved ${'x'.repeat(10_000)}`,
    `${'a '.repeat(5000)}`,
  ]) {
    assert.equal(reasonWords(said), said);
  }
});

test('in English a reason is what was said', () => {
  speak('en', 'en-GB');
  for (const said of Object.keys(GERMAN)) assert.equal(reasonWords(said), said);
});

test('every language has words for all reasons', () => {
  for (const language of languages(REASONS)) {
    assert.deepEqual(Object.keys(readCatalog(language, REASONS)).sort(), Object.keys(GERMAN).sort(), language);
  }
});

test('what the client, the Hub, the authorization server and the samples give as reasons can be said in other languages', () => {
  const patterns: Readonly<Record<string, readonly RegExp[]>> = {
    'packages/client/src/*.ts': [
      /\breason: '([a-z][^']* [^']*)'/g,
      /\b(?:suspect|uncertain|markUncertain|verify|refuse)\('([a-z][^']* [^']*)'/g,
    ],
    'packages/hub/src/rules/{connection,guests,lease}.ts': [/(?:reason:|[A-Z]+ =) '([A-Z]?[a-z][^']* [^']*)'/g],
    'packages/hub/src/live/*.ts': [/\breason: '([A-Z][^']* [^']*)'/g],
    'packages/smart/src/*.ts': [/\.(?:#end|end|endGrant|endToken)\([^()]*, '([a-z][^']*)'/g],
    'packages/server/src/http/*.ts': [/\bend(?:Sessions|Session|OtherAccess)\(.*, '([A-Za-z][^']*)'/g],
    '{packages/console/src,samples}/**/*.{ts,tsx}': [/\brefuse\('([^']+)'/g, /: Reason =\s+'([^']+)'/g],
  };
  for (const [files, kinds] of Object.entries(patterns)) {
    const text = sources(files);
    const found = kinds.flatMap((kind) => [...text.matchAll(kind)].map(([, reason = '']) => reason));
    assert.ok(found.length > 0, files);
    assert.deepEqual(
      [...new Set(found)].filter((reason) => !(reason in GERMAN)),
      [],
      files,
    );
  }
});
