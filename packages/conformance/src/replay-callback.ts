/** The callbacks of a check that is sent again: they hear what the Hub calls them with, and answer what was answered then. */
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { within } from './pause.ts';
import { type CallbackArrival, CallbackServer, type PlayedCallbackOptions } from './target/callback-server.ts';

/** A request of the Hub that waits for its answer. */
export interface CallbackCall {
  readonly method: string;
  readonly query: URLSearchParams;
  readonly body: string;
  answer(status: number, body: string): void;
}

/** Listens in the place of the callbacks that a report tells of. */
export class ReplayedCallbacks {
  readonly #server: CallbackServer;
  /** The path that stands for each recorded one. */
  readonly #paths = new Map<string, string>();
  readonly #calls = new Map<string, CallbackCall[]>();
  #wake: () => void = () => {};

  constructor(options: PlayedCallbackOptions = {}) {
    this.#server = new CallbackServer(options, (arrival, response) => this.#serve(arrival, response));
  }

  /** The address that a Hub is given in the place of a recorded one, with its query. @throws Error when nothing can listen */
  async addressFor(recorded: string): Promise<string> {
    const base = await this.#server.base();
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

  end(): Promise<void> {
    return this.#server.close();
  }

  #serve({ method, url, bytes }: CallbackArrival, response: ServerResponse): void {
    const path = [...this.#paths.values()].find((one) => url.pathname.endsWith(one));
    if (path === undefined) {
      response.writeHead(404).end();
      return;
    }
    const call: CallbackCall = {
      method,
      query: url.searchParams,
      body: bytes.toString('utf8'),
      answer: (status, text) => void response.writeHead(status, { 'content-type': 'text/html' }).end(text),
    };
    this.#calls.set(path, [...(this.#calls.get(path) ?? []), call]);
    this.#wake();
  }
}
