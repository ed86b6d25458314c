/** What others wrote is shown as text, in its place, and can be read whole, wherever it is shown. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Frame, Page } from 'playwright-core';
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
const USERS = [
  { id: 'hostile', name: UNBROKEN, aliases: [UNBROKEN] },
  { id: 'words', name: WORDS, aliases: [] },
];
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
  stage = await Stage.open({}, { records: RECORDS, users: USERS });
  // The invented app's address is nobody's.
  stage.provoked.push(/ERR_/);
});
after(() => stage.close());

/** Where a text does not keep to its place, is cut without a way to see the whole, or was taken for more than text. */
function broken(where: Page | Frame): Promise<readonly string[]> {
  return where.evaluate(() => {
    const found = new Set<string>();
    if ('broken' in window) found.add('a script ran');
    if (document.querySelectorAll('img[src="x"], script:not([src])').length > 0)
      found.add('markup was taken for markup');
    if (document.documentElement.scrollWidth > innerWidth) found.add('the page is wider than the window');
    for (const element of document.querySelectorAll<HTMLElement>('body *')) {
      if (
        !element.checkVisibility() ||
        element.matches('pre, pre *, details > [tabindex] *, input, textarea, select, option, svg *, iframe')
      )
        continue;
      const { width, height, right } = element.getBoundingClientRect();
      const says = `${element.tagName} ${Math.round(width)} × ${Math.round(height)} "${element.textContent?.slice(0, 30)}"`;
      const hasText = [...element.childNodes].some(
        (node) => node.nodeType === 3 && (node.nodeValue ?? '').trim().length > 60,
      );
      if (hasText && height > 300) found.add(`high: ${says}`);
      if (hasText && width > 30 && right > innerWidth + 1) found.add(`outside: ${says}`);
      const { overflow, overflowX } = getComputedStyle(element);
      const isCut = element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 3;
      const isClipped = overflow !== 'visible' && !/auto|scroll/.test(overflowX) && width > 2;
      if (isCut && isClipped && element.textContent?.trim() && !element.closest('[title]')) found.add(`cut: ${says}`);
    }
    return [...found];
  });
}

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

test('nothing was complained of', () => {
  assert.deepEqual(stage.complaints, []);
});
