import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Report } from '@lockstep/conformance';
import { openSqlite } from '@lockstep/store-sqlite';
import { ConformanceReports } from '../src/conformance-reports.ts';
import { ConsolePerson } from './console-person.ts';
import { type Json, json, sharedLockstep, withLockstep } from './harness.ts';

const lockstep = await sharedLockstep();
const admin = await ConsolePerson.signIn(lockstep.origin, { sample: 'admin' });
/** A Hub that hangs: whoever tests it has time. */
const hanging = createServer(() => {});
await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve));
const hangingUrl = `http://127.0.0.1:${(hanging.address() as AddressInfo).port}/hub`;
after(() => {
  hanging.closeAllConnections();
  hanging.close();
});

const OTHER = { kind: 'hub', hub: 'other', spec: '3.0.0', slowness: 1, access: 'open', sessions: 'any' };

/** The run's views as the server tells them, until one is as wanted. */
async function watch(person: ConsolePerson, wanted: (run: Json) => boolean): Promise<Json> {
  const response = await person.call('GET', 'conformance/run/live');
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk, { stream: true });
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) {
      if (!event.startsWith('data: ')) continue;
      const run = JSON.parse(event.slice(6)) as Json;
      if (wanted(run)) return run;
    }
  }
  throw new Error('the stream ended before');
}

const over = (run: Json) => run.status !== 'running';

test('the suite is for administrators who carry the CSRF value', async () => {
  const lena = await ConsolePerson.signIn(lockstep.origin, { sample: 'dr-lena-okafor' });
  const routes = ['GET conformance', 'POST conformance/run', 'DELETE conformance/run', 'GET conformance/run/live'];
  for (const route of [...routes, 'POST conformance/run/answer', 'GET conformance/run/report/html']) {
    const [method = '', path = ''] = route.split(' ');
    assert.equal((await lena.call(method, path, method === 'POST' ? {} : undefined)).status, 403, route);
  }
  const forged = await admin.call('POST', 'conformance/run', { ...OTHER, url: hangingUrl }, { 'x-csrf-token': 'x' });
  assert.equal(forged.status, 403);
  assert.deepEqual(await json(admin.call('GET', 'conformance')), {
    hubUrl: `${lockstep.origin}/hub`,
    specs: ['3.0.0', 'STU2'],
    others: [],
    reports: [],
  });
});

test('wrong input names its field and starts nothing', async () => {
  const url = hangingUrl;
  const cases: readonly [Json, RegExp][] = [
    [{}, /^kind: one of hub, subscriber/],
    [{ ...OTHER, url, slowness: 0 }, /^slowness: /],
    [{ ...OTHER, url, slowness: '2' }, /^slowness: /],
    [{ ...OTHER, url, spec: 'STU9' }, /^spec: one of/],
    [{ ...OTHER, url, hub: 'mine' }, /^hub: one of/],
    [OTHER, /^url: is needed/],
    [{ ...OTHER, url: 'file:///etc/passwd' }, /^url: an http or https address/],
    [{ ...OTHER, url: ['http://x'] }, /^url: a text/],
    [{ ...OTHER, url, access: 'token' }, /^token: is needed/],
    [{ ...OTHER, url, access: 'client', secret: 's', smart: url }, /^clientId: is needed/],
    [{ ...OTHER, url, access: 'client', clientId: 'c', secret: 's' }, /^smart: /],
    [{ ...OTHER, url, access: 'register', smart: 'ehr' }, /^smart: an http or https address/],
    [{ ...OTHER, url, sessions: 'given' }, /^topics: is needed/],
    // What would run a program on the server is for its command line.
    [{ ...OTHER, url, sessions: 'command', command: 'id' }, /^sessions: one of any, given, made/],
    [{ kind: 'subscriber', spec: '3.0.0' }, /^name: is needed/],
    [{ kind: 'subscriber', spec: 'STU2', name: 'x' }, /^spec: one of 3.0.0, IRA/],
    [{ kind: 'subscriber', spec: 'IRA', name: 'x', port: 70_000 }, /^port: /],
    [{ kind: 'subscriber', spec: 'IRA', name: 'x', publicUrl: 'here' }, /^publicUrl: /],
  ];
  for (const [body, message] of cases) {
    const answer = await admin.call('POST', 'conformance/run', body);
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.match((await json(answer)).message, message, JSON.stringify(body));
  }
  assert.equal((await json(admin.call('GET', 'conformance'))).run, undefined);
  for (const path of ['conformance/run/live', 'conformance/run/report', 'conformance/run/report/html']) {
    assert.equal((await admin.call('GET', path)).status, 404, path);
  }
});

test('one run at a time for each administrator, until it is cancelled', async () => {
  const body = { ...OTHER, url: hangingUrl };
  assert.equal((await admin.call('POST', 'conformance/run', body)).status, 201);
  assert.equal((await admin.call('POST', 'conformance/run', body)).status, 409);
  assert.equal((await admin.call('GET', 'conformance/run/report')).status, 409);
  const ended = watch(admin, over);
  assert.equal((await admin.call('DELETE', 'conformance/run')).status, 202);
  const run = await ended;
  assert.equal(run.status, 'cancelled');
  assert.ok(run.counts.skip > 50);
  const report = await json(admin.call('GET', 'conformance/run/report'));
  assert.equal(report.results.length, run.total);
});

test('a report is taken along in every form, and its page runs no script here', async () => {
  const forms = { html: 'text/html', junit: 'application/xml', json: 'application/json', badge: 'image/svg+xml' };
  for (const [form, type] of Object.entries({ ...forms, testreport: 'application/fhir+json' })) {
    const answer = await admin.call('GET', `conformance/run/report/${form}`);
    assert.equal(answer.status, 200, form);
    assert.match(answer.headers.get('content-type') ?? '', new RegExp(`^${type.replace('+', '\\+')}`));
    assert.match(answer.headers.get('content-disposition') ?? '', /^attachment; filename="conformance\./);
    assert.equal(answer.headers.get('content-security-policy'), 'sandbox');
    assert.ok((await answer.text()).length > 200, form);
  }
  assert.equal((await admin.call('GET', 'conformance/run/report/toString')).status, 404);
});

test('the person at an application is asked, and only what is asked is answered', async () => {
  const body = { kind: 'subscriber', spec: '3.0.0', name: 'Viewer', slowness: 1 };
  assert.equal((await admin.call('POST', 'conformance/run', body)).status, 201);
  const { question } = await watch(admin, (run) => run.question !== undefined);
  assert.match(question.invitation.hubUrl, /^http:\/\/127\.0\.0\.1:\d+\/hub$/);
  const answer = (fields: Json) => admin.call('POST', 'conformance/run/answer', fields);
  assert.equal((await answer({ question: 'x', done: true })).status, 400);
  assert.equal((await answer({ question: question.number + 7, done: true })).status, 409);
  assert.equal((await answer({ question: question.number, done: false })).status, 204);
  const next = await watch(admin, (run) => (run.question?.number ?? 0) > question.number);
  assert.ok(next.done > 10, 'the checks of the session are skipped, and the next session is asked for');
  await admin.call('DELETE', 'conformance/run');
  await watch(admin, over);
});

test('a run that cannot begin says why', async () => {
  const body = { kind: 'subscriber', spec: '3.0.0', name: 'Viewer', slowness: 1, host: '192.0.2.1' };
  assert.equal((await admin.call('POST', 'conformance/run', body)).status, 201);
  const run = await watch(admin, over);
  assert.equal(run.status, 'failed');
  assert.match(run.problem, /192\.0\.2\.1/);
});

const OWN = { kind: 'hub', hub: 'own', spec: '3.0.0', slowness: 1, checks: 'basics' };

test('reports are kept for every administrator, shared by link, compared, and one check runs again', async () => {
  const second = await ConsolePerson.signIn(lockstep.origin, { sample: 'admin' });
  assert.equal((await admin.call('POST', 'conformance/run', { ...OWN, checks: 'luck' })).status, 400);
  const ids: string[] = [];
  for (let turn = 0; turn < 2; turn++) {
    assert.equal((await admin.call('POST', 'conformance/run', OWN)).status, 201);
    const run = await watch(admin, over);
    assert.equal(run.status, 'done');
    ids.push(run.report);
  }
  const [first, last] = ids as [string, string];
  const { reports } = await json(second.call('GET', 'conformance'));
  assert.deepEqual(
    reports.map(({ id }: Json) => id),
    [last, first],
  );
  const kept = await json(second.call('GET', `conformance/reports/${last}`));
  assert.equal(kept.format, 'fhircast-conformance/1');
  assert.equal(kept.results.length, reports[0].checks);
  const changes = await json(second.call('GET', `conformance/reports/${last}/since/${first}`));
  assert.equal(changes.same + changes.worse.length + changes.better.length + changes.other.length, reports[0].checks);
  for (const form of ['html', 'junit', 'json', 'har']) {
    const answer = await second.call('GET', `conformance/reports/${last}/as/${form}`);
    assert.equal(answer.status, 200, form);
    assert.equal(answer.headers.get('content-security-policy'), 'sandbox');
    await answer.arrayBuffer();
  }
  assert.equal((await second.call('GET', `conformance/reports/${last}/as/pdf`)).status, 404);
  for (const id of ['none', '..%2f..%2fx', `${last}x`]) {
    assert.equal((await second.call('GET', `conformance/reports/${id}`)).status, 404, id);
  }
  assert.equal((await admin.call('POST', 'conformance/run/again', { check: 'no-such' })).status, 400);
  assert.equal((await admin.call('POST', 'conformance/run/again', { check: 'broadcast-id' })).status, 201);
  const again = await watch(admin, over);
  assert.deepEqual([again.total, again.counts.pass], [1, 1]);
  const lena = await ConsolePerson.signIn(lockstep.origin, { sample: 'dr-lena-okafor' });
  for (const path of [`conformance/reports/${last}`, `conformance/reports/${last}/as/html`]) {
    assert.equal((await lena.call('GET', path)).status, 403, path);
  }
});

test('of each target the last fifty reports are kept', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-reports-'));
  const store = await openSqlite({ path: join(folder, 'r.db'), log: { count: 10, ageMs: 1000 } });
  const reports = new ConformanceReports(store.records, Date.now);
  const report = (name: string, at: number) =>
    ({
      target: { kind: 'hub', name },
      versions: ['3.0.0'],
      counts: { pass: 1, fail: 0, warning: 0, skip: 0 },
      startedAt: new Date(at).toISOString(),
      durationMs: 1,
      results: [],
    }) as unknown as Report;
  const other = await reports.keep(randomUUID(), 'Ada', report('https://b.example.org', 5));
  const ids = [];
  for (let at = 0; at < 53; at++)
    ids.push(await reports.keep(randomUUID(), 'Ada', report('https://a.example.org', at * 1000)));
  const kept = (await reports.list()).map(({ id }) => id);
  assert.equal(kept.length, 51);
  assert.ok(kept.includes(other));
  assert.deepEqual(
    kept.filter((id) => id !== other),
    ids.slice(3).reverse(),
  );
  assert.equal(await reports.get(ids[0]!), undefined);
  assert.equal((await reports.get(ids[52]!))?.target.name, 'https://a.example.org');
  await store.close();
  rmSync(folder, { recursive: true });
});

test('a server that stops ends the runs on it', () =>
  withLockstep(async ({ origin }) => {
    const person = await ConsolePerson.signIn(origin, { sample: 'admin' });
    assert.equal((await person.call('POST', 'conformance/run', { ...OTHER, url: hangingUrl })).status, 201);
    await watch(person, () => true);
  }));
