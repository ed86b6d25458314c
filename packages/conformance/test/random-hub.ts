/** A Hub that answers at random, the same for the same seed: often what a Hub would say, and as often anything else. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const STATUSES = [200, 200, 202, 202, 202, 201, 204, 206, 301, 400, 401, 403, 404, 409, 413, 422, 500, 503];
const TYPES = ['application/json', 'application/json', 'application/fhir+json', 'text/plain', 'text/html', ''];
const VALUES = [
  null,
  true,
  0,
  -1,
  1e308,
  '',
  'x',
  '\u0000\ud800',
  [],
  [[]],
  [null],
  {},
  { a: { b: [] } },
  'Patient-open',
  '2026-13-45',
];

export class RandomHub {
  readonly #random: () => number;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: 20_000_000 });
  /** Texts that came: what is played back is often close to right. */
  readonly #heard: string[] = [];
  url = '';

  static async start(seed: number): Promise<RandomHub> {
    const hub = new RandomHub(seed);
    await new Promise<void>((resolve) => hub.#server.listen(0, '127.0.0.1', resolve));
    hub.url = `http://127.0.0.1:${(hub.#server.address() as AddressInfo).port}/hub`;
    return hub;
  }

  constructor(seed: number) {
    this.#random = randomOf(seed);
    this.#server = createServer(
      (request, response) => void this.#serve(request, response).catch(() => response.destroy()),
    );
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)]!;
  }

  #chance(of: number): boolean {
    return this.#random() < of;
  }

  /** Something of the shape of a message, with members lost, changed and added. */
  #value(depth = 0): unknown {
    if (depth > 3 || this.#chance(0.4)) return this.#pick(VALUES);
    const names = [
      'id',
      'timestamp',
      'event',
      'hub.event',
      'hub.topic',
      'hub.mode',
      'hub.events',
      'hub.lease_seconds',
      'context',
      'context.type',
      'context.versionId',
      'key',
      'resource',
      'entry',
      'issue',
      'details',
      'coding',
      'hub.channel.endpoint',
      'eventsSupported',
    ];
    return Object.fromEntries(Array.from({ length: 4 }, () => [this.#pick(names), this.#value(depth + 1)]));
  }

  /** A text that came, with something in it changed. */
  #echo(): string {
    const text = this.#heard.length > 0 ? this.#pick(this.#heard) : '{}';
    if (this.#chance(0.5)) return text;
    const at = Math.floor(this.#random() * text.length);
    return this.#chance(0.5)
      ? text.slice(0, at)
      : `${text.slice(0, at)}${this.#pick(['"', '}', '7', ',', '\u0000'])}${text.slice(at + 1)}`;
  }

  #text(request?: IncomingMessage): string {
    const roll = this.#random();
    const endpoint = `ws://${request?.headers.host ?? '127.0.0.1'}/ws/${this.#random()}`;
    if (roll < 0.4) return JSON.stringify({ 'hub.channel.endpoint': endpoint });
    if (roll < 0.5) return JSON.stringify({ 'context.type': this.#pick(['', 'Patient']), context: [] });
    if (roll < 0.7) return this.#echo();
    return this.#chance(0.9) ? JSON.stringify(this.#value()) : this.#pick(['', 'null', '[', '\u0000\u0001', '<html>']);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    request.setEncoding('utf8');
    for await (const chunk of request) if (body.length < 100_000) body += chunk;
    if (body.startsWith('{') && this.#heard.length < 500) this.#heard.push(body);
    if (this.#chance(0.02)) return;
    if (this.#chance(0.02)) return void response.destroy();
    const type = this.#pick(TYPES);
    response.writeHead(this.#pick(STATUSES), { ...(type !== '' && { 'content-type': type }) });
    response.end(this.#text(request));
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {});
    if (this.#chance(0.1)) return void socket.destroy();
    this.#sockets.handleUpgrade(request, socket, head, (connection) => {
      connection.on('error', () => {});
      connection.on('message', () => this.#speak(connection));
      const confirmation = {
        'hub.mode': 'subscribe',
        'hub.topic': 'x',
        'hub.events': 'Patient-open',
        'hub.lease_seconds': 60,
      };
      if (this.#chance(0.8)) connection.send(JSON.stringify(confirmation));
      const timer = setInterval(() => {
        if (connection.readyState !== connection.OPEN) clearInterval(timer);
        else this.#speak(connection);
      }, 20).unref();
    });
  }

  #speak(connection: WebSocket): void {
    const roll = this.#random();
    if (connection.readyState !== connection.OPEN) return;
    if (roll < 0.6) connection.send(this.#echo());
    else if (roll < 0.9) connection.send(this.#text());
    else if (roll < 0.93) connection.send(Buffer.from([0xff, 0xfe]), { binary: true });
    else if (roll < 0.95) connection.ping();
    else if (roll < 0.97) connection.close(this.#pick([1000, 1001, 1011, 4000]));
    else if (roll < 0.98) connection.terminate();
  }
}
