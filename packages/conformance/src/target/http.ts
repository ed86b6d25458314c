import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { CheckFailure } from '../expecting.ts';
import { parseJson } from '../json.ts';
import { pause } from '../pause.ts';
import type { Transcript } from '../transcript.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Characters "x" that take the place of {@link PADDING} in the body: a large one that is never whole in memory. */
  readonly padding?: number;
}

/** Where a large body is made large. */
export const PADDING = '(padding)';

/** The bytes of a body, piece by piece. */
function* piecesOf(body: Buffer, padding: number): Generator<Buffer> {
  const at = padding === 0 ? -1 : body.indexOf(PADDING);
  const [head, tail] = at < 0 ? [body, Buffer.alloc(0)] : [body.subarray(0, at), body.subarray(at + PADDING.length)];
  for (let from = 0; from < head.length; from += CHUNK) yield head.subarray(from, from + CHUNK);
  const filling = Buffer.alloc(Math.min(CHUNK, padding), 'x');
  for (let left = at < 0 ? 0 : padding; left > 0; left -= CHUNK) yield filling.subarray(0, Math.min(CHUNK, left));
  if (tail.length > 0) yield tail;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The body as JSON; undefined when it is none. */
  readonly json: unknown;
}

export interface HttpLimits {
  /** Longest time to a complete answer, ms. */
  readonly timeoutMs: number;
  readonly rejectUnauthorized: boolean;
  /** Called with the time that each answer took, ms. */
  readonly onRoundTrip?: (ms: number) => void;
}

/** Bytes of a body that are read; the rest is dropped. */
const LONGEST_BODY = 4_000_000;
const CHUNK = 65_536;
/** Characters of a request's body that are shown. */
const LONGEST_SHOWN = 5000;

const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/;

/** Why there is no connection, in words; where the Hub's certificate is the reason, with what can be done about it. */
export function reasonOf(error: NodeJS.ErrnoException): string {
  const code = error.code ?? error.message;
  if (!UNTRUSTED.test(code)) return code;
  return `the Hub's certificate is not trusted (${code}); accept it with --insecure (rejectUnauthorized: false), or trust its issuer with NODE_EXTRA_CA_CERTS`;
}

function describe(request: HttpRequest): string {
  const headers = Object.entries(request.headers ?? {}).map(([name, value]) => `${name}: ${value}`);
  const body = request.body ?? '';
  // A transcript keeps only the beginning of a large body.
  const kept = body.length > LONGEST_SHOWN ? `${body.slice(0, LONGEST_SHOWN)}… (${body.length} characters)` : body;
  return [`${request.method} ${request.url}`, ...headers, '', kept].join('\n').trimEnd();
}

/**
 * Sends one request and reads the whole answer, in bounded time and memory.
 * @throws CheckFailure when there is no answer: refused, reset, late, or no HTTP
 */
export function send(
  request: HttpRequest,
  limits: HttpLimits,
  transcript: Transcript,
  who = 'suite',
): Promise<HttpResponse> {
  transcript.add('request', who, describe(request));
  return new Promise((resolve, reject) => {
    const give = (reason: string) => {
      clearTimeout(timer);
      transcript.add('note', who, `no answer: ${reason}`);
      call.destroy();
      reject(new CheckFailure(`an HTTP answer to ${request.method} ${request.url}`, reason));
    };
    const started = performance.now();
    // An answer is late when so much time has passed since something of the request could be sent.
    let wentOn = started;
    let sent = false;
    // The limit may grow while the answer is awaited.
    const late = () => {
      const left = wentOn + limits.timeoutMs - performance.now();
      if (left > 1) timer = setTimeout(late, left);
      else give(`none within ${Math.round(limits.timeoutMs)} ms`);
    };
    let timer = setTimeout(late, limits.timeoutMs);
    let url: URL;
    try {
      url = new URL(request.url);
    } catch {
      clearTimeout(timer);
      reject(new CheckFailure('an absolute URL', request.url));
      return;
    }
    const body = request.body === undefined ? undefined : Buffer.from(request.body);
    const padding = request.padding ?? 0;
    const length = (body?.length ?? 0) + (padding === 0 ? 0 : padding - PADDING.length);
    let answered = false;
    const call = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      method: request.method,
      headers: { ...request.headers, ...(body && { 'content-length': String(length) }), connection: 'close' },
      agent: false,
      ...(url.protocol === 'https:' && { rejectUnauthorized: limits.rejectUnauthorized }),
    });
    call.on('error', (error: NodeJS.ErrnoException) => {
      if (!answered) give(reasonOf(error));
    });
    call.on('response', (response) => {
      answered = true;
      if (request.body === undefined || request.body.length < CHUNK) limits.onRoundTrip?.(performance.now() - started);
      const chunks: Buffer[] = [];
      let length = 0;
      const finish = () => {
        clearTimeout(timer);
        const text = Buffer.concat(chunks).toString('utf8');
        const headers: Record<string, string> = {};
        for (const [name, value] of Object.entries(response.headers)) headers[name] = String(value);
        const shown = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
        const status = response.statusCode ?? 0;
        transcript.add('response', who, [`HTTP ${status}`, ...shown, '', text].join('\n').trimEnd());
        resolve({ status, headers, body: text, json: parseJson(text) });
        call.destroy();
      };
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length <= LONGEST_BODY) chunks.push(chunk);
      });
      response.on('end', finish);
      // Who refuses a large request by its head, and hangs up on the rest, takes the end of the answer with it.
      response.on('error', (error) => (sent ? give(`the body broke off: ${error.message}`) : finish()));
      response.on('aborted', () => (sent ? give('the body broke off') : finish()));
    });
    void (async () => {
      const large = length > CHUNK;
      // A Hub may refuse a large body by its length alone: it gets the time to say so before the body comes.
      if (large) {
        call.flushHeaders();
        const until = performance.now() + limits.timeoutMs / 10;
        while (!answered && !call.destroyed && performance.now() < until) await pause(10);
      }
      for (const piece of body ? piecesOf(body, padding) : []) {
        if (answered || call.destroyed) break;
        call.write(piece);
        wentOn = performance.now();
        if (large) await pause(1);
        // A Hub that reads slowly is not run ahead of: what it has not read is kept in memory here.
        while (call.writableNeedDrain && !answered && !call.destroyed) await pause(5);
      }
      if (call.destroyed || answered) return;
      sent = true;
      wentOn = performance.now();
      call.end();
    })();
  });
}

/** A form body; a field given as a list is sent once for each value. */
export function form(fields: Readonly<Record<string, string | readonly string[] | undefined>>): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    for (const one of typeof value === 'string' ? [value] : value) pairs.append(name, one);
  }
  return pairs.toString();
}
