/**
 * Measures how soon a change of context is on the screens, from its POST to the paint, next to a bare page that paints what comes
 * over a WebSocket, with nothing but a relay between; prints JSON.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FrameLocator, Page } from 'playwright-core';
import { WebSocketServer } from 'ws';
import { OtherApp } from '../test/raw-subscriber.ts';
import { openPatient, run, Stage, shows } from '../test/stage.ts';

const TURNS = 40;

const PATIENTS = [
  { id: 'amara-diallo', name: 'Amara Diallo' },
  { id: 'kofi-mensah', name: 'Kofi Mensah' },
] as const;
type Patient = (typeof PATIENTS)[number];

const PAGE = `<!doctype html><h1></h1><script>
  const socket = new WebSocket(location.href.replace('http', 'ws'));
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    document.querySelector('h1').textContent = message.event.context[0].resource.name[0].text;
    socket.send(JSON.stringify({ id: message.id, status: 200 }));
  };
</script>`;

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const now = (): number => performance.timeOrigin + performance.now();

/**
 * Watches for a name in a heading.
 * @returns reads when it was painted, ms since the epoch
 */
async function watched(screen: Page | FrameLocator, heading: string, name: string): Promise<() => Promise<number>> {
  const body = screen.locator('body');
  await body.evaluate(
    (_, [selector, text]) => {
      const holder = globalThis as typeof globalThis & { painted?: Promise<number> };
      holder.painted = new Promise((resolve) => {
        const look = (): void => {
          if (!document.querySelector(selector)?.textContent?.includes(text)) return;
          observer.disconnect();
          requestAnimationFrame(() => setTimeout(() => resolve(performance.timeOrigin + performance.now())));
        };
        const observer = new MutationObserver(look);
        observer.observe(document, { subtree: true, childList: true, characterData: true });
        look();
      });
    },
    [heading, name] as const,
  );
  return () => body.evaluate(() => (globalThis as typeof globalThis & { painted: Promise<number> }).painted);
}

const elementOf = ({ id, name }: Patient) => ({
  key: 'patient',
  resource: { resourceType: 'Patient', id, name: [{ text: name }] },
});

/** Accepts an event by POST and sends it on. */
const relay = createServer((request, response) => {
  if (request.method !== 'POST') {
    response.setHeader('content-type', 'text/html').end(PAGE);
    return;
  }
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => void parts.push(part));
  request.on('end', () => {
    for (const socket of sockets.clients) socket.send(Buffer.concat(parts).toString());
    response.writeHead(202).end();
  });
});
const sockets = new WebSocketServer({ server: relay });
await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
const relayAddress = `http://127.0.0.1:${(relay.address() as AddressInfo).port}/`;

const stage = await Stage.open();
const page = await stage.person(/Lena Okafor/);
await openPatient(page, /Kofi Mensah/);
const viewer = await run(page, 'Image viewer');
await shows(viewer, 'Kofi Mensah');
const other = await OtherApp.of(page);
const barePage = await stage.browser();
const connected = new Promise((resolve) => sockets.once('connection', resolve));
await barePage.goto(relayAddress);
await connected;

const times = { bare: [] as number[], chart: [] as number[], viewer: [] as number[] };
for (let turn = 0; turn < TURNS; turn++) {
  const patient = PATIENTS[turn % 2] as Patient;
  await barePage.bringToFront();
  const bare = await watched(barePage, 'h1', patient.name);
  const event = { 'hub.topic': 'bare', 'hub.event': 'Patient-open', context: [elementOf(patient)] };
  const body = JSON.stringify({ timestamp: new Date().toISOString(), id: crypto.randomUUID(), event });
  const bareFrom = now();
  await fetch(relayAddress, { method: 'POST', body });
  times.bare.push((await bare()) - bareFrom);

  await page.bringToFront();
  const chart = await watched(page, '[role=tabpanel] h2', patient.name);
  const images = await watched(viewer, 'h1', patient.name);
  const from = now();
  await other.publish('Patient-open', [elementOf(patient)]);
  times.viewer.push((await images()) - from);
  times.chart.push((await chart()) - from);
}
await stage.close();
sockets.close();
relay.close();
console.log(
  JSON.stringify({
    turns: TURNS,
    bareMs: median(times.bare),
    chartMs: median(times.chart),
    viewerMs: median(times.viewer),
  }),
);
