import { FhirRefusal } from '@lockstep/fhir';
import { Agent, type Dispatcher } from 'undici';
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
  /** Behind the base URL: `/Patient/1`, `/Patient?name=x`, `?_getpages=…`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface UpstreamAnswer {
  readonly status: number;
  /** Empty where there is no body. */
  readonly text: string;
  readonly etag?: string;
  readonly location?: string;
}

/** Connections kept to the server. */
const CONNECTIONS = 64;
const UTF_8 = new TextDecoder('utf-8', { fatal: true });
const JSON_TYPE = /^application\/(fhir\+json|json|json\+fhir)\s*(;|$)/i;

/** The FHIR server behind Lockstep. Nothing that it says is trusted: every answer is bounded in time and length, and must be FHIR's JSON. */
export class Upstream {
  readonly base: string;
  readonly #options: UpstreamOptions;
  readonly #agent: Agent;
  readonly #origin: string;
  readonly #folder: string;

  constructor(options: UpstreamOptions) {
    this.base = options.base;
    const { origin, pathname } = new URL(options.base);
    this.#origin = origin;
    this.#folder = pathname.replace(/\/$/, '');
    this.#options = options;
    const { tls, timeoutMs } = options;
    this.#agent = new Agent({
      connections: CONNECTIONS,
      pipelining: 1,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      connect: { timeout: timeoutMs, ...tls },
      maxHeaderSize: 32 * 1024,
    });
  }

  /**
   * Sends a request with Lockstep's own credentials.
   * @throws Refusal 429 with its Retry-After, 502 for a server that cannot be reached or answers what is no FHIR, 504 for one that is slow
   */
  async request(request: UpstreamRequest): Promise<UpstreamAnswer> {
    const until = performance.now() + this.#options.timeoutMs;
    let answer = await this.#send(request);
    if (answer.statusCode === 401 && this.#options.credentials.renew()) {
      await drop(answer);
      answer = await this.#send(request);
    }
    return this.#read(answer, until);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #send({ method, path, headers, body }: UpstreamRequest): Promise<Dispatcher.ResponseData> {
    const own = await this.#options.credentials.headers(this.#agent);
    try {
      return await this.#agent.request({
        origin: this.#origin,
        path: this.#folder + path,
        method,
        headers: {
          accept: 'application/fhir+json',
          'accept-encoding': 'identity',
          ...(body !== undefined && { 'content-type': 'application/fhir+json; charset=utf-8' }),
          ...headers,
          ...own,
        },
        ...(body !== undefined && { body }),
      });
    } catch (error) {
      throw unreachable(error);
    }
  }

  async #read(answer: Dispatcher.ResponseData, until: number): Promise<UpstreamAnswer> {
    const { statusCode: status, headers } = answer;
    if (
      status === 429 ||
      status >= 500 ||
      status < 200 ||
      (status >= 300 && status < 400) ||
      status === 401 ||
      status === 403
    ) {
      await drop(answer);
      throw refusalOf(status, headers['retry-after']);
    }
    const text = await this.#text(answer, until);
    if (text !== '') requireJson(headers['content-type']);
    const { etag, location } = headers;
    return {
      status,
      text,
      ...(typeof etag === 'string' && { etag }),
      ...(typeof location === 'string' && { location }),
    };
  }

  /** Reads a body as far as it may be long, and may take. */
  async #text({ body }: Dispatcher.ResponseData, until: number): Promise<string> {
    const bytes = await new Promise<Buffer>((resolve, reject) => {
      const chunks: Buffer[] = [];
      let length = 0;
      body.on('data', (chunk: Buffer) => {
        length += chunk.length;
        chunks.push(chunk);
        // A destroyed body ends the connection: what comes is not read.
        if (length > this.#options.maxBytes) {
          body.destroy(new FhirRefusal(502, 'too-costly', "The FHIR server's answer is too long."));
        } else if (performance.now() > until) body.destroy(tooSlow());
      });
      body.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
      body.on('error', (error) => reject(error instanceof FhirRefusal ? error : unreachable(error)));
    });
    try {
      return UTF_8.decode(bytes);
    } catch {
      throw notFhir();
    }
  }
}

/** What the server said that is no FHIR. */
export function notFhir(): FhirRefusal {
  return new FhirRefusal(502, 'exception', 'The FHIR server answered what is no FHIR R4.');
}

function requireJson(type: string | string[] | undefined): void {
  const text = Array.isArray(type) ? type.join() : (type ?? '');
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(text)?.[1];
  if (!JSON_TYPE.test(text) || (charset !== undefined && !/^utf-?8$/i.test(charset))) throw notFhir();
}

function unreachable(error: unknown): FhirRefusal {
  const { code = '' } = error as { readonly code?: string };
  return /TIMEOUT/.test(code) ? tooSlow() : new FhirRefusal(502, 'transient', 'The FHIR server cannot be reached.');
}

function tooSlow(): FhirRefusal {
  return new FhirRefusal(504, 'transient', 'The FHIR server did not answer in time.');
}

/** What goes wrong between Lockstep and the server: the server's own words may hold anything, and are not passed on. */
function refusalOf(status: number, retryAfter: string | string[] | undefined): FhirRefusal {
  if (status === 429 || status === 503) {
    const wait = typeof retryAfter === 'string' && /^\d{1,6}$/.test(retryAfter) ? retryAfter : '5';
    const issue = status === 429 ? 'throttled' : 'transient';
    return new FhirRefusal(status, issue, 'The FHIR server is busy; try again later.', { 'retry-after': wait });
  }
  if (status === 401 || status === 403)
    return new FhirRefusal(502, 'exception', "The FHIR server refused Lockstep's credentials.");
  if (status >= 500) return new FhirRefusal(502, 'exception', 'The FHIR server failed.');
  return new FhirRefusal(502, 'exception', 'The FHIR server points elsewhere.');
}

/** Ends an answer without reading more of it than a little. */
async function drop({ body }: Dispatcher.ResponseData): Promise<void> {
  await body.dump({ limit: 16 * 1024 }).catch(() => undefined);
}
