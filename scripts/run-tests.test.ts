import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { type TestContext, test } from 'node:test';

const RUNNER = join(import.meta.dirname, 'run-tests.mjs');

/** Runs test files of these texts. @returns the exit code, and the lines from the first failure on */
function run(t: TestContext, ...texts: string[]): { code: number | null; last: string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-run-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const files = texts.map((text, index) => {
    const file = join(folder, `${index}.test.mjs`);
    writeFileSync(file, `import { after, describe, test } from 'node:test';\n${text}`);
    return file;
  });
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout } = spawnSync(process.execPath, [RUNNER, ...files], { env, encoding: 'utf8' });
  const lines = stdout.trim().split('\n');
  return { code: status, last: lines.filter((line) => /^failed: |^\d+ passed, \d+ failed$/.test(line)) };
}

test('a run in which every test passed ends with 0 and their number', (t) => {
  const passes = "test('good', () => {}); describe('more', () => test('good too', () => {}));";
  assert.deepEqual(run(t, passes, passes), { code: 0, last: ['4 passed, 0 failed'] });
});

const FAILURES: Readonly<Record<string, readonly [text: string, name: RegExp]>> = {
  'a test that fails': ["test('bad', () => { throw new Error('no'); });", /0\.test\.mjs: bad$/],
  'a test in a suite': ["describe('all', () => test('bad', () => { throw new Error('no'); }));", /0\.test\.mjs: bad$/],
  'a file that cannot be read': ['what is this', /0\.test\.mjs$/],
  'a file that ends with a code of its own': ['process.exitCode = 3;', /0\.test\.mjs$/],
  'a test in whose time a timer throws': [
    "test('bad', async () => { setTimeout(() => { throw new Error('no'); }); await new Promise((resolve) => setTimeout(resolve, 200)); });",
    /0\.test\.mjs: bad$/,
  ],
  'a test that leaves a rejection unhandled': [
    "test('bad', async () => { Promise.reject(new Error('no')); await new Promise((resolve) => setTimeout(resolve, 200)); });",
    /0\.test\.mjs: bad$/,
  ],
  'a file whose timer throws after its tests': [
    "test('good', () => { setTimeout(() => { throw new Error('no'); }, 50); });",
    /0\.test\.mjs$/,
  ],
  'a test that another test starts': [
    "test('outer', () => test('bad', async () => { await null; throw new Error('no'); }));",
    /0\.test\.mjs: bad$/,
  ],
  'a suite that cannot be cleaned up': [
    "describe('all', () => { after(() => { throw new Error('no'); }); test('good', () => {}); });",
    /a suite/,
  ],
};
for (const [what, [text, name]] of Object.entries(FAILURES)) {
  test(`${what} is named, and the run ends with 1`, (t) => {
    const { code, last } = run(t, text, "test('good', () => {});");
    assert.equal(code, 1, last.join('\n'));
    assert.match(last[0] ?? '', name);
    assert.match(last.at(-1) ?? '', /^\d+ passed, [1-9]\d* failed$/);
  });
}

test('a run without a test ends with 1', (t) => {
  assert.equal(run(t).code, 1);
});

test('every file that is started first is there', () => {
  const named = Array.from(readFileSync(RUNNER, 'utf8').matchAll(/'(\S+\.test\.ts)'/g), ([, path = '']) => path);
  assert.ok(named.length > 10);
  for (const path of named) assert.ok(existsSync(join(dirname(import.meta.dirname), path)), path);
});
