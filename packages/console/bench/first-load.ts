/** Measures what a browser loads and how soon it paints, next to a bare page of the same tools; prints JSON. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { bareScript, countScripts, gzipped, holdWorkspace } from '../test/bare-page.ts';
import { Stage } from '../test/stage.ts';

/** Turns that count; one before them warms the server and the browser up. */
const TURNS = 15;
/** How much slower the browser's CPU is made: what the machine does besides then hardly shows. */
const SLOWER = 4;

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
type PageName = keyof typeof pages;
/** First contentful paints of each turn, ms. */
const turns: Record<PageName, number>[] = [];
const bytes: Record<PageName, number> = { bare: gzipped(script), 'signed-out': 0, shell: 0, 'signed-in': 0 };
for (let turn = 0; turn <= TURNS; turn++) {
  const paints = { bare: Number.NaN, 'signed-out': Number.NaN, shell: Number.NaN, 'signed-in': Number.NaN };
  const inOrder = Object.entries(pages) as [PageName, string][];
  // Nobody is always the first, or the one after the largest.
  for (const [name, address] of [...inOrder.slice(turn % inOrder.length), ...inOrder.slice(0, turn % inOrder.length)]) {
    const isSignedIn = name === 'signed-in' || name === 'shell';
    const page = await (isSignedIn ? person : stranger).context().newPage();
    // What is loaded up to the first paint of the shell.
    if (name === 'shell') await holdWorkspace(page);
    const session = await page.context().newCDPSession(page);
    // As in a browser that has never been there.
    await session.send('Network.setCacheDisabled', { cacheDisabled: true });
    await session.send('Emulation.setCPUThrottlingRate', { rate: SLOWER });
    const measured = await load(page, address, name === 'shell');
    if (name !== 'bare') bytes[name] = measured.bytes;
    paints[name] = measured.paint;
    await page.close();
  }
  if (turn > 0) turns.push(paints);
}
await stage.close();
server.close();
const result = (Object.keys(pages) as PageName[]).map((name) => ({
  page: name,
  bytes: bytes[name],
  paintMs: median(turns.map((paints) => paints[name])),
  paintRatio: median(turns.map((paints) => paints[name] / paints.bare)),
}));
console.log(JSON.stringify(result));
