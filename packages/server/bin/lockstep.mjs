#!/usr/bin/env node
// The `lockstep` command from a checkout: brings what it needs, Node 24 among it, and runs. A server runs as `npm start` runs it.
import { join } from 'node:path';
import process from 'node:process';
import { ensureInstalled, root, runNode } from '../../../scripts/bootstrap.mjs';

const server = join(root, 'packages', 'server');
const args = process.argv.slice(2);
/** Without the name of a command it is `serve`. */
const [command = 'serve'] = args;

/** @returns the exit code */
async function run() {
  ensureInstalled();
  if (command !== 'serve' && !command.startsWith('-')) return runNode([join(server, 'src', 'cli', 'main.ts'), ...args]);
  const built = await runNode([join(root, 'scripts', 'build-server.ts')]);
  return built === 0 ? runNode([join(server, 'dist', 'cli.js'), ...args]) : built;
}

process.exitCode = await run();
