import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { type TestContext, test } from 'node:test';

const root = dirname(import.meta.dirname);

test('every page is in the navigation of the site, but for decisions and what another page shows', () => {
  const config = readFileSync(join(root, 'site', '.vitepress', 'config.ts'), 'utf8');
  const linked = new Set([...config.matchAll(/link: '\/([^']*)'/g)].map(([, path]) => path));
  const pages = globSync('**/*.md', { cwd: join(root, 'docs') }).map((path) => path.replace(/\.md$/, ''));
  const missing = pages.filter((path) => !linked.has(path) && !/^(index|decisions\/0.*|safety\/pictures)$/.test(path));
  assert.deepEqual(missing, []);
});

/** A folder that is removed after the test. */
function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-site-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Builds the site. @returns the folder of its pages */
function build(t: TestContext, ...more: string[]): string {
  const folder = temporary(t);
  const args = [join(root, 'scripts', 'site.mjs'), folder, ...more];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
  return folder;
}

test('the documentation site builds, with no link that leads nowhere', (t) => {
  const folder = build(t);
  const start = readFileSync(join(folder, 'index.html'), 'utf8');
  assert.match(start, /Where to go from here/);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.ok(start.includes(version), 'the pages do not say which version they describe');
  assert.match(readFileSync(join(folder, 'changelog.html'), 'utf8'), /All notable changes/);
  const pages = globSync('**/*.md', { cwd: join(root, 'docs') }).map((path) => path.replace(/\.md$/, '.html'));
  const made = new Set(globSync('**/*.html', { cwd: folder }));
  for (const page of pages) assert.ok(made.has(page), `${page} is missing`);
});

test('the pages of releases stay, each below its version, and a menu leads from each to the others', (t) => {
  const checkout = temporary(t);
  const git = (...args: string[]): void => {
    const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@example.org', '-c', 'commit.gpgsign=false'];
    execFileSync('git', ['-C', checkout, ...identity, ...args]);
  };
  const write = (version: string, text: string): void => {
    writeFileSync(join(checkout, 'package.json'), JSON.stringify({ version }));
    writeFileSync(join(checkout, 'docs', 'index.md'), `# Lockstep\n\n${text}\n`);
    git('add', '.');
    git('commit', '--quiet', '--message', text);
  };
  git('init', '--quiet');
  mkdirSync(join(checkout, 'docs'));
  cpSync(join(root, 'site', '.vitepress'), join(checkout, 'site', '.vitepress'), {
    recursive: true,
    filter: (path) => !path.endsWith('.cache'),
  });
  cpSync(join(root, 'site', 'package.json'), join(checkout, 'site', 'package.json'));
  writeFileSync(join(checkout, '.gitignore'), 'node_modules\n.cache\n');
  writeFileSync(join(checkout, 'CHANGELOG.md'), '# Changelog\n');
  // Two patches of one minor version: the newer one's pages are kept.
  for (const version of ['1.9.0', '1.9.1']) {
    write(version, `Written for ${version}.`);
    git('tag', `v${version}`);
  }
  git('tag', 'v2.0.0-rc.1');
  write('1.9.1', 'Written since.');
  const folder = build(t, '--of', checkout, '--base', '/docs/');
  const menu = [
    ['next', '/docs/'],
    ['1.9.1', '/docs/versions/1.9.1/'],
  ];
  const pages: Record<string, string> = {
    'index.html': 'Written since.',
    'versions/1.9.1/index.html': 'Written for 1.9.1.',
  };
  assert.deepEqual(globSync('**/index.html', { cwd: folder }).sort(), Object.keys(pages).sort());
  for (const [path, text] of Object.entries(pages)) {
    const page = readFileSync(join(folder, path), 'utf8');
    assert.ok(page.includes(text), path);
    const links = [...page.matchAll(/<a class="version-link" href="([^"]*)"[^>]*>([^<]*)</g)];
    assert.deepEqual(
      links.map(([, address, name]) => [name, address]),
      menu,
      path,
    );
    const [, script = ''] = /<script type="module" src="([^"]*)"/.exec(page) ?? [];
    readFileSync(join(folder, script.replace('/docs/', '')));
  }
});
