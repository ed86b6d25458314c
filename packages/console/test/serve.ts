/** Lockstep in a process of its own, for tests that end it. Argument: the folder of its data. */
import process from 'node:process';
import { readConfig, startLockstep } from '@lockstep/server';

const [data = ''] = process.argv.slice(2);
const lockstep = await startLockstep({ ...readConfig(process.env), data });
process.on('SIGTERM', () => void lockstep.close().then(() => process.exit()));
// Nothing is left behind when the test ends without a word.
process.stdin.resume().on('end', () => process.exit());
process.stdout.write(`${lockstep.origin}\n`);
