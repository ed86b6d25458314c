/** What is opened and closed again leaves nothing behind in the page. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { CDPSession, Page } from 'playwright-core';
import { Stage } from './stage.ts';

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(() => stage.close());

/** Nodes that the browser still holds, in the page or not, once it has collected what it can. */
async function nodesLeft(page: Page, browser: CDPSession): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  // What runs a frame later, such as an effect, may hold some until then.
  for (let turn = 0; turn < 4; turn += 1) {
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
    await browser.send('HeapProfiler.collectGarbage');
    least = Math.min(least, (await browser.send('Memory.getDOMCounters')).nodes);
  }
  return least;
}

/** Opens and closes once. */
type Opening = readonly [what: string, path: string, openAndClose: (page: Page) => Promise<void>];

/** Closes a dialog by the key. Pressed at one of its buttons: until the focus has moved, it would go to the menu before. */
async function closeByKey(page: Page): Promise<void> {
  await page.getByRole('dialog').getByRole('button').first().press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}

/** Opens a dialog by a button, and leaves it. */
const dialogOf =
  (button: string) =>
  async (page: Page): Promise<void> => {
    await page.getByRole('button', { name: button, exact: true }).press('Enter');
    await closeByKey(page);
  };

const fromMenu =
  (item: string) =>
  async (page: Page): Promise<void> => {
    await page.getByRole('button', { name: 'Administrator' }).press('Enter');
    await page.getByRole('menuitem', { name: item }).press('Enter');
    await closeByKey(page);
  };

async function visit(page: Page, to: string, heading: string): Promise<void> {
  await page.getByRole('link', { name: to, exact: true }).first().press('Enter');
  await page.getByRole('heading', { name: heading, level: 1 }).waitFor();
}

const OPENINGS: readonly Opening[] = [
  [
    'the menu of the person',
    '/',
    async (page) => {
      const button = page.getByRole('button', { name: 'Administrator' });
      await button.press('Enter');
      // To an item of it: until the focus has moved the key would go to the page.
      await page.getByRole('menuitem', { name: 'Sign out' }).press('Escape');
      await page.getByRole('menu').waitFor({ state: 'detached' });
    },
  ],
  ['the form of a password', '/', fromMenu('Change password')],
  ['the sheet of shortcuts', '/', fromMenu('Keyboard shortcuts')],
  ['a question about an app', '/apps/sample-viewer', dialogOf('Suspend')],
  [
    'pages',
    '/apps',
    async (page) => {
      await visit(page, 'Worklist', 'Worklist');
      await visit(page, 'Apps', 'Apps');
    },
  ],
];

for (const [what, path, openAndClose] of OPENINGS) {
  test(`${what}, opened twenty times, leaves no more behind than opened five times`, async () => {
    const page = await stage.person(/Administrator/);
    const browser = await page.context().newCDPSession(page);
    await page.goto(stage.origin + path);
    await page.getByRole('button', { name: 'Administrator' }).waitFor();
    for (let time = 0; time < 5; time += 1) await openAndClose(page);
    const five = await nodesLeft(page, browser);
    for (let time = 5; time < 20; time += 1) await openAndClose(page);
    const more = (await nodesLeft(page, browser)) - five;
    // Of one node kept each time there were fifteen more.
    assert.ok(more < 15, `${more} nodes more`);
    await page.context().close();
  });
}

test('a dialog that has gone does not close the one that is opened next', async () => {
  const page = await stage.person(/Administrator/);
  await page.goto(`${stage.origin}/apps/sample-viewer`);
  const suspend = page.getByRole('button', { name: 'Suspend', exact: true });
  await suspend.press('Enter');
  await page.getByRole('dialog').waitFor();
  // Within one task: the browser says only after it that the first one has closed.
  const open = await suspend.first().evaluate(async (button) => {
    const first = document.querySelector('dialog');
    const gone = new Promise((resolve) => first?.addEventListener('close', resolve));
    first?.querySelector('button')?.click();
    while (first?.isConnected) await Promise.resolve();
    (button as HTMLElement).click();
    await gone;
    await new Promise(requestAnimationFrame);
    return document.querySelector('dialog')?.open;
  });
  assert.equal(open, true);
  await page.context().close();
});
