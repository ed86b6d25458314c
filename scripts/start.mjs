// npm start: installs and builds what is needed, then runs the server.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { ensureInstalled, root, runNode } from './bootstrap.mjs';

ensureInstalled();
const build = join(root, 'scripts', 'build.mjs');
if (existsSync(build)) {
  const code = await runNode([build]);
  if (code !== 0) process.exit(code);
}
process.exitCode = await runNode([join(root, 'packages', 'server', 'src', 'main.ts'), ...process.argv.slice(2)]);
