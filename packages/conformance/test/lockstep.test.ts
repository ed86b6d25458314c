import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readConfig, startLockstep } from '@lockstep/server';
import { type Report, runConformance, type Version } from '../src/index.ts';

/** Checks that have nothing to look at here, with the reason that the report gives. */
type Skips = Readonly<Record<string, RegExp>>;

const ON_LOOPBACK: Skips = {
  'hub-over-https': /on this machine/,
  'socket-over-tls': /on this machine/,
};

async function testLockstep(env: Record<string, string>, versions: readonly Version[]): Promise<Report> {
  const data = mkdtempSync(join(tmpdir(), 'lockstep-conformance-'));
  const config = readConfig({
    PORT: '0',
    LOCKSTEP_DATA: data,
    LOCKSTEP_LOG_LEVEL: 'silent',
    LOCKSTEP_RATE_LIMIT: '0',
    ...env,
  });
  const lockstep = await startLockstep(config);
  try {
    return await runConformance({
      hubUrl: `${lockstep.origin}/hub`,
      versions,
      authorization: { kind: 'register', smart: `${lockstep.origin}/fhir` },
      topics: { kind: 'session', user: 'Practitioner/conformance' },
      timeoutMs: 8000,
    });
  } finally {
    await lockstep.close();
    rmSync(data, { recursive: true, force: true });
  }
}

function judge(report: Report, skips: Skips): void {
  const unhappy = report.results
    .filter(({ verdict }) => verdict === 'fail' || verdict === 'warning')
    .map(({ id, expected, seen }) => ({ id, expected, seen }));
  assert.deepEqual(unhappy, []);
  for (const { id, verdict, reason } of report.results) {
    if (verdict === 'skip') assert.match(reason ?? '', skips[id] ?? /^$/, `${id} may not be skipped: ${reason}`);
  }
  assert.ok(report.counts.pass > 80, `${report.counts.pass} checks passed`);
  assert.ok(report.durationMs < 60_000, `${report.durationMs} ms`);
}

test('Lockstep keeps FHIRcast 3.0.0 and the webhooks of STU2', async () => {
  const report = await testLockstep({ LOCKSTEP_ANSWER_SECONDS: '2' }, ['3.0.0', 'STU2']);
  judge(report, { ...ON_LOOPBACK, 'webhook-refused': /claims webhooks/ });
});

test('Lockstep without webhooks refuses them', async () => {
  const report = await testLockstep({ LOCKSTEP_WEBHOOKS: 'off' }, ['STU2']);
  const refused = report.results.find(({ id }) => id === 'webhook-refused');
  assert.equal(refused?.verdict, 'pass');
});

test('Lockstep keeps IHE IRA', async () => {
  const report = await testLockstep({ LOCKSTEP_PROFILE: 'ira', LOCKSTEP_ANSWER_SECONDS: '2' }, ['IRA']);
  judge(report, ON_LOOPBACK);
});
