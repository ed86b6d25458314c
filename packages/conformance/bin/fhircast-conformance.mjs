#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// A run keeps little and makes much that is soon over: a young space that stays small keeps the memory of it small. Its greatest
// size is fixed before this line runs, so that it is its growth that ends here.
setFlagsFromString('--semi-space-growth-factor=1');
setFlagsFromString('--optimize-for-size');
// The slowest compiler takes 8 MB and saves no time in a run that mostly waits.
setFlagsFromString('--no-opt');
// What a heavy check leaves behind is cleared at once.
setFlagsFromString('--expose-gc');
globalThis.gc = runInNewContext('gc');
// In the repository there is only the source.
const built = new URL('../dist/cli.js', import.meta.url);
const { main } = await import(existsSync(built) ? built.href : '../src/cli.ts');
process.exitCode = await main(process.argv.slice(2));
