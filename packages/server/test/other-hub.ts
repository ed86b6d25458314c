/** A Hub of another maker, on a real port: FHIRcast 3.0.0 and nothing more, and none of our code. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Json } from './harness.ts';

interface Subscription {
  readonly events: readonly string[];
  readonly name: string | null;
  socket?: WebSocket;
}

interface Reply {
  readonly status: number;
  readonly body?: string | Json;
}

export class OtherHub {
  readonly topic = 'session-of-another-maker';
  readonly token = 'token';
  readonly subscriptions = new Map<string, Subscription>();
  /** What subscribers answered, in order. */
  readonly answers: { readonly id: string; readonly status: number }[] = [];
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true });
  #current: Json | undefined;

  private constructor() {
    this.#server = createServer((request, response) => {
      void this.#handle(request).then(({ status, body }) => {
        const json = typeof body === 'object';
        response.writeHead(status, json ? { 'content-type': 'application/json' } : {});
        response.end(json ? JSON.stringify(body) : body);
      });
    });
    this.#server.on('upgrade', (request, socket, head) => {
      const subscription = this.subscriptions.get(request.url ?? '');
      if (!subscription) socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
      else this.#sockets.handleUpgrade(request, socket, head, (client) => this.#connected(client, subscription));
    });
  }

  static async start(): Promise<OtherHub> {
    const hub = new OtherHub();
    await new Promise<void>((resolve) => hub.#server.listen(0, '127.0.0.1', resolve));
    return hub;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #handle(request: IncomingMessage): Promise<Reply> {
    const body = await text(request);
    if (request.headers.authorization !== `Bearer ${this.token}`) return { status: 401, body: 'unknown token' };
    if (request.method === 'GET') {
      if (request.url !== `/${this.topic}`) return { status: 404, body: 'unknown topic' };
      const { context = [] } = this.#current ?? {};
      return { status: 200, body: { 'context.type': this.#current ? 'Patient' : '', context } };
    }
    if (body.startsWith('{')) return this.#publish(JSON.parse(body));
    return this.#subscribe(new URLSearchParams(body));
  }

  #subscribe(form: URLSearchParams): Reply {
    if (form.get('hub.topic') !== this.topic) return { status: 404, body: 'unknown topic' };
    const endpoint = form.get('hub.channel.endpoint');
    const path = endpoint === null ? `/${randomUUID()}` : new URL(endpoint).pathname;
    if (form.get('hub.mode') === 'unsubscribe') this.subscriptions.delete(path);
    else {
      const events = (form.get('hub.events') ?? '').split(',');
      this.subscriptions.set(path, { events, name: form.get('subscriber.name') });
    }
    return { status: 202, body: { 'hub.channel.endpoint': `${this.url.replace('http', 'ws')}${path}` } };
  }

  #connected(socket: WebSocket, subscription: Subscription): void {
    subscription.socket = socket;
    socket.on('message', (data) => {
      const { id, status } = JSON.parse(data.toString());
      this.answers.push({ id, status: Number(status) });
    });
    const confirmation = { 'hub.mode': 'subscribe', 'hub.topic': this.topic, 'hub.lease_seconds': 7200 };
    socket.send(JSON.stringify({ ...confirmation, 'hub.events': subscription.events.join(',') }));
  }

  #publish(message: Json): Reply {
    const { 'hub.topic': topic, 'hub.event': name } = message.event;
    if (topic !== this.topic) return { status: 404, body: 'unknown topic' };
    if (name === 'Patient-open') this.#current = message.event;
    if (name === 'Patient-close') this.#current = undefined;
    for (const { events, socket } of this.subscriptions.values()) {
      if (events.includes(name)) socket?.send(JSON.stringify(message));
    }
    return { status: 202 };
  }

  async close(): Promise<void> {
    for (const client of this.#sockets.clients) client.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
