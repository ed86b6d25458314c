/**
 * Pictures of every page. With SCREENSHOTS=docs in the environment they are written to `docs/screenshots`; otherwise they
 * are taken all the same, so that the way to each page is known to work.
 */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { FrameLocator, Page } from 'playwright-core';
import { member, openPatient, run, Stage, shows } from './stage.ts';

const kept = process.env.SCREENSHOTS === 'docs';
const folder = kept
  ? fileURLToPath(new URL('../../../docs/screenshots/', import.meta.url))
  : mkdtempSync(join(tmpdir(), 'screenshots-'));
const SIZE = { width: 1440, height: 900 };
/** Of pages with little on them. */
const LOW = { width: 1440, height: 560 };

let stage: Stage;
before(async () => {
  await mkdir(folder, { recursive: true });
  stage = await Stage.open();
});
after(async () => {
  await stage.close();
  if (!kept) await rm(folder, { recursive: true, force: true });
});

/** Changes the language as another window of the browser would, so that the page stays as it is. */
async function speak(page: Page, language: string): Promise<void> {
  await page.evaluate((newValue) => {
    const key = 'lockstep-language';
    localStorage.setItem(key, newValue);
    dispatchEvent(new StorageEvent('storage', { key, newValue }));
  }, language);
  // Frames of apps go on, and are hidden, while another page is looked at.
  for (const frame of page.frames()) {
    await frame.locator(`html[lang="${language}"]`).waitFor({ state: 'attached' });
  }
}

/** The viewer, with an image in it. */
async function runViewer(page: Page): Promise<FrameLocator> {
  const viewer = await run(page, 'Image viewer');
  await viewer.locator('[data-ready]').waitFor();
  return viewer;
}

/** Takes the picture in English, and one beside it in German. */
async function picture(page: Page, name: string, size = page.viewportSize() ?? SIZE): Promise<void> {
  await page.setViewportSize(size);
  await page.mouse.move(2, 2);
  for (const [language, suffix] of [
    ['de', '-de'],
    ['en', ''],
  ] as const) {
    await speak(page, language);
    // A picture shows what stays, not how a change arrives.
    for (const frame of page.frames()) {
      await frame.getByText(/^(Catching up|Holt auf)$/).waitFor({ state: 'detached' });
    }
    const path = join(folder, `${name}${suffix}.png`);
    await page.screenshot({ path, animations: 'disabled', caret: 'hide' });
    assert.ok((await stat(path)).size > 10_000, name);
  }
}

/**
 * Opens the patient in front again until everybody followed as fast as they do while the machine does nothing else: a picture
 * of a moment in which it did is a picture of that machine.
 */
async function atEase(page: Page, patient: RegExp): Promise<void> {
  if (!kept) return;
  for (let tries = 0; tries < 8; tries++) {
    const times = await page.locator('[data-testid="ms"]').allInnerTexts();
    if (times.every((text) => Number.parseInt(text, 10) < 100)) return;
    const answered = page.waitForResponse((response) => response.url().endsWith('/hub'));
    await openPatient(page, patient);
    await answered;
    await page.locator('[data-member][data-tone="busy"]').first().waitFor({ state: 'detached' });
  }
}

/** A measurement across the middle of the picture, shared in the open report. */
async function measure(page: Page, viewer: FrameLocator, label: string): Promise<void> {
  await viewer.locator('[data-ready]').waitFor();
  const box = await viewer.getByRole('img').boundingBox();
  assert.ok(box);
  const [x, y] = [box.x + box.width / 2 - 52, box.y + box.height / 2 - 12];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + 26, y - 8, { steps: 3 });
  await page.mouse.up();
  await viewer.getByLabel('What it is').fill(label);
  await viewer.getByRole('button', { name: 'Share' }).click();
}

/** Somebody else at work, at a workstation of a name. */
async function colleague(name: RegExp, workstation: string): Promise<Page> {
  const page = await stage.browser();
  await page.goto(stage.origin);
  await page.getByLabel('Workstation').fill(workstation);
  await page.getByRole('button', { name }).click();
  await page.getByRole('searchbox', { name: 'Search patients' }).waitFor();
  return page;
}

async function register(metadata: object): Promise<void> {
  const response = await fetch(`${stage.origin}/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      token_endpoint_auth_method: 'none',
      grant_types: [],
      redirect_uris: [],
      scope: 'fhircast/*.*',
      ...metadata,
    }),
  });
  assert.equal(response.status, 201);
}

async function addUser(administrator: Page, user: object): Promise<void> {
  const status = await administrator.evaluate(async (body) => {
    const { csrf } = (await (await fetch('/auth/session')).json()) as { csrf: string };
    const headers = { 'content-type': 'application/json', 'x-csrf-token': csrf };
    return (await fetch('/api/console/users', { method: 'POST', headers, body: JSON.stringify(body) })).status;
  }, user);
  assert.equal(status, 201);
}

test('every page has its picture', async () => {
  const page = await stage.browser(SIZE);
  await page.goto(stage.origin);
  await page.getByRole('button', { name: /Lena Okafor/ }).waitFor();
  await picture(page, 'sign-in');
  await page.getByRole('button', { name: /Lena Okafor/ }).click();
  await openPatient(page, /Hannah Kowalczyk/);
  await openPatient(page, /Amara Diallo/);
  await page.getByRole('heading', { name: /Imaging/ }).waitFor();
  const viewer = await runViewer(page);
  const writer = await run(page, 'Report writer');
  await viewer
    .getByRole('button', { name: /Mediastinum/ })
    .first()
    .click();
  await writer.getByRole('button', { name: /CT Chest.*May 2026/ }).click();
  await writer.getByLabel('Impression').fill('Solid nodule in the right upper lobe, unchanged.');
  await measure(page, viewer, 'Nodule');
  await writer.getByText('Nodule', { exact: false }).first().waitFor();
  await writer.getByRole('button', { name: 'Show Nodule in the images' }).click();
  await viewer.getByRole('button', { name: /Nodule/, pressed: true }).waitFor();
  await page.getByText('In sync', { exact: true }).first().waitFor();
  await picture(page, 'ehr');

  await openPatient(page, /Kofi Mensah/, true);
  await shows(viewer, 'Kofi Mensah');
  await page.getByRole('alert').first().waitFor();
  await picture(page, 'not-following');
  await writer.getByRole('button', { name: 'Sign' }).click();
  await shows(writer, 'Kofi Mensah');
  await member(page, 'Report writer').and(page.locator('[data-tone="good"]')).waitFor();
  await page.locator('[data-testid="own-status"][data-status="in-sync"]').waitFor();
  await register({
    client_name: 'Workstation PACS',
    description: 'A program on the desktop that speaks FHIRcast, and no OAuth.',
    launch_kinds: ['command-line'],
    switches: { program: 'C:\\PACS\\pacs.exe' },
  });
  await register({
    client_name: 'Tumour board',
    description: 'A web page that is told the session in its address.',
    launch_kinds: ['web'],
    launch_url: 'https://board.example.org/start',
  });
  await atEase(page, /Kofi Mensah/);
  await page.getByRole('link', { name: 'Apps', exact: true }).first().click();
  await page.getByRole('button', { name: 'Make a launch: Workstation PACS' }).waitFor();
  await picture(page, 'apps');

  const mei = await colleague(/Mei Tanaka/, 'Reading room 2');
  await openPatient(mei, /Walter Pruitt/);
  await runViewer(mei);
  const tomas = await colleague(/Tomas Lindqvist/, 'Emergency desk');
  await openPatient(tomas, /Priya Raman/);
  const administrator = await stage.person(/Administrator/, { viewport: SIZE });
  await administrator.getByRole('link', { name: 'Sessions', exact: true }).click();
  await administrator.locator('[data-testid="sessions"]').getByText('Emergency desk').waitFor();
  await picture(administrator, 'sessions', LOW);
  await administrator.setViewportSize(SIZE);
  await administrator.locator('[data-testid="sessions"]').getByRole('link', { name: 'Dr. Lena Okafor' }).click();
  await administrator.getByRole('option').first().waitFor();
  await administrator.getByText('events', { exact: true }).click();
  await administrator.getByRole('option').filter({ hasText: 'DiagnosticReport-update' }).click();
  await administrator.getByText('added', { exact: false }).first().waitFor();
  await administrator.getByText('all', { exact: true }).click();
  await picture(administrator, 'inspector');
  await administrator.getByText('Compose', { exact: true }).click();
  await administrator.getByRole('button', { name: 'Publish' }).waitFor();
  await picture(administrator, 'composer');
  await administrator.goto(`${stage.origin}/apps/new`);
  await administrator.getByRole('heading', { name: 'Register an app' }).waitFor();
  await picture(administrator, 'register');
  await administrator.goto(`${stage.origin}/apps/sample-viewer`);
  await administrator.getByRole('heading', { name: 'Live tokens' }).waitFor();
  await picture(administrator, 'app');
  await administrator.goto(
    `${stage.origin}/launch?kind=ehr&app=sample-viewer&patient=amara-diallo&faults=slow-hub,sync-error`,
  );
  await administrator.getByLabel('Slow Hub').waitFor();
  await picture(administrator, 'launch-builder');
  await addUser(administrator, { id: 'mruiz', name: 'Dr. Marta Ruiz', aliases: ['urn:hospital|4711', 'MRUIZ-RAD'] });
  await addUser(administrator, { id: 'it-support', name: 'Ben Adeyemi', administrator: true });
  await addUser(administrator, { id: 'snovak', name: 'Dr. Sara Novak', aliases: ['urn:hospital|5203'] });
  await administrator.getByRole('link', { name: 'Users', exact: true }).click();
  await administrator.getByRole('link', { name: 'Dr. Sara Novak' }).waitFor();
  await picture(administrator, 'users', LOW);
  await administrator.getByRole('link', { name: 'Dr. Marta Ruiz' }).click();
  await administrator.getByRole('button', { name: 'End sessions' }).waitFor();
  await picture(administrator, 'user', LOW);
  await mei.context().close();
  await tomas.context().close();

  await administrator.context().close();
  await page.getByRole('link', { name: 'Worklist', exact: true }).click();
  await page.locator('[data-testid="worklist"] tbody tr').first().waitFor();
  await picture(page, 'worklist');
  await page.getByRole('link', { name: 'EHR', exact: true }).click();
  await page.getByRole('button', { name: 'Change to light' }).click();
  await atEase(page, /Kofi Mensah/);
  await picture(page, 'ehr-light');
  await page.context().close();

  const tablet = await stage.person(/Mei Tanaka/, { viewport: { width: 1024, height: 1366 } });
  await openPatient(tablet, /Walter Pruitt/);
  await runViewer(tablet);
  await atEase(tablet, /Walter Pruitt/);
  await picture(tablet, 'tablet');
  await tablet.context().close();

  const phone = await stage.person(/Mei Tanaka/, { viewport: { width: 390, height: 844 } });
  await openPatient(phone, /Walter Pruitt/);
  await runViewer(phone);
  await atEase(phone, /Walter Pruitt/);
  await picture(phone, 'phone');
  await phone.getByRole('link', { name: 'Launch builder', exact: true }).click();
  await phone.getByRole('heading', { name: 'Launch builder' }).waitFor();
  await picture(phone, 'phone-launch-builder');
  await phone.getByRole('button', { name: 'Change to light' }).click();
  await phone.getByRole('link', { name: 'Guests', exact: true }).click();
  await phone.getByRole('heading', { name: 'Guests' }).waitFor();
  await picture(phone, 'phone-guests');
  await phone.context().close();
});

test('the conformance page has its picture', async (t) => {
  // A Hub in use waits ten seconds for an answer.
  const tested = await Stage.open({ LOCKSTEP_ANSWER_SECONDS: '2' });
  t.after(() => tested.close());
  const administrator = await tested.person(/Administrator/, { viewport: SIZE });
  await administrator.getByRole('link', { name: 'Conformance' }).click();
  await administrator.getByRole('button', { name: 'Run', exact: true }).click();
  await administrator.getByText('It conforms: nothing failed.').waitFor({ timeout: 600_000 });
  await administrator.getByRole('heading', { name: /\d+ passed/ }).click();
  await administrator.evaluate(() => document.getElementById('content')?.scrollTo(0, 0));
  await picture(administrator, 'conformance');
});
