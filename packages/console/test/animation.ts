/** npm run animation: writes the moving picture of the README from a real browser, `docs/screenshots/follow.png`. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { animatedPng } from './animated-png.ts';
import { openPatient, run, Stage, shows } from './stage.ts';

const target = fileURLToPath(new URL('../../../docs/screenshots/follow.png', import.meta.url));
const stage = await Stage.open();
const frames: { png: Buffer; ms: number }[] = [];

async function take(page: Page, ms: number): Promise<void> {
  await page.mouse.move(2, 2);
  await page.locator('[data-testid="own-status"][data-status="in-sync"]').waitFor();
  await page.locator('[data-member][data-tone="busy"]').first().waitFor({ state: 'detached' });
  frames.push({ png: await page.screenshot({ animations: 'disabled', caret: 'hide' }), ms });
}

try {
  const page = await stage.person(/Lena Okafor/, { viewport: { width: 1280, height: 800 } });
  await page.evaluate(() => localStorage.setItem('lockstep-color-scheme', 'light'));
  await page.reload();
  await page.getByRole('searchbox', { name: 'Search patients' }).waitFor();
  await take(page, 1500);
  await openPatient(page, /Kofi Mensah/);
  await take(page, 1500);
  const viewer = await run(page, 'Image viewer');
  await shows(viewer, 'Kofi Mensah');
  await take(page, 2000);
  await openPatient(page, /Amara Diallo/);
  await shows(viewer, 'Amara Diallo');
  await viewer.locator('lockstep-status[status="in-sync"]').waitFor();
  await take(page, 2500);
  await openPatient(page, /Priya Raman/);
  await shows(viewer, 'Priya Raman');
  await viewer.locator('lockstep-status[status="in-sync"]').waitFor();
  await take(page, 2500);
  // Where pictures do not move the first one is all that is seen: an app that follows.
  const picture = animatedPng([...frames.slice(2), ...frames.slice(0, 2)]);
  writeFileSync(target, picture);
  console.log(`wrote ${target}: ${frames.length} frames, ${Math.round(picture.length / 1024)} KiB`);
} finally {
  await stage.close();
}
