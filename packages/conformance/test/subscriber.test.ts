import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { WebSocket } from 'ws';
import {
  type Report,
  runSubscriberConformance,
  SUBSCRIBER_CHECKS,
  type SubscriberTesterOptions,
} from '../src/index.ts';
import { Pace } from '../src/pace.ts';
import { PlayedHub } from '../src/subscriber/played-hub.ts';
import { PlayedSession } from '../src/subscriber/played-session.ts';
import { outputOf } from '../src/subscriber/run.ts';
import { Transcript } from '../src/transcript.ts';
import { type AppDefect, ModelApp } from './model-app.ts';
import { APP_MUTANTS, judgeApp } from './mutants/apps.ts';

/** Tests the model application, with somebody at it who does as told unless `alone`. */
async function runAgainst(
  defect?: AppDefect,
  more: Partial<SubscriberTesterOptions> = {},
  alone = false,
): Promise<Report> {
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

/** How late a late application is with each thing that it does, ms. */
const LAG = 250;

test('a healthy application fails no check', async () => {
  const report = await runAgainst(undefined, { versions: ['3.0.0', 'IRA'] });
  const unhappy = report.results.filter(({ verdict }) => verdict === 'fail' || verdict === 'warning');
  assert.deepEqual(unhappy, []);
  const skipped = report.results.filter(({ verdict }) => verdict === 'skip').map(({ id }) => id);
  assert.deepEqual(skipped, []);
});

test('a healthy application that is late with everything fails no check', async () => {
  const apps: ModelApp[] = [];
  const report = await runSubscriberConformance({
    name: 'Late application',
    launch: async (invitation) => {
      apps.push(await ModelApp.launch(invitation, undefined, LAG));
      return apps.at(-1)!;
    },
    ask: async (instruction) => (await apps.at(-1)?.do(instruction)) ?? false,
    // Less than it takes: its answers say how slow it is.
    timeoutMs: LAG,
    settleMs: 20,
    only: ['app-any-case', 'app-order', 'app-updates-*', 'app-rejected', 'app-denied', 'app-shutdown'],
  });
  for (const app of apps) await app.quit();
  assert.deepEqual(
    report.results.filter(({ verdict }) => verdict !== 'pass').map(({ id, verdict, seen }) => [id, verdict, seen]),
    [],
  );
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
});

test('the played Hub versions what an application opens and updates, and tells its content', async () => {
  const session = new PlayedSession(new Pace({ timeoutMs: 100, settleMs: 10 }), new Transcript());
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

/** Every defect of the model, and every third of those in messages: `npm run mutants` runs all. */
const SHARE = APP_MUTANTS.filter(({ by }, index) => by === 'model' || index % 3 === 0);

describe('every defect of an application is found by the check that claims it', { concurrency: 12 }, () => {
  for (const { name, check } of SHARE) {
    test(`${name} is found by ${check}`, async () => {
      const [result] = (await judgeApp(name, [check])).results;
      assert.ok(result?.verdict === 'fail' || result?.verdict === 'warning', JSON.stringify(result));
      assert.ok(result.expected && result.seen, 'a finding says what was expected and seen');
    });
  }
});

test('there are enough seeded applications', () => {
  assert.ok(APP_MUTANTS.length >= 40, `${APP_MUTANTS.length} of them`);
  assert.equal(new Set(APP_MUTANTS.map(({ name }) => name)).size, APP_MUTANTS.length);
});

test('an application that comes back by itself is started once', async () => {
  let starts = 0;
  const apps: ModelApp[] = [];
  const report = await runSubscriberConformance({
    name: 'Model application',
    launch: async (invitation) => {
      starts++;
      const app = await ModelApp.launch(invitation);
      apps.push(app);
      return app;
    },
    timeoutMs: 3000,
    settleMs: 100,
    only: ['app-answers', 'app-returns', 'app-renews', 'app-denied', 'app-shutdown'],
  });
  for (const app of apps) await app.quit().catch(() => undefined);
  assert.deepEqual(
    report.results.map(({ id, verdict }) => [id, verdict]),
    [
      ['app-answers', 'pass'],
      ['app-returns', 'pass'],
      ['app-renews', 'pass'],
      ['app-denied', 'pass'],
      ['app-shutdown', 'pass'],
    ],
  );
  assert.equal(starts, 1);
});

test('PUB-3 events out of order leave the newest, also for an application that reads the current context', async () => {
  // It shows what the Hub answers, at every event: conformant, and slow.
  const report = await runSubscriberConformance({
    name: 'Reader',
    launch: async (invitation) => {
      const app = await ModelApp.launch(invitation);
      const read = async () => {
        const answer = await fetch(`${invitation.hubUrl}/${invitation.topic}`);
        const { context } = (await answer.json()) as { context: { key: string; resource: { id: string } }[] };
        return context.find(({ key }) => key === 'patient')?.resource.id ?? '';
      };
      return { quit: () => app.quit(), shown: read };
    },
    timeoutMs: 3000,
    settleMs: 100,
    only: ['app-order', 'app-stale'],
  });
  assert.deepEqual(
    report.results.map(({ verdict, seen }) => [verdict, seen]),
    [
      ['pass', undefined],
      ['pass', undefined],
    ],
  );
});

test('a person may skip a check, repeat it, and end', async () => {
  const asked: string[] = [];
  const decisions = ['go', 'repeat', 'go', 'go', 'skip', 'stop', 'stop', 'stop'] as const;
  const report = await runAgainst(undefined, {
    only: ['app-subscribes', 'app-sends-form', 'app-fields-once'],
    step: async ({ id }, found) => {
      asked.push(`${id} ${found?.verdict ?? 'before'}`);
      return decisions[asked.length - 1] ?? 'stop';
    },
  });
  assert.deepEqual(asked, [
    'app-subscribes before',
    'app-subscribes pass',
    'app-subscribes before',
    'app-subscribes pass',
    'app-sends-form before',
    'app-fields-once before',
  ]);
  assert.deepEqual(
    report.results.map(({ verdict }) => verdict),
    ['pass', 'skip', 'skip'],
  );
});

test('what an application writes to its error output is kept with the check', async () => {
  const script = "console.error('no license found'); process.exit(3)";
  const report = await runSubscriberConformance({
    name: 'Broken',
    launch: `"${process.execPath}" -e "${script}"`,
    only: ['app-subscribes'],
  });
  const [result] = report.results;
  assert.equal(result?.seen, 'it ended with exit code 3: no license found');
  assert.ok(result.exchange?.some(({ text }) => text.includes('its error output: no license found')));
});

test('CON-9 the played Hub knows what a DELETE means that names a fullUrl alone', () => {
  const session = new PlayedSession(new Pace({ timeoutMs: 100, settleMs: 10 }), new Transcript());
  const reference = { reference: 'DiagnosticReport/1' };
  const send = (name: string, context: readonly object[], versionId?: string) =>
    session.take({
      timestamp: '2026-01-31T09:00:00Z',
      id: crypto.randomUUID(),
      event: { 'hub.topic': session.topic, 'hub.event': name, 'context.versionId': versionId, context },
    });
  const read = () =>
    session.read() as { 'context.versionId': string; context: { key: string; resource: { entry: unknown[] } }[] };
  const content = () => read().context.find(({ key }) => key === 'content')?.resource.entry;
  const update = (entry: readonly object[]) =>
    send(
      'DiagnosticReport-update',
      [
        { key: 'report', reference },
        { key: 'updates', resource: { resourceType: 'Bundle', type: 'transaction', entry } },
      ],
      read()['context.versionId'],
    );
  assert.equal(
    send('DiagnosticReport-open', [{ key: 'report', resource: { resourceType: 'DiagnosticReport', id: '1' } }]),
    202,
  );
  for (const fullUrl of ['urn:uuid:53ecbfdd-fe7d-4ec9-bbf6-57e7b4451e09', 'https://fhir.example.org/Observation/2']) {
    const resource = { resourceType: 'Observation', id: '2' };
    assert.equal(update([{ fullUrl, request: { method: 'PUT', url: 'Observation/2' }, resource }]), 202);
    assert.equal(content()?.length, 1);
    assert.equal(update([{ fullUrl, request: { method: 'DELETE' } }]), 202);
    assert.equal(content()?.length, 0, fullUrl);
  }
});

test('SUB-9 the played Hub ends the subscription of the endpoint that is named, and not the one that replaced it', async (t) => {
  const hub = await PlayedHub.start();
  t.after(() => hub.close());
  const session = hub.session(new Pace({ timeoutMs: 100, settleMs: 10 }), new Transcript());
  const post = async (mode: string, more: Record<string, string>) => {
    const body = new URLSearchParams({ 'hub.mode': mode, 'hub.topic': session.topic, ...more });
    const answer = await fetch(hub.url, { method: 'POST', body });
    assert.equal(answer.status, 202);
    return ((await answer.json()) as { 'hub.channel.endpoint': string })['hub.channel.endpoint'];
  };
  const connect = async () => {
    const endpoint = await post('subscribe', { 'hub.events': 'Patient-open' });
    const socket = new WebSocket(endpoint);
    const modes: unknown[] = [];
    socket.on('message', (data) => modes.push(JSON.parse(String(data))['hub.mode']));
    await once(socket, 'message');
    return { endpoint, socket, modes };
  };
  const unsubscribe = (endpoint: string) => post('unsubscribe', { 'hub.channel.endpoint': endpoint });
  const endings: [string, () => void][] = [
    ['after the end of its lease', () => session.expire()],
    ['after a denial', () => session.deny('the session has ended')],
  ];
  for (const [when, end] of endings) {
    const first = await connect();
    const closed = once(first.socket, 'close');
    end();
    await closed;
    const second = await connect();
    assert.notEqual(second.endpoint, first.endpoint);
    // The application ends what it left behind, while the new connection is open already.
    await unsubscribe(first.endpoint);
    assert.ok(session.connected, when);
    assert.ok(second.endpoint.endsWith(`/${session.endpoint}`), when);
    const { unsubscription } = session;
    const over = once(second.socket, 'close');
    await unsubscribe(second.endpoint);
    await over;
    assert.deepEqual(second.modes, ['subscribe', 'denied'], `${when}: denied by its own request alone`);
    assert.notEqual(session.unsubscription, unsubscription, when);
  }
});

test('a state command is run however slow the machine was found to be', async () => {
  for (const patience of [1, 1.2345678, 14.9634453]) assert.equal(await outputOf('echo shown', { patience }), 'shown');
});

test('every check on an application has a defect that it finds', () => {
  const claimed = new Set(APP_MUTANTS.map(({ check }) => check));
  // What an application may do is no finding when it does not.
  const unproved = SUBSCRIBER_CHECKS.filter(({ id, level }) => !claimed.has(id) && level !== 'MAY').map(({ id }) => id);
  assert.deepEqual(unproved, []);
});
