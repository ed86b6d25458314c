// Runs test files, each in a process of its own, and closes with "N passed, N failed". Arguments: the files.
import { join, relative } from 'node:path';
import process from 'node:process';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { root } from './bootstrap.mjs';

/** What takes longest, longest first: started last, one of these would run alone at the end. */
const LONGEST = [
  'scripts/packages.test.ts',
  'packages/server/test/guides.test.ts',
  'packages/console/test/hazards.test.ts',
  'packages/conformance/test/hub.test.ts',
  'packages/server/test/odd-json.test.ts',
  'packages/conformance/test/lockstep.test.ts',
  'packages/console/test/launch.test.ts',
  'packages/console/test/reach.test.ts',
  'packages/console/test/screenshots.test.ts',
  'packages/console/test/conformance.test.ts',
  'packages/server/test/cluster-faults.test.ts',
  'packages/server/test/chaos.test.ts',
  'packages/smart/test/redis.test.ts',
  'packages/server/test/dockerfile.test.ts',
  'packages/console/test/following.test.ts',
  'packages/server/test/cli.test.ts',
  'packages/console/test/sizes.test.ts',
  'packages/console/test/idle-and-restart.test.ts',
  'packages/conformance/test/subscriber.test.ts',
  'packages/server/test/operation.test.ts',
  'packages/console/test/day.test.ts',
  'packages/console/test/apps.test.ts',
  'packages/hub/src/hub.test.ts',
  'scripts/site.test.ts',
];

/** Files that run at the same time: one more than the cores of a small machine, since they also wait for browsers, sockets and processes. */
const AT_ONCE = 3;

/** Most time of one test, ms: several times what the longest takes where other programs keep the machine busy. */
const TIMEOUT = 900_000;

function inOrder(files) {
  const longest = LONGEST.map((path) => join(root, path)).filter((path) => files.includes(path));
  return [...longest, ...files.filter((path) => !longest.includes(path))];
}

const ended = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => ended.abort());

let passed = 0;
const failures = [];
const events = run({
  files: inOrder(process.argv.slice(2)),
  concurrency: AT_ONCE,
  timeout: TIMEOUT,
  signal: ended.signal,
});
events.on('test:pass', ({ details }) => {
  if (details.type !== 'suite') passed++;
});
events.on('test:fail', ({ details, file, name }) => {
  if (details.type !== 'suite') failures.push(`${relative(root, file ?? '')}: ${name}`);
});
events.on('test:summary', ({ file, success }) => {
  if (file === undefined && !success && failures.length === 0)
    failures.push('a suite: it could not be prepared or cleaned up');
});
events.on('end', () => {
  for (const failure of failures) console.log(`failed: ${failure}`);
  console.log(`${passed} passed, ${failures.length} failed`);
  process.exitCode = failures.length > 0 || passed === 0 ? 1 : 0;
});
events.compose(spec).pipe(process.stdout);
