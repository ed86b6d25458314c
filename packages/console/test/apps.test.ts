import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { holds, openPatient, run, Stage, shows } from './stage.ts';
import { zip } from './zip.ts';

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(() => stage.close());

const SCRIPT = '<img src=x onerror="window.broken=true"><b>bold</b>';

/** A web app of somebody else's: says what it was launched with. */
async function foreignApp(): Promise<{ origin: string; close: () => Promise<void> }> {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    const { searchParams } = new URL(request.url ?? '/', 'http://app');
    response.end(`<h1>Launched with ${searchParams.get('iss')} ${searchParams.get('launch')?.length}</h1>`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

async function registerForm(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'Apps', exact: true }).click();
  await page.getByRole('link', { name: 'Register an app' }).click();
  await page.getByRole('heading', { name: 'Register an app' }).waitFor();
}

test('REG-1 an error of what is typed is shown next to its field; a secret is shown once; Run launches the app', async (t) => {
  const app = await foreignApp();
  t.after(() => app.close());
  const page = await stage.person(/Administrator/);
  await openPatient(page, /Amara Diallo/);
  await registerForm(page);
  await page.getByLabel('Launch address').fill('app.example.org');
  await page.getByText('Not a whole address: it begins with https://').waitFor();
  await page.getByLabel('Redirect addresses').fill('javascript:alert(1)');
  await page.getByText('javascript: is not allowed').waitFor();
  await page.getByRole('button', { name: 'Register', exact: true }).click();
  await page.getByText('Give the app a name').waitFor();
  // What is wrong with a choice is said of all of it.
  const kinds = page.getByRole('group', { name: 'Kinds of launch' });
  const fromTheEhr = kinds.getByRole('checkbox').and(page.locator(':checked'));
  await fromTheEhr.uncheck();
  await page.getByText('Choose how the app is started').waitFor();
  const said = page.locator(`[id="${await kinds.getAttribute('aria-describedby')}"]`);
  assert.equal(await said.innerText(), 'Choose how the app is started');
  await kinds.getByRole('checkbox').first().check();
  await page.getByText('Choose how the app is started').waitFor({ state: 'detached' });
  await page.getByLabel('Name', { exact: true }).fill(`Dictation ${SCRIPT}`);
  await page.getByLabel('Description').fill(SCRIPT);
  await page.getByLabel('Launch address').fill(`${app.origin}/launch`);
  await page.getByLabel('Redirect addresses').fill(`${app.origin}/back`);
  await page.getByText('keeps a secret that is made here').click();
  await page.getByRole('button', { name: 'Register', exact: true }).click();
  await page.getByText('What is secret is shown once').waitFor();
  const secret = (await page.locator('[data-testid="copyable"][data-secret] pre').innerText()).trim();
  assert.ok(secret.length >= 32);
  await page.getByRole('link', { name: 'Go on to the app' }).click();
  await page.getByRole('heading', { name: 'Live tokens' }).waitFor();
  assert.equal((await page.content()).includes(secret), false);

  await page.getByRole('link', { name: 'Apps', exact: true }).first().click();
  const opening = page.context().waitForEvent('page');
  await page.getByRole('button', { name: /^Run Dictation .* in a new window$/ }).click();
  const opened = await opening;
  await opened.getByRole('heading', { name: `Launched with ${stage.origin}/fhir 43` }).waitFor();
  assert.equal(await opened.evaluate(() => window.opener), null);
  // Markup in what others wrote is text.
  assert.ok((await page.locator('[data-testid="apps"]').getByText(SCRIPT).count()) > 0);
  assert.equal(await page.evaluate(() => 'broken' in window), false);
  stage.strangers.length = 0;
  await page.context().close();
});

test('AUT-3 an app whose address does not answer is reported where it was run, with what to look at', async () => {
  const page = await stage.browser();
  await page.clock.install();
  await page.goto(stage.origin);
  await page.getByRole('button', { name: /Mei Tanaka/ }).click();
  // Nothing listens at the port of this address.
  const launch = 'http://localhost:1/launch';
  const registered = await fetch(`${stage.origin}/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Absent',
      launch_url: launch,
      redirect_uris: ['http://localhost:1/back'],
      token_endpoint_auth_method: 'none',
    }),
  });
  assert.equal(registered.status, 201);
  await page.getByRole('link', { name: 'Apps', exact: true }).click();
  await page.getByRole('button', { name: 'Run Absent', exact: true }).click();
  const frame = page.getByRole('region', { name: 'Absent' });
  await frame.waitFor();
  await page.clock.fastForward(9000);
  await frame.getByText('Absent has not asked for its authorization.').waitFor();
  await frame.getByText(launch).waitFor();
  // An app that asks is not complained of.
  const asked = page.waitForResponse(/\/api\/console\/launches\//);
  const src = new URL((await frame.locator('iframe').getAttribute('src')) ?? '');
  const { client_id } = (await registered.json()) as { client_id: string };
  const query = new URLSearchParams({
    client_id,
    redirect_uri: 'http://localhost:1/back',
    launch: src.searchParams.get('launch') ?? '',
  });
  const answer = await fetch(`${stage.origin}/auth/authorize?${query}`, { redirect: 'manual' });
  assert.equal(answer.status, 303);
  await page.clock.fastForward(12_000);
  assert.deepEqual(await (await asked).json(), { asked: true });
  await frame.getByRole('alert').waitFor({ state: 'detached' });
  stage.strangers.length = 0;
  await page.context().close();
});

test('REG-1 a manifest fills the form, and one that is none says why', async () => {
  const page = await stage.person(/Administrator/);
  await registerForm(page);
  const manifest = {
    client_name: 'From a manifest',
    launch_url: 'https://app.example.org/launch',
    redirect_uris: ['https://app.example.org/back'],
    token_endpoint_auth_method: 'none',
    scope: 'launch openid fhircast/Patient-open.read',
  };
  const upload = (name: string, content: string | Buffer) =>
    page.locator('input[type=file]').setInputFiles({ name, mimeType: '', buffer: Buffer.from(content) });
  await upload('broken.json', '{');
  await page.getByText('broken.json: the manifest is no valid JSON').waitFor();
  await upload('empty.zip', zip([]));
  await page.getByText('empty.zip: There is no manifest.json in the zip file.').waitFor();
  const icon = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4"/></svg>';
  await upload(
    'app.zip',
    zip([
      { name: 'app/manifest.json', content: JSON.stringify(manifest) },
      { name: 'app/icon.svg', content: icon },
    ]),
  );
  await holds(page.getByLabel('Name', { exact: true }), 'From a manifest');
  await page.getByRole('button', { name: 'Register', exact: true }).click();
  await page.getByRole('heading', { name: 'From a manifest' }).waitFor();
  // The icon that came with it, as a picture of pixels.
  const shown = page.locator('[data-testid="app-title"] img[src^="data:image/webp;base64,"]');
  assert.ok(await shown.evaluate((image: HTMLImageElement) => image.decode().then(() => image.naturalWidth === 64)));
  await page.getByRole('region', { name: 'Health' }).getByText('not been in a session').waitFor();
  await page.getByRole('region', { name: 'What it may do' }).getByText('see which patient is open').waitFor();
  // Editing, suspending, deleting.
  await page.getByLabel('Description').fill('Edited');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('button', { name: 'Suspend' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Suspend' }).click();
  await page.getByRole('button', { name: 'Let in again' }).click();
  await page.getByRole('button', { name: 'Suspend' }).waitFor();
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('heading', { name: 'Apps', exact: true }).waitFor();
  assert.equal(await page.locator('[data-testid="apps"]').getByText('From a manifest').count(), 0);
  await page.context().close();
});

test('AUT-4 AUT-5 a sample launches on its own: sign-in, patient, consent; and a refusal is said', async () => {
  const page = await stage.browser();
  await page.goto(`${stage.origin}/samples/viewer/`);
  await page.getByRole('button', { name: 'Launch on its own' }).click();
  await page.getByRole('button', { name: /Mei Tanaka/ }).click();
  await page.getByRole('button', { name: /Kofi Mensah/ }).click();
  await page.getByRole('button', { name: 'Refuse' }).click();
  await page.getByRole('heading', { name: 'Image viewer was not launched' }).waitFor();
  await page.getByRole('button', { name: 'Launch on its own' }).click();
  await page.getByRole('button', { name: /Kofi Mensah/ }).click();
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.locator('lockstep-status[status="in-sync"]').waitFor();
  const console = await page.context().newPage();
  await console.goto(stage.origin);
  await openPatient(console, /Hannah Kowalczyk/);
  await shows(page, 'Hannah Kowalczyk');
  await page.context().close();
});

test('TOK-6 an administrator revokes the tokens of an app that is subscribed, and it says so', async () => {
  const page = await stage.person(/Lena Okafor/);
  await openPatient(page, /Amara Diallo/);
  const viewer = await run(page, 'Image viewer');
  const administrator = await stage.person(/Administrator/);
  await administrator.goto(`${stage.origin}/apps/sample-viewer`);
  const week = administrator.getByRole('region', { name: 'Health' }).getByRole('row').nth(1);
  assert.ok(Number(await week.getByRole('cell').first().innerText()) > 0, 'events that it followed');
  const row = administrator.getByRole('row').filter({ hasText: 'Dr. Lena Okafor' });
  await row.getByRole('button', { name: 'Revoke' }).click();
  await viewer.getByText('Not in the session any more').waitFor();
  await viewer.locator('lockstep-status[status="closed"]').waitFor();
  await page.locator('[data-member="Image viewer"]').waitFor({ state: 'detached' });
  await administrator.context().close();
  await page.context().close();
});

/** Registers an app that is launched without SMART. */
async function registerByHand(kind: string, more: object = {}): Promise<void> {
  const response = await fetch(`${stage.origin}/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: `By ${kind}`,
      launch_kinds: [kind],
      token_endpoint_auth_method: 'none',
      grant_types: [],
      redirect_uris: [],
      scope: 'fhircast/*.*',
      ...more,
    }),
  });
  assert.equal(response.status, 201, await response.text());
}

test('LAU-1 apps without SMART show what to run, and launches bring a ticket for their token', async (t) => {
  const app = await foreignApp();
  t.after(() => app.close());
  await registerByHand('command-line', { switches: { program: 'C:\\PACS\\PACS.exe' } });
  await registerByHand('web', { launch_url: `${app.origin}/start` });
  await registerByHand('file');
  await registerByHand('derived');
  const page = await stage.person(/Lena Okafor/);
  await page.getByRole('link', { name: 'Apps', exact: true }).first().click();
  const card = (kind: string) => page.getByRole('listitem', { name: `By ${kind}`, exact: true });
  const topic = await page.evaluate(async () => (await (await fetch('/auth/session')).json()).session_topic as string);

  await card('command-line').getByText(`by-command-line --user=dr-lena-okafor`).waitFor();
  await card('command-line').getByRole('button', { name: 'Make a launch: By command-line' }).click();
  const made = card('command-line').getByRole('status');
  await made.getByText(/^C:\\PACS\\PACS\.exe \/user:dr-lena-okafor .*ticket/).waitFor();
  await made.getByText(/^by-command-line --user=dr-lena-okafor .*--ticket=/).waitFor();
  assert.equal(await made.getByRole('button', { name: /^Copy: / }).count(), 2);
  await card('command-line').getByRole('button', { name: 'A ticket for By command-line' }).click();
  const curl = await made.getByText(/^curl -X POST /).innerText();
  const redeemed = await fetch(curl.replace('curl -X POST ', '').trim(), { method: 'POST' });
  assert.equal(((await redeemed.json()) as { 'hub.topic': string })['hub.topic'], topic);

  const opening = page.context().waitForEvent('page');
  await card('web').getByRole('button', { name: 'Open: By web' }).click();
  const opened = await opening;
  await opened.waitForURL((url) => url.origin === app.origin);
  const { searchParams } = new URL(opened.url());
  assert.equal(searchParams.get('hub.topic'), topic);
  assert.match(searchParams.get('ticket') ?? '', /\/hub\/ticket\//);
  assert.equal(await opened.evaluate(() => window.opener), null);

  await card('file').getByRole('button', { name: 'Drop the file: By file' }).click();
  await card('file')
    .getByRole('status')
    .getByText(/^launch-[0-9a-f-]+\.json$/)
    .waitFor();
  await card('derived').getByText('lockstep topic derive dr-lena-okafor').waitFor();
  await page.getByRole('radiogroup', { name: 'Kind of launch' }).getByText('No launch').click();
  await card('web').waitFor({ state: 'detached' });
  await card('derived').waitFor();
  stage.strangers.length = 0;
  await page.context().close();
});

test('no page reported an error', () => {
  const expected = /\b(400|403)\b/;
  assert.deepEqual(
    stage.complaints.filter((text) => !expected.test(text)),
    [],
  );
});
