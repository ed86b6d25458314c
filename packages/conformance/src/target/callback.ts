import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { CheckFailure, CheckSkip } from '../expecting.ts';
import { isObject, type JsonObject, parseJson } from '../json.ts';
import { pause } from '../pause.ts';
import type { Transcript } from '../transcript.ts';
import { type CallbackArrival, CallbackServer, type PlayedCallbackOptions } from './callback-server.ts';
import type { Waits } from './subscriber.ts';

/** Signatures are over its exact bytes. */
export interface CallbackRequest extends CallbackArrival {
  readonly json: unknown;
}

export type PlayedCallbackAnswer = (request: CallbackRequest) => { status: number; body?: string; location?: string };

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

  /** @param longerMs ms that it may take beyond what an answer may */
  delivery(id: string, longerMs = 0): Promise<CallbackRequest> {
    return this.next(`a POST of the event ${id}`, ({ json }) => isObject(json) && json.id === id, longerMs);
  }

  async next(what: string, matches: (request: CallbackRequest) => boolean, longerMs = 0): Promise<CallbackRequest> {
    const started = performance.now();
    for (;;) {
      const found = this.requests.find(matches);
      if (found) return found;
      const within = this.#waits.timeoutMs + longerMs;
      if (performance.now() > started + within) {
        const seen = this.requests.map((one) => `${one.method} ${one.url.search}`).join(' | ');
        throw new CheckFailure(what, `${Math.round(within)} ms passed; ${seen === '' ? 'no request came' : seen}`);
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
  readonly #server: CallbackServer;
  readonly #callbacks = new Map<string, { callback: Callback; transcript: Transcript }>();

  constructor(options: PlayedCallbackOptions = {}) {
    this.#server = new CallbackServer(options, (arrival, response) => this.#serve(arrival, response));
  }

  async create(transcript: Transcript, waits: Waits): Promise<Callback> {
    const base = await this.#server.base().catch((error: Error) => {
      throw new CheckSkip(`The suite cannot listen for webhooks: ${error.message}`);
    });
    const path = `/callback/${randomUUID()}`;
    const callback = new Callback(`${base}${path}`, waits, () => this.#callbacks.delete(path));
    this.#callbacks.set(path, { callback, transcript });
    return callback;
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  #serve(arrival: CallbackArrival, response: ServerResponse): void {
    const { method, url, headers, bytes } = arrival;
    const found = [...this.#callbacks].find(([path]) => url.pathname.endsWith(path))?.[1];
    if (!found) {
      response.writeHead(404).end();
      return;
    }
    const text = bytes.toString('utf8');
    const received: CallbackRequest = { ...arrival, json: parseJson(text) };
    const signature = headers['x-hub-signature'];
    const head = `${method} ${url.pathname}${url.search}${signature ? `\nx-hub-signature: ${signature}` : ''}`;
    found.transcript.add('received', 'Callback', `${head}\n\n${text}`.trimEnd());
    found.callback.requests.push(received);
    const answer = found.callback.answer(received);
    found.transcript.add('sent', 'Callback', `HTTP ${answer.status} ${answer.body ?? ''}`.trimEnd());
    const { status, location } = answer;
    response.writeHead(status, { 'content-type': 'text/html', ...(location !== undefined && { location }) });
    response.end(answer.body ?? '');
  }
}
