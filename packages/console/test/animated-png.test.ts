import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { startChromium } from '../../../scripts/chromium.ts';
import { animatedPng, chunksOf } from './animated-png.ts';

const root = new URL('../../../', import.meta.url);

test('the moving picture of the README is one, is small, and comes first', () => {
  const picture = readFileSync(new URL('docs/screenshots/follow.png', root));
  const chunks = chunksOf(picture);
  const frames = chunks.filter(({ type }) => type === 'fcTL').length;
  assert.equal(chunks.find(({ type }) => type === 'acTL')?.data.readUInt32BE(0), frames);
  assert.ok(frames >= 4);
  assert.ok(picture.length < 1024 * 1024, `${picture.length} bytes`);
  const [first] = /!\[[^\]]*\]\(([^)]+)\)/.exec(readFileSync(new URL('README.md', root), 'utf8'))?.slice(1) ?? [];
  assert.equal(first, 'docs/screenshots/follow.png');
});

test('frames of another size are refused, and so is what is no PNG', async (t) => {
  const browser = await startChromium();
  t.after(() => browser.close());
  const page = await browser.newPage();
  const shot = async (width: number): Promise<Buffer> => {
    await page.setViewportSize({ width, height: 40 });
    return page.screenshot();
  };
  const [small, wide] = [await shot(40), await shot(60)];
  assert.throws(
    () =>
      animatedPng([
        { png: small, ms: 100 },
        { png: wide, ms: 100 },
      ]),
    /differ in size/,
  );
  assert.throws(() => animatedPng([{ png: deflateSync('x'), ms: 100 }]), /no PNG/);
  assert.throws(() => animatedPng([]), /no frame/);
  // A browser shows it as a picture of that size.
  const made = animatedPng([
    { png: small, ms: 100 },
    { png: small, ms: 100 },
  ]);
  const size = await page.evaluate(async (data) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    return [image.naturalWidth, image.naturalHeight];
  }, made.toString('base64'));
  assert.deepEqual(size, [40, 40]);
});
