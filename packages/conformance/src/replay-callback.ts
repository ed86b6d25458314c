/** The callbacks of a check that is sent again: they hear what the Hub calls them with, and answer what was answered then. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { within } from './pause.ts';
import type { PlayedCallbackOptions } from './target/callback.ts';

/** A request of the Hub that waits for its answer. */
export interface CallbackCall {
  readonly method: string;
  readonly query: URLSearchParams;
  readonly body: string;
  answer(status: number, body: string): void;
}

/** Longest body that is read, bytes. */
const LONGEST_BODY = 4_000_000;

/** Listens in the place of the callbacks that a report tells of. */
export class ReplayedCallbacks {
  readonly #options: PlayedCallbackOptions;
  /** The path that stands for each recorded one. */
  readonly #paths = new Map<string, string>();
  readonly #calls = new Map<string, CallbackCall[]>();
  #wake: () => void = () => {};
  #server: Promise<{ server: Server; base: string }> | undefined;

  constructor(options: PlayedCallbackOptions = {}) {
    this.#options = options;
  }

  /** The address that a Hub is given in the place of a recorded one, with its query. @throws Error when nothing can listen */
  async addressFor(recorded: string): Promise<string> {
    this.#server ??= this.#listen();
    const { base } = await this.#server;
    const url = new URL(recorded);
    const path = this.#paths.get(url.pathname) ?? `/callback/${randomUUID()}`;
    this.#paths.set(url.pathname, path);
    return `${base}${path}${url.search}`;
  }

  /** The next call at what stands for a recorded path; undefined where none comes in time. */
  async next(recordedPath: string, timeoutMs: number): Promise<CallbackCall | undefined> {
    const path = this.#paths.get(recordedPath) ?? recordedPath;
    const queue = () => this.#calls.get(path) ?? [];
    const deadline = performance.now() + timeoutMs;
    while (queue().length === 0 && performance.now() < deadline) {
      const came = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await within(deadline - performance.now(), came);
    }
    return queue().shift();
  }

  async end(): Promise<void> {
    const running = await this.#server?.catch(() => undefined);
    running?.server.closeAllConnections();
    running?.server.close();
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
    const path = [...this.#paths.values()].find((one) => url.pathname.endsWith(one));
    let body = '';
    try {
      for await (const chunk of request) if (body.length < LONGEST_BODY) body += chunk;
    } catch {
      return;
    }
    if (path === undefined) {
      response.writeHead(404).end();
      return;
    }
    const call: CallbackCall = {
      method: request.method ?? '',
      query: url.searchParams,
      body,
      answer: (status, text) => void response.writeHead(status, { 'content-type': 'text/html' }).end(text),
    };
    this.#calls.set(path, [...(this.#calls.get(path) ?? []), call]);
    this.#wake();
  }
}
