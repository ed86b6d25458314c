/** How much JavaScript the first page loads, against the least that a page of the same tools loads. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { Stage } from './stage.ts';

const BARE = `
import { createElement, StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
function App() {
  const [count, setCount] = useState(0);
  return createElement('button', { onClick: () => setCount(count + 1) }, count);
}
createRoot(document.getElementById('root')).render(createElement(StrictMode, null, createElement(App)));
`;

/** Gzipped bytes of a page that does nothing but count clicks, built as the console is. */
async function bareBytes(): Promise<number> {
  const id = '\0bare.js';
  const built = await build({
    root: fileURLToPath(new URL('..', import.meta.url)),
    configFile: false,
    logLevel: 'error',
    plugins: [
      {
        name: 'bare-page',
        resolveId: (source) => (source === 'bare' ? id : undefined),
        load: (module) => (module === id ? BARE : undefined),
      },
    ],
    build: { write: false, target: 'es2023', modulePreload: { polyfill: false }, rollupOptions: { input: 'bare' } },
  });
  const outputs = [built].flat().flatMap((one) => ('output' in one ? one.output : []));
  return outputs.reduce((sum, one) => sum + (one.type === 'chunk' ? gzipSync(one.code).length : 0), 0);
}

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(() => stage.close());

test('the first page loads at most half as much JavaScript again as a bare page of the same tools', async (t) => {
  const page = await stage.browser();
  const scripts = new Map<string, Promise<Buffer>>();
  page.on('response', (response) => {
    if (response.request().resourceType() === 'script') scripts.set(response.url(), response.body());
  });
  await page.goto(stage.origin, { waitUntil: 'networkidle' });
  await page.getByRole('heading', { name: 'Sign in as a sample user' }).waitFor();
  const bodies = await Promise.all(scripts.values());
  const bytes = bodies.reduce((sum, body) => sum + gzipSync(body).length, 0);
  const bare = await bareBytes();
  t.diagnostic(`${bytes} bytes, bare ${bare}: ${(bytes / bare).toFixed(2)} times`);
  assert.ok(bare > 40_000);
  assert.ok(bytes <= 1.5 * bare, `${bytes} bytes, where a bare page has ${bare}`);
  await page.context().close();
});
