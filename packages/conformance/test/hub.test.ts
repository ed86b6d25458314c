import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConformanceOptions, HUB_CHECKS, type Report, runConformance } from '../src/index.ts';
import { confirmed } from './confirmed.ts';
import { DEFECT_NAMES, DEFECTS, type Setup } from './defects.ts';
import { ModelHub, type ModelHubOptions } from './model-hub.ts';

const QUICK = { timeoutMs: 2000, settleMs: 90, concurrency: 12 } as const;

function optionsFor(hub: ModelHub, setup: Setup): ConformanceOptions {
  return {
    ...QUICK,
    hubUrl: hub.url,
    versions: setup === 'ira' ? ['IRA'] : ['3.0.0', 'STU2'],
    ...(setup === 'tokens' && {
      authorization: { kind: 'client', smart: `${hub.origin}/fhir`, clientId: 'suite', secret: 'secret' } as const,
    }),
  };
}

async function runAgainst(options: ModelHubOptions, more: Partial<ConformanceOptions> = {}): Promise<Report> {
  const hub = await ModelHub.start(options);
  try {
    return await runConformance({ ...optionsFor(hub, options.setup ?? 'core'), ...more });
  } finally {
    await hub.close();
  }
}

for (const setup of ['core', 'tokens', 'webhooks', 'ira', 'few', 'otherwise'] as const) {
  test(`a healthy hub (${setup}) fails no check`, async () => {
    const report = await runAgainst({ setup }, { timeoutMs: 6000 });
    assert.deepEqual(await confirmed(report, (only) => runAgainst({ setup }, { timeoutMs: 6000, ...only })), []);
    assert.ok(report.counts.pass > (setup === 'few' ? 60 : 70), `${report.counts.pass} checks passed`);
    assert.ok(report.durationMs < 60_000, `${report.durationMs} ms`);
  });
}

test('every defect is found by the check that claims it', { concurrency: 10 }, async (t) => {
  assert.ok(DEFECT_NAMES.length >= 60);
  await Promise.all(
    DEFECT_NAMES.map((name) =>
      t.test(`${name} is found by ${DEFECTS[name].check}`, async () => {
        const { check, ...rest } = DEFECTS[name];
        const setup: Setup = 'setup' in rest ? rest.setup : 'core';
        const report = await runAgainst({ setup, defects: [name] }, { only: [check] });
        const [result] = report.results;
        assert.equal(report.results.length, 1, `the check ${check} is part of the run`);
        assert.ok(result?.verdict === 'fail' || result?.verdict === 'warning', JSON.stringify(result));
        assert.ok(result.reason && result.expected && result.seen, 'a finding says what was expected and seen');
      }),
    ),
  );
});

test('every check has a defect that it finds', () => {
  const claimed = new Set<string>(Object.values(DEFECTS).map(({ check }) => check));
  // TLS is not seen on loopback; a MAY that is not done is no finding.
  const unprovable = ['hub-over-https', 'socket-over-tls', 'lost-connection-told'];
  const unproved = HUB_CHECKS.map(({ id }) => id).filter((id) => !claimed.has(id) && !unprovable.includes(id));
  assert.deepEqual(unproved, []);
});
