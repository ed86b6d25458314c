// npm test [-- PATH ...]: installs what the tests need and runs them all, or those below the paths named.
import { spawnSync } from 'node:child_process';
import fs, { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { ensureInstalled, root, runNode } from './bootstrap.mjs';

// Named imports of what Node 20 lacks would end this script before it begins.
const { globSync } = fs;
if (typeof globSync !== 'function') {
  // This Node is older than 24: come back under the bundled one.
  ensureInstalled();
  process.exit(await runNode([join(root, 'scripts', 'test.mjs'), ...process.argv.slice(2)]));
}

/** Debian packages that some tests run for real, and a program that shows each is there. */
const DEBIAN = {
  chromium: 'chromium',
  'redis-server': 'redis-server',
  curl: 'curl',
  spin: 'spin',
  'build-essential': 'cc',
  'nginx-light': 'nginx',
  haproxy: 'haproxy',
  fish: 'fish',
};

function ensurePrograms() {
  const missing = Object.entries(DEBIAN).filter(([, program]) => spawnSync('which', [program]).status !== 0);
  if (missing.length === 0) return;
  const names = missing.map(([name]) => name);
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || spawnSync('which', ['apt-get']).status !== 0) {
    console.error(`Missing for some tests: ${names.join(', ')}. Install them (apt-get install ${names.join(' ')}).`);
    return;
  }
  console.log(`Installing ${names.join(', ')} ...`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quiet = { env, stdio: ['ignore', 'ignore', 'inherit'] };
  spawnSync('apt-get', ['-qq', 'update'], quiet);
  const done = spawnSync('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', ...names], quiet);
  if (done.status !== 0) console.error(`Could not install ${names.join(', ')}; tests that need them will fail.`);
}

ensureInstalled();
ensurePrograms();
const build = join(root, 'scripts', 'build.mjs');
if (existsSync(build)) {
  const code = await runNode([build]);
  if (code !== 0) process.exit(code);
}

const under = process.argv.slice(2).map((path) => resolve(path));
const files = globSync(
  ['packages/*/{src,test}/**/*.test.{ts,tsx}', '{scripts,bench}/*.test.ts', 'samples/*/**/*.test.ts'],
  {
    cwd: root,
    exclude: (path) => String(path).includes('node_modules'),
  },
)
  .map((path) => join(root, path))
  .filter((path) => under.length === 0 || under.some((prefix) => path.startsWith(prefix)))
  .sort();

const scratch = mkdtempSync(join(tmpdir(), 'lockstep-test-'));

const tally = join(scratch, 'tally.json');
writeFileSync(tally, '');
const exitCode = await runNode([
  '--test',
  '--test-concurrency=2',
  '--test-timeout=300000',
  '--test-reporter=spec',
  '--test-reporter-destination=stdout',
  `--test-reporter=${join(root, 'scripts', 'tally-reporter.mjs')}`,
  `--test-reporter-destination=${tally}`,
  ...files,
]);
const { passed, failures } = JSON.parse(readFileSync(tally, 'utf8') || '{"passed":{},"failures":[]}');
if (exitCode !== 0 && failures.length === 0) failures.push({ file: '', name: `the test run ended with ${exitCode}` });
rmSync(scratch, { recursive: true, force: true });
for (const { file, name } of failures) console.log(`failed: ${file}: ${name}`);
const total = Object.values(passed).reduce((sum, count) => sum + count, 0);
console.log(`${total} passed, ${failures.length} failed`);
process.exitCode = failures.length > 0 || total === 0 ? 1 : 0;
