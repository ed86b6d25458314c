/** Measures what a browser loads and how soon it paints, next to a bare page of the same tools; prints JSON. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { bareScript, countScripts, gzipped, holdWorkspace } from '../test/bare-page.ts';
import { Stage } from '../test/stage.ts';

const TURNS = 7;

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Loads an address. @returns the gzipped bytes of its scripts, and the time to its first contentful paint, ms */
async function load(page: Page, address: string, isHeld: boolean) {
  const loaded = countScripts(page);
  await page.goto(address, { waitUntil: isHeld ? 'load' : 'networkidle' });
  if (isHeld) await page.getByRole('navigation', { name: 'Pages' }).waitFor();
  const paint = await page.evaluate(
    () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN,
  );
  return { bytes: await loaded(), paint };
}

const script = await bareScript();
const server = createServer((request, response) => {
  const isScript = request.url === '/bare.js';
  response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
  response.end(
    isScript ? script : '<!doctype html><div id="root"></div><script type="module" src="/bare.js"></script>',
  );
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const bareAddress = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

const stage = await Stage.open();
const person = await stage.person(/Lena Okafor/);
const stranger = await stage.browser();
const pages = {
  bare: bareAddress,
  'signed-out': stage.origin,
  shell: stage.origin,
  'signed-in': stage.origin,
} as const;
const paints: Record<keyof typeof pages, number[]> = { bare: [], 'signed-out': [], shell: [], 'signed-in': [] };
const bytes: Record<keyof typeof pages, number> = { bare: gzipped(script), 'signed-out': 0, shell: 0, 'signed-in': 0 };
for (let turn = 0; turn < TURNS; turn++) {
  for (const [name, address] of Object.entries(pages) as [keyof typeof pages, string][]) {
    const isSignedIn = name === 'signed-in' || name === 'shell';
    const page = await (isSignedIn ? person : stranger).context().newPage();
    // What is loaded up to the first paint of the shell.
    if (name === 'shell') await holdWorkspace(page);
    // As in a browser that has never been there.
    const session = await page.context().newCDPSession(page);
    await session.send('Network.setCacheDisabled', { cacheDisabled: true });
    const measured = await load(page, address, name === 'shell');
    if (name !== 'bare') bytes[name] = measured.bytes;
    paints[name].push(measured.paint);
    await page.close();
  }
}
await stage.close();
server.close();
const result = Object.keys(pages).map((name) => ({
  page: name,
  bytes: bytes[name as keyof typeof pages],
  paintMs: median(paints[name as keyof typeof pages]),
}));
console.log(JSON.stringify(result));
