// npm test [-- PATH ...]: installs what the tests need and runs them all, or those below the paths named.
import { spawnSync } from 'node:child_process';
import fs, { existsSync } from 'node:fs';
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
  zsh: 'zsh',
};

/** What drives the same browser with half the CPU; without it the tests take longer. */
const FASTER = { 'chromium-headless-shell': 'chromium-headless-shell' };

/** Installs the packages whose programs are missing, where that is possible. @param consequence of those that stay missing */
function ensurePrograms(packages, consequence) {
  const missing = Object.entries(packages).filter(([, program]) => spawnSync('which', [program]).status !== 0);
  if (missing.length === 0) return;
  const names = missing.map(([name]) => name);
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || spawnSync('which', ['apt-get']).status !== 0) {
    console.error(`Missing: ${names.join(', ')}: ${consequence}. To install: apt-get install ${names.join(' ')}`);
    return;
  }
  console.log(`Installing ${names.join(', ')} ...`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quiet = { env, stdio: ['ignore', 'ignore', 'inherit'] };
  // A machine without a network is not to wait for one.
  const soon = ['-qq', '-o', 'Acquire::Retries=0', '-o', 'Acquire::http::Timeout=15'];
  spawnSync('apt-get', [...soon, 'update'], quiet);
  const done = spawnSync('apt-get', [...soon, 'install', '-y', '--no-install-recommends', ...names], quiet);
  if (done.status !== 0) console.error(`Could not install ${names.join(', ')}: ${consequence}.`);
}

ensureInstalled();
ensurePrograms(DEBIAN, 'tests that need them will fail');
ensurePrograms(FASTER, 'the tests take longer');
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

process.exitCode = await runNode([join(root, 'scripts', 'run-tests.mjs'), ...files]);
