import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { isObject, type JsonObject, parseJson, textOf } from '../json.ts';
import type { Pace } from '../pace.ts';
import type { Transcript } from '../transcript.ts';
import { PlayedSession } from './played-session.ts';

export interface PlayedHubOptions {
  /** Address to listen on; 127.0.0.1 unless given. */
  readonly host?: string;
  readonly port?: number;
  /** What the application has to call, when it differs from `http://{host}:{port}`; no trailing slash. */
  readonly publicUrl?: string;
}

const EVENTS = [
  'Patient-open',
  'Patient-close',
  'DiagnosticReport-open',
  'DiagnosticReport-close',
  'DiagnosticReport-update',
  'DiagnosticReport-select',
  'SyncError',
  'Home-open',
  'UserLogout',
];

const LONGEST_BODY = 4_000_000;

/** The Hub that the suite plays: it takes what comes, keeps it, and sends only what a check asks for. */
export class PlayedHub {
  readonly #sessions = new Map<string, PlayedSession>();
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: LONGEST_BODY });
  origin = '';

  static async start(options: PlayedHubOptions = {}): Promise<PlayedHub> {
    const { host = '127.0.0.1', port = 0, publicUrl } = options;
    const hub = new PlayedHub();
    await new Promise<void>((resolve, reject) => {
      hub.#server.once('error', reject);
      hub.#server.listen(port, host, resolve);
    });
    hub.origin = publicUrl ?? `http://${host}:${(hub.#server.address() as AddressInfo).port}`;
    return hub;
  }

  constructor() {
    this.#server = createServer(
      // Java's HTTP client offers h2c with every request; that is no reason not to answer it.
      { shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket' },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  get url(): string {
    return `${this.origin}/hub`;
  }

  session(pace: Pace, transcript: Transcript): PlayedSession {
    const session = new PlayedSession(pace, transcript);
    transcript.hide(session.token);
    this.#sessions.set(session.topic, session);
    return session;
  }

  async close(): Promise<void> {
    for (const session of this.#sessions.values()) session.leave();
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A letter may be split between two chunks.
    request.setEncoding('utf8');
    let body = '';
    try {
      for await (const chunk of request) {
        body += chunk;
        if (body.length > LONGEST_BODY) return void response.writeHead(413).end();
      }
    } catch {
      return;
    }
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('access-control-allow-headers', 'Authorization, Content-Type, Accept');
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const json = (status: number, value: unknown) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    const plain = (status: number, text: string) =>
      void response.writeHead(status, { 'content-type': 'text/plain' }).end(text);
    if (request.method === 'OPTIONS') return void response.writeHead(204).end();
    if (path === '/hub/.well-known/fhircast-configuration') {
      return json(200, {
        eventsSupported: EVENTS,
        websocketSupport: true,
        fhircastVersion: '3.0.0',
        capabilities: { supportsGetCurrentContext: true },
      });
    }
    if (request.method === 'GET') {
      const session = this.#sessions.get(decodeURIComponent(path.replace(/^\/hub\//, '')));
      session?.transcript.add('request', 'App', `GET ${path}`);
      return session ? json(200, session.read()) : plain(404, 'no such session');
    }
    if (request.method !== 'POST') return plain(405, 'POST or GET');
    const contentType = request.headers['content-type'] ?? '';
    const message = parseJson(body);
    if (isObject(message) && !('hub.mode' in message)) return this.#published(request, message, body, plain, response);
    this.#form(request, contentType, body, json, plain);
  }

  #published(
    { headers: { authorization, 'content-type': contentType = '' } }: IncomingMessage,
    message: JsonObject,
    body: string,
    plain: (status: number, text: string) => void,
    response: ServerResponse,
  ): void {
    const topic = isObject(message.event) ? message.event['hub.topic'] : undefined;
    // One that names no session is told by its token.
    const session =
      this.#sessions.get(textOf(topic)) ??
      [...this.#sessions.values()].find(({ token }) => authorization === `Bearer ${token}`);
    if (!session) {
      plain(400, 'no event of a session');
      return;
    }
    session.transcript.add('request', 'App', `POST /hub\ncontent-type: ${contentType}\n\n${body}`);
    const status = session.take(message, { contentType, authorization, at: Date.now() });
    session.transcript.add('response', 'Hub', `HTTP ${status}`);
    response.writeHead(status).end();
  }

  #form(
    request: IncomingMessage,
    contentType: string,
    body: string,
    json: (status: number, value: unknown) => void,
    plain: (status: number, text: string) => void,
  ): void {
    const fields = new URLSearchParams(body);
    const session = this.#sessions.get(fields.get('hub.topic') ?? '');
    if (!session) {
      plain(404, 'no such session');
      return;
    }
    session.transcript.add('request', 'App', `POST /hub\ncontent-type: ${contentType}\n\n${body}`);
    const form = { method: 'POST', contentType, authorization: request.headers.authorization, fields };
    session.forms.push(form);
    const mode = fields.get('hub.mode');
    if (mode === 'subscribe') {
      const id = session.subscribed(fields.get('hub.events') ?? '');
      json(202, { 'hub.channel.endpoint': this.#endpoint(session.topic, id) });
      return;
    }
    if (mode === 'unsubscribe') {
      json(202, { 'hub.channel.endpoint': fields.get('hub.channel.endpoint') });
      session.unsubscribed(form);
      return;
    }
    plain(400, 'hub.mode is not known');
  }

  #endpoint(topic: string, id: string): string {
    return `${this.origin.replace(/^http/, 'ws')}/ws/${topic}/${id}`;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const [, , topic = '', id = ''] = (request.url ?? '').split('?')[0]!.split('/');
    const session = this.#sessions.get(topic);
    session?.transcript.add('connect', 'App', request.url ?? '');
    if (!session || session.endpoint !== id) {
      if (session) session.deadConnections++;
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (connection) => session.attach(connection));
  }
}
