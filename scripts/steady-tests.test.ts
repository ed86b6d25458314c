import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const root = dirname(import.meta.dirname);
const TESTS = ['packages/*/{src,test}/**/*.test.{ts,tsx}', '{scripts,bench}/*.test.ts', 'samples/*/**/*.test.ts'];

/** What makes a test fail on a machine that is slow, or where another program runs; each with an example. */
const UNSTEADY: readonly (readonly [what: string, pattern: RegExp, example: string])[] = [
  [
    'a limit of the time that something takes: how fast it is, bench/ shows',
    /assert\.\w+\(.*(?:(?:Date|performance)\.now\(\) - \w+|\b(?:took|elapsed|durationMs))\s*<=?\s*[\d_A-Z]/,
    'assert.ok(performance.now() - begun < 1500);',
  ],
  ['the load of the machine', /\bloadavg\(/, 'const busy = loadavg()[0] > 4;'],
  [
    'a port of its own choice: listen at 0, or ask freePort()',
    /\.listen\(\s*[1-9]\d{2,4}\b/,
    "server.listen(8080, '127.0.0.1');",
  ],
  [
    'a browser with a shorter patience than that of scripts/chromium.ts',
    /\bchromium\.launch/,
    'browser = await chromium.launch({ headless: true });',
  ],
  [
    'letters that must not be there, so few that a random id may hold them: look for a whole word',
    /doesNotMatch\([^,]*JSON\.stringify.*?, \/[\w-]{1,5}\/|ok\(!JSON\.stringify\(.*\.includes\('[\w-]{1,5}'\)/,
    'assert.doesNotMatch(JSON.stringify(records), /acc-/);',
  ],
  ['a wait for a time in a page', /\bwaitForTimeout\(/, 'await page.waitForTimeout(500);'],
];

test('no test depends on how fast the machine is, or on what else runs there', () => {
  for (const [what, pattern, example] of UNSTEADY) assert.match(example, pattern, what);
  const files = globSync(TESTS, { cwd: root, exclude: (name) => /node_modules/.test(String(name)) }).filter(
    (file) => !file.endsWith('steady-tests.test.ts'),
  );
  assert.ok(files.length > 250);
  const found = files.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((line) =>
        UNSTEADY.filter(([, pattern]) => pattern.test(line)).map(([what]) => `${file}: ${what}: ${line.trim()}`),
      ),
  );
  assert.deepEqual(found, []);
});
