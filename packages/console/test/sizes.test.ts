/** The console at a hospital's sizes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { Stage } from './stage.ts';

const GIVEN = ['Rosa', 'Ömer', 'Agnès', 'Jürgen', 'Mei', 'Zoë', 'Tariq', 'Siobhán', 'Ivana', 'Ngozi'];
const FAMILY = ['Quispe', 'Yıldız', 'Lefèvre', 'Müller', 'Tanaka', 'Novák', 'Haddad', 'Ní Bhriain', 'Horvat', 'Okoye'];
const COUNT = 5000;

/** A word of its own for every number. */
const wordOf = (index: number): string =>
  `Q${[...String(index)].map((digit) => 'bcdfghklmn'[Number(digit)] ?? '').join('a')}`;

/** The patient of a number: every one has a name of their own by the middle name. */
function patientOf(index: number) {
  const day = new Date(Date.UTC(1930, 0, 1 + index * 5)).toISOString().slice(0, 10);
  return {
    resourceType: 'Patient',
    id: `p-${index}`,
    name: [{ given: [GIVEN[index % 10], wordOf(index)], family: FAMILY[Math.floor(index / 10) % 10] }],
    gender: index % 2 === 0 ? 'female' : 'male',
    birthDate: day,
    identifier: [{ system: 'urn:example:mrn', value: `MR-${100_000 + index}`, type: { coding: [{ code: 'MR' }] } }],
  };
}

const USERS = 500;

function userOf(index: number) {
  return {
    id: `user-${String(index).padStart(3, '0')}`,
    name: `Dr. ${GIVEN[index % 10]} ${wordOf(index)}`,
    aliases: [`urn:hospital|${40_000 + index}`],
  };
}

let stage: Stage;
before(async () => {
  stage = await Stage.open(
    {},
    {
      records: Array.from({ length: COUNT }, (_, index) => patientOf(index)),
      users: Array.from({ length: USERS }, (_, index) => userOf(index)),
    },
  );
});
after(() => stage.close());

const rows = (page: Page) => page.locator('[data-testid="patient"]');
const search = (page: Page, text: string) => page.getByRole('searchbox', { name: 'Search patients' }).fill(text);

test(`HZ-14 among ${COUNT} patients the one who is meant is found, and only rows in view exist`, async () => {
  const page = await stage.person(/Lena Okafor/);
  await rows(page).first().waitFor();
  // The first hundred stand there until what shows only the rows in view is loaded.
  await rows(page).nth(60).waitFor({ state: 'detached' });
  const { name, identifier, birthDate } = patientOf(4321);
  const [given = ''] = name[0]?.given ?? [];
  const number = identifier[0]?.value ?? '';
  const born = birthDate.split('-').reverse().join('/');
  for (const query of [
    `${given} ${wordOf(4321)}`,
    `${wordOf(4321)} ${name[0]?.family}`,
    number,
    number.toLowerCase(),
    `${given} ${born}`,
  ]) {
    await search(page, query);
    await rows(page).filter({ hasText: number }).waitFor();
    await page.locator('[data-testid="patient-list"][aria-busy="false"]').waitFor();
    assert.equal(await rows(page).count(), 1, query);
  }
  for (const query of ['mull', 'MÜLLER', 'müller ng']) {
    await search(page, query);
    await page.locator('[data-testid="patient-list"][aria-busy="false"]').waitFor();
    assert.match(await rows(page).first().innerText(), /Müller/, query);
  }
  await search(page, 'Quispe');
  await page.locator('[data-testid="patient-list"][aria-busy="false"]').waitFor();
  // More is read as one goes on.
  await page.locator('[data-testid="patient-list"]').evaluate((element) => element.scrollTo(0, element.scrollHeight));
  await page.locator('[data-testid="patient-list"] li[aria-posinset="105"]').waitFor();
  await page.context().close();
});

test('HZ-14 while a search runs nobody of the older list can be clicked, and a search that fails is not "nobody"', async () => {
  const page = await stage.person(/Lena Okafor/);
  await rows(page).first().waitFor();
  let answer = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    answer = resolve;
  });
  await page.route(/\/fhir\/Patient\?.*name=Haddad/, async (route) => {
    await held;
    await route.continue();
  });
  await search(page, 'Haddad');
  await page.locator('[data-testid="patient-list"][aria-busy="true"][inert]').waitFor();
  const hit = await rows(page)
    .first()
    .evaluate((row) => {
      const { left, top } = row.getBoundingClientRect();
      return row.contains(document.elementFromPoint(left + 20, top + 10));
    });
  assert.equal(hit, false, 'a click does not reach a row');
  answer();
  await rows(page).filter({ hasText: 'Haddad' }).first().waitFor();
  await page.locator('[data-testid="patient-list"][aria-busy="false"]').waitFor();

  await page.route(/\/fhir\/Patient\?.*name=Okoye/, (route) => route.abort('connectionrefused'));
  await search(page, 'Okoye');
  await page.getByText('The record cannot be reached.').waitFor();
  assert.equal(await page.getByText('Nobody matches').count(), 0);
  await page.unroute(/\/fhir\/Patient\?.*name=Okoye/);
  await page.getByRole('button', { name: 'Try again' }).click();
  await rows(page).filter({ hasText: 'Okoye' }).first().waitFor();
  await search(page, 'Nobody of this name');
  await page.getByText('Nobody matches “Nobody of this name”.').waitFor();
  await page.context().close();
});

test(`among ${USERS} users one is found by name, sign-in name or alias, and the rest page by page`, async () => {
  const page = await stage.person(/Administrator/);
  await page.getByRole('link', { name: 'Users', exact: true }).click();
  const users = page.locator('[data-testid="users"] tbody tr');
  await users.nth(49).waitFor();
  assert.equal(await users.count(), 50);
  await page.getByRole('button', { name: 'Show more' }).click();
  await users.nth(99).waitFor();
  const find = page.getByRole('searchbox', { name: 'Search users' });
  for (const query of [wordOf(321), 'user-321', '40321']) {
    await find.fill(query);
    await users
      .filter({ hasText: wordOf(321) })
      .first()
      .waitFor();
    await page.locator('[data-testid="table"][aria-busy="false"]').waitFor();
    assert.equal(await users.count(), 1, query);
  }
  await find.fill('Nobody of this name');
  await page.getByText('Nobody has such a name.').waitFor();
  await page.context().close();
});

const SESSIONS = 2000;
const APPS = 200;

test(`among ${SESSIONS} sessions one is found, page by page, and a Hub that is away is not "nobody"`, async () => {
  const { hub } = stage.lockstep;
  for (let from = 0; from < SESSIONS; from += 100) {
    const some = Array.from({ length: 100 }, (_, index) => from + index);
    await Promise.all(
      some.map((index) => hub.openSession({ user: `Practitioner/${wordOf(index)}`, workstation: `Desk ${index}` })),
    );
  }
  const page = await stage.person(/Administrator/);
  await page.getByRole('link', { name: 'Sessions', exact: true }).click();
  await page.locator('[data-testid="sessions"] tbody tr').nth(49).waitFor();
  assert.equal(await page.locator('[data-testid="sessions"] tbody tr').count(), 50);
  const pager = page.getByRole('navigation', { name: 'Pages of the list' });
  await pager.getByText(/^1–50 of 2,0\d\d$/).waitFor();
  await pager.getByRole('button', { name: 'Next' }).click();
  await pager.getByText(/^51–100 of/).waitFor();
  const find = page.getByRole('searchbox', { name: 'Search sessions' });
  await find.fill(`desk ${wordOf(1234)}`);
  await page.locator('[data-testid="sessions"] tbody tr').filter({ hasText: 'Desk 1234' }).waitFor();
  await page.locator('[data-testid="table"][aria-busy="false"]').waitFor();
  assert.equal(await page.locator('[data-testid="sessions"] tbody tr').count(), 1);
  await find.fill('Nobody of this name');
  await page.getByText('No session matches “Nobody of this name”.').waitFor();
  await page.route(/\/api\/console\/sessions\?search=away/, (route) => route.abort('connectionrefused'));
  await find.fill('away');
  await page.getByRole('alert').getByText('The server cannot be reached.').waitFor();
  assert.equal(await page.getByText('No session matches').count(), 0);
  await page.context().close();
});

test(`among ${APPS} apps one is found by words or category; favourites and those used last come first`, async () => {
  for (let index = 0; index < APPS; index++) {
    const response = await fetch(`${stage.origin}/auth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        client_name: `App ${wordOf(index)}`,
        category: index % 50 === 0 ? 'Imaging' : 'Other',
        token_endpoint_auth_method: 'none',
        launch_url: `${stage.origin}/samples/viewer/`,
        redirect_uris: [`${stage.origin}/samples/viewer/`],
        launch_kinds: ['ehr'],
        scope: 'launch fhircast/*.read',
      }),
    });
    assert.equal(response.status, 201);
  }
  const page = await stage.person(/Lena Okafor/);
  const dock = page.getByRole('region', { name: 'Applications' });
  assert.ok((await dock.getByRole('listitem').count()) <= 4);
  await dock.getByRole('searchbox', { name: 'Search apps' }).fill(wordOf(123));
  await dock.getByRole('button', { name: `Run App ${wordOf(123)}` }).waitFor();
  await page.getByRole('link', { name: 'Apps', exact: true }).click();
  await page.getByRole('combobox', { name: 'Category' }).selectOption('Imaging');
  await page.getByRole('heading', { name: `App ${wordOf(50)}` }).waitFor();
  assert.equal(await page.locator('[data-testid="app"]').count(), APPS / 50);
  await page.getByRole('combobox', { name: 'Category' }).selectOption('');
  await page.getByRole('searchbox', { name: 'Search apps' }).fill(wordOf(77));
  await page.getByRole('button', { name: `Favourite: App ${wordOf(77)}` }).click();
  await page.getByRole('searchbox', { name: 'Search apps' }).fill('');
  await page.locator('[data-testid="app"]').first().getByText(wordOf(77)).waitFor();
  await page.getByRole('link', { name: 'EHR', exact: true }).click();
  await dock.getByRole('searchbox', { name: 'Search apps' }).fill('');
  await dock.getByRole('listitem').first().getByText(wordOf(77)).waitFor();
  await page.context().close();
});
