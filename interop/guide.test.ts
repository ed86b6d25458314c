/** The programs of the guide "Your EHR drives the session", run as they stand there. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { after, it } from 'node:test';
import { promisify } from 'node:util';
import { blocks, sharedGuide } from '../packages/server/test/guide.ts';

const run = promisify(execFile);
const { published, env } = await sharedGuide();
const folder = mkdtempSync(join(tmpdir(), 'lockstep-guide-'));
after(() => rmSync(folder, { recursive: true }));

for (const [language, file, command] of [
  ['java', 'EhrSession.java', 'java'],
  ['python', 'ehr_session.py', 'python3'],
] as const) {
  it(`the ${language} program opens a session, changes its context and ends it`, async () => {
    const path = join(folder, file);
    writeFileSync(path, blocks(language)[0] ?? '');
    const { stdout } = await run(command, [path], { env: { ...process.env, ...env } });
    const [, topic = ''] = /The session of (\S+) has ended/.exec(stdout) ?? [];
    assert.deepEqual(published.get(topic), ['Patient-open', 'Patient-close', 'UserLogout'], stdout);
  });
}
