/** What happens when nothing happens, and when the server goes away. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { FrameLocator, Page, WebSocket } from 'playwright-core';
import { member, openPatient, run, Stage, shows } from './stage.ts';

let stage: Stage;
before(async () => {
  stage = await Stage.open({}, { apart: true });
});
after(() => stage.close());

const statusOf = (page: Page | FrameLocator, status: string) =>
  page.locator(`:is(lockstep-status[status="${status}"], [data-testid="own-status"][data-status="${status}"])`);

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  test(`after ${signal} and a new start the console and both samples are back in sync without a click`, async () => {
    const page = await stage.person(/Lena Okafor/);
    await openPatient(page, /Amara Diallo/);
    const viewer = await run(page, 'Image viewer');
    const writer = await run(page, 'Report writer');
    // An answer that the server has not kept yet is lost with it.
    for (const one of [page, viewer, writer]) await statusOf(one, 'in-sync').waitFor();
    await stage.restart(signal, async () => {
      for (const one of [page, viewer, writer]) {
        const status = statusOf(one, 'connecting');
        await status.waitFor();
        await status.getByText('Reconnecting').waitFor();
      }
    });
    for (const one of [page, viewer, writer]) await statusOf(one, 'in-sync').waitFor();
    await shows(viewer, 'Amara Diallo');
    await shows(writer, 'Amara Diallo');
    await openPatient(page, /Kofi Mensah/);
    await shows(viewer, 'Kofi Mensah');
    await shows(writer, 'Kofi Mensah');
    for (const name of ['EHR', 'Image viewer', 'Report writer']) {
      await member(page, name)
        .getByText(/^followed/)
        .waitFor();
    }
    await page.context().close();
  });
}

/** The pings that sockets of the page send, and whether they are answered. */
class Pings {
  sent = 0;
  #answered = 0;
  #waiting: (() => void)[] = [];

  constructor(page: Page) {
    page.on('websocket', (socket: WebSocket) => {
      socket.on('framesent', ({ payload }) => {
        if (payload === '{"type":"ping"}') this.sent += 1;
      });
      socket.on('framereceived', ({ payload }) => {
        if (payload === '{"type":"pong"}') this.#answered += 1;
        if (this.#answered >= this.sent) for (const resolve of this.#waiting.splice(0)) resolve();
      });
    });
  }

  async answered(): Promise<void> {
    if (this.#answered < this.sent) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

test('an idle tab asks for nothing: ten minutes, with a patient and both samples open', async () => {
  const page = await stage.browser();
  await page.clock.install();
  const pings = new Pings(page);
  await page.goto(stage.origin);
  await page.getByRole('button', { name: /Tomas Lindqvist/ }).click();
  await openPatient(page, /Amara Diallo/);
  const viewer = await run(page, 'Image viewer');
  const writer = await run(page, 'Report writer');
  await shows(viewer, 'Amara Diallo');
  await shows(writer, 'Amara Diallo');
  for (const name of ['EHR', 'Image viewer', 'Report writer']) await member(page, name).getByText('followed').waitFor();
  // What they show is there, the images last.
  await viewer.locator('[data-ready]').waitFor();
  await page.waitForLoadState('networkidle');
  const asked: string[] = [];
  page.on('request', (request) => asked.push(`${request.method()} ${request.url()}`));
  // Time passes in the page alone, so the network is given its own.
  for (let second = 0; second < 600; second += 2) {
    await page.clock.runFor(2000);
    await pings.answered();
  }
  assert.deepEqual(asked, []);
  assert.ok(pings.sent > 0, 'sockets are asked whether they live');
  for (const one of [page, viewer, writer]) await statusOf(one, 'in-sync').waitFor();
  await page.context().close();
});
