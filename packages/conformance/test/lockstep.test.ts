import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ConformanceOptions, type HubVersion, type Report, runConformance } from '../src/index.ts';
import { findings } from './findings.ts';
import { startLockstep, startRedis } from './lockstep-process.ts';

/** Checks that have nothing to look at here, with the reason that the report gives. */
type Skips = Readonly<Record<string, RegExp>>;

const ON_LOOPBACK: Skips = {
  'hub-over-https': /on this machine/,
  'socket-over-tls': /on this machine/,
  'sessions-alike-apart': /makes up no names/,
};

async function testLockstep(
  env: Record<string, string>,
  versions: readonly HubVersion[],
  only?: readonly string[],
): Promise<Report> {
  const lockstep = await startLockstep(env);
  try {
    const options: ConformanceOptions = {
      hubUrl: `${lockstep.url}/hub`,
      versions,
      authorization: { kind: 'register', smart: `${lockstep.url}/fhir` },
      topics: { kind: 'session', user: 'Practitioner/conformance' },
      timeoutMs: 8000,
      restart: () => lockstep.restart(),
      ...(only && { only }),
    };
    return await runConformance(options);
  } finally {
    await lockstep.stop();
  }
}

async function testOnRedis(env: Record<string, string>, versions: readonly HubVersion[]): Promise<Report> {
  const redis = await startRedis();
  try {
    return await testLockstep({ ...env, LOCKSTEP_REDIS_URL: redis.url }, versions);
  } finally {
    await redis.stop();
  }
}

function judge(report: Report, skips: Skips): void {
  assert.deepEqual(findings(report), []);
  for (const { id, verdict, reason } of report.results) {
    if (verdict === 'skip') assert.match(reason ?? '', skips[id] ?? /^$/, `${id} may not be skipped: ${reason}`);
  }
  assert.ok(report.counts.pass > 80, `${report.counts.pass} checks passed`);
}

/** The wait for silent subscribers ends sooner than the ten seconds of a Hub in use. */
const QUICK = { LOCKSTEP_ANSWER_SECONDS: '2' };

const STORES = [
  ['SQLite', testLockstep],
  ['Redis', testOnRedis],
] as const;

// A run mostly waits: two side by side take little longer than one.
describe('Lockstep', { concurrency: 2 }, () => {
  for (const [store, run] of STORES) {
    test(`keeps FHIRcast 3.0.0 and the webhooks of STU2 on ${store}`, async () => {
      const report = await run(QUICK, ['3.0.0', 'STU2']);
      judge(report, { ...ON_LOOPBACK, 'webhook-refused': /claims webhooks/ });
    });
  }

  for (const [store, run] of STORES) {
    test(`keeps IHE IRA on ${store}`, async () => {
      const report = await run({ ...QUICK, LOCKSTEP_PROFILE: 'ira' }, ['IRA']);
      judge(report, {
        ...ON_LOOPBACK,
        'return-hears-close': /new subscription/,
        'return-told-current': /new subscription/,
      });
    });
  }

  test('without webhooks refuses them', async () => {
    const report = await testLockstep({ LOCKSTEP_WEBHOOKS: 'off' }, ['STU2'], ['webhook-refused']);
    const refused = report.results.find(({ id }) => id === 'webhook-refused');
    assert.equal(refused?.verdict, 'pass');
  });
});
