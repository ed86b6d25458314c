/** A thread that does harm to a server until it is ended: `hostile.ts` says what. */
import { connect } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

/** What harm is done, and to what. */
export interface Flood {
  readonly kind: 'registrations' | 'tokens' | 'half-open' | 'fhir' | 'search';
  readonly origin: string;
  readonly token: string;
}

/** Requests on their way at once, where a flood is as fast as the server takes it. */
const IN_FLIGHT = 50;
const FHIR_PER_SECOND = 2_000;
const HALF_OPEN = 1_500;
const MEGABYTE = 1_000_000;

const { kind, origin, token } = workerData as Flood;
let sent = 0;

/** Counts requests that fail as sent: the server may cut them off. */
async function send(path: string, init: RequestInit): Promise<void> {
  sent += 1;
  const response = await fetch(`${origin}${path}`, init).catch(() => undefined);
  await response?.arrayBuffer().catch(() => undefined);
}

async function asFastAsPossible(request: () => Promise<void>): Promise<void> {
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      for (;;) await request();
    }),
  );
}

const json = { 'content-type': 'application/json' };
const authorization = `Bearer ${token}`;

const FLOODS: Readonly<Record<Flood['kind'], () => unknown>> = {
  registrations: () => {
    const body = JSON.stringify({ client_name: 'x'.repeat(900_000), redirect_uris: ['http://localhost/x'] });
    return asFastAsPossible(() => send('/auth/register', { method: 'POST', headers: json, body }));
  },
  tokens: () =>
    asFastAsPossible(() => {
      const guess = `Bearer ${crypto.randomUUID()}`;
      return send('/hub', { method: 'POST', headers: { ...json, authorization: guess }, body: '{}' });
    }),
  'half-open': () => {
    const { hostname, port } = new URL(origin);
    const open = (): void => {
      sent += 1;
      const socket = connect(Number(port), hostname, () => socket.write('POST /hub HTTP/1.1\r\nHost: x\r\nContent-'));
      socket.on('error', () => undefined);
      socket.on('close', open);
    };
    for (let n = 0; n < HALF_OPEN; n += 1) open();
  },
  fhir: () => {
    const every = 20;
    setInterval(() => {
      for (let n = 0; n < (FHIR_PER_SECOND * every) / 1000; n += 1) {
        void send('/fhir/Patient?_count=1', { headers: { authorization } });
      }
    }, every);
  },
  search: () => {
    const body = new URLSearchParams({ _sort: 'name,'.repeat(MEGABYTE / 5) });
    return send('/fhir/Patient/_search', { method: 'POST', headers: { authorization }, body });
  },
};

parentPort?.on('message', () => parentPort?.postMessage(sent));
void FLOODS[kind]();
