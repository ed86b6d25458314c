import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { basename } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DOORS } from '../src/http/doors/doors.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const page = (name: string): string => readFileSync(`${ROOT}docs/security/${name}`, 'utf8');

describe('the security pages', () => {
  it('name tests that are there, by the words of their titles', async () => {
    const tests = new Map<string, string>();
    for await (const path of glob(['packages/*/{src,test}/**/*.test.ts', 'scripts/**/*.test.ts'], { cwd: ROOT })) {
      tests.set(basename(path), `${tests.get(basename(path)) ?? ''}${readFileSync(`${ROOT}${path}`, 'utf8')}`);
    }
    for (const name of ['threat-model.md', 'asvs.md']) {
      for (const [, file = '', titles = ''] of page(name).matchAll(/`([\w/-]*[\w-]+\.test\.ts)`((?:,? "[^"]+")*)/g)) {
        const source = tests.get(basename(file));
        assert.ok(source !== undefined, `${name}: ${file}`);
        for (const [, title = ''] of titles.matchAll(/"([^"]+)"/g))
          assert.ok(source.includes(title), `${name}: ${file} has no "${title}"`);
      }
    }
  });

  it('ASVS has every chapter of version 5.0, each row with how and by what', () => {
    const rows = page('asvs.md')
      .split('\n')
      .filter((line) => /^\| V\d/.test(line));
    const chapters = new Set(rows.map((row) => /V(\d+)/.exec(row)?.[1]));
    assert.deepEqual(
      [...chapters].map(Number).sort((a, b) => a - b),
      Array.from({ length: 17 }, (_, index) => index + 1),
    );
    for (const row of rows) assert.match(row, /^\| V[\d.,– V]+ [^|]+\| [^|]+ \| [^|]+ \|$/, row);
  });

  it('the threat model has a part for every kind of door', () => {
    const text = page('threat-model.md');
    for (const { path } of DOORS) {
      const [, part = ''] = /^\/(hub|fhir|auth|launch|api\/console|api\/admin)/.exec(path) ?? [];
      assert.ok(text.includes(`\`/${part}`) || part === '', path);
    }
  });
});
