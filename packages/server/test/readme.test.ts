import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { LockstepProcess } from './process.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The shell lines below a heading of the README, as one script. */
function scriptBelow(heading: string): string {
  const text = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const section = text.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, lines = '']) => lines).join('\n');
}

test('the lines of the README work as they are, one after the other in one shell', async (t) => {
  const lockstep = await LockstepProcess.start(t);
  const script = scriptBelow('Follow a session in five requests');
  const { stdout } = await promisify(execFile)(
    'bash',
    ['-euo', 'pipefail', '-c', script.replaceAll('http://localhost:8080', lockstep.origin)],
    { cwd: root, env: { ...process.env, LOCKSTEP_DATA: lockstep.data }, timeout: 600_000 },
  );
  assert.match(stdout, /"hub\.channel\.endpoint":"ws:/, 'the subscription is accepted');
  assert.match(stdout, /^202$/m, 'the event is accepted');
  assert.match(stdout, /"id": "walter-pruitt"/, 'the current context is the patient that was opened');
  assert.match(stdout, /rosa-quispe[\s\S]*rosa-quispe/, 'the context shows the next patient, and the listener is told');
});
