/** How much JavaScript the first page loads, against the least that a page of the same tools loads. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bareScript, countScripts, gzipped } from './bare-page.ts';
import { Stage } from './stage.ts';

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(() => stage.close());

test('the first page loads at most half as much JavaScript again as a bare page of the same tools', async (t) => {
  const page = await stage.browser();
  const loaded = countScripts(page);
  await page.goto(stage.origin, { waitUntil: 'networkidle' });
  await page.getByRole('heading', { name: 'Sign in as a sample user' }).waitFor();
  const bytes = await loaded();
  const bare = gzipped(await bareScript());
  t.diagnostic(`${bytes} bytes, bare ${bare}: ${(bytes / bare).toFixed(2)} times`);
  assert.ok(bare > 40_000);
  assert.ok(bytes <= 1.5 * bare, `${bytes} bytes, where a bare page has ${bare}`);
  await page.context().close();
});

test('what is not shown at first is not loaded at first: sign-in, charts, menus, other pages, long lists', async (t) => {
  const signIn = await stage.person(/Lena Okafor/);
  const page = await signIn.context().newPage();
  await signIn.close();
  const names: string[] = [];
  page.on('response', (response) => names.push(new URL(response.url()).pathname));
  const loaded = countScripts(page);
  await page.goto(stage.origin, { waitUntil: 'networkidle' });
  await page.getByRole('searchbox', { name: 'Search patients' }).waitFor();
  const bytes = await loaded();
  const bare = gzipped(await bareScript());
  t.diagnostic(`${bytes} bytes, bare ${bare}: ${(bytes / bare).toFixed(2)} times`);
  assert.ok(bytes <= 2.22 * bare, `${bytes} bytes, where a bare page has ${bare}`);
  assert.deepEqual(
    names.filter((name) => /sign-in|chart|person-menu-[^b]|rows-in-view|inspector|builder|gallery|worklist/.test(name)),
    [],
  );
  await page.context().close();
});

test('HZ-4 a chart whose program cannot be loaded is said not to be read, and is shown once it can be', async () => {
  const page = await stage.person(/Lena Okafor/);
  await page.route(/\/chart-[^/]*\.js$/, (route) => route.abort());
  await page.locator('.patient').filter({ hasText: 'Kofi Mensah' }).click();
  await page.getByRole('heading', { name: 'The record could not be read' }).waitFor();
  await page.locator('.empty').getByText('Kofi Mensah').waitFor();
  await page.unroute(/\/chart-[^/]*\.js$/);
  await page.getByRole('button', { name: 'Try again' }).click();
  await page
    .getByRole('tabpanel')
    .getByRole('heading', { name: /Kofi Mensah/, level: 2 })
    .waitFor();
  await page.context().close();
});
