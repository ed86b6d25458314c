import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openPatient, Stage } from './stage.ts';

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(() => stage.close());

async function signIn(page: Page, user: string, password: string): Promise<void> {
  await page.goto(stage.origin);
  await page.getByLabel('User name').fill(user);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}

const searchPatients = (page: Page) => page.getByRole('searchbox', { name: 'Search patients' });

test('REG-4 by keyboard an administrator adds a user, whose password is shown once and signs in', async () => {
  const admin = await stage.person(/Administrator/);
  await admin.getByRole('link', { name: 'Users', exact: true }).focus();
  await admin.keyboard.press('Enter');
  await admin.getByRole('link', { name: 'Dr. Mei Tanaka' }).waitFor();
  await admin.getByRole('link', { name: 'Add a user' }).focus();
  await admin.keyboard.press('Enter');
  await admin.getByRole('heading', { name: 'Add a user' }).waitFor();

  // What is wrong is said at its field, and the first such field has the focus.
  await admin.getByRole('button', { name: 'Add', exact: true }).focus();
  await admin.keyboard.press('Enter');
  await admin.getByText("Give the person's name").waitFor();
  await admin.getByText('Give the name to sign in with').waitFor();
  await admin.getByText('2 fields need attention.').waitFor();
  const name = admin.getByLabel('Name', { exact: true });
  await admin.waitForFunction(() => document.activeElement?.getAttribute('aria-invalid') === 'true');
  assert.ok(await name.evaluate((element) => element === document.activeElement));
  await admin.keyboard.type('Dr. Marta Ruiz');
  await admin.keyboard.press('Tab');
  await admin.keyboard.type('Marta Ruiz');
  await admin.getByText('Letters, digits and . _ @ + - only').waitFor();
  await admin.keyboard.press('ControlOrMeta+A');
  await admin.keyboard.type('mruiz');
  await admin.keyboard.press('Tab');
  await admin.keyboard.type('Marta');
  await admin.getByText('It looks like Practitioner/123').waitFor();
  await admin.keyboard.press('ControlOrMeta+A');
  await admin.keyboard.press('Delete');
  await admin.keyboard.press('Tab');
  await admin.keyboard.type('lokafor');
  await admin.keyboard.press('Tab');
  await admin
    .getByRole('checkbox', { name: /^Administrator/ })
    .and(admin.locator(':focus'))
    .waitFor();
  await admin.getByRole('button', { name: 'Add', exact: true }).press('Enter');
  // The server knows whose the alias is.
  await admin.getByText('aliases: lokafor means Dr. Lena Okafor already').first().waitFor();
  const aliases = admin.getByLabel('Also known as');
  assert.equal(await aliases.getAttribute('aria-invalid'), 'true');
  await aliases.fill('urn:hospital|4711');
  await admin.getByRole('button', { name: 'Add', exact: true }).press('Enter');
  await admin.getByRole('heading', { name: 'Dr. Marta Ruiz can sign in' }).waitFor();
  const password = (await admin.locator('[data-testid="copyable"][data-secret] pre').innerText()).trim();
  await admin.getByRole('link', { name: 'Go on to the user' }).press('Enter');
  await admin.getByRole('heading', { name: 'Dr. Marta Ruiz' }).waitFor();
  assert.equal((await admin.content()).includes(password), false);

  const marta = await stage.browser();
  await signIn(marta, 'mruiz', password);
  await searchPatients(marta).waitFor();
  await marta.context().close();
  await admin.context().close();
});

test('REG-4 ending sessions, a new password, suspending and deleting take hold while the user works', async () => {
  const admin = await stage.person(/Administrator/);
  await admin.goto(`${stage.origin}/users/new`);
  await admin.getByLabel('Name', { exact: true }).fill('Ben Adeyemi');
  await admin.getByLabel('Signs in as').fill('ben');
  await admin.getByText('Type one').click();
  await admin.getByLabel('New password').fill('short');
  await admin.getByText('At least 8 characters').waitFor();
  await admin.getByLabel('New password').fill('a long password');
  await admin.getByRole('button', { name: 'Add', exact: true }).click();
  await admin.getByRole('button', { name: 'End sessions' }).waitFor();

  const ben = await stage.browser();
  await signIn(ben, 'ben', 'a long password');
  await searchPatients(ben).waitFor();
  await openPatient(ben, /Amara Diallo/);
  const confirm = async (action: string, asked = action): Promise<void> => {
    await admin.getByRole('button', { name: action, exact: true }).click();
    await admin.getByRole('dialog').getByRole('button', { name: asked, exact: true }).click();
    await admin.getByRole('dialog').waitFor({ state: 'detached' });
  };
  await ben.getByRole('textbox', { name: 'Note' }).fill('Half a sentence');
  await confirm('End sessions');
  const signedOut = ben.getByRole('dialog', { name: 'You are signed out' });
  await signedOut.getByText('Notes that are not saved stay in this tab until you sign in again.').waitFor();
  await signedOut.getByRole('button', { name: 'Sign in' }).click();
  await signIn(ben, 'ben', 'a long password');
  await searchPatients(ben).waitFor();
  // HZ-15: what was typed is there, of the patient whom it is about.
  const kept = ben.getByRole('region', { name: 'Notes that are not saved' });
  await kept.getByText('Half a sentence').waitFor();
  await kept.getByRole('button', { name: /^Discard the note on Amara Diallo/ }).click();
  await kept.waitFor({ state: 'detached' });

  await confirm('Make a password');
  const made = (await admin.locator('[data-testid="copyable"][data-secret] pre').innerText()).trim();
  await ben.getByRole('dialog', { name: 'You are signed out' }).waitFor();
  await signIn(ben, 'ben', 'a long password');
  await ben.getByText('User name or password is wrong.').waitFor();
  await signIn(ben, 'ben', made);
  await searchPatients(ben).waitFor();

  await admin.getByRole('button', { name: 'Set a password' }).click();
  await admin.getByRole('dialog').getByLabel('New password').fill('short');
  await admin.getByRole('dialog').getByRole('button', { name: 'Set the password' }).click();
  await admin.getByRole('dialog').getByText('At least 8 characters').waitFor();
  await admin.getByRole('dialog').getByLabel('New password').fill('yet another one');
  await admin.getByRole('dialog').getByRole('button', { name: 'Set the password' }).click();
  await admin.getByRole('dialog').waitFor({ state: 'detached' });

  await confirm('Suspend');
  await admin.getByText('suspended', { exact: true }).waitFor();
  await signIn(ben, 'ben', 'yet another one');
  await ben.getByText('User name or password is wrong.').waitFor();
  await admin.getByRole('button', { name: 'Let in again' }).click();
  await admin.getByRole('button', { name: 'Suspend' }).waitFor();
  await signIn(ben, 'ben', 'yet another one');
  await searchPatients(ben).waitFor();

  await admin.getByLabel('Name', { exact: true }).fill('Ben O. Adeyemi');
  await admin.getByRole('checkbox', { name: /^Administrator/ }).check();
  await admin.getByRole('button', { name: 'Save' }).click();
  await admin.getByRole('heading', { name: 'Ben O. Adeyemi' }).waitFor();
  await ben.reload();
  await ben.getByRole('link', { name: 'Users', exact: true }).waitFor();
  await confirm('Delete');
  await admin.getByRole('link', { name: 'Dr. Mei Tanaka' }).waitFor();
  assert.equal(await admin.getByText('Ben O. Adeyemi').count(), 0);
  await ben.context().close();
  await admin.context().close();
});

test('REG-4 only an administrator sees the users, and administrators cannot lock themselves out', async () => {
  const lena = await stage.person(/Lena Okafor/);
  assert.equal(await lena.getByRole('link', { name: 'Users', exact: true }).count(), 0);
  await lena.goto(`${stage.origin}/users`);
  await lena.getByRole('heading', { name: 'For administrators' }).waitFor();
  await lena.context().close();

  const admin = await stage.person(/Administrator/);
  await admin.goto(`${stage.origin}/users/admin`);
  await admin.getByText('This is you').waitFor();
  assert.equal(await admin.getByRole('button', { name: 'Delete' }).count(), 0);
  await admin.getByRole('checkbox', { name: /^Administrator/ }).uncheck();
  await admin.getByRole('button', { name: 'Save' }).click();
  await admin.getByText('administrator: you cannot take this from yourself.').first().waitFor();
  await admin.context().close();
});
