// npm start: installs and builds what is needed, then runs the server.
import { join } from 'node:path';
import process from 'node:process';
import { ensureInstalled, root, runNode } from './bootstrap.mjs';

ensureInstalled();
for (const build of ['build.mjs', 'build-server.ts']) {
  const code = await runNode([join(root, 'scripts', build)]);
  if (code !== 0) process.exit(code);
}
process.exitCode = await runNode([join(root, 'packages', 'server', 'dist', 'main.js'), ...process.argv.slice(2)]);
