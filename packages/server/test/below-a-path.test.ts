/** Lockstep below a path of a host that it shares, by https: through the shipped proxies, with programs and in Chromium. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type Lockstep, readConfig } from '@lockstep/server';
import { freePort } from '@lockstep/store-redis/testing';
import type { Browser, Page } from 'playwright-core';
import { WebSocket } from 'ws';
import { startChromium } from '../../../scripts/chromium.ts';
import { OWN_SEGMENTS } from '../src/http/base-path.ts';
import { HubClient, json, patient, sharedLockstep, withLockstep } from './harness.ts';
import { App, Person } from './person.ts';
import { BELOW_A_PATH, isInstalled, type ShippedProxy, startProxy } from './proxy.ts';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];

/** Every address in a document that is ours. */
function addressesIn(value: unknown, found: string[] = []): readonly string[] {
  if (typeof value === 'string' && /^(https?|wss?):\/\/localhost/.test(value)) found.push(value);
  if (typeof value === 'object' && value !== null) for (const one of Object.values(value)) addressesIn(one, found);
  return found;
}

async function behind(
  t: TestContext,
  proxy: ShippedProxy,
  run: (publicUrl: string, lockstep: Lockstep) => Promise<void>,
) {
  const port = await freePort();
  const publicUrl = `https://localhost:${port}/lockstep`;
  await withLockstep(
    async (lockstep) => {
      await startProxy(t, proxy, port, lockstep.port, `${publicUrl}/health/ready`);
      await run(publicUrl, lockstep);
    },
    { publicUrl, trustedProxies: ['127.0.0.1/32'] },
  );
}

for (const proxy of BELOW_A_PATH) {
  describe(`below a path, behind ${proxy.program}`, { skip: isInstalled(proxy) ? false : 'not installed' }, () => {
    it('every discovery document is where its specification puts it, and names addresses below the path only', (t) =>
      behind(t, proxy, async (publicUrl) => {
        const { origin } = new URL(publicUrl);
        const documents = [
          `${publicUrl}/hub/.well-known/fhircast-configuration`,
          `${publicUrl}/fhir/.well-known/smart-configuration`,
          `${publicUrl}/fhir/metadata`,
          `${publicUrl}/.well-known/openid-configuration`,
          `${publicUrl}/auth/brand.json`,
          `${publicUrl}/openapi.json`,
          // RFC 8414 section 3.1, RFC 9728 section 3.1
          `${origin}/.well-known/oauth-authorization-server/lockstep`,
          `${origin}/.well-known/oauth-protected-resource/lockstep/fhir`,
          `${origin}/.well-known/oauth-protected-resource/lockstep/hub`,
        ];
        for (const document of documents) {
          const response = await fetch(document);
          assert.equal(response.status, 200, document);
          for (const address of addressesIn(await response.json())) {
            assert.ok(`${address}/`.startsWith(`${publicUrl}/`), `${document} names ${address}`);
          }
        }
        const { servers } = await json(fetch(`${publicUrl}/asyncapi.json`));
        assert.deepEqual(servers.hub, { host: new URL(publicUrl).host, protocol: 'wss', pathname: '/lockstep' });
        const { issuer } = await json(fetch(`${origin}/.well-known/oauth-authorization-server/lockstep`));
        assert.equal(issuer, publicUrl);
        const { resource } = await json(fetch(`${origin}/.well-known/oauth-protected-resource/lockstep/hub`));
        assert.equal(resource, `${publicUrl}/hub`);
        const elsewhere = await fetch(`${origin}/hub/.well-known/fhircast-configuration`);
        assert.equal(elsewhere.status, 404, 'the rest of the host is not ours');
      }));

    it('a session is followed: register, token, subscribe, WebSocket, publish, read', (t) =>
      behind(t, proxy, async (publicUrl) => {
        const hub = await HubClient.backend(publicUrl);
        const topic = await hub.session();
        const subscriber = await hub.subscribe(topic, 'Patient-open');
        assert.ok(subscriber.endpoint.startsWith(`${publicUrl.replace(/^http/, 'ws')}/hub/ws/`), subscriber.endpoint);
        await hub.publish(topic, 'Patient-open', [patient('p1')]);
        assert.equal((await subscriber.event()).event.context[0].resource.id, 'p1');
        await subscriber.close();
        const created = await hub.json('/session', { user: 'Practitioner/2' });
        assert.match(created.headers.get('location') ?? '', /^(https:\/\/localhost:\d+)?\/lockstep\/hub\/session\//);
      }));

    it('an app is authorized through the pages, and gets addresses below the path', (t) =>
      behind(t, proxy, async (publicUrl) => {
        const app = await App.register(publicUrl);
        const person = new Person(publicUrl);
        const tokens = await app.tokens(person, 'openid fhircast/*.read launch/patient patient/*.rs');
        assert.equal(tokens['hub.url'], `${publicUrl}/hub`);
        assert.ok(tokens.access_token);
      }));
  });
}

describe('below a path, where a proxy removes its path', () => {
  it('requests, WebSockets and redirects find their way just as well', async () => {
    await withLockstep(
      async ({ port }) => {
        const direct = `http://127.0.0.1:${port}`;
        for (const base of [direct, `${direct}/lockstep`]) {
          const configuration = await fetch(`${base}/fhir/.well-known/smart-configuration`);
          assert.equal((await json(configuration)).issuer, 'https://hospital.example/lockstep');
          const page = await fetch(`${base}/worklist`);
          assert.match(await page.text(), /src="\/lockstep\/assets\//);
          const manage = await fetch(`${base}/auth/manage`, { redirect: 'manual' });
          assert.equal(manage.headers.get('location'), '/lockstep/auth/sign-in?return=%2Fauth%2Fmanage');
          const socket = new WebSocket(`${base.replace(/^http/, 'ws')}/hub/ws/nothing`);
          const [refused] = await new Promise<[string]>((resolve) =>
            socket.on('error', (error) => resolve([error.message])),
          );
          assert.match(refused, /404/, 'the Hub has answered');
        }
        const other = await fetch(`${direct}/lockstepper/health/live`);
        assert.equal(other.status, 404, 'a longer word is another path');
      },
      { publicUrl: 'https://hospital.example/lockstep' },
    );
  });

  it('no address of Lockstep begins as a public path may: the setting refuses what would be taken for one', async () => {
    const { routes } = await startedFor('https://hospital.example/lockstep');
    const segments = routes
      .map((route) => route.split(' ')[1]?.split('/')[1] ?? '')
      .filter((one) => /^[^*:]+$/.test(one));
    assert.deepEqual(
      [...new Set(segments)].filter((one) => !OWN_SEGMENTS.includes(one)),
      [],
    );
    for (const segment of OWN_SEGMENTS) {
      assert.throws(
        () => readConfig({ LOCKSTEP_PUBLIC_URL: `https://x.example/${segment}/more` }),
        /LOCKSTEP_PUBLIC_URL/,
      );
    }
  });

  it('its cookies are for the path alone, and named so that no neighbour can plant them by plain http', async () => {
    const lockstep = await startedFor('https://hospital.example/lockstep');
    const page = await fetch(`http://127.0.0.1:${lockstep.port}/lockstep/auth/sign-in`);
    const cookies = page.headers.getSetCookie();
    assert.equal(cookies.length, 1);
    assert.match(cookies[0] ?? '', /^__Secure-lockstep_form=[\w-]+; HttpOnly; SameSite=Lax; Path=\/lockstep; Secure$/);
  });
});

async function startedFor(publicUrl: string): Promise<Lockstep> {
  return sharedLockstep({ publicUrl });
}

describe('below a path, in Chromium behind nginx', { skip: nginxMissing() }, () => {
  let browser: Browser;
  before(async () => {
    browser = await startChromium(FLAGS);
  });
  after(() => browser.close());

  it('console, deep links, an app in a frame and in a window, sign-in pages and sign-out work, and nothing leaves the path', async (t) => {
    const [nginx] = BELOW_A_PATH;
    assert.ok(nginx);
    await behind(t, nginx, async (publicUrl) => {
      // The certificate is this test's own.
      const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: 'en-GB' });
      const strayed: string[] = [];
      const failed: string[] = [];
      context.on('request', (request) => {
        const url = request.url();
        if (/^(https?|wss?):/.test(url) && !`${url}/`.startsWith(`${publicUrl}/`)) strayed.push(url);
      });
      context.on('response', (response) => {
        if (response.status() < 400 || response.status() === 401) return;
        if (response.status() === 404 && /hub\.mode=unsubscribe/.test(response.request().postData() ?? '')) return;
        failed.push(`${response.status()} ${response.url()}`);
      });
      const problems: string[] = [];
      context.on('weberror', (error) => problems.push(String(error.error())));
      context.on('console', (message) => {
        if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
          problems.push(`${message.page()?.url()}: ${message.text()}`);
      });
      const page = await context.newPage();
      page.on('websocket', (socket) => {
        if (!socket.url().startsWith(`${publicUrl.replace(/^http/, 'ws')}/`)) strayed.push(socket.url());
      });

      // The redirect to the slash is nginx's own; nothing else is outside.
      await page.goto(`${publicUrl}/worklist`);
      await page.getByRole('button', { name: /Lena Okafor/ }).click();
      await page.getByRole('link', { name: 'EHR', exact: true }).click();
      await page.waitForURL(`${publicUrl}/`);
      await page
        .locator('[data-testid="patient"]')
        .filter({ hasText: /Kofi Mensah/ })
        .click();
      await page
        .getByRole('tabpanel')
        .getByRole('heading', { name: /Kofi Mensah/, level: 2 })
        .waitFor();

      await page.getByRole('button', { name: 'Run Image viewer', exact: true }).click();
      const frame = page.frameLocator('iframe[title="Image viewer"]');
      await frame.locator('lockstep-status[status="in-sync"]').waitFor();
      await frame.getByRole('heading', { name: 'Kofi Mensah', level: 1 }).waitFor();

      // The sample starts itself: the authorization server's pages come by.
      const alone = await context.newPage();
      await alone.goto(`${publicUrl}/samples/report-writer/`);
      await startAlone(alone);
      await alone.locator('lockstep-status[status="in-sync"]').waitFor();
      await alone.close();

      // Pages of the authorization server, with their style and their links.
      const pages = await context.newPage();
      await pages.goto(`${publicUrl}/auth/manage`);
      await pages.getByRole('heading', { name: 'Applications with access' }).waitFor();
      assert.equal(await pages.evaluate('document.styleSheets.length'), 1);
      assert.match(String(await pages.evaluate('getComputedStyle(document.querySelector("main")).maxWidth')), /px$/);
      const links = await pages
        .locator('a[href], form[action]')
        .evaluateAll((all) => all.map((one) => one.getAttribute('href') ?? one.getAttribute('action') ?? ''));
      for (const link of links) assert.match(link, /^\/lockstep\/auth\//);

      // Deep links load, and load again.
      for (const path of ['/worklist', '/apps', '/launch']) {
        await page.goto(`${publicUrl}${path}`);
        await page.reload();
        await page.locator('main h1:visible').first().waitFor();
        assert.equal(new URL(page.url()).pathname, `/lockstep${path}`);
      }

      for (const { name, path, secure } of await context.cookies()) {
        assert.match(path, /^\/lockstep(\/|$)/, name);
        assert.ok(secure, name);
      }

      assert.deepEqual(failed.splice(0), []);
      assert.deepEqual(problems.splice(0), []);
      // Signing out ends the tokens of what is open: the page that still shows the first user is refused whatever it asks for.
      await page.close();
      await pages.reload();
      await pages.getByRole('button', { name: 'Sign out' }).click();
      await pages.getByRole('link', { name: 'Sign in again' }).click();
      await pages.waitForURL(`${publicUrl}/auth/sign-in`);
      await pages.getByRole('button', { name: /may administer/ }).click();
      await pages.waitForURL(`${publicUrl}/`);
      // The list is told by a WebSocket of the console's own.
      await pages.getByRole('link', { name: 'Sessions', exact: true }).click();
      await pages
        .getByRole('link', { name: /Lena Okafor/ })
        .first()
        .click();
      await pages.getByText('Patient-open').first().waitFor();

      assert.deepEqual(strayed, []);
      assert.deepEqual(failed, []);
      assert.deepEqual(problems, []);
      await context.close();
    });
  });
});

/** Starts a sample that was not launched, through the pages of the authorization server. */
async function startAlone(page: Page): Promise<void> {
  await page
    .getByRole('button', { name: /launch|start|sign in/i })
    .first()
    .click();
  const patientRow = page.getByRole('button', { name: /Kofi Mensah/ });
  const allow = page.getByRole('button', { name: 'Allow' });
  await patientRow.or(allow).first().waitFor();
  if (await patientRow.isVisible()) await patientRow.click();
  await allow.click();
}

function nginxMissing(): string | false {
  const [nginx] = BELOW_A_PATH;
  return nginx && isInstalled(nginx) ? false : 'nginx is not installed';
}
