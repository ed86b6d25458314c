#!/usr/bin/env node
import { existsSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const NEEDED_MAJOR = 24;
const isModern = Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR;
const args = process.argv.slice(2);
const built = new URL('../dist/cli.js', import.meta.url);
/** In the repository there is only the source, and what brings a Node that is new enough. */
const checkout = new URL('../../../scripts/bootstrap.mjs', import.meta.url);

/** @returns the exit code */
async function run() {
  // A run keeps little and makes much that is soon over: a young space that stays small keeps the memory of it small. Its greatest
  // size is fixed before this line runs, so that it is its growth that ends here.
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--optimize-for-size');
  // The slowest compiler takes 8 MB and saves no time in a run that mostly waits.
  setFlagsFromString('--no-opt');
  // What a heavy check leaves behind is cleared at once.
  setFlagsFromString('--expose-gc');
  globalThis.gc = runInNewContext('gc');
  const { main } = await import(existsSync(built) ? built.href : '../src/cli.ts');
  return main(args);
}

async function runWithModernNode() {
  if (existsSync(built) || !existsSync(checkout)) {
    console.error(
      `The suite needs Node ${NEEDED_MAJOR} or newer; this is ${process.version}. It is at https://nodejs.org.`,
    );
    return 2;
  }
  const { ensureInstalled, runNode } = await import(checkout.href);
  ensureInstalled();
  return runNode([fileURLToPath(import.meta.url), ...args]);
}

process.exitCode = await (isModern ? run() : runWithModernNode());
