/** The unmodified fhirclient in a real Chromium, in a page that another port serves: launches, FHIR, refresh, Hub. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { BrowserContext, Page } from 'playwright-core';
import { startChromiumIn } from '../../../scripts/chromium.ts';
import { HubClient, type Json, patient, sharedLockstep } from './harness.ts';
import { App, type Kind, resources } from './person.ts';

const SCOPE = 'openid fhirUser patient/*.rs user/Practitioner.rs fhircast/*.* offline_access';
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const fhirclient = readFileSync(createRequire(import.meta.url).resolve('fhirclient/build/fhir-client.js'));
const { origin } = await sharedLockstep();

/** What the page does once it has its code: reads, follows the session, sends a message of its own. */
const FOLLOW = `
async function follow() {
  const client = await FHIR.oauth2.ready();
  window.client = client;
  const token = client.state.tokenResponse;
  const [patient, user] = await Promise.all([client.patient.read(), client.user.read()]);
  const headers = { authorization: 'Bearer ' + token.access_token };
  const subscribed = await fetch(token['hub.url'], {
    method: 'POST',
    headers,
    body: new URLSearchParams({
      'hub.channel.type': 'websocket', 'hub.mode': 'subscribe', 'hub.topic': token['hub.topic'],
      'hub.events': 'Patient-open,Patient-close', 'subscriber.name': 'page',
    }),
  });
  const endpoint = (await subscribed.json())['hub.channel.endpoint'];
  window.messages = [];
  const socket = new WebSocket(endpoint);
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    window.messages.push(message);
    if (message.event) socket.send(JSON.stringify({ id: message.id, status: 200 }));
  };
  await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
  return { patient: patient.id, user: user.id, token };
}`;

const PAGE = `<!doctype html><title>app</title><script src="/fhir-client.js"></script><script>${FOLLOW}</script>`;

describe('fhirclient in Chromium, served on another port', () => {
  const profile = mkdtempSync(join(tmpdir(), 'lockstep-chromium-'));
  const pages = createServer((request, response) => {
    if (request.url === '/fhir-client.js') return response.end(fhirclient);
    return response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
  });
  let context: BrowserContext;
  let address = '';

  before(async () => {
    await new Promise<void>((resolve) => pages.listen(0, 'localhost', resolve));
    address = `http://localhost:${(pages.address() as AddressInfo).port}`;
    context = await startChromiumIn(profile, FLAGS);
  });
  after(async () => {
    await context.close();
    pages.close();
    pages.closeAllConnections();
    await rm(profile, { recursive: true, force: true });
  });

  async function authorize(page: Page, app: App, scope: string): Promise<void> {
    const { clientId, registration, privateJwk } = app;
    const key = privateJwk && { clientPrivateJwk: { ...privateJwk, key_ops: ['sign'] } };
    const settings = {
      clientId,
      clientSecret: registration.client_secret,
      ...key,
      redirectUri: `${address}/cb`,
      scope,
    };
    await page.evaluate(`void FHIR.oauth2.authorize(${JSON.stringify(settings)})`);
  }

  /** @returns what the page saw, once an event has reached it */
  async function arrive(page: Page, sender: HubClient): Promise<Json> {
    await page.waitForURL(`${address}/cb?code=*`);
    const seen = (await page.evaluate('follow()')) as Json;
    const topic = seen.token['hub.topic'];
    assert.equal((await sender.publish(topic, 'Patient-open', [patient(seen.patient)])).status, 202);
    await page.waitForFunction('window.messages.some(({ event }) => event)');
    const [confirmation, opened] = (await page.evaluate('window.messages')) as Json[];
    assert.deepEqual([confirmation?.['hub.mode'], confirmation?.['hub.topic']], ['subscribe', topic]);
    assert.equal(opened?.event.context[0].resource.id, seen.patient);
    await sender.publish(topic, 'Patient-close', [patient(seen.patient)]);
    return seen;
  }

  for (const kind of ['public', 'symmetric', 'asymmetric'] as const satisfies readonly Kind[]) {
    it(`TOK-2 ${kind}: EHR and standalone launch, patient, user, refresh, subscription, events`, async () => {
      const sender = await HubClient.backend(origin);
      const viewer = await HubClient.backend(origin, 'system/Patient.rs', { scope: 'system/Patient.rs' });
      const [first, second] = await resources(origin, 'Patient?_count=2', viewer.token);
      const app = await App.register(origin, kind, {
        redirect_uris: [`${address}/cb`],
        launch_url: `${address}/launch`,
      });
      await context.clearCookies();
      const page = await context.newPage();

      // Standalone: the person signs in and chooses in the pages themselves.
      await page.goto(`${address}/launch?iss=${encodeURIComponent(`${origin}/fhir`)}`);
      await authorize(page, app, `launch/patient ${SCOPE}`);
      await page.getByRole('button', { name: 'Dr. Mei Tanaka' }).click();
      await page.locator(`button[name=patient][value="${second?.id}"]`).click();
      await page.getByRole('button', { name: 'Allow' }).click();
      const alone = await arrive(page, sender);
      assert.deepEqual([alone.patient, alone.user], [second?.id, 'dr-mei-tanaka']);

      // EHR: the person who is signed in is launched for another patient, in another window.
      const session = (await (await context.request.get(`${origin}/auth/session`)).json()) as Json;
      assert.equal(session.session_topic, alone.token['hub.topic']);
      const made = await context.request.post(`${origin}/launch`, {
        data: { client_id: app.clientId, patient: first?.id, topic: session.session_topic },
        headers: { 'x-csrf-token': session.csrf },
      });
      const window = await context.newPage();
      await window.goto(((await made.json()) as Json).launch_url);
      await authorize(window, app, `launch ${SCOPE}`);
      await window.getByRole('button', { name: 'Allow' }).click();
      const launched = await arrive(window, sender);
      assert.deepEqual([launched.patient, launched.user], [first?.id, 'dr-mei-tanaka']);
      assert.equal(launched.token['hub.topic'], session.session_topic);

      // The first window still has its own patient (AUT-3), and refreshes.
      const read = 'client.patient.read().then(({ id }) => id)';
      assert.equal(await page.evaluate(read), second?.id);
      const refreshed = page.evaluate('client.refresh().then(({ tokenResponse }) => tokenResponse)');
      // It sends no assertion with a refresh, and an asymmetric client must authenticate (TOK-4).
      if (kind === 'asymmetric') await assert.rejects(refreshed, /invalid_client|401/);
      else {
        const token = (await refreshed) as Json;
        assert.notEqual(token.access_token, alone.token.access_token);
        assert.deepEqual([token.patient, token['hub.topic']], [second?.id, session.session_topic]);
        assert.equal(await page.evaluate(read), second?.id);
      }
      await page.close();
      await window.close();
    });
  }
});
