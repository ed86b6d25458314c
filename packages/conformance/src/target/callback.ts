import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CheckFailure, CheckSkip } from '../expecting.ts';
import { isObject, type JsonObject, parseJson } from '../json.ts';
import { pause } from '../pause.ts';
import type { Transcript } from '../transcript.ts';
import type { Waits } from './subscriber.ts';

export interface CallbackRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  /** The exact bytes: signatures are over these. */
  readonly bytes: Buffer;
  readonly json: unknown;
}

export type PlayedCallbackAnswer = (request: CallbackRequest) => { status: number; body?: string; location?: string };

/** Where the Hub reaches the suite's webhooks. */
export interface PlayedCallbackOptions {
  /** Address to listen on; 127.0.0.1 unless given. */
  readonly host?: string;
  readonly port?: number;
  /** What the Hub has to call, when it differs from `http://{host}:{port}`; no trailing slash. */
  readonly publicUrl?: string;
}

const confirm: PlayedCallbackAnswer = ({ method, url }) =>
  method === 'GET' ? { status: 200, body: url.searchParams.get('hub.challenge') ?? '' } : { status: 200 };

/** One webhook subscriber: keeps every request and answers as it is set to. */
export class Callback {
  readonly url: string;
  readonly requests: CallbackRequest[] = [];
  answer: PlayedCallbackAnswer = confirm;
  readonly #waits: Waits;
  readonly #end: () => void;

  constructor(url: string, waits: Waits, end: () => void) {
    this.url = url;
    this.#waits = waits;
    this.#end = end;
  }

  /** Notifications that came by POST. */
  get deliveries(): readonly (CallbackRequest & { json: JsonObject })[] {
    return this.requests.filter(
      (one): one is CallbackRequest & { json: JsonObject } => one.method === 'POST' && isObject(one.json),
    );
  }

  verification(): Promise<CallbackRequest> {
    return this.next('a verification of intent by GET', (one) => one.url.searchParams.has('hub.challenge'));
  }

  delivery(id: string): Promise<CallbackRequest> {
    return this.next(`a POST of the event ${id}`, ({ json }) => isObject(json) && json.id === id);
  }

  async next(what: string, matches: (request: CallbackRequest) => boolean): Promise<CallbackRequest> {
    const started = performance.now();
    for (;;) {
      const found = this.requests.find(matches);
      if (found) return found;
      if (performance.now() > started + this.#waits.timeoutMs) {
        const seen = this.requests.map((one) => `${one.method} ${one.url.search}`).join(' | ');
        throw new CheckFailure(
          what,
          `${Math.round(this.#waits.timeoutMs)} ms passed; ${seen === '' ? 'no request came' : seen}`,
        );
      }
      await pause(10);
    }
  }

  end(): void {
    this.#end();
  }
}

/** One HTTP server for all callbacks of a run; it starts with the first. */
export class CallbackHost {
  readonly #options: PlayedCallbackOptions;
  readonly #callbacks = new Map<string, { callback: Callback; transcript: Transcript }>();
  #server: Promise<{ server: Server; base: string }> | undefined;

  constructor(options: PlayedCallbackOptions = {}) {
    this.#options = options;
  }

  async create(transcript: Transcript, waits: Waits): Promise<Callback> {
    this.#server ??= this.#listen();
    const { base } = await this.#server.catch((error: Error) => {
      throw new CheckSkip(`The suite cannot listen for webhooks: ${error.message}`);
    });
    const path = `/callback/${randomUUID()}`;
    const callback = new Callback(`${base}${path}`, waits, () => this.#callbacks.delete(path));
    this.#callbacks.set(path, { callback, transcript });
    return callback;
  }

  async close(): Promise<void> {
    const running = await this.#server?.catch(() => undefined);
    if (!running) return;
    const closed = new Promise((resolve) => running.server.close(resolve));
    running.server.closeAllConnections();
    await closed;
  }

  #listen(): Promise<{ server: Server; base: string }> {
    const { host = '127.0.0.1', port = 0, publicUrl } = this.#options;
    return new Promise((resolve, reject) => {
      const server = createServer((request, response) => void this.#serve(request, response));
      server.on('error', reject);
      server.listen(port, host, () => {
        const own = `http://${host}:${(server.address() as AddressInfo).port}`;
        resolve({ server, base: publicUrl ?? own });
      });
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://callback');
    const found = [...this.#callbacks].find(([path]) => url.pathname.endsWith(path))?.[1];
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of request) {
        length += (chunk as Buffer).length;
        if (length < 4_000_000) chunks.push(chunk as Buffer);
      }
    } catch {
      return;
    }
    if (!found) {
      response.writeHead(404).end();
      return;
    }
    const bytes = Buffer.concat(chunks);
    const text = bytes.toString('utf8');
    const received: CallbackRequest = {
      method: request.method ?? '',
      url,
      headers: request.headers,
      bytes,
      json: parseJson(text),
    };
    const signature = request.headers['x-hub-signature'];
    const head = `${received.method} ${url.pathname}${url.search}${signature ? `\nx-hub-signature: ${signature}` : ''}`;
    found.transcript.add('received', 'Callback', `${head}\n\n${text}`.trimEnd());
    found.callback.requests.push(received);
    const answer = found.callback.answer(received);
    found.transcript.add('sent', 'Callback', `HTTP ${answer.status} ${answer.body ?? ''}`.trimEnd());
    const { status, location } = answer;
    response.writeHead(status, { 'content-type': 'text/html', ...(location !== undefined && { location }) });
    response.end(answer.body ?? '');
  }
}
