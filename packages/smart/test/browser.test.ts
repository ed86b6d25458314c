// The pages in a real Chromium: without JavaScript, by keyboard, framed, and under axe.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, suite, test } from 'node:test';
import type { Browser, BrowserContext, Page, Request } from 'playwright-core';
import { startChromium } from '../../../scripts/chromium.ts';
import { attempt, registerApp } from './browsing.ts';
import { serve, startServer, type TestServer } from './harness.ts';
import { startOutside } from './outside-provider.ts';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const fhirclient = readFileSync(createRequire(import.meta.url).resolve('fhirclient/build/fhir-client.js'), 'utf8');

interface AxeResult {
  readonly violations: readonly { readonly id: string; readonly nodes: readonly { readonly html: string }[] }[];
}

/** An app on another port that shows what came back to it. */
async function callback(t: Parameters<typeof serve>[0]) {
  const { origin } = await serve(t, (request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(`<title>app</title><p>${request.url?.startsWith('/callback') ? 'back at the app' : ''}</p>`);
  });
  return { origin, redirect: `${origin}/callback` };
}

async function signIn(context: BrowserContext, server: TestServer): Promise<string> {
  const response = await context.request.post(`${server.origin}/auth/session`, { data: { sample: 'dr-lena-okafor' } });
  const { csrf } = (await response.json()) as { csrf: string };
  return csrf;
}

async function assertAccessible(page: Page): Promise<void> {
  await page.evaluate(axeSource);
  const found = (await page.evaluate('axe.run()')) as AxeResult;
  assert.deepEqual(
    found.violations.map(({ id, nodes }) => [id, nodes[0]?.html]),
    [],
    await page.title(),
  );
}

suite('pages in Chromium', () => {
  let browser: Browser;
  before(async () => {
    browser = await startChromium();
  });
  after(() => browser.close());

  test('REG-4 the way to an outside provider and back works without JavaScript', async (t) => {
    const { server, idp } = await startOutside(t);
    const { redirect } = await callback(t);
    const app = await registerApp(server, { redirect_uris: [redirect] });
    const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
    const { url } = attempt(server, app, 'openid fhirUser user/*.rs', { redirect_uri: redirect });
    await page.goto(url);
    idp.refusal = { error: 'access_denied' };
    await page.getByRole('button', { name: 'Sign in with City Hospital' }).click();
    await page.getByRole('alert').filter({ hasText: 'City Hospital did not let you in' }).waitFor();
    idp.refusal = undefined;
    await page.getByLabel('Workstation').fill('reading room 2');
    await page.getByRole('button', { name: 'Sign in with City Hospital' }).click();
    await page.getByText('Dr. Vera Sole').waitFor();
    await page.getByRole('button', { name: 'Allow' }).click();
    await page.getByText('back at the app').waitFor();
    assert.equal(server.sessions.open_[0]?.workstation, 'reading room 2');
    await page.context().close();
  });

  test('AUT-4 sign-in, pickers and consent work without JavaScript', async (t) => {
    const server = await startServer(t, { fhir: true });
    const { redirect } = await callback(t);
    const app = await registerApp(server, { redirect_uris: [redirect] });
    await server.auth.users.add({ id: 'ann', name: 'Ann', password: 'correct horse' });
    const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
    const { url } = attempt(server, app, 'openid launch/patient launch/encounter patient/*.rs fhircast/*.*', {
      redirect_uri: redirect,
    });
    await page.goto(url);
    await page.getByLabel('User name').fill('ann');
    await page.getByLabel('Password').fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Password').fill('correct horse');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Choose a patient for Viewer' }).waitFor();
    const patient = (await page.locator('button[name=patient]').first().innerText()).split('\n')[0] ?? '';
    await page.getByLabel('Name or number').fill(patient.split(' ')[0] ?? '');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.locator('button[name=patient]').first().click();
    await page.getByRole('heading', { name: 'Choose an encounter for Viewer' }).waitFor();
    await page.locator('button[name=encounter]').first().click();
    await page.getByRole('heading', { name: 'Allow Viewer?' }).waitFor();
    await page.getByRole('checkbox', { name: /follow and change/ }).uncheck();
    await page.getByRole('button', { name: 'Allow' }).click();
    await page.waitForURL(/\/callback\?code=/);
  });

  test('AUT-4 the whole way by keyboard, in light and dark, without a fault that axe finds', async (t) => {
    const server = await startServer(t);
    const { redirect } = await callback(t);
    const app = await registerApp(server, { redirect_uris: [redirect], description: 'Shows images' });
    for (const colorScheme of ['dark', 'light'] as const) {
      const page = await (await browser.newContext({ colorScheme, bypassCSP: true })).newPage();
      const { url } = attempt(
        server,
        app,
        'openid launch/patient launch/encounter patient/*.rs fhircast/*.* offline_access',
        { redirect_uri: redirect },
      );
      await page.goto(url);
      const scheme = await page.evaluate('getComputedStyle(document.body).backgroundColor');
      assert.equal(scheme, colorScheme === 'dark' ? 'rgb(18, 22, 28)' : 'rgb(243, 245, 248)');
      await assertAccessible(page);
      await page.getByRole('button', { name: 'Dr. Lena Okafor' }).press('Enter');
      await page.getByRole('heading', { name: 'Choose a patient for Viewer' }).waitFor();
      await assertAccessible(page);
      await page.getByRole('button', { name: /Omar Said/ }).press('Enter');
      await page.getByRole('heading', { name: 'Choose an encounter for Viewer' }).waitFor();
      await assertAccessible(page);
      await page.getByRole('button', { name: /MR knee/ }).press('Enter');
      await page.getByRole('heading', { name: 'Allow Viewer?' }).waitFor();
      await assertAccessible(page);
      await page.getByRole('button', { name: 'Allow' }).press('Enter');
      await page.waitForURL(/\/callback\?code=/);
      await page.goto(`${server.origin}/auth/manage`);
      await assertAccessible(page);
      await page.goto(`${server.origin}/auth/authorize?client_id=nobody`);
      await assertAccessible(page);
    }
  });

  test('AUT-4 the session picker is accessible too', async (t) => {
    const server = await startServer(t);
    const { redirect } = await callback(t);
    const app = await registerApp(server, { redirect_uris: [redirect] });
    const context = await browser.newContext({ bypassCSP: true });
    await signIn(context, server);
    const { topic } = await server.sessions.open({
      user: 'Practitioner/dr-lena-okafor',
      aliases: [],
      workstation: 'reading-room-2',
    });
    const page = await context.newPage();
    await page.goto(attempt(server, app, 'openid fhircast/*.read', { redirect_uri: redirect }).url);
    await assertAccessible(page);
    await page.getByRole('radio', { name: /reading-room-2/ }).check();
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('button', { name: 'Allow' }).click();
    await page.waitForURL(/\/callback\?code=/);
    assert.ok(topic);
  });

  test('TOK-7 the unmodified fhirclient in a page on another port: EHR launch, patient, user, refresh', async (t) => {
    const server = await startServer(t, { fhir: true });
    const { origin } = await serve(t, (request, response) => {
      if (request.url === '/fhir-client.js') return response.end(fhirclient);
      response.writeHead(200, { 'content-type': 'text/html' });
      return response.end('<!doctype html><title>app</title><script src="/fhir-client.js"></script>');
    });
    const redirect = `${origin}/callback`;
    const app = await registerApp(server, { redirect_uris: [redirect], launch_url: `${origin}/launch` });
    const context = await browser.newContext();
    const csrf = await signIn(context, server);
    const page = await context.newPage();
    const picker = attempt(server, app, 'launch/patient', { redirect_uri: redirect });
    await page.goto(picker.url);
    const patient = await page.locator('button[name=patient]').first().getAttribute('value');
    const response = await context.request.post(`${server.origin}/launch`, {
      data: { client_id: app.clientId, patient },
      headers: { 'x-csrf-token': csrf },
    });
    const { launch_url: launchUrl } = (await response.json()) as { launch_url: string };
    await page.goto(launchUrl);
    const scope = 'launch openid fhirUser patient/*.rs user/Practitioner.rs fhircast/*.* offline_access';
    const settings = { clientId: app.clientId, scope, redirectUri: redirect };
    await page.evaluate(`void FHIR.oauth2.authorize(${JSON.stringify(settings)})`);
    await page.getByRole('button', { name: 'Allow' }).click();
    await page.waitForURL(`${redirect}?code=*`);
    const seen = await page.evaluate(`(async () => {
      const client = await FHIR.oauth2.ready();
      const [patient, user] = await Promise.all([client.patient.read(), client.user.read()]);
      const before = client.state.tokenResponse.access_token;
      const { tokenResponse } = await client.refresh();
      const again = await client.patient.read();
      const topic = tokenResponse['hub.topic'];
      return [patient.id, user.id, tokenResponse.access_token !== before, again.id, tokenResponse['hub.url'], typeof topic];
    })()`);
    assert.deepEqual(seen, [patient, 'dr-lena-okafor', true, patient, `${server.origin}/hub`, 'string']);
  });

  for (const embedded of [true, false]) {
    test(`AUT-7 an app framed by our own page ${embedded ? 'shows our consent page in its frame' : 'does not, unless the launch says so'}`, async (t) => {
      const begin = { url: '' };
      const served = await serve(t, (request, response) => {
        response.writeHead(200, { 'content-type': 'text/html' });
        // The app sends its own frame to the authorization endpoint.
        const refresh = `<meta http-equiv="refresh" content="0;url=${begin.url.replaceAll('&', '&amp;')}">`;
        response.end(`<title>app</title>${request.url === '/launch' ? refresh : 'back at the app'}`);
      });
      // To a browser 127.0.0.1 is another site than localhost.
      const origin = served.origin.replace('localhost', '127.0.0.1');
      const ehr = `<title>ehr</title><iframe title="app" src="${origin}/launch"></iframe>`;
      const server = await startServer(t, {
        pages: (app) => app.get('/ehr', (_request, reply) => reply.type('text/html').send(ehr)),
      });
      const redirect = `${origin}/callback`;
      const app = await registerApp(server, { redirect_uris: [redirect], launch_url: `${origin}/launch` });
      const context = await browser.newContext();
      const csrf = await signIn(context, server);
      const response = await context.request.post(`${server.origin}/launch`, {
        data: { client_id: app.clientId, patient: 'ida', embedded },
        headers: { 'x-csrf-token': csrf },
      });
      const { launch } = (await response.json()) as { launch: string };
      const page = await context.newPage();
      begin.url = attempt(server, app, 'launch patient/*.rs', { redirect_uri: redirect, launch }).url;
      const ofPage = (request: Request) => request.url().includes('/auth/interaction/');
      const outcome = embedded
        ? page.waitForEvent('requestfinished', ofPage)
        : page.waitForEvent('requestfailed', ofPage);
      await page.goto(`${server.origin}/ehr`);
      const failure = (await outcome).failure()?.errorText;
      if (!embedded) return assert.equal(failure, 'net::ERR_BLOCKED_BY_RESPONSE');
      const inner = page.frameLocator('iframe');
      await inner.getByRole('button', { name: 'Allow' }).click();
      await inner.getByText('back at the app').waitFor();
    });
  }
});
