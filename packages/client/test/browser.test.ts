import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { startChromium } from '../../../scripts/chromium.ts';
import { type ScriptedHub, scriptedHub } from './scripted-hub.ts';

/** The page as an app's bundler makes it. */
async function pageScript(): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'error',
    root: fileURLToPath(new URL('..', import.meta.url)),
    define: { 'process.env.NODE_ENV': '"production"' },
    build: {
      write: false,
      lib: { entry: fileURLToPath(new URL('page/main.tsx', import.meta.url)), formats: ['es'] },
    },
  });
  const outputs = (Array.isArray(result) ? result : [result]).flatMap((one) => ('output' in one ? one.output : []));
  return outputs.flatMap((one) => (one.type === 'chunk' ? [one.code] : [])).join('');
}

describe('in a browser', () => {
  let browser: Browser;
  let server: Server;
  let hub: ScriptedHub;
  let page: Page;
  let address: string;

  before(async () => {
    const script = await pageScript();
    server = createServer((request, response) => {
      const code = request.url === '/main.js';
      response.writeHead(200, { 'Content-Type': code ? 'text/javascript' : 'text/html; charset=utf-8' });
      response.end(
        code ? script : '<!doctype html><title>App</title><body><script type="module" src="/main.js"></script>',
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    browser = await startChromium();
    hub = await scriptedHub();
    page = await browser.newPage();
    const { port } = server.address() as AddressInfo;
    address = `http://127.0.0.1:${port}/?hub.url=${encodeURIComponent(`${hub.origin}/hub`)}&hub.topic=${hub.hub.topic}`;
    await page.goto(address);
    await page.locator('#state', { hasText: 'in-sync' }).waitFor();
  });

  after(async () => {
    await browser.close();
    await hub.close();
    server.closeAllConnections();
    server.close();
  });

  const shows = (id: string, text: string) => page.locator(`#${id}`, { hasText: text }).waitFor();

  it('hooks show the context and its content as they change', async () => {
    hub.hub.openReport('r1', Date.now());
    await shows('context', 'DiagnosticReport/r1');
    hub.hub.observe('o1', 1, Date.now());
    await shows('content', 'Observation/o1');
    hub.hub.say('Home-open', [], Date.now());
    await shows('context', 'nothing');
  });

  it('hooks hear events from the moment that their component is shown, with the handler that is shown', async () => {
    const heard = await page.evaluate(() =>
      (window as unknown as { heardWhenDrawn(): Promise<readonly string[]> }).heardWhenDrawn(),
    );
    assert.deepEqual(heard, ['event: first', 'follow: first', 'event: second', 'follow: second', '0 left']);
  });

  it('<lockstep-status> says in words, by role and by attribute where the app stands', async () => {
    const status = page.locator('lockstep-status');
    assert.equal(await status.getAttribute('role'), 'status');
    await page.locator('lockstep-status[status=in-sync]').waitFor();
    assert.equal(await status.locator('[part=text]').textContent(), 'In sync');
    const id = hub.hub.openPatient('p1', Date.now());
    await shows('context', 'Patient/p1');
    hub.hub.syncError(id, 'Patient-open', 'Acme Reporter', Date.now());
    await page.locator('lockstep-status[status=out-of-sync]').waitFor();
    assert.equal(await status.locator('[part=text]').textContent(), 'Out of sync: Acme Reporter did not follow');
    await status.evaluate((element) => element.toggleAttribute('brief'));
    assert.equal(await status.locator('[part=text]').textContent(), 'Out of sync');
    await status.evaluate((element) => element.toggleAttribute('brief'));
    hub.hub.openPatient('unwanted', Date.now());
    await status.getByText('Out of sync: Page: the application does not follow').waitFor();
    hub.hub.openPatient('p2', Date.now());
    await page.locator('lockstep-status[status=in-sync]').waitFor();
  });

  it('<lockstep-devtools> lists messages both ways, how long answers took, and states with their reasons', async () => {
    const panel = page.locator('lockstep-devtools');
    const id = hub.hub.openPatient('p-devtools', Date.now());
    const messages = panel.getByRole('list', { name: 'Messages' });
    const answer = messages.getByRole('listitem').filter({ hasText: id }).filter({ hasText: '→' });
    await answer.getByText(/→ answer 20\d after \d+ ms/).waitFor();
    const event = messages.getByRole('listitem').filter({ hasText: id }).filter({ hasText: '←' });
    await event.getByText('← Patient-open').waitFor();
    await event.getByText('← Patient-open').click();
    await event.getByText('p-devtools').waitFor();
    // What the application stood through in the test before this one.
    const states = panel.getByRole('list', { name: 'States' });
    await states.getByText('Out of sync: Acme Reporter did not follow').first().waitFor();
    await states.getByText('Out of sync: Page: the application does not follow').first().waitFor();
  });

  it('<lockstep-status> takes what was set before the element was defined', async () => {
    const text = await page.evaluate(() => {
      const elsewhere = document.implementation.createHTMLDocument();
      const early = elsewhere.createElement('lockstep-status');
      const subscriber = { state: { status: 'behind', reason: 'catching up' }, onState: () => () => {} };
      Object.assign(early, { subscriber, words: { behind: 'Moment' } });
      document.body.append(early);
      const shown = early.shadowRoot?.querySelector('[part=text]')?.textContent;
      early.remove();
      return shown;
    });
    assert.equal(text, 'Moment');
  });

  it('a lost connection shows and heals', async () => {
    const [subscription] = hub.hub.subscriptions.values();
    // The Hub stays away until that was seen.
    hub.away = true;
    subscription?.socket?.close(1012, 'restart');
    await page.locator('lockstep-status[status=connecting]').waitFor();
    hub.away = false;
    await page.locator('lockstep-status[status=in-sync]').waitFor();
  });

  it('a page that is left unsubscribes, and is back in sync when the user comes back', async () => {
    await page.goto('about:blank');
    while (hub.hub.subscriptions.size > 0) await new Promise((resolve) => setImmediate(resolve));
    hub.hub.openPatient('p3', Date.now());
    await page.goBack();
    await shows('state', 'in-sync');
    await shows('context', 'Patient/p3');
    assert.equal(hub.hub.subscriptions.size, 1);
  });
});
