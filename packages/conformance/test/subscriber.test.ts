import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Report, runSubscriberConformance, SUBSCRIBER_CHECKS, type SubscriberOptions } from '../src/index.ts';
import { PlayedSession } from '../src/subscriber/played-session.ts';
import { Transcript } from '../src/transcript.ts';
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

test('an application that never comes is one failure', async () => {
  const report = await runSubscriberConformance({
    name: 'Nobody',
    launch: async () => ({ quit: async () => {} }),
    startMs: 200,
  });
  const failed = report.results.filter(({ verdict }) => verdict !== 'skip').map(({ id }) => id);
  assert.deepEqual(failed, ['app-subscribes']);
});

test('an application that leaves a status out fails the check of the status alone', async () => {
  const report = await runAgainst('no-status', {
    only: ['app-answers', 'app-status', 'app-full-resource', 'app-any-case'],
  });
  const failed = report.results.filter(({ verdict }) => verdict !== 'pass').map(({ id }) => id);
  assert.deepEqual(failed, ['app-status']);
});

test('an application behind a shell is given the time to leave', async () => {
  // It waits for a moment before it unsubscribes; the shell that started it is gone by then.
  const app = `
    const { WebSocket } = require('ws');
    const { FHIRCAST_HUB_URL: hub, FHIRCAST_TOPIC: topic } = process.env;
    const post = (more) => fetch(hub, { method: 'POST', body: new URLSearchParams({ 'hub.topic': topic, ...more }) });
    (async () => {
      const answer = await (await post({ 'hub.mode': 'subscribe', 'hub.events': 'Patient-open' })).json();
      const endpoint = answer['hub.channel.endpoint'];
      const socket = new WebSocket(endpoint);
      socket.on('message', (data) => socket.send(JSON.stringify({ id: JSON.parse(data).id, status: 200 })));
      process.on('SIGTERM', () => {
        setTimeout(() => post({ 'hub.mode': 'unsubscribe', 'hub.channel.endpoint': endpoint }), 300);
        socket.on('close', () => process.exit());
      });
    })();
  `;
  const folder = mkdtempSync(join(tmpdir(), 'leaving-'));
  writeFileSync(
    join(folder, 'app.cjs'),
    app.replace("'ws'", JSON.stringify(createRequire(import.meta.url).resolve('ws'))),
  );
  const report = await runSubscriberConformance({
    name: 'Behind a shell',
    launch: `"${process.execPath}" "${join(folder, 'app.cjs')}"; true`,
    only: ['app-shutdown'],
  });
  rmSync(folder, { recursive: true });
  assert.deepEqual(
    report.results.map(({ verdict, seen }) => [verdict, seen]),
    [['pass', undefined]],
  );
});

test('an application that ends before it came is not waited for', async () => {
  const report = await runSubscriberConformance({ name: 'Short', launch: 'exit 3', only: ['app-sub*'] });
  assert.deepEqual(
    report.results.map(({ id, verdict, seen }) => [id, verdict, seen]),
    [['app-subscribes', 'fail', 'it ended with exit code 3']],
  );
  assert.ok(report.durationMs < 30_000, `${report.durationMs} ms`);
});

test('the played Hub versions what an application opens and updates, and tells its content', async () => {
  const session = new PlayedSession({ timeoutMs: 100, settleMs: 10 }, new Transcript());
  const sent = (name: string, context: readonly object[], versionId?: string) => ({
    timestamp: '2026-01-31T09:00:00Z',
    id: `${name} ${versionId}`,
    event: { 'hub.topic': session.topic, 'hub.event': name, 'context.versionId': versionId, context },
  });
  const reference = { reference: 'DiagnosticReport/1' };
  const observation = { resourceType: 'Observation', id: '2' };
  const entry = [{ request: { method: 'PUT', url: 'Observation/2' }, resource: observation }];
  const update = [
    { key: 'report', reference },
    { key: 'updates', resource: { resourceType: 'Bundle', type: 'transaction', entry } },
  ];
  const open = [{ key: 'report', resource: { resourceType: 'DiagnosticReport', id: '1' } }];
  assert.equal(session.take(sent('DiagnosticReport-open', open)), 202);
  const read = () => session.read() as Record<string, unknown> & { context: { key: string; resource: object }[] };
  const first = read()['context.versionId'];
  assert.equal(session.take(sent('DiagnosticReport-update', update, 'another')), 409, 'a version that is none');
  const second = sent('diagnosticreport-UPDATE', update, String(first));
  assert.equal(session.take(second), 202);
  assert.equal(read()['context.type'], 'DiagnosticReport');
  assert.equal(read()['context.versionId'], session.versionAfter(second));
  assert.notEqual(session.versionAfter(second), first);
  const content = read().context.find(({ key }) => key === 'content')?.resource as { entry?: unknown };
  assert.deepEqual(content.entry, [{ resource: observation }]);
  assert.equal(session.take(sent('DiagnosticReport-close', open)), 202);
  assert.equal(read()['context.type'], '');
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
