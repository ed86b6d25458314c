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

let stage: Stage;
before(async () => {
  stage = await Stage.open({}, { records: Array.from({ length: COUNT }, (_, index) => patientOf(index)) });
});
after(() => stage.close());

const rows = (page: Page) => page.locator('.patient-list .patient');
const search = (page: Page, text: string) => page.getByRole('searchbox', { name: 'Search patients' }).fill(text);

test(`HZ-14 among ${COUNT} patients the one who is meant is found, and only rows in view exist`, async () => {
  const page = await stage.person(/Lena Okafor/);
  await rows(page).first().waitFor();
  assert.ok((await rows(page).count()) < 60);
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
    await page.locator('.patient-scroller[aria-busy="false"]').waitFor();
    assert.equal(await rows(page).count(), 1, query);
  }
  for (const query of ['mull', 'MÜLLER', 'müller ng']) {
    await search(page, query);
    await page.locator('.patient-scroller[aria-busy="false"]').waitFor();
    assert.match(await rows(page).first().innerText(), /Müller/, query);
  }
  await search(page, 'Quispe');
  await page.locator('.patient-scroller[aria-busy="false"]').waitFor();
  // More is read as one goes on.
  await page.locator('.patient-scroller').evaluate((element) => element.scrollTo(0, element.scrollHeight));
  await page.locator('.patient-list > li[aria-posinset="105"]').waitFor();
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
  await page.locator('.patient-scroller[aria-busy="true"][inert]').waitFor();
  const hit = await rows(page)
    .first()
    .evaluate((row) => {
      const { left, top } = row.getBoundingClientRect();
      return row.contains(document.elementFromPoint(left + 20, top + 10));
    });
  assert.equal(hit, false, 'a click does not reach a row');
  answer();
  await rows(page).filter({ hasText: 'Haddad' }).first().waitFor();
  await page.locator('.patient-scroller[aria-busy="false"]').waitFor();

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
