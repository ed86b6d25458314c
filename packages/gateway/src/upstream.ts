import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { FhirRefusal } from '@lockstep/fhir';
import { type ExactJson, readExact, type TextShape } from '@lockstep/fhircast';
import { Agent, type Dispatcher, Pool } from 'undici';
import type { Credentials } from './credentials.ts';

/** How the FHIR server behind Lockstep is reached. */
export interface UpstreamOptions {
  /** Its base URL, without a slash at its end. */
  readonly base: string;
  readonly credentials: Credentials;
  /** ms for a whole answer. */
  readonly timeoutMs: number;
  /** Bytes of an answer: a page is never longer. */
  readonly maxBytes: number;
  /** TLS of Lockstep's own: a client certificate, and who is trusted. PEM texts. */
  readonly tls?: { readonly cert?: string; readonly key?: string; readonly ca?: string };
}

export interface UpstreamRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Behind the base URL: `/Patient/1`, `/Patient?name=x`, `?_getpages=…`; empty for the base URL itself. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** An answer of FHIR's JSON. */
export class UpstreamAnswer {
  readonly status: number;
  /** UTF-8; empty where there is no body. */
  readonly bytes: Buffer;
  readonly location: string | undefined;

  constructor(status: number, bytes: Buffer, location?: string) {
    this.status = status;
    this.bytes = bytes;
    this.location = location;
  }

  get text(): string {
    return this.bytes.toString('utf8');
  }
}

/** An answer as it came. */
interface Collected {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Empty where the body is of no use. */
  readonly bytes: Buffer;
}

/** Connections kept to the server. */
const CONNECTIONS = 64;
/** Bytes that are read of a body of no use, so that its connection can be kept. */
const MAX_UNREAD = 16 * 1024;
/** Informational answers (1xx) to one request. */
const MAX_INFORMATIONAL = 20;
/** s that are waited for a busy server which does not say, and at most. */
const USUAL_WAIT = 5;
const MAX_WAIT = 86_400;
const ASKING = { accept: 'application/fhir+json', 'accept-encoding': 'identity' };
const SENDING = { ...ASKING, 'content-type': 'application/fhir+json; charset=utf-8' };
/** What a server says when it has done the whole of a request (R4 3.1.0). */
const WRITTEN = [200, 201, 204];
const DONE_WITH: Readonly<Record<UpstreamRequest['method'], readonly number[]>> = {
  GET: [200],
  POST: WRITTEN,
  PUT: WRITTEN,
  PATCH: WRITTEN,
  DELETE: [200, 202, 204],
};
const JSON_TYPE = /^application\/(fhir\+json|json|json\+fhir)\s*(;|$)/i;
/** How UTF-8 may begin, and says nothing. */
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** The FHIR server behind Lockstep. Nothing that it says is trusted: every answer is bounded in time and length, and must be FHIR's JSON. */
export class Upstream {
  readonly base: string;
  readonly #options: UpstreamOptions;
  readonly #server: Pool;
  /** For the authorization server, which may be elsewhere. */
  readonly #others: Agent;
  readonly #folder: string;

  constructor(options: UpstreamOptions) {
    this.base = options.base;
    const { origin, pathname } = new URL(options.base);
    this.#folder = pathname.replace(/\/$/, '');
    this.#options = options;
    const { tls, timeoutMs } = options;
    const connections = {
      connections: CONNECTIONS,
      pipelining: 1,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      connect: { timeout: timeoutMs, ...tls },
      maxHeaderSize: 32 * 1024,
    };
    this.#server = new Pool(origin, connections);
    this.#others = new Agent(connections);
  }

  /**
   * Sends a request with Lockstep's own credentials.
   * @throws Refusal 429 with its Retry-After, 502 for a server that cannot be reached or answers what is no FHIR, 504 for one that is slow
   */
  async request(request: UpstreamRequest): Promise<UpstreamAnswer> {
    const until = performance.now() + this.#options.timeoutMs;
    let answer = await this.#send(request, until);
    if (answer.status === 401 && this.#options.credentials.renew()) answer = await this.#send(request, until);
    const { status, headers } = answer;
    if (isFailure(status)) throw refusalOf(status, headers);
    // A part of an answer, or one that is still to come, is none.
    if (status < 300 && !DONE_WITH[request.method].includes(status)) throw notFhir();
    const bytes = utf8In(answer.bytes);
    if (bytes.length > 0) requireJson(headers);
    return new UpstreamAnswer(status, bytes, headers.location);
  }

  async close(): Promise<void> {
    await Promise.all([this.#server.destroy(), this.#others.destroy()]);
  }

  /** By a handler of its own: undici's `request` would make a stream of every answer. */
  async #send({ method, path, headers, body }: UpstreamRequest, until: number): Promise<Collected> {
    const own = await this.#options.credentials.headers(this.#others);
    return new Promise((resolve, reject) => {
      this.#server.dispatch(
        {
          path: this.#folder === '' && !path.startsWith('/') ? `/${path}` : this.#folder + path,
          method,
          headers: body === undefined ? { ...ASKING, ...headers, ...own } : { ...SENDING, ...headers, ...own },
          body: body ?? null,
        },
        new Collecting(this.#options.maxBytes, until, resolve, reject),
      );
    });
  }
}

/** Reads an answer as far as it may be long, and may take. */
class Collecting implements Dispatcher.DispatchHandler {
  readonly #maxBytes: number;
  readonly #resolve: (answer: Collected) => void;
  readonly #reject: (error: unknown) => void;
  readonly #chunks: Buffer[] = [];
  readonly #expiry: NodeJS.Timeout;
  #controller: Dispatcher.DispatchController | undefined;
  #length = 0;
  #status = 0;
  #informational = 0;
  #isExpired = false;
  #headers: IncomingHttpHeaders = {};

  /** @param until when the answer must be there, as `performance.now` counts; the time in which it waits for a connection counts too */
  constructor(maxBytes: number, until: number, resolve: (answer: Collected) => void, reject: (error: unknown) => void) {
    this.#maxBytes = maxBytes;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#expiry = setTimeout(() => this.#expire(), Math.max(0, until - performance.now()));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isExpired) controller.abort(tooSlow());
  }

  #expire(): void {
    this.#isExpired = true;
    this.#reject(tooSlow());
    this.#controller?.abort(tooSlow());
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // The answer comes after what is only informational.
    if (status < 200) {
      this.#informational += 1;
      if (this.#informational > MAX_INFORMATIONAL) controller.abort(notFhir());
      return;
    }
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#length += chunk.length;
    // What is aborted ends the connection: what comes is not read.
    if (isFailure(this.#status)) {
      if (this.#length > MAX_UNREAD) controller.abort(new Error('a body of no use'));
    } else if (this.#length > this.#maxBytes) {
      controller.abort(new FhirRefusal(502, 'too-costly', "The FHIR server's answer is too long."));
    } else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.#end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    clearTimeout(this.#expiry);
    // The status of a failure says all that is passed on of it.
    if (this.#status !== 0 && isFailure(this.#status)) this.#end();
    else this.#reject(error instanceof FhirRefusal ? error : unreachable(error));
  }

  #end(): void {
    clearTimeout(this.#expiry);
    const chunks = this.#chunks;
    const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    this.#resolve({ status: this.#status, headers: this.#headers, bytes });
  }
}

/** Whether an answer says that something went wrong between Lockstep and the server. */
function isFailure(status: number): boolean {
  return status === 429 || status === 401 || status === 403 || (status >= 300 && status < 400) || status >= 500;
}

/** @throws Refusal 502 for what is no UTF-8 */
function utf8In(bytes: Buffer): Buffer {
  if (!isUtf8(bytes)) throw notFhir();
  return bytes[0] === BYTE_ORDER_MARK[0] && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK) ? bytes.subarray(3) : bytes;
}

/**
 * Reads the JSON of an answer.
 * @throws Refusal 502 for what is no JSON, is nested too deep, or has a name twice in one object: what is checked must be what clients read
 */
export function readAnswer(text: string, shape: TextShape = {}): ExactJson {
  const read = readExact(text, shape);
  if (!read.ok) throw notFhir();
  return read.value;
}

/** What the server said that is no FHIR. */
export function notFhir(): FhirRefusal {
  return new FhirRefusal(502, 'exception', 'The FHIR server answered what is no FHIR R4.');
}

function requireJson(headers: IncomingHttpHeaders): void {
  const { 'content-type': type, 'content-encoding': packing = 'identity', 'transfer-encoding': transfer } = headers;
  // Nothing is unpacked: the length of a packed answer is unknown.
  if (textIn(packing).toLowerCase() !== 'identity') throw notFhir();
  if (transfer !== undefined && textIn(transfer).toLowerCase() !== 'chunked') throw notFhir();
  const text = textIn(type ?? '');
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(text)?.[1];
  if (!JSON_TYPE.test(text) || (charset !== undefined && !/^utf-?8$/i.test(charset))) throw notFhir();
}

/** A header, also one that is there more often. */
function textIn(header: string | readonly string[]): string {
  return typeof header === 'string' ? header : header.join();
}

function unreachable(error: unknown): FhirRefusal {
  const { code = '' } = error as { readonly code?: string };
  return /TIMEOUT/.test(code) ? tooSlow() : new FhirRefusal(502, 'transient', 'The FHIR server cannot be reached.');
}

function tooSlow(): FhirRefusal {
  return new FhirRefusal(504, 'transient', 'The FHIR server did not answer in time.');
}

/** What goes wrong between Lockstep and the server: the server's own words may hold anything, and are not passed on. */
function refusalOf(status: number, headers: IncomingHttpHeaders): FhirRefusal {
  if (status === 429 || status === 503) {
    const wait = String(secondsToWait(headers));
    const issue = status === 429 ? 'throttled' : 'transient';
    return new FhirRefusal(status, issue, 'The FHIR server is busy; try again later.', { 'retry-after': wait });
  }
  if (status === 401 || status === 403)
    return new FhirRefusal(502, 'exception', "The FHIR server refused Lockstep's credentials.");
  if (status >= 500) return new FhirRefusal(502, 'exception', 'The FHIR server failed.');
  return new FhirRefusal(502, 'exception', 'The FHIR server points elsewhere.');
}

/** What `Retry-After` says: seconds, or a time as the server's clock has it. */
function secondsToWait({ 'retry-after': after = '', date = '' }: IncomingHttpHeaders): number {
  if (/^\d{1,6}$/.test(after)) return Number(after);
  const seconds = Math.ceil((Date.parse(after) - Date.parse(date)) / 1000);
  return seconds >= 0 && seconds <= MAX_WAIT ? seconds : USUAL_WAIT;
}
