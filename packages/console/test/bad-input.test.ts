/** What people enter by mistake, or to do harm, in every field of every page: it is shown as text, or refused beside its field. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import { Stage } from './stage.ts';

/** Script, markup, controls of direction and ten thousand characters. */
const HOSTILE = `<img src=x onerror="window.broken=1"><script>window.broken=1</script>"'\${7*7}{{7*7}}\u202e\u2066\u0000 ${'x'.repeat(10_000)}`;

/** Pages with fields, and what sends them where that harms nobody. */
const FORMS: readonly { readonly path: string; readonly heading: string; readonly send?: string }[] = [
  { path: '/', heading: 'EHR' },
  { path: '/apps', heading: 'Apps' },
  { path: '/apps/new', heading: 'Register an app', send: 'Register' },
  { path: '/apps/sample-viewer', heading: 'Image viewer', send: 'Save' },
  { path: '/sessions', heading: 'Sessions' },
  { path: '/users', heading: 'Users' },
  { path: '/users/new', heading: 'Add a user', send: 'Add' },
  { path: '/users/dr-mei-tanaka', heading: 'Dr. Mei Tanaka', send: 'Save' },
  { path: '/launch?app=by-address&client_type=symmetric', heading: 'Launch builder', send: 'Launch the app' },
  { path: '/launch?app=by-address&client_type=asymmetric', heading: 'Launch builder', send: 'Launch the app' },
  { path: '/conformance', heading: 'Conformance', send: 'Run' },
];

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(() => stage.close());

/** Fills every field that can be typed into. @returns how many there were */
async function fillAll(page: Page): Promise<number> {
  const fields = page
    .locator('input:not([type]), input[type="text"], input[type="search"], input[type="password"], textarea')
    .filter({ visible: true });
  const count = await fields.count();
  for (let index = 0; index < count; index++) {
    const field = fields.nth(index);
    if (await field.isEditable()) await field.fill(HOSTILE);
  }
  return count;
}

/** Nothing ran, and nothing is wider than the page. */
async function unharmed(page: Page, where: string): Promise<void> {
  const found = await page.evaluate(() => ({
    broken: 'broken' in window,
    images: document.querySelectorAll('img[src="x"]').length,
    wide: document.documentElement.scrollWidth > innerWidth,
  }));
  assert.deepEqual(found, { broken: false, images: 0, wide: false }, where);
}

test('CWE-79 script, markup, controls of direction and 10,000 characters in every field do no harm', async () => {
  // What is refused is refused with 400; nothing fails.
  stage.provoked.push(/^4(?:00|04|09|13|14|22) /);
  const signIn = await stage.browser();
  await signIn.goto(stage.origin);
  await signIn.getByRole('heading', { name: 'Sign in as a sample user' }).waitFor();
  assert.equal(await fillAll(signIn), 3);
  await signIn.getByRole('button', { name: 'Sign in', exact: true }).click();
  await signIn.getByRole('alert').first().waitFor();
  await unharmed(signIn, 'sign-in page');
  // The authorization server's own page, without script.
  await signIn.goto(`${stage.origin}/auth/sign-in`);
  assert.equal(await fillAll(signIn), 3);
  await signIn.getByRole('button', { name: 'Sign in', exact: true }).click();
  await signIn.getByRole('alert').first().waitFor();
  await unharmed(signIn, 'page of the authorization server');
  await signIn.close();
  const page = await stage.person(/Administrator/);
  for (const { path, heading, send } of FORMS) {
    await page.evaluate((to) => {
      history.pushState(null, '', to);
      dispatchEvent(new PopStateEvent('popstate'));
    }, path);
    await page.getByRole('heading', { name: heading, level: 1 }).last().waitFor();
    await page.locator('[data-testid="waiting"]').first().waitFor({ state: 'detached' });
    assert.ok((await fillAll(page)) > 0, `${path} has fields`);
    await unharmed(page, path);
    if (send === undefined) continue;
    const button = page.getByRole('button', { name: send, exact: true });
    if (!(await button.first().isVisible())) continue;
    await button.first().click();
    await page.locator('[aria-invalid="true"], [role="alert"]').first().waitFor();
    await unharmed(page, `${path}, sent`);
  }
  assert.deepEqual(stage.complaints, []);
  await page.context().close();
});

/** A form, and how one gets to it. */
interface FormPlace {
  readonly path: string;
  readonly heading: string;
  /** Brings the form about where the page alone does not. */
  readonly open?: (page: Page) => Promise<void>;
  readonly send: string;
  /** Values of other fields, by label, without which nothing is sent. */
  readonly good?: Readonly<Record<string, string>>;
  /** Values that are refused, by the label of their field: by the page, or by the server. */
  readonly wrong: readonly (readonly [label: string, value: string])[];
}

const openComposer = async (page: Page): Promise<void> => {
  await page.locator('[data-testid="sessions"]').getByRole('link', { name: 'Administrator' }).first().click();
  await page.getByText('Compose', { exact: true }).click();
};
const openJson = async (page: Page): Promise<void> => {
  await openComposer(page);
  await page.getByText('JSON', { exact: true }).click();
};
const openOwnPassword = async (page: Page): Promise<void> => {
  await page.getByRole('button', { name: 'Administrator' }).click();
  await page.getByRole('menuitem', { name: 'Change password' }).click();
};
const openTheirPassword = (page: Page): Promise<void> => page.getByRole('button', { name: 'Set a password' }).click();
const chooseApplication = (page: Page): Promise<void> => page.getByLabel(/^An application/).check();
const chooseOther = (page: Page): Promise<void> => page.getByLabel('Another Hub').check();

const FIELDS: readonly FormPlace[] = [
  {
    path: '/apps/new',
    heading: 'Register an app',
    send: 'Register',
    wrong: [
      ['Name', ''],
      ['Launch address', 'javascript:alert(1)'],
      ['Redirect addresses', 'data:text/html,<script>alert(1)</script>'],
    ],
  },
  {
    path: '/users/new',
    heading: 'Add a user',
    send: 'Add',
    good: { Name: 'Dr. Sara Novak', 'Signs in as': 'snovak' },
    wrong: [
      ['Name', ' '],
      ['Signs in as', '<b>'],
      ['In the record', 'Practitioner/<script>'],
      ['Also known as', 'lokafor'],
    ],
  },
  {
    path: '/conformance',
    heading: 'Conformance',
    open: chooseOther,
    send: 'Run',
    good: { 'hub.url': 'https://hub.example.com/fhircast' },
    wrong: [
      ['hub.url', 'javascript:alert(1)'],
      ['Slowness', '<b>1</b>'],
    ],
  },
  {
    path: '/launch?app=by-address&client_type=asymmetric',
    heading: 'Launch builder',
    send: 'Launch the app',
    wrong: [
      ['Client id', 'a b'],
      ['Public keys (JWKS)', '{"keys":"<script>"}'],
      ['Redirect addresses', '\u202ejavascript'],
    ],
  },
  {
    path: '/launch?app=by-address&client_type=symmetric',
    heading: 'Launch builder',
    send: 'Launch the app',
    wrong: [['Client secret', '']],
  },
  {
    path: '/sessions',
    heading: 'Sessions',
    open: openJson,
    send: 'Publish',
    wrong: [['The message as it is posted', '{']],
  },
  { path: '/sessions', heading: 'Sessions', open: openComposer, send: 'Publish', wrong: [['patient', '']] },
  {
    path: '/',
    heading: 'EHR',
    open: openOwnPassword,
    send: 'Save',
    good: {
      'Password now': 'not the password',
      'New password': 'lantern orchard 17 violet',
      'New password again': 'lantern orchard 17 violet',
    },
    wrong: [
      ['Password now', ''],
      ['New password', 'short'],
      ['New password again', 'another'],
    ],
  },
  {
    path: '/users/dr-mei-tanaka',
    heading: 'Dr. Mei Tanaka',
    open: openTheirPassword,
    send: 'Set the password',
    wrong: [['New password', 'short']],
  },
  { path: '/users/dr-mei-tanaka', heading: 'Dr. Mei Tanaka', send: 'Save', wrong: [['Also known as', 'lokafor']] },
  {
    path: '/launch?app=by-address',
    heading: 'Launch builder',
    send: 'Launch the app',
    wrong: [['Launch address', 'localhost']],
  },
  {
    path: '/conformance',
    heading: 'Conformance',
    open: chooseApplication,
    send: 'Run',
    wrong: [['Address that the application calls', 'javascript:alert(1)']],
  },
];

/** What is said of a field where it is described. */
function errorOf(field: Locator): Promise<string> {
  return field.evaluate((element) =>
    (element.getAttribute('aria-describedby') ?? '')
      .split(' ')
      .map((id) => (/-error$/.test(id) ? (document.getElementById(id)?.textContent ?? '') : ''))
      .join(''),
  );
}

test('what is wrong with a field is said beside it, form by form', async (t) => {
  const signIn = await stage.browser();
  await signIn.goto(stage.origin);
  await signIn.getByRole('button', { name: 'Sign in', exact: true }).click();
  for (const label of ['User name', 'Password']) {
    const field = signIn.getByLabel(label, { exact: true });
    await field.and(signIn.locator('[aria-invalid="true"]')).waitFor();
    assert.match(await errorOf(field), /\p{L}{2}/u, label);
  }
  await signIn.context().close();
  stage.provoked.push(/^4(?:00|01|03|09|22) /);
  const page = await stage.person(/Administrator/);
  for (const { path, heading, open, send, good = {}, wrong } of FIELDS) {
    await t.test(path, async () => {
      for (const [label, value] of wrong) {
        await page.goto(stage.origin + path);
        await page.getByRole('heading', { name: heading, level: 1 }).last().waitFor();
        await page.locator('[data-testid="waiting"]').first().waitFor({ state: 'detached' });
        await open?.(page);
        for (const [other, text] of Object.entries(good)) await page.getByLabel(other, { exact: true }).fill(text);
        const field = page.getByLabel(label, { exact: true }).and(page.locator('input, textarea'));
        await field.fill(value);
        await page.getByRole('button', { name: send, exact: true }).first().click();
        await field.and(page.locator('[aria-invalid="true"]')).waitFor();
        assert.match(await errorOf(field), /\p{L}{2}/u, `${path}: ${label}`);
        await unharmed(page, `${path}: ${label}`);
      }
    });
  }
  await page.context().close();
});

test('what a browser fills in is taken, though it says no more than that it changed', async () => {
  const page = await stage.browser();
  await page.goto(stage.origin);
  const fill = (field: Locator, text: string): Promise<void> =>
    field.evaluate((element: HTMLInputElement | HTMLTextAreaElement, value) => {
      element.value = value;
      element.dispatchEvent(new Event('change', { bubbles: true }));
    }, text);
  await fill(page.getByLabel('User name'), 'lokafor');
  await fill(page.getByLabel('Password', { exact: true }), 'lantern orchard 17 violet');
  const sent = page.waitForRequest((request) => request.method() === 'POST' && request.url().endsWith('/auth/session'));
  await page.route(/\/auth\/session$/, (route) => route.abort());
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  const { user, password } = (await sent).postDataJSON() as Record<string, unknown>;
  assert.deepEqual([user, password], ['lokafor', 'lantern orchard 17 violet']);
  assert.equal(await page.getByLabel('User name').inputValue(), 'lokafor');
  await page.context().close();
});
