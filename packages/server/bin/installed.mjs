#!/usr/bin/env -S node --disable-warning=ExperimentalWarning --max-semi-space-size=16
// The `lockstep` command of the installed package.
import process from 'node:process';

const NEEDED_MAJOR = 24;
if (Number(process.versions.node.split('.')[0]) < NEEDED_MAJOR) {
  console.error(
    `Lockstep needs Node ${NEEDED_MAJOR} or newer; this is ${process.version}. It is at https://nodejs.org.`,
  );
  process.exit(1);
}
await import('../dist/cli/main.js');
