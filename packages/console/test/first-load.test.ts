/** How much JavaScript the first page loads, against the least that a page of the same tools loads. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bareScript, countScripts, gzipped, holdWorkspace } from './bare-page.ts';
import { Stage } from './stage.ts';

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(() => stage.close());

test('the sign-in page loads two thirds of the JavaScript of a bare page of React and Vite', async (t) => {
  const page = await stage.browser();
  const loaded = countScripts(page);
  await page.goto(stage.origin, { waitUntil: 'networkidle' });
  await page.getByRole('heading', { name: 'Sign in as a sample user' }).waitFor();
  const bytes = await loaded();
  const bare = gzipped(await bareScript());
  t.diagnostic(`${bytes} bytes, bare ${bare}: ${(bytes / bare).toFixed(2)} times`);
  assert.ok(bare > 40_000);
  assert.ok(bytes <= 0.65 * bare, `${bytes} bytes, where a bare page has ${bare}`);
  await page.context().close();
});

test('who is signed in sees the shell after two thirds of the JavaScript of a bare page, and works after less than a third more', async (t) => {
  const signIn = await stage.person(/Lena Okafor/);
  const page = await signIn.context().newPage();
  await signIn.close();
  const names: string[] = [];
  page.on('response', (response) => names.push(new URL(response.url()).pathname));
  const loaded = countScripts(page);
  const goOn = await holdWorkspace(page);
  await page.goto(stage.origin);
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Worklist' }).waitFor();
  await page.getByRole('button', { name: 'Dr. Lena Okafor' }).waitFor();
  const painted = await loaded();
  goOn();
  await page.getByRole('searchbox', { name: 'Search patients' }).waitFor();
  await page.waitForLoadState('networkidle');
  const all = await loaded();
  const bare = gzipped(await bareScript());
  const times = (bytes: number): string => `${bytes} bytes, ${(bytes / bare).toFixed(2)} times`;
  t.diagnostic(`shell ${times(painted)}; all ${times(all)}; bare ${bare} bytes`);
  assert.ok(painted > 0);
  assert.ok(painted <= 0.6 * bare, `the shell: ${times(painted)}`);
  assert.ok(all <= 1.3 * bare, `all: ${times(all)}`);
  assert.deepEqual(
    names.filter((name) => /sign-in|chart|person-menu-[^b]|rows-in-view|inspector|builder|gallery|worklist/.test(name)),
    [],
  );
  await page.context().close();
});

test('who signs out while the session is made ready is signed out, and stays so', async () => {
  const page = await stage.browser();
  const goOn = await holdWorkspace(page);
  await page.goto(stage.origin);
  await page.getByRole('button', { name: /Lena Okafor/ }).click();
  await page.getByRole('button', { name: 'Dr. Lena Okafor' }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in as a sample user' }).waitFor();
  const came = page.waitForResponse(/\/workspace-[^/]*\.js$/);
  goOn();
  await (await came).finished();
  // The session that nobody wants any more gets no token.
  await page.waitForLoadState('networkidle');
  await page.getByRole('heading', { name: 'Sign in as a sample user' }).waitFor();
  assert.equal(await page.getByRole('searchbox', { name: 'Search patients' }).count(), 0);
  await page.context().close();
});

test('a session that cannot be made ready is said, and made once it can be', async () => {
  const page = await stage.browser();
  await page.route(/\/api\/console\/token$/, (route) => route.abort());
  await page.goto(stage.origin);
  await page.getByRole('button', { name: /Lena Okafor/ }).click();
  await page.getByText(/Lockstep cannot be reached/).waitFor();
  await page.unroute(/\/api\/console\/token$/);
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('searchbox', { name: 'Search patients' }).waitFor();
  await page.context().close();
});

test('HZ-4 a chart whose program cannot be loaded is said not to be read, and is shown once it can be', async () => {
  const page = await stage.person(/Lena Okafor/);
  await page.route(/\/chart-[^/]*\.js$/, (route) => route.abort());
  await page.locator('[data-testid="patient"]').filter({ hasText: 'Kofi Mensah' }).click();
  await page.getByRole('heading', { name: 'The record could not be read' }).waitFor();
  await page.locator('[data-testid="no-chart"]').getByText('Kofi Mensah').waitFor();
  await page.unroute(/\/chart-[^/]*\.js$/);
  await page.getByRole('button', { name: 'Try again' }).click();
  await page
    .getByRole('tabpanel')
    .getByRole('heading', { name: /Kofi Mensah/, level: 2 })
    .waitFor();
  await page.context().close();
});
