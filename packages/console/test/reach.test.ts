import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { readCatalog } from '../build/messages.ts';
import { findings } from './axe.ts';
import { member, openPatient, run, Stage } from './stage.ts';

const PAGES = [
  '/',
  '/apps',
  '/apps/new',
  '/apps/sample-viewer',
  '/sessions',
  '/users',
  '/users/new',
  '/users/dr-mei-tanaka',
  '/launch',
  '/worklist',
  '/guests',
  '/join/code',
  '/conformance',
  '/nowhere',
];

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
  test(`no page has an accessibility finding, ${scheme}`, async (t) => {
    // A server of its own: what one run leaves refused, the other would rightly show as not following.
    const stage = await Stage.open();
    t.after(() => stage.close());
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
    await writer.getByRole('button', { name: /CT Chest.*May 2026/ }).waitFor();
    for (const frame of page.frames().slice(1)) assert.deepEqual(await findings(frame, rules), []);
    await page.getByRole('button', { name: 'Administrator' }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).waitFor();
    assert.deepEqual(await findings(page, rules), [], 'menu');
    await page.keyboard.press('Escape');
    await writer.getByRole('button', { name: /CT Chest.*May 2026/ }).click();
    await writer.getByLabel('Impression').fill('Half a sentence');
    await viewer.getByRole('button', { name: 'Measure' }).click();
    await openPatient(page, /Kofi Mensah/, true);
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
    await page.getByRole('button', { name: 'Register', exact: true }).click();
    await page.getByText('Give the app a name').waitFor();
    assert.deepEqual(await findings(page, rules), [], 'what is wrong with a form');
    await visit('/apps/sample-viewer', 'Live tokens');
    await page.getByRole('button', { name: 'Suspend' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).waitFor();
    assert.deepEqual(await findings(page, rules), [], 'a dialog');
    await page.keyboard.press('Escape');
    await visit('/launch', 'Launch builder');
    await visit('/guests', 'Guests');
    await page.getByRole('button', { name: 'Make a link' }).click();
    await page.getByRole('button', { name: /^Withdraw/ }).waitFor();
    assert.deepEqual(await findings(page, rules), [], 'a link');
    await visit('/join/code', 'You are invited');
    await visit('/users', 'Users');
    await visit('/users/new', 'Add a user');
    await visit('/users/dr-mei-tanaka', 'Dr. Mei Tanaka');
    await visit('/conformance', 'Conformance');
    await visit('/sessions', 'Sessions');
    await page.locator('[data-testid="sessions"]').getByRole('link', { name: 'Administrator' }).click();
    await page.getByRole('option').first().waitFor();
    assert.deepEqual(await findings(page, rules), []);
    await page.getByText('Compose', { exact: true }).click();
    await page.getByRole('button', { name: 'Publish' }).waitFor();
    assert.deepEqual(await findings(page, rules), []);
    await page.context().close();
  });
}

test('no page has an accessibility finding in German, in the light, on a phone', async () => {
  const page = await stage.browser({ width: 390, height: 844 }, { locale: 'de-DE' });
  await page.addInitScript(() => localStorage.setItem('lockstep-color-scheme', 'light'));
  await page.goto(stage.origin);
  await page.getByRole('heading', { level: 1 }).first().waitFor();
  assert.deepEqual(await findings(page), [], 'sign-in');
  await page.getByRole('button', { name: /Administrator/ }).click();
  await openPatient(page, /Amara Diallo/);
  for (const to of PAGES) {
    await page.evaluate((path) => {
      history.pushState(null, '', path);
      dispatchEvent(new PopStateEvent('popstate'));
    }, to);
    await page.getByRole('heading', { level: 1 }).last().waitFor();
    await page.locator('[data-testid="waiting"]').first().waitFor({ state: 'detached' });
    assert.equal(await page.locator('html').getAttribute('lang'), 'de');
    assert.deepEqual(await findings(page), [], to);
  }
  await page.context().close();
});

/** Buttons that open a dialog, by the keys of their words, and where they are. */
const DIALOGS: readonly (readonly [path: string, ...keys: string[]])[] = [
  [
    '/users/dr-mei-tanaka',
    'users.makeAPassword',
    'users.setAPassword',
    'users.endSessions',
    'users.suspend',
    'users.delete',
  ],
  ['/apps/sample-viewer', 'apps.suspend', 'apps.delete'],
  ['/sessions', 'sessions.endSession'],
];

// Schemes differ in their colors, languages in their words: each is in one of the two.
for (const [locale, scheme] of [
  ['en-GB', 'dark'],
  ['de-DE', 'light'],
] as const) {
  test(`no dialog, menu or part that can be unfolded has an accessibility finding, ${locale}, ${scheme}`, async () => {
    const words = readCatalog(locale.slice(0, 2));
    const button = (key: string) => page.getByRole('button', { name: words[key] ?? key, exact: true });
    const page = await stage.browser({ width: 1280, height: 800 }, { locale });
    await page.addInitScript((value) => localStorage.setItem('lockstep-color-scheme', value), scheme);
    await page.goto(stage.origin);
    await page.getByRole('button', { name: /Administrator/ }).click();
    const dialog = page.getByRole('dialog');
    const close = async (): Promise<void> => {
      await page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'detached' });
    };
    await openPatient(page, /Priya Raman/);
    await page.keyboard.press('?');
    await dialog.waitFor();
    assert.deepEqual(await findings(page), [], 'shortcuts');
    await close();
    await button('Administrator').click();
    await page.getByRole('menuitem', { name: words['shell.signOut'] ?? '' }).waitFor();
    assert.deepEqual(await findings(page), [], 'menu');
    await page.getByRole('menuitem', { name: words['shell.changePassword'] ?? '' }).click();
    await dialog.waitFor();
    assert.deepEqual(await findings(page), [], 'change password');
    await close();
    await page.getByRole('textbox', { name: words['ehr.note'] ?? '' }).fill('Half a sentence');
    await button('Administrator').click();
    await page.getByRole('menuitem', { name: words['shell.signOut'] ?? '' }).click();
    await dialog.waitFor();
    assert.deepEqual(await findings(page), [], 'a note is not saved');
    await close();
    await page.getByRole('textbox', { name: words['ehr.note'] ?? '' }).fill('');
    for (const [path, ...keys] of DIALOGS) {
      await page.evaluate((to) => {
        history.pushState(null, '', to);
        dispatchEvent(new PopStateEvent('popstate'));
      }, path);
      if (path === '/sessions') await page.locator('[data-testid="sessions"]').getByRole('link').first().click();
      for (const key of keys) {
        await button(key).click();
        await dialog.waitFor();
        assert.deepEqual(await findings(page), [], `${path} ${key}`);
        await close();
      }
    }
    for (const path of ['/apps/new', '/apps/sample-viewer', '/conformance', '/sessions']) {
      await page.evaluate((to) => {
        history.pushState(null, '', to);
        dispatchEvent(new PopStateEvent('popstate'));
      }, path);
      if (path === '/sessions') await page.locator('[data-testid="sessions"]').getByRole('link').first().click();
      await page.locator('[data-testid="waiting"]').first().waitFor({ state: 'detached' });
      for (const part of await page.locator('main details').all()) {
        await part.evaluate((element: HTMLDetailsElement) => {
          element.open = true;
        });
      }
      assert.deepEqual(await findings(page), [], `${path}, unfolded`);
    }
    await page.context().close();
  });
}

/** What scrolls sideways, or is cut, and where a word stands above the other. Code may scroll: its lines are not to be broken. */
function outOfSight(page: Page): Promise<readonly string[]> {
  return page.evaluate(() => {
    const name = (element: Element): string => `${element.tagName} ${(element.textContent ?? '').slice(0, 50)}`;
    return [...document.querySelectorAll('body *')].flatMap((element) => {
      if (!element.checkVisibility() || element.matches('pre, input, textarea, select')) return [];
      const { overflowX, textOverflow } = getComputedStyle(element);
      const { width, height } = element.getBoundingClientRect();
      const isWider = element.scrollWidth > element.clientWidth + 1;
      const isColumn = element.children.length === 0 && width > 1 && width < 60 && height > 150;
      if (isColumn) return [`in a column ${width} px wide: ${name(element)}`];
      const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim());
      if (isWider && overflowX === 'visible' && width > 1 && element.clientWidth > 0 && hasText)
        return [`stands over what is beside it: ${name(element)}`];
      if (isWider && /auto|scroll/.test(overflowX)) return [`scrolls sideways: ${name(element)}`];
      if (isWider && textOverflow === 'ellipsis' && !element.closest('[title]')) return [`cut: ${name(element)}`];
      return [];
    });
  });
}

for (const [device, viewport, locale] of [
  ['tablet', { width: 820, height: 1180 }, 'de-DE'],
  ['phone', { width: 390, height: 844 }, 'en-GB'],
  ['phone in German', { width: 390, height: 844 }, 'de-DE'],
] as const) {
  test(`on a ${device} everything is within the page, and what is cut can be read whole`, async () => {
    const page = await stage.browser(viewport, { locale });
    await page.goto(stage.origin);
    await page.getByRole('textbox').first().fill('Reading room 3, by the window');
    await page.getByRole('button', { name: /Administrator/ }).click();
    await openPatient(page, /Amara Diallo/);
    await page.getByRole('button', { name: /Image viewer|Bildbetrachter/ }).click();
    await page.frameLocator('iframe').locator('lockstep-status[status="in-sync"]').waitFor();
    for (const to of [...PAGES, '/apps/sample-report-writer', '/launch?kind=backend&faults=slow-hub']) {
      await page.evaluate((path) => {
        history.pushState(null, '', path);
        dispatchEvent(new PopStateEvent('popstate'));
      }, to);
      await page.getByRole('heading', { level: 1 }).last().waitFor();
      await page.locator('[data-testid="waiting"]').first().waitFor({ state: 'detached' });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.equal(wide, false, to);
      assert.deepEqual(await outOfSight(page), [], to);
      // In German, and in the light, another test looks.
      if (device === 'phone') assert.deepEqual(await findings(page), [], to);
    }
    await page.evaluate(() => {
      history.pushState(null, '', '/sessions');
      dispatchEvent(new PopStateEvent('popstate'));
    });
    await page.locator('[data-testid="sessions"]').getByRole('link', { name: 'Administrator' }).first().click();
    await page.getByRole('option').first().waitFor();
    assert.deepEqual(await outOfSight(page), [], 'inspector');
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
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Sign in as a sample user' }).waitFor();
  await page.context().close();
});

test('what the menu of the person opens gives the focus back to its button', async () => {
  const page = await stage.person(/Lena Okafor/);
  const button = page.getByRole('button', { name: 'Dr. Lena Okafor' });
  for (const item of ['Change password', 'Keyboard shortcuts']) {
    await button.press('Enter');
    await page.getByRole('menuitem', { name: item }).press('Enter');
    const dialog = page.getByRole('dialog', { name: item });
    await dialog.waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await page.locator('button:focus').and(button).waitFor();
  }
  await page.context().close();
});
