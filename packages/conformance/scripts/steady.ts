/**
 * `npm run steady [-- --runs 50 --busy 6 --of hub,sdk,raw,medplum]`: runs the suite again and again on what is healthy, beside busy
 * loops, and tells every finding. Whatever is found is a false alarm, or a fault that shows now and then.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { type CheckResult, type Report, runConformance, runSubscriberConformance } from '../src/index.ts';
import { startLockstep } from '../test/lockstep-process.ts';
import { ModelApp } from '../test/model-app.ts';
import { type AttendedApp, startMedplumApp, startSdkApp } from '../test/real-apps.ts';

/** Findings that are true each time: what such an application does against the text. */
const TRUE_FINDINGS: Readonly<Record<string, readonly string[]>> = {
  // Its answer has a timestamp in the place of the status; it refuses nothing.
  medplum: ['app-status', 'app-refuses'],
};

async function judgeHub(): Promise<Report> {
  const lockstep = await startLockstep({ LOCKSTEP_ANSWER_SECONDS: '2' });
  try {
    return await runConformance({
      hubUrl: `${lockstep.url}/hub`,
      versions: ['3.0.0', 'STU2'],
      authorization: { kind: 'register', smart: `${lockstep.url}/fhir` },
      topics: { kind: 'session', user: 'Practitioner/conformance' },
    });
  } finally {
    await lockstep.stop();
  }
}

async function judgeApp(name: string, start: (...args: Parameters<typeof startSdkApp>) => Promise<AttendedApp>) {
  const apps: AttendedApp[] = [];
  const report = await runSubscriberConformance({
    name,
    launch: async (invitation) => {
      const app = await start(invitation);
      apps.push(app);
      return app;
    },
    ask: async (instruction) => (await apps.at(-1)?.do(instruction)) ?? false,
  });
  for (const app of apps) await app.quit().catch(() => undefined);
  return report;
}

const TARGETS: Readonly<Record<string, () => Promise<Report>>> = {
  hub: judgeHub,
  sdk: () => judgeApp('sdk', startSdkApp),
  raw: () => judgeApp('raw', (invitation) => ModelApp.launch(invitation)),
  medplum: () => judgeApp('medplum', startMedplumApp),
};

/** Programs that do nothing but count, each as busy as a core lets it be. */
function keepBusy(count: number): readonly ChildProcess[] {
  return Array.from({ length: count }, () => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
}

const isFinding = ({ verdict }: CheckResult) => verdict === 'fail' || verdict === 'warning';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    busy: { type: 'string', default: '0' },
    of: { type: 'string', default: Object.keys(TARGETS).join(',') },
  },
});
const runs = Number(values.runs);
const names = values.of.split(',');
if (!Number.isInteger(runs) || runs < 1 || names.some((name) => !(name in TARGETS))) {
  process.stderr.write(`--runs: a number; --of: ${Object.keys(TARGETS).join(', ')}\n`);
  process.exit(2);
}
const loops = keepBusy(Number(values.busy));
const found = new Map<string, number>();
try {
  for (let run = 1; run <= runs; run++) {
    for (const name of names) {
      const { results, durationMs, counts } = await TARGETS[name]!();
      const alarms = results.filter((one) => isFinding(one) && !TRUE_FINDINGS[name]?.includes(one.id));
      process.stdout.write(`${run} ${name}: ${counts.pass} passed in ${(durationMs / 1000).toFixed(1)} s\n`);
      for (const { id, expected, seen } of alarms) {
        found.set(`${name} ${id}`, (found.get(`${name} ${id}`) ?? 0) + 1);
        process.stdout.write(`  ${id}\n    expected: ${expected}\n    seen: ${seen}\n`);
      }
    }
  }
} finally {
  for (const loop of loops) loop.kill();
}
for (const [what, times] of found) process.stdout.write(`${what}: ${times} of ${runs} runs\n`);
process.stdout.write(found.size === 0 ? 'nothing was found in any run\n' : '');
process.exitCode = found.size === 0 ? 0 : 1;
