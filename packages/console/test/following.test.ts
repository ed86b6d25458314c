import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { OtherApp } from './raw-subscriber.ts';
import { member, openPatient, run, Stage, shows } from './stage.ts';

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(() => stage.close());

test('a newcomer signs in, runs both samples, opens another patient, and both follow', async () => {
  const page = await stage.person(/Lena Okafor/);
  await openPatient(page, /Amara Diallo/);
  const viewer = await run(page, 'Image viewer');
  const writer = await run(page, 'Report writer');
  await shows(viewer, 'Amara Diallo');
  await shows(writer, 'Amara Diallo');
  await openPatient(page, /Kofi Mensah/);
  await shows(viewer, 'Kofi Mensah');
  await shows(writer, 'Kofi Mensah');
  for (const name of ['EHR', 'Image viewer', 'Report writer']) {
    await member(page, name)
      .getByText(/^followed/)
      .waitFor();
  }
  assert.match(await page.getByTestId('context').innerText(), /^Kofi Mensah\s+\d+ \w+ \d{4} · NF-\d+$/);
  await page.context().close();
});

test('the first load of the EHR is under 250 KB of gzipped JavaScript, from our origin alone', async () => {
  const page = await stage.browser();
  const scripts = new Map<string, Promise<Buffer>>();
  page.on('response', (response) => {
    if (response.request().resourceType() === 'script') scripts.set(response.url(), response.body());
  });
  await page.goto(stage.origin);
  await page.getByRole('button', { name: /Lena Okafor/ }).click();
  await page
    .getByRole('tabpanel')
    .or(page.getByRole('heading', { name: 'No chart is open' }))
    .first()
    .waitFor();
  const bodies = await Promise.all(scripts.values());
  const bytes = bodies.reduce((sum, body) => sum + gzipSync(body).length, 0);
  assert.ok(scripts.size > 0);
  assert.ok(bytes < 250_000, `${bytes} bytes in ${[...scripts.keys()].join(', ')}`);
  assert.deepEqual(stage.strangers, []);
  await page.context().close();
});

test('each change of context is on the other screens, and the strip says in how many ms', async () => {
  const page = await stage.person(/Mei Tanaka/);
  await openPatient(page, /Amara Diallo/);
  const viewer = await run(page, 'Image viewer');
  const chip = member(page, 'Image viewer');
  for (const name of ['Kofi Mensah', 'Priya Raman', 'Walter Pruitt', 'Amara Diallo']) {
    await openPatient(page, new RegExp(name));
    await shows(viewer, name);
    await chip.getByText(/^followed/).waitFor();
    assert.match(await chip.locator('[data-testid="ms"]').innerText(), /^\s*\d+ ms$/);
  }
  await page.context().close();
});

test('a measurement is shared, selected, signed with its report, and filed', async () => {
  const page = await stage.person(/Lena Okafor/);
  await openPatient(page, /Amara Diallo/);
  const viewer = await run(page, 'Image viewer');
  const writer = await run(page, 'Report writer');
  await writer.getByRole('button', { name: /CT Chest.*May 2026/ }).click();
  await writer.getByLabel('Impression').waitFor();
  await viewer.locator('[data-ready]').waitFor();
  const picture = viewer.getByRole('img', { name: /Image 161 of 322/ });
  const box = await picture.boundingBox();
  assert.ok(box);
  await page.mouse.move(box.x + box.width / 2 - 20, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2 + 25, box.y + box.height / 2 + 10, { steps: 4 });
  await page.mouse.up();
  await viewer.getByLabel('What it is').fill('Nodule, right upper lobe');
  await viewer.getByRole('button', { name: 'Share' }).click();
  await writer.getByText('Nodule, right upper lobe').waitFor();
  // The place in the images is shared with it: whoever selects it brings the viewer back to its image.
  await viewer
    .getByRole('button', { name: /Mediastinum/ })
    .first()
    .click();
  await viewer.getByRole('img', { name: /Image 54 of 108/ }).waitFor();
  await writer.getByRole('button', { name: 'Show Nodule, right upper lobe in the images' }).click();
  await viewer.getByRole('button', { name: /Nodule, right upper lobe/, pressed: true }).waitFor();
  await picture.locator('g[data-state="selected"]').waitFor();
  await writer.getByRole('button', { name: 'Cite Nodule, right upper lobe in the text' }).click();
  await writer.getByLabel('Impression').pressSequentially(' Stable.');
  await writer.getByRole('button', { name: 'Sign' }).click();
  await writer.getByRole('region', { name: 'Studies to report' }).waitFor();
  // The EHR reads the record again once the report is closed.
  const row = page.getByRole('row', { name: /Stable\./ });
  await row.getByText('final').waitFor();
  await page.getByRole('cell', { name: 'Nodule, right upper lobe' }).first().waitFor();
  await page.context().close();
});

test('ERR-2 an application with unsaved work refuses, the strip warns, and it follows once it is saved', async () => {
  const page = await stage.person(/Tomas Lindqvist/);
  await openPatient(page, /Walter Pruitt/);
  const viewer = await run(page, 'Image viewer');
  const writer = await run(page, 'Report writer');
  await writer.getByRole('region', { name: 'Studies to report' }).getByRole('button').first().click();
  await writer.getByLabel('Impression').fill('Half a sentence');
  await openPatient(page, /Priya Raman/, true);
  await shows(viewer, 'Priya Raman');
  await page.getByRole('alert').filter({ hasText: 'a report is not signed or saved' }).waitFor();
  await member(page, 'Report writer').and(page.locator('[data-tone="bad"]')).waitFor();
  await writer.locator('lockstep-status[status="out-of-sync"]').waitFor();
  await shows(writer, 'Walter Pruitt');
  await writer.getByRole('button', { name: 'Save draft' }).click();
  await shows(writer, 'Priya Raman');
  // Its late answer tells everybody: the warning goes by itself.
  await page.locator('[data-testid="own-status"][data-status="in-sync"]').waitFor();
  await viewer.locator('lockstep-status[status="in-sync"]').waitFor();
  await page.getByRole('alert').waitFor({ state: 'detached' });
  await page.context().close();
});

const patientOf = (id: string, name: string) => ({
  key: 'patient',
  resource: { resourceType: 'Patient', id, name: [{ text: name }] },
});

test('what was shared in a report is signed with it, in its own unit, though the session went elsewhere', async () => {
  const page = await stage.person(/Mei Tanaka/);
  await openPatient(page, /Kofi Mensah/);
  const writer = await run(page, 'Report writer');
  await writer.getByRole('button', { name: /^New report: PET.*Apr 2026/ }).click();
  await writer.getByLabel('Impression').fill('Uptake as before.');
  const other = await OtherApp.of(page);
  const { context, 'context.versionId': version } = await other.current();
  const report = context.find(({ key }) => key === 'report')?.resource?.id;
  const id = crypto.randomUUID();
  const observation = {
    resourceType: 'Observation',
    id,
    status: 'preliminary',
    code: { text: 'Uptake' },
    subject: { reference: 'Patient/kofi-mensah' },
    valueQuantity: { value: 4.2, unit: 'SUV' },
  };
  const entry = [{ request: { method: 'PUT', url: `Observation/${id}` }, resource: observation }];
  await other.publish(
    'DiagnosticReport-update',
    [
      { key: 'report', reference: { reference: `DiagnosticReport/${report}` } },
      { key: 'patient', reference: { reference: 'Patient/kofi-mensah' } },
      { key: 'updates', resource: { resourceType: 'Bundle', id: 'b', type: 'transaction', entry } },
    ],
    { 'context.versionId': version },
  );
  await writer.getByText('4.2 SUV').waitFor();
  await writer.getByRole('button', { name: 'Cite Uptake in the text' }).click();
  assert.equal(await writer.getByLabel('Impression').inputValue(), 'Uptake as before.\nUptake: 4.2 SUV.');
  await openPatient(page, /Priya Raman/, true);
  await writer.locator('lockstep-status[status="out-of-sync"]').waitFor();
  await writer.getByText('4.2 SUV', { exact: true }).waitFor();
  assert.ok(await writer.getByRole('button', { name: 'Show Uptake in the images' }).isDisabled());
  await writer.getByRole('button', { name: 'Sign' }).click();
  await shows(writer, 'Priya Raman');
  await openPatient(page, /Kofi Mensah/);
  await page.getByRole('row', { name: /Uptake 4\.2 SUV final/ }).waitFor();
  await page.context().close();
});

test('the chart asks before it leaves a note that is not saved', async () => {
  const page = await stage.person(/Lena Okafor/);
  await openPatient(page, /Kofi Mensah/);
  await page.getByRole('textbox', { name: 'Note' }).fill('To be continued');
  const other = await OtherApp.of(page);
  const openPriya = () => other.publish('Patient-open', [patientOf('priya-raman', 'Priya Raman')]);
  await openPriya();
  const dialog = page.getByRole('dialog', { name: 'A note is not saved' });
  await dialog.getByRole('button', { name: 'Stay here', exact: true }).last().click();
  await page.locator('[data-testid="own-status"][data-status="out-of-sync"]').waitFor();
  await page.getByRole('tabpanel').getByRole('heading', { name: 'Kofi Mensah' }).waitFor();
  await openPriya();
  // A note that the record does not take is not lost.
  stage.provoked.push(/^507 POST .*\/fhir\/Observation$/);
  const full = '{"issue": [{"severity": "error", "code": "exception", "diagnostics": "No room left"}]}';
  await page.route('**/fhir/Observation', (route) => route.fulfill({ status: 507, body: full }), { times: 1 });
  await dialog.getByRole('button', { name: 'Save and follow' }).click();
  await dialog.getByText('The note was not saved: No room left').waitFor();
  await dialog.getByRole('button', { name: 'Save and follow' }).click();
  await page.getByRole('tabpanel').getByRole('heading', { name: 'Priya Raman' }).waitFor();
  await page.locator('[data-testid="own-status"][data-status="in-sync"]').waitFor();
  await openPatient(page, /Kofi Mensah/);
  await page.getByRole('cell', { name: 'To be continued' }).waitFor();
  await page.context().close();
});

test('HZ-4 HZ-15 a note outlives the closing of its patient, who is not shown any longer, and signing out asks', async () => {
  const page = await stage.person(/Lena Okafor/);
  await openPatient(page, /Walter Pruitt/);
  await page.getByRole('textbox', { name: 'Note' }).fill('Half a thought');
  const other = await OtherApp.of(page);
  await other.publish('Patient-close', [patientOf('walter-pruitt', 'Walter Pruitt')]);
  await page.getByTestId('context').getByText('Nothing is open').waitFor();
  await page.getByRole('heading', { name: 'No chart is open' }).waitFor();
  await page.getByRole('tab', { name: 'Walter Pruitt' }).waitFor({ state: 'detached' });
  const waiting = page.getByRole('region', { name: 'Notes that are not saved' });
  await waiting.getByText('Half a thought').waitFor();

  const dialog = page.getByRole('dialog', { name: 'A note is not saved' });
  await page.getByRole('button', { name: 'Dr. Lena Okafor' }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await dialog.getByRole('button', { name: 'Stay here', exact: true }).last().click();
  await waiting.getByRole('button', { name: /^Save the note on Walter Pruitt/ }).click();
  await waiting.waitFor({ state: 'detached' });
  await openPatient(page, /Walter Pruitt/);
  await page.getByRole('cell', { name: 'Half a thought' }).waitFor();
  const note = page.getByRole('textbox', { name: 'Note' });
  for (const [text, answer] of [
    ['One more', 'Save and close'],
    ['Another', 'Discard and close'],
  ] as const) {
    await openPatient(page, /Walter Pruitt/);
    await note.fill(text);
    await page.getByRole('button', { name: 'Close Walter Pruitt' }).click();
    await dialog.getByRole('button', { name: answer }).click();
    await page.getByRole('tab', { name: 'Walter Pruitt' }).waitFor({ state: 'detached' });
  }
  await page.context().close();
});

test('no page reported an error, and no other server was asked for anything', () => {
  assert.deepEqual(stage.complaints, []);
  assert.deepEqual(stage.strangers, []);
});
