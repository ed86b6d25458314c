import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { ServerApp } from './server-app.ts';
import { holds, member, openPatient, Stage, shows } from './stage.ts';

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(() => stage.close());

/** Opens the builder at a plan. */
async function plan(page: Page, query: string): Promise<void> {
  await page.goto(`${stage.origin}/launch?${query}`);
  await page.getByRole('heading', { name: 'Launch builder' }).waitFor();
}

/** Presses Launch. @returns the window that opens */
async function launch(page: Page, app = 'Image viewer'): Promise<Page> {
  const opening = page.context().waitForEvent('page');
  await page.getByRole('button', { name: `Launch ${app}`, exact: true }).click();
  return opening;
}

/** What the viewer says when it is launched with the fault. */
const SAID = {
  'bad-scope': 'Simulated: none of the scopes can be granted',
  'wrong-aud': 'Simulated: aud is not the FHIR endpoint of this server',
  'denied-consent': 'Simulated: the user refused',
  'expired-token': 'Not in the session any more',
  'refused-subscription': 'Simulated: the subscription is refused',
} as const;

test('simulated faults: the launch says what went wrong, for each that stops it', async () => {
  const page = await stage.person(/Tomas Lindqvist/);
  for (const [fault, said] of Object.entries(SAID)) {
    await plan(page, `kind=ehr&app=sample-viewer&patient=amara-diallo&faults=${fault}`);
    const opened = await launch(page);
    await opened.getByText(said).first().waitFor();
    await opened.close();
  }
  await page.context().close();
});

test('simulated faults: a slow Hub takes its time, and the app gets there', async () => {
  const page = await stage.person(/Tomas Lindqvist/);
  await plan(page, 'kind=ehr&app=sample-viewer&patient=amara-diallo&faults=slow-hub');
  const subscribed = page
    .context()
    .waitForEvent('response', (one) => one.url().endsWith('/hub') && one.request().method() === 'POST');
  const opened = await launch(page);
  const answer = await subscribed;
  assert.equal(new URL(answer.url()).pathname, '/simulate/slow-hub/hub');
  await answer.finished();
  assert.ok(answer.request().timing().responseStart >= 2900, 'three seconds');
  await opened.locator('lockstep-status[status="in-sync"]').waitFor();
  // Nothing is open in the session: the app shows what it was launched with, until something is.
  await shows(opened, 'Amara Diallo');
  await page.getByRole('link', { name: 'EHR', exact: true }).click();
  await openPatient(page, /Kofi Mensah/);
  await shows(opened, 'Kofi Mensah');
  await page.context().close();
});

test('simulated faults: every open is followed by a SyncError, and the strip warns', async () => {
  const page = await stage.person(/Mei Tanaka/);
  await plan(page, 'kind=ehr&app=sample-viewer&patient=amara-diallo&faults=sync-error');
  const opened = await launch(page);
  await opened.locator('lockstep-status[status="in-sync"], lockstep-status[status="out-of-sync"]').waitFor();
  await page.getByRole('link', { name: 'EHR', exact: true }).click();
  await openPatient(page, /Priya Raman/);
  await shows(opened, 'Priya Raman');
  await page.getByRole('alert').filter({ hasText: 'Simulated application does not follow since' }).waitFor();
  await page.context().close();
});

test('the whole launch is in the address, which another person can open', async () => {
  const page = await stage.person(/Lena Okafor/);
  await plan(page, 'kind=ehr');
  await page.getByLabel('App', { exact: true }).selectOption('Image viewer');
  await page.getByLabel('User', { exact: true }).selectOption('Dr. Mei Tanaka');
  await page.getByLabel('Patient', { exact: true }).selectOption('Kofi Mensah');
  await page.getByLabel('Imaging study').selectOption({ index: 1 });
  await page.getByRole('switch', { name: 'Client checks' }).uncheck();
  await page.getByLabel('App', { exact: true }).selectOption('Another app, by its address');
  await page.getByLabel('Launch address').fill('localhost');
  await page.getByText('Not a whole address: it begins with https://').waitFor();
  await page.getByLabel('Launch address').fill('http://localhost:1/launch');
  await page.getByLabel('Slow Hub').check();
  const address = page.url();
  const shared = new URL(address).searchParams;
  assert.deepEqual(
    ['kind', 'app', 'address', 'user', 'patient', 'checks', 'faults'].map((name) => shared.get(name)),
    ['ehr', 'by-address', 'http://localhost:1/launch', 'dr-mei-tanaka', 'kofi-mensah', 'off', 'slow-hub'],
  );
  assert.ok(shared.get('study'));
  await page
    .locator('[data-testid="copyable"]')
    .filter({ hasText: 'This launch, to share' })
    .getByText(address, { exact: true })
    .waitFor();
  await page.context().close();

  const other = await stage.browser();
  await other.goto(address);
  await other.getByRole('button', { name: /Tomas Lindqvist/ }).click();
  await holds(other.getByLabel('Launch address'), 'http://localhost:1/launch');
  assert.equal(await other.getByLabel('User', { exact: true }).inputValue(), 'dr-mei-tanaka');
  assert.ok(await other.getByLabel('Slow Hub').isChecked());
  await other.context().close();
});

test('an address that asks for what is not here says so, and launches nothing else instead', async () => {
  const page = await stage.person(/Lena Okafor/);
  await plan(page, 'kind=ehr&app=gone&user=nobody&patient=stranger');
  await page.getByText('There is no app gone that can be launched in this way: choose another.').waitFor();
  await page.getByText('nobody cannot be simulated here: it would be launched as you.').waitFor();
  await page.getByText('Not in the list: the launch will ask for it all the same.').waitFor();
  assert.ok(await page.getByRole('button', { name: 'Launch', exact: true }).isDisabled());
  await page.getByLabel('App', { exact: true }).selectOption('Image viewer');
  assert.ok(await page.getByRole('button', { name: 'Launch Image viewer' }).isEnabled());
  await page.context().close();
});

test('with client checks off an unregistered app is launched, and the pages say so', async (t) => {
  const app = await ServerApp.open();
  t.after(() => app.close());
  const page = await stage.person(/Lena Okafor/);
  const address = encodeURIComponent(`${app.origin}/launch`);
  await plan(page, `kind=ehr&app=by-address&address=${address}&patient=amara-diallo&checks=off`);
  await page.getByText('Simulated: client checks are off').waitFor();
  const opened = await launch(page, 'the app');
  await opened.getByRole('heading', { name: 'Allow never-registered (not checked)?' }).waitFor();
  await opened.getByText('client checks are off, and whoever asks as this app is let in').waitFor();
  await opened.getByRole('button', { name: 'Allow' }).click();
  await opened.getByText(`launched with amara-diallo at ${stage.origin}/simulate/unchecked/hub`).waitFor();
  await page.getByRole('switch', { name: 'Client checks' }).check();
  await page.getByText('Simulated: client checks are off').waitFor({ state: 'detached' });
  // With checks on, the launch says what the app is held to.
  await page.getByRole('button', { name: 'Launch the app' }).click();
  await page.getByLabel('Client id').and(page.locator('[aria-invalid="true"]')).waitFor();
  await page.getByLabel('Client id').fill('never-registered');
  await page.getByLabel('Redirect addresses').fill(`${app.origin}/back`);
  const again = await launch(page, 'the app');
  await again.getByRole('heading', { name: 'Allow never-registered (declared in the launch)?' }).waitFor();
  await again.getByRole('button', { name: 'Allow' }).click();
  await again.getByText(/launched with amara-diallo at \S+\/simulate\/client:/).waitFor();
  await page.getByLabel('Redirect addresses').fill(`${app.origin}/elsewhere`);
  const refused = await launch(page, 'the app');
  await refused.getByText('redirect_uri is not registered').waitFor();
  stage.strangers.length = 0;
  await page.context().close();
});

test('a launch as another user is in their session, and whoever signed in stays', async (t) => {
  const app = await ServerApp.open();
  t.after(() => app.close());
  const page = await stage.person(/Lena Okafor/);
  await plan(page, 'kind=ehr&app=sample-viewer&patient=amara-diallo&user=dr-mei-tanaka');
  const viewer = await launch(page);
  await viewer.locator('lockstep-status[status="in-sync"]').waitFor();
  const mei = await stage.person(/Mei Tanaka/, { workstation: '' });
  await member(mei, 'Image viewer').waitFor();
  await openPatient(mei, /Kofi Mensah/);
  await shows(viewer, 'Kofi Mensah');
  assert.equal(await member(page, 'Image viewer').count(), 0);
  await page.reload();
  await page.getByRole('button', { name: 'Dr. Lena Okafor' }).waitFor();

  const address = encodeURIComponent(`${app.origin}/launch`);
  await plan(page, `kind=standalone&app=by-address&address=${address}&checks=off&user=dr-mei-tanaka`);
  const opened = await launch(page, 'the app');
  await opened.getByText('A simulated launch, as Dr. Mei Tanaka.').waitFor();
  await opened.getByText('You are Dr. Mei Tanaka.').waitFor();
  await opened.getByRole('button', { name: 'Refuse' }).click();
  await opened.getByText('refused: the user refused').waitFor();
  stage.strangers.length = 0;
  await mei.context().close();
  await page.context().close();
});

/** What the pages of the launch, or the viewer, show when something goes wrong on the way to the token or at the record. */
const SHOWN = {
  'invalid-client': 'Simulated: the application is not known here',
  'invalid-redirect': 'Simulated: redirect_uri is not registered',
  'expired-code': 'Simulated: the code has expired',
  'wrong-secret': 'Simulated: client authentication failed',
  'wrong-assertion': 'Simulated: the signature of the assertion is wrong',
  'used-jti': 'Simulated: jti was used before',
  'denied-subscription': 'Simulated: the subscription is denied',
} as const;

test('simulated faults: the person who launches sees at which stage it stops', async () => {
  const page = await stage.person(/Tomas Lindqvist/);
  for (const [fault, said] of Object.entries(SHOWN)) {
    await plan(page, `kind=ehr&app=sample-viewer&patient=amara-diallo&faults=${fault}`);
    const opened = await launch(page);
    await opened.getByText(said).first().waitFor();
    await opened.close();
  }
  await page.context().close();
});

/** What the viewer says of an open that it cannot follow, by what the record answers it. */
const NOT_READ = {
  'fhir-expired': ['the access to the record has ended', 'der Zugang zur Akte ist beendet'],
  'fhir-forbidden': ['the record does not allow it', 'die Akte erlaubt es nicht'],
  'fhir-error': ['the record reports a failure', 'die Akte meldet einen Fehler'],
} as const;

test('simulated faults: application and strip say what the record answered, and who it was, in the language of the person', async () => {
  const page = await stage.person(/Tomas Lindqvist/);
  await openPatient(page, /Kofi Mensah/);
  for (const [fault, [english, german]] of Object.entries(NOT_READ)) {
    await plan(page, `kind=ehr&app=sample-viewer&faults=${fault}`);
    const opened = await launch(page);
    await page.getByRole('link', { name: 'EHR', exact: true }).click();
    await opened.getByText(`Not followed: ${english}.`).waitFor();
    await page.getByRole('alert').filter({ hasText: `Image viewer` }).filter({ hasText: english }).waitFor();
    await opened.evaluate(() => localStorage.setItem('lockstep-language', 'de'));
    await opened.reload();
    await opened.getByText(`Nicht gefolgt: ${german}.`).waitFor();
    await opened.evaluate(() => localStorage.removeItem('lockstep-language'));
    await opened.close();
  }
  await page.context().close();
});

test('simulated faults: a lost socket is made again, and the app follows as before', async () => {
  const page = await stage.person(/Tomas Lindqvist/);
  await plan(page, 'kind=ehr&app=sample-viewer&patient=amara-diallo&faults=lost-socket');
  const opened = await launch(page);
  await opened.locator('lockstep-status[status="in-sync"]').waitFor();
  await page.getByRole('link', { name: 'EHR', exact: true }).click();
  await openPatient(page, /Kofi Mensah/);
  await openPatient(page, /Priya Raman/);
  await shows(opened, 'Priya Raman');
  await opened.locator('lockstep-status[status="in-sync"]').waitFor();
  await page.context().close();
});

test('patients and users are searched for, and a patient launches for themselves', async () => {
  const page = await stage.person(/Lena Okafor/);
  await plan(page, 'kind=ehr&app=sample-viewer');
  await page.getByLabel('Find a user').fill('abebe');
  await page.getByLabel('User', { exact: true }).selectOption('Dr. Samuel Abebe');
  assert.equal(new URL(page.url()).searchParams.get('user'), 'Practitioner/dr-samuel-abebe');
  await page.getByLabel('Find a patient').fill('mensah kofi');
  await page.getByText('1 patient matches.').waitFor();
  await page.getByLabel('Kind of launch').selectOption('Patient portal');
  assert.ok(await page.getByRole('button', { name: 'Launch Image viewer' }).isDisabled());
  await page.getByText('Choose the patient who launches.').waitFor();
  await page.getByLabel('Patient who launches').selectOption('Kofi Mensah');
  const opened = await launch(page);
  await shows(opened, 'Kofi Mensah');
  await page.context().close();
});

test('a backend service sees where it gets its token, and for which client', async () => {
  const page = await stage.person(/Lena Okafor/);
  await plan(
    page,
    'kind=backend&app=by-address&client_id=nightly&keys=https://service.example.org/jwks.json&faults=used-jti',
  );
  await page.getByText('Nothing is launched: the service asks for its token by itself.').waitFor();
  const endpoint = page.locator('[data-testid="copyable"]').filter({ hasText: 'Token endpoint' }).locator('pre');
  assert.match(await endpoint.innerText(), /\/simulate\/used-jti,client:[\w-]+\/auth\/token$/);
  assert.equal(await page.getByRole('button', { name: /^Launch/ }).count(), 0);
  await page.getByText('R2 and R3 are not offered').waitFor();
  await page.context().close();
});

test('TOK-1 an app that signs with its own keys is launched with a fault as without', async (t) => {
  const app = await ServerApp.open();
  t.after(() => app.close());
  app.withKey = true;
  const registered = await fetch(`${stage.origin}/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Signer',
      launch_url: `${app.origin}/launch`,
      redirect_uris: [`${app.origin}/back`],
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: app.jwks,
    }),
  });
  app.clientId = ((await registered.json()) as { client_id: string }).client_id;
  const page = await stage.person(/Tomas Lindqvist/);
  for (const faults of ['', 'slow-hub']) {
    await plan(page, `kind=ehr&app=${app.clientId}&patient=amara-diallo&faults=${faults}`);
    const opened = await launch(page, 'Signer');
    await opened.getByRole('button', { name: 'Allow' }).click();
    const hub = faults === '' ? `${stage.origin}/hub` : `${stage.origin}/simulate/${faults}/hub`;
    await opened.getByText(`launched with amara-diallo at ${hub}`).waitFor();
    await opened.close();
  }
  stage.strangers.length = 0;
  await page.context().close();
});

test('nothing was complained of but what was refused on purpose', () => {
  assert.deepEqual(
    stage.complaints.filter(
      (text) => !/\/simulate\/|\b400 (?:POST \S+\/auth\/token|GET \S+\/auth\/authorize)/.test(text),
    ),
    [],
  );
});
