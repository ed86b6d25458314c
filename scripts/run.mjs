// node scripts/run.mjs FILE [ARG ...]: runs a script of the repository under Node 24, installing first what is missing.
import process from 'node:process';
import { ensureInstalled, runNode } from './bootstrap.mjs';

ensureInstalled();
process.exitCode = await runNode(process.argv.slice(2));
