/** The image viewer: zooming and moving the image, by buttons, keys, mouse and fingers. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { FrameLocator, Page } from 'playwright-core';
import { openPatient, run, Stage } from './stage.ts';

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(() => stage.close());

/** A viewer with an image and a measured line in it. */
async function viewerOf(page: Page): Promise<FrameLocator> {
  await openPatient(page, /Kofi Mensah/);
  const viewer = await run(page, 'Image viewer');
  await viewer.locator('[data-ready]').waitFor();
  await viewer.getByRole('button', { name: 'Measure', exact: true }).click();
  await viewer.locator('svg line').waitFor();
  return viewer;
}

interface Line {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/** Where the line stands over the image, px. */
async function lineOf(viewer: FrameLocator): Promise<Line> {
  const line = viewer.locator('svg line').first();
  const ends = ['x1', 'y1', 'x2', 'y2'].map(async (end) => Number(await line.getAttribute(end)));
  const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = await Promise.all(ends);
  return { x1, y1, x2, y2 };
}

const lengthOf = ({ x1, y1, x2, y2 }: Line): number => Math.hypot(x2 - x1, y2 - y1);

/** Waits until the line stands where it should. */
async function until(viewer: FrameLocator, is: (line: Line) => boolean): Promise<Line> {
  for (;;) {
    const line = await lineOf(viewer);
    if (is(line)) return line;
    await viewer.locator('svg line').first().waitFor();
  }
}

const near = (one: number, other: number, by = 1.5): boolean => Math.abs(one - other) <= by;

test('the wheel with Ctrl zooms where it is turned; what was measured keeps its length and its place in the image', async () => {
  const page = await stage.person(/Lena Okafor/);
  const viewer = await viewerOf(page);
  const before = await lineOf(viewer);
  const said = await viewer.locator('form strong').innerText();
  const surface = viewer.locator('svg[data-mode]');
  const box = await surface.boundingBox();
  assert.ok(box);
  await page.mouse.move(box.x + before.x1, box.y + before.y1);
  await page.keyboard.down('Control');
  await page.mouse.wheel(0, -150);
  await page.keyboard.up('Control');
  const after = await until(viewer, (line) => lengthOf(line) > 1.3 * lengthOf(before));
  assert.ok(near(after.x1, before.x1) && near(after.y1, before.y1), 'what is below the pointer stays there');
  assert.equal(await viewer.locator('form strong').innerText(), said);
  assert.match((await surface.getAttribute('aria-label')) ?? '', /^Image /);
  // Another image of the series is seen as this one was.
  const zoomed = await viewer.getByText(/\d+\s?%$/).innerText();
  await viewer.getByRole('slider').press('ArrowRight');
  await viewer.locator('svg line').waitFor({ state: 'detached' });
  await viewer.locator('[data-ready]').waitFor();
  assert.equal(await viewer.getByText(/\d+\s?%$/).innerText(), zoomed);
  await viewer.getByRole('slider').press('ArrowLeft');
  await until(viewer, (line) => near(line.x1, after.x1) && near(line.x2, after.x2));
  await viewer.getByRole('button', { name: 'Fit', exact: true }).click();
  await until(viewer, (line) => near(line.x1, before.x1) && near(line.x2, before.x2));
  await page.context().close();
});

test('keys, buttons and dragging zoom and move, and the help lists the keys', async () => {
  const page = await stage.person(/Lena Okafor/);
  const viewer = await viewerOf(page);
  const before = await lineOf(viewer);
  const surface = viewer.locator('svg[data-mode]');
  await surface.press('+');
  await until(viewer, (line) => near(lengthOf(line), 1.25 * lengthOf(before)));
  await viewer.getByText('125%').waitFor();
  await surface.press('ArrowRight');
  const right = await until(viewer, (line) => line.x1 < before.x1 - 20);
  await viewer.getByRole('button', { name: 'Move', exact: true }).click();
  const box = await surface.boundingBox();
  assert.ok(box);
  await page.mouse.move(box.x + 60, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(box.x + 90, box.y + 45);
  await page.mouse.up();
  await until(viewer, (line) => near(line.x1, right.x1 + 30) && near(line.y1, right.y1 - 15));
  await surface.press('-');
  await surface.press('0');
  await until(viewer, (line) => near(line.x1, before.x1) && near(line.y2, before.y2));
  await viewer.getByRole('button', { name: 'Zoom in' }).click();
  await viewer.getByRole('button', { name: 'Zoom out' }).click();
  await viewer.getByText('100%').waitFor();
  await surface.press('End');
  const images = Number(await viewer.getByRole('slider').getAttribute('max'));
  assert.ok(images > 2);
  await viewer.getByText(`${images}/${images}`).waitFor();
  await surface.press('PageUp');
  await viewer.getByText(`${images - 1}/${images}`).waitFor();
  await viewer.locator('summary').click();
  await viewer.getByText('Page up, page down').waitFor();
  await page.context().close();
});

test('two fingers zoom and move, and measure nothing', async () => {
  const page = await stage.person(/Lena Okafor/);
  const viewer = await viewerOf(page);
  const before = await lineOf(viewer);
  const said = await viewer.locator('form strong').innerText();
  const box = await viewer.locator('svg[data-mode]').boundingBox();
  assert.ok(box);
  const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const devtools = await page.context().newCDPSession(page);
  const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', apart: number) =>
    devtools.send('Input.dispatchTouchEvent', {
      type,
      touchPoints:
        type === 'touchEnd'
          ? []
          : [
              { x: middle.x - apart, y: middle.y, id: 1 },
              { x: middle.x + apart, y: middle.y, id: 2 },
            ],
    });
  await touch('touchStart', 30);
  for (const apart of [36, 48, 60]) await touch('touchMove', apart);
  await touch('touchEnd', 0);
  await until(viewer, (line) => near(lengthOf(line), 2 * lengthOf(before), 3));
  assert.equal(await viewer.locator('form strong').innerText(), said);
  await page.context().close();
});

test('HZ-1 until the studies of a patient are read no others stand below their name, and none is not said', async () => {
  const page = await stage.person(/Lena Okafor/);
  await openPatient(page, /Amara Diallo/);
  const viewer = await run(page, 'Image viewer');
  const writer = await run(page, 'Report writer');
  await viewer
    .getByRole('button', { name: /CT Chest/ })
    .first()
    .waitFor();
  await writer
    .getByRole('button', { name: /CT Chest/ })
    .first()
    .waitFor();
  const held = Promise.withResolvers<void>();
  let fails = false;
  await page.route(/\/fhir\/ImagingStudy\?patient=(kofi-mensah|walter-pruitt)/, async (route) => {
    await held.promise;
    await (fails
      ? route.fulfill({
          status: 503,
          json: { resourceType: 'OperationOutcome', issue: [{ diagnostics: 'The server is away' }] },
        })
      : route.continue());
  });
  await openPatient(page, /Kofi Mensah/);
  for (const app of [viewer, writer]) {
    await app.getByRole('heading', { name: 'Kofi Mensah', level: 1 }).waitFor();
    assert.equal(await app.getByText('CT Chest').count(), 0);
    assert.equal(await app.getByText('No studies in the record').count(), 0);
  }
  fails = true;
  stage.provoked.push(/^503 GET .*ImagingStudy/);
  held.resolve();
  for (const app of [viewer, writer]) {
    await app.getByRole('alert').getByText('The server is away').first().waitFor();
    assert.equal(await app.getByText('No studies in the record').count(), 0);
  }
  fails = false;
  await openPatient(page, /Walter Pruitt/);
  for (const app of [viewer, writer]) await app.getByText('CT Head WO contrast').first().waitFor();
  await page.context().close();
});

test('no page reported an error', () => {
  assert.deepEqual([stage.complaints, stage.strangers], [[], []]);
});
