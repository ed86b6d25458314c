import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';

const root = dirname(import.meta.dirname);

/** Runs the suite's tests of applications on a program. @returns the exit code and the report's last lines */
function judge(command: string, folder: string): { readonly status: number | null; readonly text: string } {
  const state = join(folder, 'shown');
  const events = ['Patient-open', 'Patient-close', 'SyncError'];
  for (const action of ['open', 'close', 'update', 'select']) events.push(`DiagnosticReport-${action}`);
  const run = spawnSync(
    process.execPath,
    [
      ...[join(root, 'packages/conformance/src/cli.ts'), 'subscriber', '--alone', '--quiet', '--no-color'],
      ...['--name', 'Example', '--launch', `exec ${command}`, '--state-command', `cat "${state}"`],
    ],
    { encoding: 'utf8', env: { ...process.env, FHIRCAST_EVENTS: events.join(','), FHIRCAST_STATE_FILE: state } },
  );
  return { status: run.status, text: run.stdout.trim() };
}

describe('the clients in other languages pass the tests of applications', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'lockstep-interop-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('Python', () => {
    const { status, text } = judge(`python3 "${join(root, 'examples/python/fhircast_client.py')}"`, folder);
    assert.equal(status, 0, text);
    assert.match(text, /[1-9]\d* passed, 0 failed, 0 warnings/);
  });

  it('Java', () => {
    execFileSync('javac', ['-d', folder, join(root, 'examples/java/FhircastClient.java')]);
    const { status, text } = judge(`java -cp "${folder}" FhircastClient`, folder);
    assert.equal(status, 0, text);
    assert.match(text, /[1-9]\d* passed, 0 failed, 0 warnings/);
  });
});
