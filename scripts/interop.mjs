// npm run interop: runs Lockstep with programs that others made, and clients in other languages. It needs Java 17, Maven and Python 3.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { ensureInstalled, root, runNode } from './bootstrap.mjs';

ensureInstalled();
process.exitCode = await runNode([
  ...['--test', '--test-concurrency=1', '--test-timeout=1200000'],
  ...readdirSync(join(root, 'interop'))
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(root, 'interop', name)),
]);
