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
const projects = [root, join(root, 'examples', 'javascript'), ...folders]
  .map((folder) => join(folder, 'tsconfig.json'))
  .filter((path) => existsSync(path));

for (const project of projects) {
  if ((await runNode([compiler, '--noEmit', '-p', project])) !== 0) process.exitCode = 1;
}
