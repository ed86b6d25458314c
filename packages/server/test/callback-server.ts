/** A webhook subscriber on a real socket: confirms verifications, remembers every request, answers as told. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Json } from './harness.ts';

export interface Got {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: Buffer;
  /** The body as JSON; undefined where there is none. */
  readonly json: Json | undefined;
}

export type Answer = (got: Got, response: ServerResponse) => void;

const confirming: Answer = ({ method, url }, response) => {
  response.end(method === 'GET' ? url.searchParams.get('hub.challenge') : undefined);
};

export class CallbackServer {
  readonly requests: Got[] = [];
  answer: Answer = confirming;
  readonly #server: Server;
  readonly #scheme: string;
  #wake: (() => void)[] = [];

  private constructor(server: Server, scheme: string) {
    this.#server = server;
    this.#scheme = scheme;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#take(request, response));
  }

  /** @param tls key and certificate of an https server */
  static async start(tls?: { readonly key: string; readonly cert: string }, port = 0): Promise<CallbackServer> {
    const server = tls ? createTlsServer(tls) : createServer();
    const callback = new CallbackServer(server, tls ? 'https' : 'http');
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return callback;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.#scheme}://localhost:${this.port}/callback`;
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const bytes = Buffer.concat(chunks);
      const got: Got = {
        method: request.method ?? '',
        url: new URL(request.url ?? '/', this.url),
        headers: request.headers,
        bytes,
        json: bytes.length > 0 ? (JSON.parse(bytes.toString('utf8')) as Json) : undefined,
      };
      this.requests.push(got);
      this.answer(got, response);
      for (const wake of this.#wake.splice(0)) wake();
    });
  }

  /** Deliveries, attempts included. */
  get events(): readonly Json[] {
    return this.requests.flatMap(({ json }) => json ?? []);
  }

  get ids(): readonly string[] {
    return this.events.map(({ id }) => id);
  }

  modes(mode: string): readonly Got[] {
    return this.requests.filter(({ url }) => url.searchParams.get('hub.mode') === mode);
  }

  /** Waits until the condition holds; a request may make it hold. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
