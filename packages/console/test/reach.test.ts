import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { findings } from './axe.ts';
import { member, openPatient, run, Stage } from './stage.ts';

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(() => stage.close());

// The light scheme differs in its colors alone.
for (const [scheme, rules] of [
  ['dark', []],
  ['light', ['color-contrast']],
] as const) {
  test(`no page has a serious accessibility finding, ${scheme}`, async () => {
    const signIn = await stage.browser();
    await signIn.addInitScript((value) => localStorage.setItem('lockstep-color-scheme', value), scheme);
    await signIn.goto(stage.origin);
    await signIn.getByRole('heading', { name: 'Sign in as a sample user' }).waitFor();
    assert.deepEqual(await findings(signIn, rules), []);
    await signIn.getByRole('button', { name: /Administrator/ }).click();
    const page = signIn;
    await openPatient(page, /Amara Diallo/);
    await page.getByRole('heading', { name: /Observations/ }).waitFor();
    assert.deepEqual(await findings(page, rules), []);
    const viewer = await run(page, 'Image viewer');
    const writer = await run(page, 'Report writer');
    await writer.getByRole('button', { name: /CT Chest.*May 2026/ }).click();
    await writer.getByLabel('Impression').fill('Half a sentence');
    await viewer.getByRole('button', { name: 'Measure' }).click();
    await openPatient(page, /Kofi Mensah/);
    await page.getByRole('alert').first().waitFor();
    assert.deepEqual(await findings(page, rules), []);
    for (const frame of page.frames().slice(1)) assert.deepEqual(await findings(frame, rules), []);
    const visit = async (path: string, heading: string): Promise<void> => {
      await page.evaluate((to) => {
        history.pushState(null, '', to);
        dispatchEvent(new PopStateEvent('popstate'));
      }, path);
      await page.getByRole('heading', { name: heading }).first().waitFor();
      assert.deepEqual(await findings(page, rules), [], path);
    };
    await visit('/apps', 'Apps');
    await visit('/apps/new', 'Register an app');
    await visit('/apps/sample-viewer', 'Live tokens');
    await visit('/launch', 'Launch builder');
    await visit('/users', 'Users');
    await visit('/users/new', 'Add a user');
    await visit('/users/dr-mei-tanaka', 'Dr. Mei Tanaka');
    await visit('/conformance', 'Conformance');
    await visit('/sessions', 'Sessions');
    await page.locator('.session-list').getByRole('link', { name: 'Administrator' }).click();
    await page.getByRole('option').first().waitFor();
    assert.deepEqual(await findings(page, rules), []);
    await page.getByText('Compose', { exact: true }).click();
    await page.getByRole('button', { name: 'Publish' }).waitFor();
    assert.deepEqual(await findings(page, rules), []);
    await page.context().close();
  });
}

test('by keyboard alone: sign in, find a patient, open, run an app, change tabs, sign out', async () => {
  const page = await stage.browser();
  await page.goto(stage.origin);
  await page.getByRole('button', { name: /Lena Okafor/ }).waitFor();
  /** Tabs on until what has the focus has this name. */
  async function tabTo(name: RegExp, most = 80): Promise<void> {
    for (let count = 0; count < most; count++) {
      await page.keyboard.press('Tab');
      const focused = await page.evaluate(() => {
        const { activeElement: element } = document;
        // The page as a whole is nothing to press.
        if (!element?.matches('button, a, input, textarea, select, [tabindex="0"]')) return '';
        return element.getAttribute('aria-label') ?? element.getAttribute('placeholder') ?? element.textContent ?? '';
      });
      if (name.test(focused)) return;
    }
    assert.fail(`the keyboard does not reach ${name}`);
  }
  await tabTo(/Lena Okafor/);
  await page.keyboard.press('Enter');
  await page.getByRole('searchbox', { name: 'Search patients' }).waitFor();
  await tabTo(/Skip to the content/);
  await page.keyboard.press('Enter');
  await tabTo(/Search patients/);
  await page.keyboard.type('mens');
  await page.getByText('Arthur James').waitFor({ state: 'detached' });
  await tabTo(/Kofi Mensah/);
  await page.keyboard.press('Enter');
  await page.getByRole('tabpanel').getByRole('heading', { name: 'Kofi Mensah' }).waitFor();
  await tabTo(/^Open PET/);
  await page.keyboard.press('Enter');
  await page.getByText('current', { exact: true }).waitFor();
  await tabTo(/^Run Image viewer/);
  await page.keyboard.press('Enter');
  await member(page, 'Image viewer')
    .getByText(/^followed/)
    .waitFor();
  await page.getByRole('searchbox', { name: 'Search patients' }).focus();
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type('NF-310274');
  await tabTo(/Priya Raman/);
  await page.keyboard.press('Enter');
  await page.getByRole('tab', { name: 'Priya Raman', selected: true }).focus();
  await page.keyboard.press('ArrowLeft');
  await page.getByRole('tab', { name: 'Kofi Mensah', selected: true }).waitFor();
  await page.getByRole('button', { name: 'Dr. Lena Okafor' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name: 'Sign out' }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Sign in as a sample user' }).waitFor();
  await page.context().close();
});
