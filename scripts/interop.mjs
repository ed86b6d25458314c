// npm run interop: runs Lockstep with programs that others made, and clients in other languages. It needs Java 17, Maven and Python 3.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { ensureInstalled, root, runNode } from './bootstrap.mjs';

/** What has to be there: how its version is asked for, and the first major version that will do. */
const NEEDED = [
  ['Java 17, a JDK', 'javac', ['-version'], 17],
  ['Maven 3.6', 'mvn', ['-v'], 3],
  ['Python 3', 'python3', ['--version'], 3],
];
const missing = NEEDED.filter(([, command, ask, least]) => {
  const { stdout = '', stderr = '' } = spawnSync(String(command), ask, { encoding: 'utf8' });
  return !(Number(/\s(\d+)(?:\.|\s|$)/.exec(`${stdout}${stderr}`)?.[1]) >= least);
}).map(([name]) => name);
if (missing.length > 0) {
  console.error(`npm run interop needs ${missing.join(', ')} on the PATH.`);
  process.exit(1);
}
ensureInstalled();
process.exitCode = await runNode([
  ...['--test', '--test-concurrency=1', '--test-timeout=1200000'],
  ...readdirSync(join(root, 'interop'))
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(root, 'interop', name)),
]);
