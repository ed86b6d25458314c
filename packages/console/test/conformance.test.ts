import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { findings } from './axe.ts';
import { Stage } from './stage.ts';

let stage: Stage;
before(async () => {
  // A Hub in use waits ten seconds for an answer.
  stage = await Stage.open({ LOCKSTEP_ANSWER_SECONDS: '2' });
});
after(() => stage.close());

/** A full run against this server, on a busy machine. */
const LONG = { timeout: 600_000 };

async function conformancePage(): Promise<Page> {
  const page = await stage.person(/Administrator/);
  await page.getByRole('link', { name: 'Conformance' }).click();
  await page.getByRole('heading', { name: 'What to test' }).or(page.getByText('What to test')).first().waitFor();
  return page;
}

/** Somebody's Hub on this machine, such as it is. */
async function otherHub(listener: RequestListener): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hub`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

async function testOther(page: Page, url: string): Promise<void> {
  await page.getByLabel('Another Hub').check();
  await page.getByLabel('hub.url').fill(url);
  await page.getByLabel('Access', { exact: true }).selectOption('open');
  await page.getByLabel('Sessions').selectOption('any');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
}

const resultOf = (page: Page, id: string) =>
  page.locator('details[data-testid="result"]', { has: page.locator('summary').getByText(id, { exact: true }) });

async function download(page: Page, name: string): Promise<string> {
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('list', { name: 'Download the report' }).getByRole('link', { name }).click(),
  ]);
  return readFile(await file.path(), 'utf8');
}

test('an administrator holds this Hub to the specification, watches, reads the report and takes it along', async () => {
  const page = await conformancePage();
  assert.equal(await page.getByLabel('This Hub').isChecked(), true);
  // Browser, server and suite share the machine with other tests.
  await page.getByLabel('Slowness').fill('2');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByRole('progressbar', { name: 'Checks done' }).waitFor();
  assert.deepEqual(await findings(page), []);
  const second = await page.context().newPage();
  await second.goto(`${stage.origin}/conformance`);
  await second.getByRole('progressbar', { name: 'Checks done' }).waitFor();
  assert.equal(await second.getByRole('button', { name: 'Run', exact: true }).isVisible(), false);
  await second.close();
  const conforms = page.getByText('It conforms: nothing failed.');
  await conforms.or(page.getByText('It does not conform')).waitFor(LONG);
  // Leases run in real time: what a busy machine made late is looked at once more.
  if (!(await conforms.isVisible())) await page.getByRole('button', { name: 'Run', exact: true }).click();
  await conforms.waitFor(LONG);
  await page.getByText(/^0 failed|× 0 failed/).waitFor();
  await page.getByRole('heading', { name: /\d+ passed/ }).click();
  await page.getByText('subscribe-accepted', { exact: true }).click();
  const sentence = 'the Hub SHALL respond to a subscription request with an appropriate HTTP response';
  await page.getByText(sentence).filter({ visible: true }).waitFor();
  assert.match(await download(page, 'HTML page'), /^<!doctype html>/);
  assert.match(await download(page, 'JUnit XML'), /<testsuites/);
  assert.equal(JSON.parse(await download(page, 'JSON')).format, 'fhircast-conformance/1');
  assert.equal(JSON.parse(await download(page, 'FHIR TestReport')).resourceType, 'TestReport');
  assert.match(await download(page, 'Badge'), /^<svg/);
  assert.deepEqual(await findings(page), []);
  await page.context().close();
});

test('reports are kept, opened by their link, compared, and one check runs again', async () => {
  const page = await conformancePage();
  const finished = page.getByRole('status').filter({ hasText: /conforms: nothing failed|does not conform/ });
  for (let turn = 0; turn < 2; turn++) {
    await page.getByLabel('Checks', { exact: true }).selectOption('basics');
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByRole('progressbar', { name: 'Checks done' }).waitFor();
    await finished.waitFor(LONG);
  }
  const link = await page.locator('[data-testid="copyable"] pre').innerText();
  assert.match(link, /\/conformance\?report=\d{15}-/);
  const history = page.getByRole('heading', { name: /\d+ reports of earlier runs/ });
  await history.click();
  await page
    .getByRole('link', { name: /^with / })
    .first()
    .click();
  await page.getByRole('heading', { name: 'What changed' }).waitFor();
  await page.getByText(/\d+ worse, \d+ better/).waitFor();
  assert.deepEqual(await findings(page), []);
  const second = await stage.person(/Administrator/);
  await second.goto(link);
  await second.getByRole('article', { name: 'Report' }).waitFor();
  await second.context().close();
  await page.getByRole('link', { name: 'All runs and reports' }).click();
  await page.getByRole('heading', { name: /\d+ passed/ }).click();
  await resultOf(page, 'broadcast-id').locator('summary').first().click();
  await resultOf(page, 'broadcast-id').getByRole('button', { name: 'Run this check again' }).click();
  await page.getByRole('heading', { name: '1 passed' }).waitFor(LONG);
  await page.context().close();
});

test('of another Hub what failed comes first, with the exchange, the sentence and its link', async (t) => {
  const SCRIPT = '<img src=x onerror="window.broken=true">';
  const hub = await otherHub(
    (_, response) => void response.writeHead(500, { 'content-type': 'text/plain' }).end(SCRIPT),
  );
  t.after(() => hub.close());
  const page = await conformancePage();
  await page.getByLabel('Another Hub').check();
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByText('3 fields need attention.').waitFor();
  await page.getByText('Not a whole address: http://… or https://…').waitFor();
  await testOther(page, hub.url);
  await page.getByText('It does not conform').waitFor(LONG);
  const [first] = await page.locator('[data-testid="report"] > section h2').allInnerTexts();
  assert.ok(first?.includes(hub.url));
  assert.match((await page.locator('[data-testid="report"] h2').nth(1).innerText()) ?? '', /\d+ failed/);
  const failed = resultOf(page, 'well-known-served');
  // A few failures are open from the beginning, many are not.
  if ((await failed.getAttribute('open')) === null) await failed.locator('summary').first().click();
  await failed.locator('dd').filter({ hasText: 'HTTP 500' }).waitFor();
  assert.match((await failed.getByRole('link').getAttribute('href')) ?? '', /^https:\/\/build\.fhir\.org/);
  await failed.getByText(/What was exchanged/).click();
  await failed.locator('pre').filter({ hasText: SCRIPT }).first().waitFor();
  assert.equal(await page.evaluate(() => 'broken' in window), false);
  assert.deepEqual(await findings(page), []);
  await page.context().close();
});

test('a run is cancelled; what did not run is skipped', async (t) => {
  const hub = await otherHub(() => {});
  t.after(() => hub.close());
  const page = await conformancePage();
  await testOther(page, hub.url);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('The run was cancelled').waitFor(LONG);
  await page.getByRole('heading', { name: /\d+ skipped/ }).click();
  await page.getByText('The run was ended before this check').first().waitFor();
  await page.context().close();
});

/** As much of an application as it takes to subscribe and to answer. */
async function follow(hubUrl: string, topic: string, token: string): Promise<WebSocket> {
  const response = await fetch(hubUrl, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: new URLSearchParams({
      'hub.channel.type': 'websocket',
      'hub.mode': 'subscribe',
      'hub.topic': topic,
      'hub.events': 'Patient-open,Patient-close',
      'subscriber.name': 'Small',
    }),
  });
  const { 'hub.channel.endpoint': endpoint } = (await response.json()) as { 'hub.channel.endpoint': string };
  const socket = new WebSocket(endpoint);
  socket.onmessage = ({ data }) => {
    const { id } = JSON.parse(String(data)) as { id?: string };
    if (id !== undefined) socket.send(JSON.stringify({ id, status: 200 }));
  };
  return socket;
}

test('an application gets the Hub to join, and a person says in the page what it shows', async () => {
  const page = await conformancePage();
  await page.getByLabel('An application: the suite plays its Hub').check();
  await page.getByLabel('Name of the application').fill('Small');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  const asked = page.getByRole('region', { name: 'At the application' });
  const given = async (title: string) =>
    (await asked.locator('[data-testid="copyable"]').filter({ hasText: title }).locator('pre').innerText()).trim();
  await asked.waitFor();
  assert.deepEqual(await findings(page), []);
  const socket = await follow(await given('hub.url'), await given('hub.topic'), await given('Access token'));
  await asked.getByRole('button', { name: 'Started', exact: true }).click();
  await asked.getByText(/Answer yes if the application shows the patient/).waitFor(LONG);
  await asked.getByRole('button', { name: 'No', exact: true }).click();
  await asked.getByText(/Begin something in the application/).waitFor(LONG);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('The run was cancelled').waitFor(LONG);
  const failed = resultOf(page, 'app-stale');
  await failed.getByText('it followed the older event, says who watched it').waitFor();
  socket.close();
  await page.context().close();
});

test('by keyboard alone: choose, run, cancel', async (t) => {
  const hub = await otherHub(() => {});
  t.after(() => hub.close());
  const page = await conformancePage();
  await page.getByLabel('This Hub').focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Tab');
  await page.keyboard.type(hub.url);
  await page.keyboard.press('Tab');
  await page.keyboard.type('None');
  await page.keyboard.press('Tab');
  await page.keyboard.type('The Hub');
  // Specification, slowness, certificates, and the button.
  for (let count = 0; count < 4; count++) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: /^Testing/ }).waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByText('The run was cancelled').waitFor(LONG);
  assert.match(await page.evaluate(() => document.activeElement?.textContent ?? ''), /^http/);
  await page.context().close();
});

test('the suite is for administrators', async () => {
  const page = await stage.person(/Lena Okafor/);
  assert.equal(await page.getByRole('link', { name: 'Conformance' }).count(), 0);
  await page.goto(`${stage.origin}/conformance`);
  await page.getByRole('heading', { name: 'For administrators' }).waitFor();
  assert.equal(await page.evaluate(async () => (await fetch('/api/console/conformance')).status), 403);
  await page.context().close();
});

test('no page reported an error', () => {
  const expected = /^403 GET .*\/api\/console\/conformance/;
  assert.deepEqual(
    stage.complaints.filter((text) => !expected.test(text)),
    [],
  );
});
