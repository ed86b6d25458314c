/**
 * HZ-15 Messages between windows (`postMessage`): any page that opened one of ours, is embedded beside it or holds it in a frame may
 * send what it likes. It gets no answer, changes nothing and moves no page (CWE-346).
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Frame, Page } from 'playwright-core';
import { openPatient, run, Stage } from './stage.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** Listeners in code that browsers run, by file. One for windows is tried below; the others read a connection of their own. */
const LISTENERS: Readonly<Record<string, readonly ('window' | 'connection')[]>> = {
  'packages/client/src/devtools.ts': ['connection'],
  'packages/client/src/link.ts': ['connection'],
  'packages/client/src/unsaved.ts': ['window', 'window'],
  'packages/console/src/conformance/watch.ts': ['connection'],
  'packages/console/src/live.ts': ['connection'],
};
const LISTENS =
  /addEventListener\(\s*['"`]message|\bonmessage\b|\bBroadcastChannel\(|\bMessageChannel\(|\bSharedWorker\(/g;

/** What is sent: both words of ours, as they would be guessed, and what other pages might take. */
const MESSAGES: readonly unknown[] = [
  ...Array.from({ length: 40 }, (_, n) => n).flatMap((n) => [
    { type: 'lockstep.unsaved', id: `lockstep.has-unsaved ${n}`, unsaved: '' },
    { type: 'lockstep.unsaved', id: `lockstep.has-unsaved ${n}`, unsaved: 'FORGED' },
  ]),
  ...[1, '1', 'lockstep.has-unsaved 1', null, { a: 1 }].map((id) => ({ type: 'lockstep.has-unsaved', id })),
  { type: 'lockstep.unsaved' },
  'lockstep.has-unsaved',
  JSON.stringify({ type: 'lockstep.has-unsaved', id: 1 }),
  null,
  0,
  [],
  { type: { toString: 'x' } },
  { type: 'navigate', url: 'https://evil.example/', href: 'https://evil.example/', location: 'https://evil.example/' },
  { event: { 'hub.event': 'Patient-open', context: [] }, id: 'x', timestamp: '2026-11-30T08:00:00Z' },
  { messageType: 'ui.done', messageId: 'x', payload: {} },
];

/** The stranger's page: sends everything to all windows that it can reach, and keeps what comes. */
const STRANGER = `<!doctype html><title>Stranger</title><script>
var heard = [];
var opened = [];
addEventListener('message', ({ data }) => heard.push(data));
function reached(from, all = new Set()) {
  if (!from || all.has(from)) return all;
  all.add(from);
  for (let n = 0; n < from.length; n += 1) reached(from[n], all);
  for (const next of [from.parent, from.opener]) reached(next, all);
  return all;
}
function attack(messages) {
  const all = reached(window);
  for (const one of opened) reached(one, all);
  all.delete(window);
  for (const one of all) for (const message of messages) one.postMessage(message, '*');
  return all.size;
}
</script>`;

/** What the stranger's page defines. */
interface Stranger {
  readonly heard: readonly unknown[];
  readonly opened: Window[];
  attack(messages: readonly unknown[]): number;
}

const LAST = 'the last one';

let stage: Stage;
let stranger: string;
const server = createServer((_, response) => {
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end(STRANGER);
});
before(async () => {
  stage = await Stage.open();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stranger = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await stage.close();
});

/** Has the pages say when they have heard the last message, to themselves and to the stranger: answers come before. */
async function listenIn(frames: readonly Frame[]): Promise<void> {
  for (const frame of frames) {
    await frame.evaluate((last) => {
      const heard = Promise.withResolvers<void>();
      Object.assign(window, { heardLast: heard.promise });
      addEventListener('message', ({ data, source }) => {
        if (data !== last) return;
        heard.resolve();
        source?.postMessage(last, { targetOrigin: '*' });
      });
    }, LAST);
  }
}

/** Sends everything to the pages. @returns what came back */
async function attack(from: Frame, frames: readonly Frame[]): Promise<readonly unknown[]> {
  await listenIn(frames);
  const before = frames.map((frame) => frame.url());
  const reached = await from.evaluate(
    (messages) => (window as unknown as Stranger).attack(messages),
    [...MESSAGES, LAST],
  );
  assert.ok(reached >= frames.length, `${reached} windows`);
  for (const frame of frames) await frame.evaluate(() => (window as unknown as { heardLast: Promise<void> }).heardLast);
  // Pages behind others draw nothing, so nothing here waits for that.
  await from.evaluate(
    ([last, count]) =>
      new Promise<void>((resolve) => {
        const look = (): void => {
          if ((window as unknown as Stranger).heard.filter((one) => one === last).length >= count) resolve();
        };
        addEventListener('message', look);
        look();
      }),
    [LAST, frames.length] as const,
  );
  assert.deepEqual(
    frames.map((frame) => frame.url()),
    before,
  );
  const heard = await from.evaluate(() => (window as unknown as Stranger).heard);
  return heard.filter((one) => one !== LAST);
}

async function frameOf(page: Page, title: string): Promise<Frame> {
  const frame = await (await page.locator(`iframe[title="${title}"]`).elementHandle())?.contentFrame();
  assert.ok(frame, title);
  return frame;
}

/** A report that is not signed, in the writer. */
async function writing(page: Page): Promise<Frame> {
  await openPatient(page, /Amara Diallo/);
  const writer = await run(page, 'Report writer');
  await writer.getByRole('button', { name: /CT Chest.*May 2026/ }).click();
  await writer.getByLabel('Impression').fill('Half a sentence');
  return frameOf(page, 'Report writer');
}

test('HZ-15 every listener for messages in code that browsers run is on the list of those that are tried', () => {
  const files = globSync(['packages/{client,console,fhircast}/src/**/*.{ts,tsx}', 'samples/**/*.{ts,tsx,html}'], {
    cwd: ROOT,
    exclude: (name) => /(^|\/)(node_modules|dist)$|\.test\.tsx?$/.test(name),
  });
  assert.ok(files.length > 200, `${files.length} files`);
  const found = files.flatMap((file) => {
    const count = readFileSync(`${ROOT}/${file}`, 'utf8').match(LISTENS)?.length ?? 0;
    return count > 0 ? [[file, count] as const] : [];
  });
  const expected = Object.entries(LISTENERS).map(([file, { length }]) => [file, length]);
  assert.deepEqual(found.sort(), expected.sort());
});

test('HZ-15 a stranger’s application beside others gets no answer, and answers for none of them', async () => {
  const answer = await fetch(`${stage.origin}/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Stranger',
      launch_url: `${stranger}/launch`,
      redirect_uris: [`${stranger}/back`],
      token_endpoint_auth_method: 'none',
    }),
  });
  assert.equal(answer.status, 201, await answer.text());
  const page = await stage.person(/Lena Okafor/);
  const writer = await writing(page);
  await page.getByRole('button', { name: 'Run Stranger', exact: true }).click();
  await page.locator('iframe[title="Stranger"]').waitFor();
  const beside = await frameOf(page, 'Stranger');
  await beside.waitForFunction(() => 'attack' in window);
  assert.deepEqual(await attack(beside, [page.mainFrame(), writer]), []);
  assert.equal(await writer.getByLabel('Impression').inputValue(), 'Half a sentence');

  // While the writer is asked, the stranger says again and again that nothing is unsaved.
  await beside.evaluate((messages) => {
    setInterval(() => (window as unknown as Stranger).attack(messages), 1);
  }, MESSAGES);
  await page.getByRole('button', { name: 'Close Report writer', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Work is not saved' });
  await dialog.getByText('Report writer: a report is not signed or saved.').waitFor();
  assert.equal(await dialog.getByText('FORGED').count(), 0);
  assert.equal(await writer.getByLabel('Impression').inputValue(), 'Half a sentence');
  await page.context().close();
});

test('HZ-15 a stranger’s page that opened ours gets no answer, and embeds none of them', async () => {
  const page = await stage.person(/Mei Tanaka/);
  const writer = await writing(page);
  const address = await page.evaluate(async () => {
    const { csrf } = await (await fetch('/auth/session')).json();
    const apps = (await (await fetch('/api/console/apps')).json()) as { id: string; name: string }[];
    const id = apps.find(({ name }) => name === 'Report writer')?.id;
    const answer = await fetch('/launch', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-csrf-token': csrf },
      body: JSON.stringify({ client_id: id, patient: 'amara-diallo' }),
    });
    return ((await answer.json()) as { launch_url: string }).launch_url;
  });
  const above = await page.context().newPage();
  await above.goto(stranger);
  const open = async (url: string): Promise<Page> => {
    const opening = page.context().waitForEvent('page');
    await above.evaluate((to) => {
      const opened = window.open(to);
      if (opened) (window as unknown as Stranger).opened.push(opened);
    }, url);
    return opening;
  };
  const ours = await open(address);
  await ours.locator('lockstep-status[status="in-sync"]').waitFor();
  const desk = await open(stage.origin);
  await desk.getByRole('searchbox', { name: 'Search patients' }).waitFor();
  assert.equal(await ours.evaluate(() => window.opener !== null), true);
  // The console has no opener of another origin at all.
  assert.equal(await desk.evaluate(() => window.opener), null);
  assert.deepEqual(await attack(above.mainFrame(), [ours.mainFrame()]), []);

  stage.provoked.push(/frame-ancestors/);
  for (const path of ['/', '/samples/viewer/', '/samples/report-writer/', '/auth/sign-in', '/auth/manage', address]) {
    const url = new URL(path, stage.origin).href;
    await above.evaluate(async (src) => {
      const frame = Object.assign(document.createElement('iframe'), { src });
      const loaded = new Promise((resolve) => frame.addEventListener('load', resolve));
      document.body.append(frame);
      await loaded;
    }, url);
  }
  const embedded = above.frames().slice(1);
  assert.equal(embedded.length, 6);
  for (const frame of embedded) {
    assert.equal(await frame.evaluate(() => location.href), 'chrome-error://chromewebdata/', frame.url());
  }
  await above.evaluate((messages) => (window as unknown as Stranger).attack(messages), MESSAGES);
  assert.equal(await writer.getByLabel('Impression').inputValue(), 'Half a sentence');
  await page.context().close();
});
