/** Stands between the suite and the model hub: speaks TLS for it, slows it down, or spoils what it says. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { text as textOfStream } from 'node:stream/consumers';
import { WebSocket, WebSocketServer } from 'ws';

/** What a hub says, by the moment at which it says it. */
export const STEPS = [
  'configuration',
  'subscribe',
  'unsubscribe',
  'publish',
  'context',
  'connect',
  'confirmation',
  'event',
  'denial',
  'close',
] as const;
export type Step = (typeof STEPS)[number];

/** `hang`: it is never said. `garbage`: something else is. `close`: the connection breaks off in the middle of it. */
export const FAULTS = ['hang', 'garbage', 'close'] as const;
export type Fault = (typeof FAULTS)[number];

export interface RelayedRequest {
  readonly method: string;
  readonly url: string;
  readonly body: string;
  readonly authorization: string | undefined;
  /** Its content type. */
  readonly type: string | undefined;
}

export interface RelayedAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** A frame to send, at once or late. */
export type RelayedFrame = string | { readonly text: string; readonly afterMs: number };

/** What a relay makes of the messages that pass it; what it does not name passes as it is. */
export interface Change {
  /** Before a request goes on to the Hub; an answer is given in its place. */
  readonly request?: (request: RelayedRequest) => RelayedRequest | RelayedAnswer;
  /** Requests of the relay's own, after one that went through. */
  readonly again?: (request: RelayedRequest) => RelayedRequest | undefined;
  readonly answer?: (answer: RelayedAnswer, request: RelayedRequest) => RelayedAnswer;
  /** A frame from the Hub to the subscriber of a connection; connections are counted from 0. */
  readonly frame?: (text: string, connection: number) => readonly RelayedFrame[];
  /** A frame from a subscriber to the Hub. */
  readonly heard?: (text: string, connection: number) => readonly string[];
  /** The code with which a subscriber closed, as the Hub hears it. */
  readonly closed?: (code: number) => number;
  /** Whether the Hub's end of a connection reaches the subscriber. */
  readonly keepsOpen?: boolean;
}

export interface RelayOptions {
  readonly change?: Change;
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Before everything that the hub says, ms. */
  readonly delayMs?: number;
  /** Called once for everything that the hub says. */
  readonly fault?: (step: Step) => Fault | undefined;
}

const BODIES = [
  '',
  'null',
  '[]',
  '{"hub.channel.endpoint": 7}',
  '{"hub.channel.endpoint": "ws://["}',
  '{',
  '\u0000\u0001',
];
const FRAMES = [
  'null',
  '{"event": 1}',
  '{"hub.mode": {}}',
  '{"event": {"hub.event": {}, "context": "x"}, "id": {}}',
  '{"event": {"hub.event": "SyncError", "context": [null, {"key": "operationoutcome", "resource": {"issue": [7]}}]}}',
  '{"event": {"hub.event": "Patient-open", "context": {"key": 1}}, "id": "x", "timestamp": 5}',
  '{"id": ',
];

function stepOfFrame(text: string): Step {
  if (text.includes('"hub.mode":"denied"')) return 'denial';
  return text.includes('"hub.mode"') ? 'confirmation' : 'event';
}

function stepOfRequest(request: IncomingMessage, body: string): Step {
  if (request.url?.includes('.well-known')) return 'configuration';
  if (request.method === 'GET') return 'context';
  if (!/[?&]?hub\.mode=/.test(body)) return 'publish';
  return body.includes('hub.mode=unsubscribe') ? 'unsubscribe' : 'subscribe';
}

export class Relay {
  readonly #hub: string;
  readonly #options: RelayOptions;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true });
  readonly #upstream = new Set<WebSocket>();
  readonly #held = new Set<Duplex>();
  #turn = 0;
  #connections = 0;
  url = '';

  static async start(hub: { origin: string }, options: RelayOptions): Promise<Relay> {
    const relay = new Relay(hub.origin, options);
    await new Promise<void>((resolve) => relay.#server.listen(0, '127.0.0.1', resolve));
    const { port } = relay.#server.address() as AddressInfo;
    const origin = `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`;
    relay.url = `${origin}/hub`;
    // The endpoints that the hub hands out lead here too.
    hub.origin = origin;
    return relay;
  }

  private constructor(hub: string, options: RelayOptions) {
    this.#hub = hub;
    this.#options = options;
    const serve = (request: IncomingMessage, response: ServerResponse) =>
      void this.#serve(request, response).catch(() => response.destroy());
    this.#server = options.tls ? createTlsServer(options.tls, serve) : createServer(serve);
    this.#server.on('connection', (socket: Duplex) => {
      this.#held.add(socket.on('error', () => {}));
      socket.on('close', () => this.#held.delete(socket));
    });
    this.#server.on('tlsClientError', () => {});
    this.#server.on('upgrade', (request, socket: Duplex, head) => void this.#upgrade(request, socket, head));
  }

  async close(): Promise<void> {
    for (const socket of this.#upstream) socket.terminate();
    for (const socket of this.#held) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #moment(step: Step): Promise<Fault | undefined> {
    if (this.#options.delayMs) await new Promise((resolve) => setTimeout(resolve, this.#options.delayMs));
    return this.#options.fault?.(step);
  }

  #next<T>(list: readonly T[]): T {
    return list[this.#turn++ % list.length]!;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await textOfStream(request);
    const { 'content-type': type, authorization } = request.headers;
    const change = this.#options.change ?? {};
    const came: RelayedRequest = {
      method: request.method ?? 'GET',
      url: request.url ?? '/',
      body,
      authorization,
      type,
    };
    const passed = change.request?.(came) ?? came;
    if ('status' in passed) {
      response.writeHead(passed.status, { 'content-type': passed.type }).end(passed.body);
      return;
    }
    const ask = (one: RelayedRequest) =>
      fetch(this.#hub + one.url, {
        method: one.method,
        headers: {
          ...(one.type && { 'content-type': one.type }),
          ...(one.authorization && { authorization: one.authorization }),
        },
        ...(one.method === 'POST' && { body: one.body }),
      });
    const answer = await ask(passed);
    const told: RelayedAnswer = {
      status: answer.status,
      type: answer.headers.get('content-type') ?? 'text/plain',
      body: await answer.text(),
    };
    const more = change.again?.(passed);
    if (more) await (await ask(more)).text();
    const { status, type: kind, body: text } = change.answer?.(told, came) ?? told;
    const fault = await this.#moment(stepOfRequest(request, body));
    if (fault === 'hang') return;
    const head = { 'content-type': kind };
    if (fault === 'close') {
      response.writeHead(status, { ...head, 'content-length': String(text.length + 10) });
      response.write(text.slice(0, text.length / 2), () => response.destroy());
      return;
    }
    const garbage = fault === 'garbage' ? this.#next([...BODIES, undefined]) : text;
    // No HTTP at all.
    if (garbage === undefined) response.socket?.end('\u0016\u0003 good day\r\n\r\n');
    else response.writeHead(status, head).end(garbage);
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const fault = await this.#moment('connect');
    if (fault === 'hang') return;
    if (fault === 'garbage') return void socket.end('HTTP/1.1 101 Welcome\r\nUpgrade: tea\r\n\r\n');
    if (fault === 'close') return void socket.destroy();
    const upstream = new WebSocket(this.#hub.replace('http', 'ws') + request.url);
    this.#upstream.add(upstream);
    upstream.on('error', () => {});
    upstream.on('unexpected-response', (_request, response) => {
      socket.end(`HTTP/1.1 ${response.statusCode} No\r\nConnection: close\r\n\r\n`);
      response.resume();
    });
    upstream.once('open', () =>
      this.#sockets.handleUpgrade(request, socket, head, (downstream) => this.#join(upstream, downstream, socket)),
    );
  }

  #join(upstream: WebSocket, downstream: WebSocket, socket: Duplex): void {
    const change = this.#options.change ?? {};
    const connection = this.#connections++;
    downstream.on('error', () => {});
    downstream.on('message', (data) => {
      const texts = change.heard?.(String(data), connection) ?? [String(data)];
      for (const text of texts) if (upstream.readyState === WebSocket.OPEN) upstream.send(text);
    });
    downstream.on('close', (closed) => {
      this.#upstream.delete(upstream);
      const code = change.closed?.(closed) ?? closed;
      if (code === 1006) upstream.terminate();
      else upstream.close(code === 1005 ? 1000 : code);
    });
    let turn = Promise.resolve();
    const say = (step: Step, speak: () => void, text: string) => {
      turn = turn.then(async () => {
        const fault = await this.#moment(step);
        if (fault === 'hang') return;
        if (fault === undefined) return speak();
        if (fault === 'garbage') return this.#babble(downstream, socket);
        // The first half of a frame, and nothing more.
        const bytes = Buffer.from(text);
        socket.write(
          Buffer.concat([
            Buffer.from([0x81, 126, bytes.length >> 8, bytes.length & 255]),
            bytes.subarray(0, bytes.length / 2),
          ]),
        );
        socket.destroy();
      });
    };
    upstream.on('message', (data) => {
      for (const one of change.frame?.(String(data), connection) ?? [String(data)]) {
        if (typeof one === 'string') say(stepOfFrame(one), () => downstream.send(one), one);
        else
          setTimeout(() => downstream.readyState === WebSocket.OPEN && downstream.send(one.text), one.afterMs).unref();
      }
    });
    upstream.on('close', (code, reason) => {
      if (change.keepsOpen) return;
      const known = code === 1006 || code === 1005 ? 1000 : code;
      say('close', () => downstream.close(known, String(reason)), 'closing');
    });
  }

  /** Messages of the wrong shape, or bytes that are no frames. */
  #babble(downstream: WebSocket, socket: Duplex): void {
    const text = this.#next([...FRAMES, undefined]);
    if (text === undefined) socket.write(Buffer.from([0xff, 0xff, 0x00, 0x12, 0x34]));
    else downstream.send(text);
  }
}
