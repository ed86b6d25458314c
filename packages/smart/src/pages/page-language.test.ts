import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { PageLanguages } from './page-language.ts';
import { RECORD_WORDS, SENTENCES } from './sentences.ts';

const FOLDER = new URL('../../languages/', import.meta.url);
const catalogOf = (tag: string): Record<string, string> =>
  JSON.parse(readFileSync(new URL(`${tag}.json`, FOLDER), 'utf8'));
const languages = new PageLanguages();
const placesIn = (text: string): number => text.match(/\{\d?\}/g)?.length ?? 0;

describe('AUT-5 the languages of the pages', () => {
  for (const tag of languages.tags.filter((one) => one !== 'en')) {
    it(`${tag} has every sentence, with its values, and nothing else`, () => {
      const catalog = catalogOf(tag);
      assert.deepEqual(Object.keys(catalog).sort(), [...SENTENCES, ...RECORD_WORDS].sort());
      for (const [english, text] of Object.entries(catalog)) {
        assert.ok(text.trim() !== '', english);
        assert.equal(placesIn(text), placesIn(english), english);
      }
    });
  }

  it('have no sentence that nobody says', () => {
    const files = globSync('**/*.ts', { cwd: new URL('../', import.meta.url) });
    const sources = files
      .filter((file) => !file.endsWith('.test.ts') && !file.endsWith('sentences.ts'))
      .map((file) => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8'))
      // What the server says on these pages itself.
      .concat(
        ['http/early-refusals', 'http/simulation', 'simulation/faults', 'simulation/person'].map((file) =>
          readFileSync(new URL(`../../../server/src/${file}.ts`, import.meta.url), 'utf8'),
        ),
      )
      .join('\n');
    assert.deepEqual(
      SENTENCES.filter((one) => !sources.includes(`'${one}'`)),
      [],
    );
  });

  it('are found by what the person chose, the app wants and the browser likes, in this order', () => {
    const table: readonly (readonly [
      asked: Parameters<PageLanguages['find']>[0],
      tag: string,
      date: string | undefined,
    ])[] = [
      [{}, 'en', '30 Nov 2026'],
      [{ accepted: '' }, 'en', undefined],
      [{ accepted: 'de' }, 'de', '30.11.2026'],
      [{ accepted: 'DE-at' }, 'de', '30.11.2026'],
      [{ accepted: 'de-Latn-CH-1996, de' }, 'de', '30.11.2026'],
      [{ accepted: 'fr, de;q=0.3' }, 'de', undefined],
      [{ accepted: 'en, de' }, 'en', undefined],
      [{ accepted: 'en-US, de' }, 'en', 'Nov 30, 2026'],
      [{ accepted: 'en;q=0.1, de;q=0.2' }, 'de', undefined],
      [{ accepted: 'de;q=0' }, 'en', undefined],
      [{ accepted: 'de;q=x, en' }, 'en', undefined],
      [{ accepted: 'de-u-ca-buddhist' }, 'en', '30 Nov 2026'],
      [{ accepted: '*' }, 'en', undefined],
      [{ accepted: `${'x,'.repeat(100_000)}de` }, 'en', undefined],
      [{ accepted: 'en', wanted: 'fr de' }, 'de', undefined],
      [{ accepted: 'en', wanted: 'xx' }, 'en', undefined],
      [{ accepted: 'de', wanted: 'de', chosen: 'en' }, 'en', undefined],
      [{ accepted: 'en-US', chosen: 'de' }, 'de', '30.11.2026'],
      [{ accepted: 'de, en-US', chosen: 'en' }, 'en', 'Nov 30, 2026'],
      [{ accepted: 'de', chosen: '../de' }, 'de', undefined],
      [{ accepted: 'de', chosen: '__proto__' }, 'de', undefined],
    ];
    for (const [asked, tag, date] of table) {
      const found = languages.find(asked);
      const which = JSON.stringify(asked).slice(0, 80);
      assert.equal(found.tag, tag, which);
      if (date !== undefined) assert.equal(found.day(Date.UTC(2026, 10, 30)), date, which);
    }
  });

  it('write times by the locale, with the zone that they are in', () => {
    const at = Date.UTC(2026, 10, 30, 19, 5);
    assert.match(languages.find({ accepted: 'de' }).moment(at), /^30\.11\.2026, 19:05 UTC$/);
    assert.match(languages.find({}).moment(at), /^30 Nov 2026, 19:05 UTC$/);
    assert.match(languages.find({ accepted: 'en-US' }).moment(at), /^Nov 30, 2026, 7:05\sPM UTC$/);
  });

  it('write dates of records as far as they are known, and leave what is no date as it is', () => {
    const german = languages.find({ accepted: 'de' });
    for (const [written, date] of [
      ['1957', '1957'],
      ['1957-03', 'März 1957'],
      ['1957-03-02', '02.03.1957'],
      ['2026-11-20T23:30:00-05:00', '20.11.2026'],
      ['2026-13-40', '2026-13-40'],
      ['soon', 'soon'],
      ['', ''],
    ] as const)
      assert.equal(german.date(written), date);
  });

  it('put values where the language has them, and read none of them as a place', () => {
    const german = languages.find({ accepted: 'de' });
    assert.equal(german.words('Sign in with {}', '{}'), 'Anmelden mit {}');
    const records = german.words('{} {} records of the chosen patient', '{2}', 'x');
    assert.equal(records, 'Einträge der Art „x“ des gewählten Patienten {2}');
    assert.equal(german.code('finished'), 'abgeschlossen');
    assert.equal(german.code('constructor'), 'constructor');
  });

  it('can be added by one file', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'lockstep-languages-'));
    t.after(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'ar.json'), JSON.stringify({ 'Sign in': 'تسجيل الدخول' }));
    const more = new PageLanguages(pathToFileURL(`${folder}/`));
    assert.deepEqual(more.tags, ['en', 'ar']);
    const arabic = more.find({ accepted: 'ar-EG' });
    assert.deepEqual([arabic.words('Sign in'), arabic.isRightToLeft], ['تسجيل الدخول', true]);
  });
});
