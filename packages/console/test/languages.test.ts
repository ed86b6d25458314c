/** The console in the language of the person at it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Frame, Page } from 'playwright-core';
import { REASONS, readCatalog, SAMPLES } from '../build/messages.ts';
import type { MessageKey } from '../src/language/language.ts';
import { findings } from './axe.ts';
import { Stage } from './stage.ts';

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
  '/conformance',
  '/nowhere',
];

const ENGLISH = readCatalog('en') as Record<MessageKey, string>;
const GERMAN = readCatalog('de') as Record<MessageKey, string>;

const SAMPLES_ENGLISH = readCatalog('en', SAMPLES);
const SAMPLES_GERMAN = readCatalog('de', SAMPLES);

/** English messages that no German message is like. */
const ONLY_ENGLISH = (() => {
  const german = new Set([...Object.values(GERMAN), ...Object.values(SAMPLES_GERMAN)]);
  return new Set(
    [...Object.values(ENGLISH), ...Object.values(SAMPLES_ENGLISH)].filter(
      (text) => /^[^{]*\p{L}{3}[^{]*$/u.test(text) && !german.has(text),
    ),
  );
})();

/** What the samples register, in whatever it stands. */
const ENGLISH_NAMES = ['viewer', 'writer'].map((app) => SAMPLES_ENGLISH[`${app}.name`] ?? '');
const [VIEWER = '', WRITER = ''] = ['viewer', 'writer'].map((app) => SAMPLES_GERMAN[`${app}.name`]);

/** What programs say to each other, long enough to be nobody's name. */
const ENGLISH_REASONS = Object.keys(readCatalog('de', REASONS)).filter((text) => text.split(' ').length > 2);

const KEY = /^(?:start|shell|ehr|apps|sessions|users|launch|conformance|kit|viewer|writer)\.[\w.-]+$/;

/** Everything on the page that people read, or hear, but for what the record says. */
function texts(page: Page | Frame): Promise<readonly string[]> {
  return page.evaluate(() => {
    const found = [document.title];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (node instanceof Element) {
        if (node.shadowRoot) found.push(node.shadowRoot.textContent ?? '');
        for (const name of ['aria-label', 'title', 'placeholder', 'alt']) found.push(node.getAttribute(name) ?? '');
      } else if (!node.parentElement?.closest('script, style, pre, [role="tabpanel"] td'))
        found.push(node.textContent ?? '');
    }
    return found.map((text) => text.trim()).filter(Boolean);
  });
}

async function visit(page: Page, path: string): Promise<void> {
  await page.evaluate((to) => {
    history.pushState(null, '', to);
    dispatchEvent(new PopStateEvent('popstate'));
  }, path);
  await page.getByRole('heading', { level: 1 }).last().waitFor();
  await page.locator('[data-testid="waiting"]').first().waitFor({ state: 'detached' });
}

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(() => stage.close());

test('a German browser is spoken to in German on every page, and the choice of a person counts more', async () => {
  const page = await stage.browser(undefined, { locale: 'de-AT' });
  await page.goto(stage.origin);
  await page.getByRole('heading', { name: GERMAN['start.signInAsASampleUser'] }).waitFor();
  assert.equal(await page.locator('html').getAttribute('lang'), 'de');
  const wrong: string[] = [];
  const check = async (where: string, shown: Page | Frame = page): Promise<void> => {
    const found = await texts(shown);
    // The status of a sample names the others in the session as they are registered.
    const english = [...ENGLISH_REASONS, ...(shown === page ? ENGLISH_NAMES : [])];
    const isWrong = (text: string): boolean =>
      ONLY_ENGLISH.has(text) || KEY.test(text) || english.some((one) => text.includes(one));
    wrong.push(...found.filter(isWrong).map((text) => `${where}: ${text}`));
    // Longer words are cut, wrapped or pushed aside where English ones are not.
    wrong.push(...(await findings(shown)).map((text) => `${where}: ${text}`));
  };
  await check('sign-in');
  await page.getByRole('button', { name: /Administrator/ }).click();
  await page.locator('[data-testid="patient"]').filter({ hasText: 'Amara Diallo' }).click();
  await page.getByRole('tabpanel').getByRole('heading', { name: 'Amara Diallo', level: 2 }).waitFor();
  await page.getByRole('heading', { name: new RegExp(GERMAN['ehr.observations']) }).waitFor();
  for (const app of [VIEWER, WRITER]) {
    await page.getByRole('button', { name: `${app} starten`, exact: true }).click();
    const frame = page.frameLocator(`iframe[title="${app}"]`);
    await frame.getByRole('heading', { name: 'Amara Diallo', level: 1 }).waitFor();
    await frame.locator('[data-ready], li').first().waitFor();
  }
  for (const frame of page.frames().slice(1)) await check(frame.url(), frame);
  // An application that stays where it is says why in English, for all; each person reads it in their language.
  const writer = page.frameLocator(`iframe[title="${WRITER}"]`);
  await writer.locator('li button').first().click();
  await writer.getByLabel(SAMPLES_GERMAN['writer.impression'] ?? '').fill('Rundherd');
  await page.locator('[data-testid="patient"]').filter({ hasText: 'Kofi Mensah' }).click();
  await page.getByRole('dialog').getByText('ein Befund ist nicht unterschrieben oder gespeichert').waitFor();
  await check('objections');
  await page.getByRole('dialog').getByRole('button', { name: GERMAN['ehr.goOn'] }).click();
  await page.getByRole('alert').getByText('ein Befund ist nicht unterschrieben oder gespeichert').waitFor();
  await page
    .frameLocator(`iframe[title="${VIEWER}"]`)
    .getByRole('heading', { name: 'Kofi Mensah', level: 1 })
    .waitFor();
  await check('not following');
  for (const frame of page.frames().slice(1)) await check(`not following: ${frame.url()}`, frame);
  // What happened in one language is said in the other too, dates as well, as soon as that is chosen.
  const warning = page.getByRole('alert').filter({ hasText: 'Amara Diallo' });
  assert.match(await warning.innerText(), /Amara Diallo, 14\. März 1961/);
  await page.getByRole('button', { name: 'Administrator' }).click();
  await page.getByRole('menuitem', { name: 'English' }).click();
  await warning.getByText(/Amara Diallo, (14 Mar|Mar 14,) 1961/).waitFor();
  await page.getByRole('button', { name: 'Administrator' }).click();
  await page.getByRole('menuitem', { name: 'Deutsch' }).click();
  await warning.getByText(/Amara Diallo, 14\. März 1961/).waitFor();
  for (const path of PAGES) {
    await visit(page, path);
    await check(path);
  }
  assert.deepEqual(wrong, []);

  await page.getByRole('button', { name: 'Administrator' }).click();
  await page.getByRole('menuitem', { name: 'English' }).click();
  await page.getByRole('heading', { name: ENGLISH['shell.thereIsNoSuchPage'] }).waitFor();
  assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  await page.reload();
  await page.getByRole('heading', { name: ENGLISH['shell.thereIsNoSuchPage'] }).waitFor();
  await page.context().close();
});

test('a language that cannot be loaded leaves the one that is spoken, and says so; it is spoken once it can be', async () => {
  const page = await stage.browser();
  const cut = () => page.route(/\/assets\/.*\.js$/, (route) => route.abort());
  const mend = () => page.unroute(/\/assets\/.*\.js$/);
  const language = page.getByRole('combobox', { name: ENGLISH['start.chooseLanguage'] });
  const notLoaded = page.getByRole('alert').getByText(ENGLISH['start.notLoaded']);
  const html = page.locator('html');
  await page.goto(stage.origin);
  await language.waitFor();
  await cut();
  await language.selectOption('de');
  await notLoaded.waitFor();
  assert.equal(await language.inputValue(), 'en');
  assert.equal(await html.getAttribute('lang'), 'en');
  await mend();
  await page.reload();
  await page.getByRole('button', { name: /Administrator/ }).click();
  await page.getByRole('searchbox', { name: ENGLISH['ehr.searchPatients'] }).waitFor();
  await page.getByRole('button', { name: 'Administrator' }).click();
  const german = page.getByRole('menuitem', { name: 'Deutsch' });
  await german.waitFor();
  await cut();
  await german.click();
  await notLoaded.waitFor();
  assert.equal(await html.getAttribute('lang'), 'en', 'nor is it kept for the next time');
  await mend();
  await page.getByRole('button', { name: 'Administrator' }).click();
  await german.click();
  await page.getByRole('searchbox', { name: GERMAN['ehr.searchPatients'] }).waitFor();
  assert.equal(await notLoaded.count(), 0);
  await page.context().close();
});

test('the language that a person chooses is that of the pages for signing in and for consent, too', async () => {
  const page = await stage.browser();
  await page.goto(stage.origin);
  for (const [from, language, signIn] of [
    [ENGLISH, 'de', GERMAN],
    [GERMAN, 'en', ENGLISH],
  ] as const) {
    const kept = page.waitForResponse(/\/auth\/language\?/);
    await page.getByRole('combobox', { name: from['start.chooseLanguage'] }).selectOption(language);
    await kept;
    await page.goto(`${stage.origin}/auth/sign-in`);
    await page.getByRole('heading', { name: signIn['start.signIn'], level: 1 }).waitFor();
    assert.equal(await page.locator('html').getAttribute('lang'), language);
    await page.goBack();
  }
  await page.context().close();
});

test('a browser in a language that there is no catalog for is spoken to in English', async () => {
  const page = await stage.browser(undefined, { locale: 'ja-JP' });
  await page.goto(stage.origin);
  await page.getByRole('heading', { name: ENGLISH['start.signInAsASampleUser'] }).waitFor();
  await page.context().close();
});

test('dates are written as in the place of the browser, times in its zone', async () => {
  const started = new Set<string>();
  for (const [locale, timezoneId, born] of [
    ['en-US', 'America/New_York', 'Aug 16, 1976'],
    ['en-GB', 'Asia/Tokyo', '16 Aug 1976'],
    ['de-DE', 'Europe/Berlin', '16. Aug. 1976'],
  ] as const) {
    const page = await stage.browser(undefined, { locale, timezoneId });
    await page.goto(stage.origin);
    await page.getByRole('button', { name: /Administrator/ }).click();
    await page.locator('[data-testid="patient"]', { hasText: born }).filter({ hasText: 'Kofi Mensah' }).waitFor();
    await visit(page, '/sessions');
    const row = page.locator('[data-testid="sessions"] tbody tr').first();
    await row.waitFor();
    started.add(await row.locator('time').first().innerText());
    await page.context().close();
  }
  assert.equal(started.size, 3, [...started].join(', '));
});
