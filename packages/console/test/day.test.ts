/** A day's work: links, keys, and what outlasts loading the page again. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openPatient, run, Stage } from './stage.ts';

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(() => stage.close());

const tab = (page: Page, name: string, selected?: boolean) =>
  page.getByRole('tab', { name, ...(selected !== undefined && { selected }) });

test('after a reload the tabs, the apps beside the chart and their places are as before', async () => {
  const page = await stage.person(/Lena Okafor/);
  await openPatient(page, /Amara Diallo/);
  await openPatient(page, /Kofi Mensah/);
  await openPatient(page, /Priya Raman/);
  await run(page, 'Report writer');
  await run(page, 'Image viewer');
  await page.getByRole('button', { name: /^Close Priya Raman/ }).click();
  await tab(page, 'Priya Raman').waitFor({ state: 'detached' });
  await tab(page, 'Kofi Mensah').click();
  await tab(page, 'Kofi Mensah', true).waitFor();
  await page.reload();
  await tab(page, 'Kofi Mensah', true).waitFor();
  await page.locator('iframe').nth(1).waitFor();
  const titles = await page
    .locator('iframe')
    .evaluateAll((frames) => frames.map((frame) => frame.getAttribute('title')));
  assert.deepEqual(titles, ['Report writer', 'Image viewer']);
  const tabs = await page.getByRole('tab').allInnerTexts();
  assert.deepEqual(
    tabs.map((text) => text.split('\n')[0]),
    ['Amara Diallo', 'Kofi Mensah'],
    'who was closed is not back',
  );
  for (const app of ['Report writer', 'Image viewer']) {
    await page.frameLocator(`iframe[title="${app}"]`).getByRole('heading', { name: 'Kofi Mensah', level: 1 }).waitFor();
  }
  // Who was open before and is not now is one click away.
  const recent = page.getByRole('navigation', { name: 'Recent patients' });
  await recent.getByRole('button', { name: /^Open Priya Raman/ }).click();
  await tab(page, 'Priya Raman', true).waitFor();
  await page.context().close();
});

test('apps beside the chart keep the sizes that they were given, also over a reload', async () => {
  const page = await stage.person(/Lena Okafor/);
  await openPatient(page, /Amara Diallo/);
  await run(page, 'Report writer');
  await run(page, 'Image viewer');
  const divider = page.getByRole('separator', { name: 'Between Report writer and Image viewer' });
  const height = async (app: string) => (await page.locator(`iframe[title="${app}"]`).boundingBox())?.height ?? 0;
  const box = await divider.boundingBox();
  assert.ok(box);
  const before = await height('Report writer');
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2 - 60, { steps: 4 });
  await page.mouse.up();
  const dragged = before - 60;
  // The page draws it after the mouse is there.
  await page.waitForFunction((wanted) => {
    const frame = document.querySelector('iframe[title="Report writer"]');
    return Math.abs((frame?.getBoundingClientRect().height ?? 0) - wanted) <= 3;
  }, dragged);
  await divider.focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  const given = await height('Report writer');
  assert.ok(given > dragged + 20, `${dragged} → ${given}`);
  for (let press = 0; press < 30; press += 1) await page.keyboard.press('ArrowUp');
  assert.equal(await divider.getAttribute('aria-valuenow'), '15', 'neither vanishes');
  for (let press = 0; press < 10; press += 1) await page.keyboard.press('ArrowDown');
  const chosen = await divider.getAttribute('aria-valuenow');
  await page.reload();
  await divider.waitFor();
  assert.equal(await divider.getAttribute('aria-valuenow'), chosen);
  await page.context().close();
});

test('the tab in front stays in sight when the window is made smaller', async () => {
  const page = await stage.person(/Lena Okafor/);
  for (const name of [/Walter Pruitt/, /Priya Raman/, /Amara Diallo/, /Kofi Mensah/]) await openPatient(page, name);
  for (const width of [390, 1280, 640]) {
    await page.setViewportSize({ width, height: 800 });
    await page.waitForFunction(() => {
      const tab = document.querySelector('[role="tab"][aria-selected="true"]');
      const row = tab?.closest('[role="tablist"]');
      if (!tab || !row) return false;
      const [inner, outer] = [tab.getBoundingClientRect(), row.getBoundingClientRect()];
      return inner.left >= outer.left - 1 && inner.right <= outer.right + 1;
    });
  }
  await page.context().close();
});

test('a close can be undone', async () => {
  const page = await stage.person(/Mei Tanaka/);
  await openPatient(page, /Walter Pruitt/);
  await page.getByRole('button', { name: /^Close Walter Pruitt/ }).click();
  await page.getByRole('button', { name: /^Open Walter Pruitt.* again$/ }).click();
  await tab(page, 'Walter Pruitt', true).waitFor();
  assert.equal(await page.getByRole('button', { name: /again$/ }).count(), 0);
  await page.context().close();
});

test('HZ-1 a link to a patient or a study opens nothing until the person says so', async () => {
  const page = await stage.person(/Tomas Lindqvist/);
  await openPatient(page, /Amara Diallo/);
  await page.goto(`${stage.origin}/patients/kofi-mensah`);
  await page.getByRole('heading', { name: 'Open this patient?' }).waitFor();
  await page.getByTestId('context').getByText('Amara Diallo', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Open', exact: true }).click();
  await page.getByRole('tabpanel').getByRole('heading', { name: 'Kofi Mensah', level: 2 }).waitFor();
  await page.waitForURL(`${stage.origin}/`);
  assert.match(await page.title(), /Kofi Mensah/);
  // A link to who is open already asks nothing.
  await page.goto(`${stage.origin}/patients/kofi-mensah`);
  await page.getByRole('tabpanel').getByRole('heading', { name: 'Kofi Mensah', level: 2 }).waitFor();

  await page.goto(`${stage.origin}/worklist`);
  const study = page.locator('[data-testid="worklist"] tbody tr').first().getByRole('link');
  const title = await study.innerText();
  await study.click();
  await page.getByRole('heading', { name: 'Open this study?' }).waitFor();
  await page.getByRole('button', { name: 'Open', exact: true }).click();
  await page.getByRole('tabpanel').locator('tr[data-current]').filter({ hasText: title }).waitFor();

  for (const [path, heading] of [
    ['/patients/no-such-patient', 'Not in this record'],
    ['/patients/kofi-mensah/studies/no-such-study', 'Not in this record'],
    ['/patients/%3Cscript%3E', 'Not in this record'],
    ['/patients/a/b', 'There is no such page'],
    ['/nowhere', 'There is no such page'],
  ] as const) {
    stage.provoked.push(/^4\d\d GET .*\/(?:fhir|nowhere|patients)/);
    await page.goto(stage.origin + path);
    await page.getByRole('heading', { name: heading, level: 1 }).waitFor();
  }
  await page.context().close();
});

test('an address that there is no page for is a page for people, and plain for programs', async () => {
  for (const path of ['/nowhere', '/patients', '/apps.php', '/a/b/c']) {
    const page = await fetch(stage.origin + path, { headers: { accept: 'text/html,*/*;q=0.8' } });
    assert.equal(page.status, 404, path);
    assert.match(await page.text(), /<div id="root">/, path);
    const plain = await fetch(stage.origin + path);
    assert.equal(plain.status, 404, path);
    assert.equal(((await plain.json()) as { statusCode: number }).statusCode, 404);
  }
});

test('by keys: search, worklist, open, tabs, undo; the sheet lists them and turns them off', async () => {
  const page = await stage.person(/Lena Okafor/);
  await page.keyboard.press('g');
  await page.keyboard.press('w');
  await page.getByRole('heading', { name: 'Worklist', level: 1 }).waitFor();
  const open = page.locator('[data-testid="worklist"] tbody button');
  await open.first().waitFor();
  await page.waitForFunction(() =>
    document.activeElement?.matches('[data-testid="worklist"] tbody tr:first-child button'),
  );
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  await page.keyboard.press('Enter');
  await page.getByText('current', { exact: true }).waitFor();
  await page.locator('body').click({ position: { x: 2, y: 2 } });
  await page.keyboard.press('/');
  await page.keyboard.type('mensah');
  await page.locator('[data-testid="patient"]').filter({ hasText: 'Kofi Mensah' }).click();
  await tab(page, 'Kofi Mensah', true).waitFor();
  await page.keyboard.press('[');
  await tab(page, 'Kofi Mensah', false).waitFor();
  await page.keyboard.press(']');
  await tab(page, 'Kofi Mensah', true).waitFor();
  await page.keyboard.press('?');
  const sheet = page.getByRole('dialog', { name: 'Keyboard shortcuts' });
  await sheet.getByText('Go to the worklist').waitFor();
  await sheet.getByRole('switch', { name: 'Use shortcuts' }).click();
  await page.keyboard.press('Escape');
  await sheet.waitFor({ state: 'detached' });
  await page.keyboard.press('?');
  await page.keyboard.press('g');
  await page.keyboard.press('w');
  assert.equal(new URL(page.url()).pathname, '/');
  await page.context().close();
});

test('on paper there is the patient, and nothing to press', async () => {
  const page = await stage.person(/Lena Okafor/);
  await openPatient(page, /Amara Diallo/);
  await page.getByRole('heading', { name: /Observations/ }).waitFor();
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.getByRole('heading', { name: 'Amara Diallo', level: 2 }).isVisible(), true);
  assert.equal(await page.getByRole('heading', { name: /Observations/ }).isVisible(), true);
  const pressed = await page.getByRole('button').filter({ visible: true }).count();
  assert.equal(pressed, 0);
  await page.context().close();
});
