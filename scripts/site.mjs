// npm run site [-- FOLDER]: builds the documentation site from docs/ into site/dist, or into FOLDER. A dead link fails the build.
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { root, runNode } from './bootstrap.mjs';

const site = join(root, 'site');
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const installed = spawnSync(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
  cwd: site,
  stdio: 'inherit',
  shell: process.platform === 'win32',
});
if (installed.status !== 0) process.exit(1);
const folder = resolve(process.argv[2] ?? join(site, 'dist'));
process.exitCode = await runNode([
  join(site, 'node_modules', 'vitepress', 'bin', 'vitepress.js'),
  'build',
  site,
  '--outDir',
  folder,
]);
