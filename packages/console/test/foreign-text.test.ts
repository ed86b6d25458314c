/** What others wrote is shown as text, in its place, and can be read whole, wherever it is shown. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import type {
  ConformanceReport,
  ConformanceRun,
  ConformanceSetup,
  ReportChange,
  ReportChanges,
} from '../src/conformance/wire.ts';
import { broken } from './broken.ts';
import { OtherApp, RawSubscriber } from './raw-subscriber.ts';
import { run, Stage } from './stage.ts';

const MARKUP = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>{{7*7}}';
/** Markup, controls of direction, Hebrew, a character without width. */
const HOSTILE = `${MARKUP} \u202eturned\u2066 עברית \u200b`;
/** Ten thousand characters without a place to break a line, and with many. */
const UNBROKEN = `${HOSTILE}${'x'.repeat(10_000)}`;
const WORDS = `${HOSTILE}${' word'.repeat(2000)}`;

const code = { text: UNBROKEN };
const subject = { reference: 'Patient/hostile' };
const RECORDS = [
  {
    resourceType: 'Patient',
    id: 'hostile',
    name: [{ text: UNBROKEN }],
    birthDate: '1970-05-17',
    identifier: [{ system: 'urn:example:mrn', value: UNBROKEN, type: { coding: [{ code: 'MR' }] } }],
  },
  { resourceType: 'Patient', id: 'words', name: [{ given: [WORDS], family: WORDS }], birthDate: '1970-05-17' },
  {
    resourceType: 'Encounter',
    id: 'hostile',
    status: 'finished',
    class: { code: 'AMB' },
    subject,
    type: [code],
    reasonCode: [code],
  },
  {
    resourceType: 'ImagingStudy',
    id: 'hostile',
    status: 'available',
    subject,
    started: '2026-05-04T09:00:00Z',
    description: UNBROKEN,
    series: [{ uid: '1.2.3', modality: { system: 'urn:example', code: 'CT' }, description: UNBROKEN }],
  },
  { resourceType: 'DiagnosticReport', id: 'hostile', status: 'final', subject, code, conclusion: WORDS },
  { resourceType: 'Observation', id: 'hostile-1', status: 'final', subject, code, valueString: UNBROKEN },
  {
    resourceType: 'Observation',
    id: 'hostile-2',
    status: 'final',
    subject,
    code: { text: WORDS },
    valueQuantity: { value: 1, unit: UNBROKEN },
  },
  {
    resourceType: 'Condition',
    id: 'hostile',
    subject,
    code,
    clinicalStatus: { coding: [{ code: 'active' }] },
  },
];
const PERSON = { resourceType: 'Practitioner', id: 'hostile', name: [{ text: UNBROKEN }] };
const USERS = [
  { id: 'hostile', name: UNBROKEN, aliases: [UNBROKEN] },
  { id: 'words', name: WORDS, aliases: [] },
];
/** What another Hub or application said, in a report. */
const RESULT = {
  id: 'well-known-served',
  title: 'The Hub says where it is',
  rule: 'WKC-1',
  level: 'SHALL',
  requirement: { section: '1', quote: 'SHALL', link: 'https://example.org' },
  durationMs: 1,
} as const;
const REPORT: ConformanceReport = {
  diagnosis: [{ sentence: UNBROKEN }],
  target: { kind: 'hub', name: UNBROKEN },
  versions: ['3.0.0'],
  startedAt: '2026-05-04T09:00:00Z',
  durationMs: 1000,
  counts: { pass: 0, fail: 1, warning: 0, skip: 1 },
  results: [
    {
      ...RESULT,
      verdict: 'fail',
      expected: WORDS,
      seen: UNBROKEN,
      exchange: [{ at: 1, kind: 'received', who: UNBROKEN, text: WORDS.replaceAll(' ', '\n') }],
    },
    { ...RESULT, id: 'skipped', verdict: 'skip', reason: UNBROKEN },
  ],
};
const CHANGE: ReportChange = { id: 'a', title: 'A check', before: 'pass', after: 'fail', reason: UNBROKEN };
const CHANGES: ReportChanges = { worse: [CHANGE], better: [], other: [], same: 1 };
const RUN: ConformanceRun = {
  id: 'run',
  kind: 'hub',
  name: UNBROKEN,
  spec: '3.0.0',
  startedAt: 1,
  status: 'failed',
  problem: UNBROKEN,
  done: 1,
  total: 2,
  counts: REPORT.counts,
};
const SETUP: ConformanceSetup = {
  hubUrl: 'http://localhost/hub',
  specs: ['3.0.0'],
  run: RUN,
  others: [{ ...RUN, id: 'other', status: 'running' }],
  reports: [
    {
      ...REPORT,
      id: '000000000000001-a',
      kind: 'hub',
      name: UNBROKEN,
      startedAt: 1,
      safetyWarnings: 0,
      checks: 1,
      by: UNBROKEN,
    },
  ],
};
/** As long and as bad as the server lets one be. */
const APP = {
  client_name: `${MARKUP}${'x'.repeat(1900)}`,
  client_description: `${MARKUP}${' word'.repeat(350)}`,
  category: '<b>category</b>',
  launch_url: `http://localhost:1/launch?${'y'.repeat(1500)}`,
  redirect_uris: ['http://localhost:1/back'],
  token_endpoint_auth_method: 'none',
  scope: 'launch openid',
  launch_kinds: ['ehr'],
};

let stage: Stage;
before(async () => {
  stage = await Stage.open({}, { records: [...RECORDS, PERSON], users: USERS });
  // The invented app's address is nobody's.
  stage.provoked.push(/ERR_/);
});
after(() => stage.close());

async function unbroken(page: Page, place: string): Promise<void> {
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 800 });
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn))));
    assert.deepEqual(await broken(page), [], `${place}, ${width} px`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

async function visit(page: Page, path: string): Promise<void> {
  await page.evaluate((to) => {
    history.pushState(null, '', to);
    dispatchEvent(new PopStateEvent('popstate'));
  }, path);
  await page.getByRole('heading', { level: 1 }).last().waitFor();
  await page.locator('[data-testid="waiting"]').first().waitFor({ state: 'detached' });
}

test('CWE-79 what others wrote is text in its place on every page, and can be read whole', async () => {
  const page = await stage.browser();
  await stage.signIn(page, /Administrator/, `${MARKUP} \u202eturned`.padEnd(100, 'x').slice(0, 100));
  const status = await page.evaluate(async (app) => {
    const { csrf } = (await (await fetch('/auth/session')).json()) as { csrf: string };
    const headers = { 'x-csrf-token': csrf, 'content-type': 'application/json' };
    return (await fetch('/api/console/apps', { method: 'POST', headers, body: JSON.stringify(app) })).status;
  }, APP);
  assert.equal(status, 201);
  await page.reload();
  await page.locator('[data-testid="patient"]').filter({ hasText: 'onerror' }).first().waitFor();
  await unbroken(page, 'list of patients');
  // An application that refuses, by a name as long as the Hub takes.
  await RawSubscriber.join(
    page,
    `${MARKUP}${'x'.repeat(256)}`.slice(0, 256),
    ['Patient-open', 'ImagingStudy-open'],
    () => 409,
  );
  const other = await OtherApp.of(page);
  await other.publish('Patient-open', [{ key: 'patient', resource: RECORDS[0] }]);
  await page.getByRole('heading', { name: /Observations/ }).waitFor();
  await page.getByRole('alert').first().waitFor();
  const report = page.locator('details').filter({ hasText: 'word word' }).first();
  await unbroken(page, 'chart');
  await report.locator('summary').click();
  const whole = report.locator('[tabindex]');
  assert.equal(await whole.innerText(), WORDS);
  await unbroken(page, 'chart with a report unfolded');
  await page.getByRole('textbox', { name: 'Note' }).fill(UNBROKEN);
  await page
    .getByRole('button', { name: /^Close / })
    .first()
    .click();
  await page.getByRole('dialog').waitFor();
  await unbroken(page, 'dialog');
  await page.getByRole('dialog').getByRole('button', { name: 'Save and close' }).click();
  await page.getByTestId('no-chart').waitFor();
  for (const [path, marked] of [
    ['/apps', '[data-testid="app"]'],
    ['/sessions', '[data-testid="sessions"]'],
    ['/users', '[data-testid="users"]'],
    ['/users/hostile', 'h1'],
    ['/worklist', 'table'],
    ['/patients/hostile/studies/hostile', 'main'],
  ] as const) {
    await visit(page, path);
    await page.locator(marked).filter({ hasText: 'onerror' }).last().waitFor();
    await unbroken(page, path);
  }
  await visit(page, '/sessions');
  await page.locator('[data-testid="sessions"] a').first().click();
  await page.getByRole('option').first().waitFor();
  await unbroken(page, 'inspector');
  await page.getByRole('searchbox').fill(HOSTILE);
  await page.getByText('0 rows').waitFor();
  await page.getByRole('searchbox').fill('Patient/hostile');
  await page.getByRole('option').first().click();
  await page.getByText('Message', { exact: true }).click();
  await page.locator('pre').filter({ hasText: 'onerror' }).waitFor();
  await unbroken(page, 'a message in the inspector');
  await page.getByText('Compose', { exact: true }).click();
  await page.getByRole('combobox').selectOption({ label: 'Another …' });
  await page.getByLabel('Name of the event').fill(UNBROKEN);
  await page.getByText('JSON', { exact: true }).click();
  await page.getByLabel('The message as it is posted').fill(JSON.stringify({ id: UNBROKEN, event: { [UNBROKEN]: 1 } }));
  stage.provoked.push(/^400 POST .*\/publish$/);
  await page.getByRole('button', { name: 'Publish' }).click();
  await page.getByRole('alert').last().waitFor();
  await unbroken(page, 'composer');
  await page.context().close();
});

/** Answers requests of the pages with what another program might. */
async function answered(page: Page, path: RegExp, json: object): Promise<void> {
  await page.route(path, (route) => route.fulfill({ json }));
}

test('CWE-79 what comes with files, reports, guests and invitations is text in its place, and can be read whole', async () => {
  const page = await stage.person(/Administrator/);
  await visit(page, '/apps/new');
  // What is no JSON is refused.
  stage.provoked.push(/^400 POST .*\/manifest$/);
  // The server knows nothing of the run that is answered for, nor of the second guest.
  stage.provoked.push(/^404 GET .*(?:\/run\/report$|\/fhir\/)/);
  const upload = async (name: string, content: string) => {
    await page
      .locator('input[type=file]')
      .setInputFiles({ name, mimeType: 'application/json', buffer: Buffer.from(content) });
  };
  // As long as file systems let a name be.
  const name = `${HOSTILE}${'x'.repeat(250)}`.slice(0, 250);
  await upload(name, '{');
  await page.getByRole('alert').filter({ hasText: 'no valid JSON' }).waitFor();
  await unbroken(page, 'a file that is no manifest');
  const metadata = { ...APP, client_name: `${MARKUP} עברית ${'y'.repeat(1800)}` };
  await upload(name, JSON.stringify({ ...metadata, software_id: UNBROKEN, token_endpoint_auth_method: UNBROKEN }));
  await page.getByRole('alert').filter({ hasText: 'no valid JSON' }).waitFor({ state: 'detached' });
  await unbroken(page, 'a manifest in the form');
  await upload('app.json', JSON.stringify({ ...metadata, token_endpoint_auth_method: 'client_secret_basic' }));
  await page.getByRole('radio', { name: /keeps a secret/, checked: true }).waitFor();
  await page.getByRole('button', { name: 'Register', exact: true }).click();
  await page.getByText('What is secret is shown once').waitFor();
  await unbroken(page, 'a registered app');
  await page.getByRole('link', { name: 'Go on to the app' }).click();
  await page.getByRole('heading', { name: 'Live tokens' }).waitFor();
  await unbroken(page, 'the page of an app');

  await answered(page, /\/api\/console\/conformance$/, SETUP);
  await answered(page, /\/conformance\/reports\/[^/]+$/, REPORT);
  await answered(page, /\/conformance\/reports\/[^/]+\/since\//, CHANGES);
  await visit(page, '/conformance');
  await page.getByRole('heading', { name: /reports? of earlier runs/ }).click();
  await page.locator('td').filter({ hasText: 'onerror' }).first().waitFor();
  await unbroken(page, 'runs and reports');
  await visit(page, '/conformance?report=000000000000001-a&since=000000000000002-b');
  await page.getByRole('article').waitFor();
  await page.getByText(/What was exchanged/).click();
  await page.getByRole('heading', { name: '1 skipped' }).click();
  await unbroken(page, 'a report');
  const seen = page.locator('dd details').nth(1);
  await seen.locator('summary').click();
  assert.equal(await seen.locator('[tabindex]').innerText(), UNBROKEN);
  await unbroken(page, 'a report with what was seen unfolded');

  const hub = /\/hub\/session$/;
  const sessions = async () => {
    const { session_topic: topic } = (await (await page.request.get(`${stage.origin}/auth/session`)).json()) as {
      session_topic: string;
    };
    const guest = { joined: '2026-05-04T09:00:00Z', following_only: true };
    return [
      {
        'hub.topic': topic,
        guests: [
          { ...guest, user: 'Practitioner/hostile' },
          { ...guest, user: UNBROKEN },
        ],
      },
    ];
  };
  await answered(page, hub, await sessions());
  await visit(page, '/guests');
  await page.getByRole('button', { name: 'Make a link' }).click();
  await page.locator('[data-testid="copyable"]').waitFor();
  await page.locator('button[data-loading]').waitFor({ state: 'detached' });
  await page.getByRole('listitem').filter({ hasText: 'onerror' }).nth(1).waitFor();
  await unbroken(page, 'guests');
  const joined = { 'hub.topic': UNBROKEN, 'hub.url': UNBROKEN, user: 'Practitioner/hostile' };
  await answered(page, /\/hub\/invitation\//, joined);
  await visit(page, `/join/${encodeURIComponent(MARKUP)}`);
  await page.getByRole('button', { name: 'Join' }).click();
  await page.getByRole('status').filter({ hasText: 'onerror' }).waitFor();
  await unbroken(page, 'an invitation');
  await page.context().close();
});

test('CWE-79 the samples show what others wrote as text in its place', async () => {
  const page = await stage.person(/Lena Okafor/);
  const viewer = await run(page, 'Image viewer');
  const writer = await run(page, 'Report writer');
  const other = await OtherApp.of(page);
  await other.publish('Patient-open', [{ key: 'patient', resource: RECORDS[0] }]);
  await viewer.getByRole('button').filter({ hasText: 'onerror' }).first().waitFor();
  await writer.getByText('no report', { exact: true }).waitFor();
  for (const frame of page.frames().slice(1)) assert.deepEqual(await broken(frame), [], frame.url());
  await page.context().close();
});

test('no page reported an error', () => {
  assert.deepEqual(stage.complaints, []);
});
