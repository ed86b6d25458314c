import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';

const root = dirname(import.meta.dirname);

test('every page is in the navigation of the site, but for decisions and what another page shows', () => {
  const config = readFileSync(join(root, 'site', '.vitepress', 'config.ts'), 'utf8');
  const linked = new Set([...config.matchAll(/link: '\/([^']*)'/g)].map(([, path]) => path));
  const pages = globSync('**/*.md', { cwd: join(root, 'docs') }).map((path) => path.replace(/\.md$/, ''));
  const missing = pages.filter((path) => !linked.has(path) && !/^(index|decisions\/0.*|safety\/pictures)$/.test(path));
  assert.deepEqual(missing, []);
});

test('the documentation site builds, with no link that leads nowhere', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-site-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const built = spawnSync(process.execPath, [join(root, 'scripts', 'site.mjs'), folder], { encoding: 'utf8' });
  assert.equal(built.status, 0, built.stdout + built.stderr);
  const start = readFileSync(join(folder, 'index.html'), 'utf8');
  assert.match(start, /Where to go from here/);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.ok(start.includes(version), 'the pages do not say which version they describe');
  assert.match(readFileSync(join(folder, 'changelog.html'), 'utf8'), /All notable changes/);
  const pages = globSync('**/*.md', { cwd: join(root, 'docs') }).map((path) => path.replace(/\.md$/, '.html'));
  const made = new Set(globSync('**/*.html', { cwd: folder }));
  for (const page of pages) assert.ok(made.has(page), `${page} is missing`);
});
