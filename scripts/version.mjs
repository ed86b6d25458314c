// npm run version: gives all packages their next version, as the changesets in .changeset/ say, and writes the changelogs.
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import process from 'node:process';

// Not the real path of this file: a checkout may be tried whose node_modules is a link.
const root = dirname(dirname(process.argv[1]));
const path = (...names) => join(root, ...names);
const read = (...names) => readFileSync(path(...names), 'utf8');

/** Changes a file by its text. */
function rewrite(name, change) {
  writeFileSync(path(name), change(read(name)));
}

function rewriteJson(name, change) {
  rewrite(name, (text) => {
    const value = JSON.parse(text);
    change(value);
    return `${JSON.stringify(value, null, 2)}\n`;
  });
}

/** The sentences of the changesets, each as an item of a list. */
function recordedChanges() {
  return globSync('*.md', { cwd: path('.changeset') })
    .sort()
    .map((name) => {
      const [, , text = ''] = read('.changeset', basename(name)).split(/^---$/m);
      return `- ${text.trim().replaceAll('\n', '\n  ')}`;
    });
}

const changes = recordedChanges();
if (changes.length === 0) {
  console.error('.changeset/ holds no change to release: npx changeset records one.');
  process.exit(1);
}
const changesets = path('node_modules', '@changesets', 'cli', 'bin.js');
const done = spawnSync(process.execPath, [changesets, 'version'], { cwd: root, stdio: 'inherit' });
if (done.status !== 0) process.exit(1);

const { version } = JSON.parse(read('packages', 'server', 'package.json'));
rewriteJson('package.json', (manifest) => {
  manifest.version = version;
});
rewriteJson('package-lock.json', (lock) => {
  lock.version = version;
  for (const [folder, entry] of Object.entries(lock.packages)) {
    if (!folder.includes('node_modules') && entry.version !== undefined) entry.version = version;
  }
});
rewrite('deploy/helm/lockstep/Chart.yaml', (text) => text.replace(/^(version|appVersion): .*$/gm, `$1: ${version}`));
rewrite('CHANGELOG.md', (text) => {
  const heading = `## ${version} (${new Date().toISOString().slice(0, 10)})\n\n${changes.join('\n')}\n`;
  const [head, unreleased, rest] = text.split(/^(## Unreleased\n\n)/m);
  if (unreleased !== undefined) return `${head}${heading}${rest}`;
  const first = text.search(/^## /m);
  return first < 0 ? `${text}\n${heading}` : `${text.slice(0, first)}${heading}\n${text.slice(first)}`;
});
console.log(`All packages have version ${version} now. npm run helm writes the manifests with it.`);
