// npm run typecheck: checks the types of every package, sample, example, test, benchmark and script.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { ensureInstalled, root, runNode } from './bootstrap.mjs';

ensureInstalled();
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const folders = ['packages', 'samples'].flatMap((parent) =>
  readdirSync(join(root, parent)).map((name) => join(root, parent, name)),
);
const projects = [root, join(root, 'packages', 'console'), ...folders, join(root, 'examples', 'javascript')]
  .map((folder) => join(folder, 'tsconfig.json'))
  .filter((path, index, all) => existsSync(path) && all.indexOf(path) === index);

/**
 * Projects that are checked at the same time, each in one thread: several threads for one project do a part of the work several times,
 * a sixth of all. The first of them are the largest.
 */
const AT_ONCE = 2;

async function checkInTurn() {
  for (let project = projects.shift(); project !== undefined; project = projects.shift()) {
    if ((await runNode([compiler, '--noEmit', '--checkers', '1', '-p', project])) !== 0) process.exitCode = 1;
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, checkInTurn));
