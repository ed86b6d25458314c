/** Who is shown is read whole, however narrow the place is: nothing that stands beside a name is seen in its stead (HZ-6). */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Frame, FrameLocator, Page } from 'playwright-core';
import { run, Stage } from './stage.ts';

/** Sixty characters. */
const NAMES = [
  ['words', 'Maximiliana Konstantina', 'von Hohenlohe-Waldenburg-Schillingsfürst'],
  ['right-to-left', 'عبد الرحمن بن محمد بن إبراهيم', 'الهاشمي القرشي المكي البغدادي'],
] as const;

let stage: Stage;
before(async () => {
  const records = NAMES.flatMap(([id, given, family], index) => [
    {
      resourceType: 'Patient',
      id: `long-${id}`,
      name: [{ given: [given], family }],
      birthDate: '1970-05-17',
      identifier: [{ system: 'urn:example:mrn', value: `NF-90001${index}`, type: { coding: [{ code: 'MR' }] } }],
    },
    {
      resourceType: 'ImagingStudy',
      id: `study-of-long-${id}`,
      status: 'available',
      subject: { reference: `Patient/long-${id}` },
      started: '2026-05-04T09:00:00Z',
      description: 'CT of the chest, abdomen and pelvis with contrast, after treatment',
    },
  ]);
  stage = await Stage.open({}, { records });
});
after(() => stage.close());

/** What of who somebody is, as far as it is on the page, is cut or out of its place: each with what it should say. */
function cut(where: Page | Frame, places: string): Promise<readonly string[]> {
  return where.evaluate((selector) => {
    const found = [...document.querySelectorAll<HTMLElement>(selector)].filter((element) => element.checkVisibility());
    if (found.length === 0) return [`nothing is at ${selector}`];
    return found.flatMap((element) => {
      const box = element.getBoundingClientRect();
      const isCut = element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1;
      const isOutside = box.left < -0.5 || box.right > innerWidth + 0.5;
      const text = document.createRange();
      text.selectNodeContents(element);
      const inner = text.getBoundingClientRect();
      const isHidden = inner.right > box.right + 1.5 || inner.left < box.left - 1.5 || inner.bottom > box.bottom + 3;
      return isCut || isOutside || isHidden
        ? [
            `${element.dataset.testid} "${element.textContent}" in ${Math.round(box.width)} × ${Math.round(box.height)} px`,
          ]
        : [];
    });
  }, places);
}

const WHO = '[data-testid="identity-name"], [data-testid="identity-facts"]';

test('HZ-6 names of sixty characters are whole in strip, tab, dialog and samples, from 240 to 1280 px', async () => {
  const page = await stage.person(/Lena Okafor/);
  const apps: FrameLocator[] = [];
  for (const [index, [kind]] of NAMES.entries()) {
    const number = `NF-90001${index}`;
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.getByRole('searchbox', { name: 'Search patients' }).fill(number);
    await page.locator('[data-testid="patient"]').nth(1).waitFor({ state: 'detached' });
    await page.locator('[data-testid="patient"]').filter({ hasText: number }).click();
    await page.getByTestId('context').getByText(number).waitFor();
    if (apps.length === 0) for (const app of ['Image viewer', 'Report writer']) apps.push(await run(page, app));
    for (const app of apps) await app.getByRole('heading', { level: 1 }).getByText(number).waitFor();
    for (const width of [600, 240]) {
      await page.locator('iframe').evaluateAll((frames, px) => {
        for (const frame of frames) frame.style.width = `${px}px`;
      }, width);
      for (const frame of page.frames().slice(1)) {
        await frame.waitForFunction((px) => innerWidth === px, width);
        assert.deepEqual(await cut(frame, `h1 :is(${WHO})`), [], `${kind}: ${frame.url()}, ${width} px`);
        assert.equal(await frame.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
      }
    }
    // However many tabs there are, that of the patient is in sight.
    const box = await page.getByRole('tab', { selected: true }).boundingBox();
    assert.ok(box && box.x >= 0 && box.x + box.width <= 1280);
    await page.getByRole('textbox', { name: 'Note' }).fill('Half a thought');
    for (const width of [1280, 390, 240]) {
      await page.setViewportSize({ width, height: 800 });
      const tab = page.getByRole('tab', { selected: true });
      await tab.evaluate((element) => element.scrollIntoView());
      for (const place of ['[data-testid="context"]', '[role="tab"][aria-selected="true"]'])
        assert.deepEqual(await cut(page, `${place} :is(${WHO})`), [], `${kind}: ${place}, ${width} px`);
      await page.getByRole('button', { name: new RegExp(`^Close .*${number}`) }).click();
      await page.getByRole('dialog').getByText(number).first().waitFor();
      assert.deepEqual(await cut(page, `dialog :is(${WHO})`), [], `${kind}: dialog, ${width} px`);
      await page.keyboard.press('Escape');
    }
    await page.getByRole('textbox', { name: 'Note' }).fill('');
  }
  await page.context().close();
});

test('no page reported an error', () => {
  assert.deepEqual(stage.complaints, []);
});
