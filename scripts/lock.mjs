// node scripts/lock.mjs [--fresh]: after `npm install` of a package, writes package-lock.json with the packages of every platform,
// without download addresses and without engines.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { markInstalled, root } from './bootstrap.mjs';

const path = join(root, 'package-lock.json');
if (process.argv.includes('--fresh')) rmSync(path, { force: true });
const npm = ['install', '--package-lock-only', '--omit-lockfile-registry-resolved=false'];
const done = spawnSync('npm', npm, { cwd: root, stdio: 'inherit' });
if (done.status !== 0) process.exit(1);
const lock = JSON.parse(readFileSync(path, 'utf8'));
const unchecked = [];
for (const [name, entry] of Object.entries(lock.packages)) {
  // Packages run on the Node that scripts/bootstrap.mjs brings. npm would warn about the one that npm itself runs on.
  if (name !== '') delete entry.engines;
  if (String(entry.resolved).startsWith('http')) delete entry.resolved;
  if (name.includes('node_modules/') && !entry.link && !entry.inBundle && !entry.integrity) unchecked.push(name);
}
if (unchecked.length > 0) {
  console.error(`No checksum for ${unchecked.join(', ')}. Delete those entries and node_modules, and run this again.`);
  process.exit(1);
}
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
// npm install has just brought what the lockfile now says.
if (!process.argv.includes('--fresh')) markInstalled();
