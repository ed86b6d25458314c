/** The least that a page of the console's tools loads: React, and a button that counts clicks. */
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Page, Response } from 'playwright-core';
import { build } from 'vite';

const BARE = `
import { createElement, StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
function App() {
  const [count, setCount] = useState(0);
  return createElement('button', { onClick: () => setCount(count + 1) }, count);
}
createRoot(document.getElementById('root')).render(createElement(StrictMode, null, createElement(App)));
`;

/** The bare page's script, built as the console is. */
export async function bareScript(): Promise<string> {
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
  return outputs.map((one) => (one.type === 'chunk' ? one.code : '')).join('');
}

/** Bytes of a script as they are sent. */
export function gzipped(code: string | Buffer): number {
  return gzipSync(code).length;
}

/** Counts the JavaScript that a page loads from now on. @returns gzipped bytes so far */
export function countScripts(page: Page): () => Promise<number> {
  const scripts = new Map<string, Response>();
  page.on('response', (response) => {
    if (response.request().resourceType() === 'script') scripts.set(response.url(), response);
  });
  return async () => {
    const bodies = await Promise.all([...scripts.values()].map((response) => response.body()));
    return bodies.reduce((sum, body) => sum + gzipped(body), 0);
  };
}

/** Keeps what is loaded after a signed-in page's first paint from coming. @returns lets it come */
export async function holdWorkspace(page: Page): Promise<() => void> {
  const held = Promise.withResolvers<void>();
  await page.route(/\/workspace-[^/]*\.js$/, async (route) => {
    await held.promise;
    await route.continue();
  });
  return held.resolve;
}
