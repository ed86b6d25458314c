// npm run site [-- FOLDER] [--base /PATH/] [--of CHECKOUT]: builds the documentation site from docs/ into site/dist, or into FOLDER:
// the pages of the checkout, and below versions/X.Y.Z/ those of releases, from their tags. A dead link fails the build.
// --base: where on its host the site will be. --of: another checkout than this one.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { root, runNode } from './bootstrap.mjs';

const { values, positionals } = parseArgs({
  options: { base: { type: 'string', default: '/' }, of: { type: 'string', default: root } },
  allowPositionals: true,
});
const { base } = values;
if (!/^\/(.*\/)?$/.test(base)) {
  console.error(`--base is ${base}: it begins and ends with a slash, such as /docs/.`);
  process.exit(2);
}
const checkout = resolve(values.of);
const out = resolve(positionals[0] ?? join(root, 'site', 'dist'));

/** Installs VitePress where it is not there yet, or another version was. @returns the folder of its packages */
function installGenerator() {
  const site = join(root, 'site');
  const modules = join(site, 'node_modules');
  const stamp = join(modules, '.lockstep-installed');
  const wanted = readFileSync(join(site, 'package-lock.json'), 'utf8');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return modules;
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const installed = spawnSync(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: site,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (installed.status !== 0) process.exit(1);
  writeFileSync(stamp, wanted);
  return modules;
}

const git = (...args) => spawnSync('git', ['-C', checkout, ...args], { encoding: 'utf8' });

/**
 * Releases whose pages are kept, the newest first: the newest patch of each minor version. The one that is checked out is not among
 * them. None where there is no git, as in a downloaded archive.
 */
function olderReleases() {
  const here = git('tag', '--points-at', 'HEAD').stdout?.split('\n') ?? [];
  const tags = git('tag', '--list', 'v*', '--sort=-version:refname').stdout?.split('\n') ?? [];
  const minors = new Set();
  return tags.flatMap((tag) => {
    const [, minor] = /^v(\d+\.\d+)\.\d+$/.exec(tag) ?? [];
    if (minor === undefined || minors.has(minor)) return [];
    minors.add(minor);
    // Before it had a site, a release had pages that nothing can build.
    return here.includes(tag) || git('cat-file', '-e', `${tag}:site`).status !== 0 ? [] : [tag.slice(1)];
  });
}

/** What the checkout is called: its version, or `next` when that was released and work has gone on since. */
function currentName() {
  const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
  return older.includes(version) ? 'next' : version;
}

/** Builds the pages of a folder that holds docs/, site/, CHANGELOG.md and package.json. */
async function build(folder, path, name) {
  const linked = join(folder, 'site', 'node_modules');
  if (!existsSync(linked)) symlinkSync(modules, linked, 'junction');
  const versions = [current, ...older].map((one) => ({
    name: one,
    address: one === current ? base : `${base}versions/${one}/`,
  }));
  // The site's config.ts makes the menu of versions of it.
  process.env.SITE_VERSIONS = JSON.stringify({ name, versions });
  const vitepress = join(modules, 'vitepress', 'bin', 'vitepress.js');
  const args = ['build', join(folder, 'site'), '--outDir', join(out, path), '--base', `${base}${path}`];
  const code = await runNode([vitepress, ...args]);
  if (code !== 0) {
    console.error(`The pages of ${name} could not be built.`);
    process.exit(1);
  }
}

const modules = installGenerator();
const older = olderReleases();
const current = currentName();
await build(checkout, '', current);
for (const version of older) {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-site-'));
  try {
    const archive = join(folder, 'release.tar');
    const paths = ['docs', 'site', 'CHANGELOG.md', 'package.json'];
    execFileSync('git', ['-C', checkout, 'archive', '--output', archive, `v${version}`, ...paths]);
    mkdirSync(join(folder, 'release'));
    execFileSync('tar', ['-xf', archive, '-C', join(folder, 'release')]);
    await build(join(folder, 'release'), `versions/${version}/`, version);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
