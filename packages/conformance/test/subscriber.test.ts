import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Report, runSubscriberConformance, SUBSCRIBER_CHECKS, type SubscriberOptions } from '../src/index.ts';
import { APP_DEFECTS, type AppDefect, ModelApp } from './model-app.ts';

/** Tests the model application, with somebody at it who does as told unless `alone`. */
async function runAgainst(defect?: AppDefect, more: Partial<SubscriberOptions> = {}, alone = false): Promise<Report> {
  let app: ModelApp | undefined;
  const apps: ModelApp[] = [];
  const report = await runSubscriberConformance({
    name: 'Model application',
    launch: async (invitation) => {
      app = await ModelApp.launch(invitation, defect);
      apps.push(app);
      return app;
    },
    ...(!alone && { ask: async (instruction) => (await app?.do(instruction)) ?? false }),
    timeoutMs: 3000,
    settleMs: 150,
    startMs: 3000,
    ...more,
  });
  for (const one of apps) await one.quit().catch(() => undefined);
  return report;
}

test('a healthy application fails no check', async () => {
  const report = await runAgainst(undefined, { versions: ['3.0.0', 'IRA'] });
  const unhappy = report.results.filter(({ verdict }) => verdict === 'fail' || verdict === 'warning');
  assert.deepEqual(unhappy, []);
  const skipped = report.results.filter(({ verdict }) => verdict === 'skip').map(({ id }) => id);
  assert.deepEqual(skipped, []);
});

test('what needs a person is skipped where there is none', async () => {
  const report = await runAgainst(undefined, { only: ['app-answers', 'app-refuses', 'app-rejected'] }, true);
  const verdicts = report.results.map(({ id, verdict }) => [id, verdict]);
  assert.deepEqual(verdicts, [
    ['app-answers', 'pass'],
    ['app-refuses', 'skip'],
    ['app-rejected', 'skip'],
  ]);
});

test('an application that never comes fails with a reason', async () => {
  const report = await runSubscriberConformance({
    name: 'Nobody',
    launch: async () => ({ quit: async () => {} }),
    startMs: 200,
    only: ['app-answers', 'app-shutdown'],
  });
  assert.deepEqual(
    report.results.map(({ verdict, seen }) => [verdict, seen]),
    [
      ['fail', '200 ms passed'],
      ['fail', '200 ms passed'],
    ],
  );
});

test('every defect of an application is found by the check that claims it', { concurrency: 8 }, async (t) => {
  await Promise.all(
    Object.entries(APP_DEFECTS).map(([name, check]) =>
      t.test(`${name} is found by ${check}`, async () => {
        const report = await runAgainst(name as AppDefect, { versions: ['3.0.0', 'IRA'], only: [check] });
        const [result] = report.results;
        assert.ok(result?.verdict === 'fail' || result?.verdict === 'warning', JSON.stringify(result));
        assert.ok(result.expected && result.seen, 'a finding says what was expected and seen');
      }),
    ),
  );
});

test('every check on an application has a defect that it finds', () => {
  const claimed = new Set<string>(Object.values(APP_DEFECTS));
  // What an application may do is no finding when it does not.
  const unproved = SUBSCRIBER_CHECKS.filter(({ id, level }) => !claimed.has(id) && level !== 'MAY').map(({ id }) => id);
  assert.deepEqual(unproved, []);
});
