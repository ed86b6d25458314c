#!/usr/bin/env node
// The `lockstep` command from a checkout: brings what it needs, Node 24 among it, and runs.
import { join } from 'node:path';
import process from 'node:process';
import { ensureInstalled, root, runNode } from '../../../scripts/bootstrap.mjs';

ensureInstalled();
const main = join(root, 'packages', 'server', 'src', 'cli', 'main.ts');
process.exitCode = await runNode([main, ...process.argv.slice(2)]);
