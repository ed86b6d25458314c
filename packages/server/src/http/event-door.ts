/** A short way past the web framework for published events, which are nearly all requests of a busy Hub, and which go first. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import proxyAddress from '@fastify/proxy-addr';
import type { Hub } from '@lockstep/hub';
import { type FoundToken, networkOf, type TokenDoor } from '@lockstep/smart';
import type { ServerAuditTrail } from '../audit/audit-trail.ts';
import { describePublished } from '../audit/published-event.ts';
import { type Begun, begin, type Caller } from './begun-requests.ts';
import { doorHeaders, mayCome } from './doors/guard.ts';
import type { Limiter } from './doors/limiter.ts';
import { isSubscription, readJson } from './hub-bodies.ts';
import { requestId } from './request-id.ts';
import type { CountRequest } from './request-metrics.ts';
import { RequestTurns } from './request-turns.ts';

/** What is decided about the door of events in the table of doors. */
const DOOR = { shared: true, audit: 'publish' } as const;

const ADDRESS = /^\/hub(?:\/([A-Za-z0-9_-]{1,256}))?$/;
const CONTENT_TYPE = /^application\/(?:fhir\+)?json(?:; ?charset=utf-8)?$/i;
/** Headers that change how a body is read. */
const UNUSUAL = ['transfer-encoding', 'content-encoding', 'expect', 'upgrade', 'trailer'] as const;

export interface EventDoorOptions {
  readonly hub: Hub;
  readonly tokens: Pick<TokenDoor, 'find' | 'isFamiliar'>;
  readonly limiter: Limiter;
  readonly audit: ServerAuditTrail | undefined;
  /** Whether the audit records of events name the patient. */
  readonly auditPatients: boolean;
  readonly count: CountRequest;
  /** Bytes of a body at most. */
  readonly bodyLimit: number;
  /** Addresses whose `X-Forwarded-For` counts. */
  readonly trustedProxies: readonly string[];
  readonly https: boolean;
  /** Every address that the framework serves, `POST /hub/session`. */
  readonly routes: readonly string[];
}

/**
 * Takes `POST {hub.url}` and `POST {hub.url}/{topic}` with JSON and a bearer token that is good, and answers what the Hub accepts. All
 * else is the framework's: it answers whatever is refused, from where this has come to, so that both ways say the same.
 */
export class EventDoor {
  readonly #options: EventDoorOptions;
  readonly #slow: RequestListener;
  readonly #addressOf: (request: IncomingMessage) => string;
  readonly #turns = new RequestTurns();
  #isClosed = false;

  /** @param slow the framework's listener */
  constructor(options: EventDoorOptions, slow: RequestListener) {
    this.#options = options;
    this.#slow = slow;
    const trusted = options.trustedProxies.length > 0 ? proxyAddress.compile([...options.trustedProxies]) : undefined;
    this.#addressOf = trusted
      ? (request) => proxyAddress(request, trusted)
      : ({ socket }) => socket.remoteAddress ?? '';
  }

  /** The framework refuses what comes from now on. */
  close(): void {
    this.#isClosed = true;
  }

  readonly handle: RequestListener = (request, response) => {
    const isEvent = this.#isEvent(request);
    if (isEvent && this.#options.tokens.isFamiliar(request.headers.authorization)) void this.#admit(request, response);
    else {
      this.#turns.begin(this.#addressOf(request), () => {
        // The client may be gone by now.
        if (request.destroyed) return;
        if (isEvent) void this.#admit(request, response);
        else this.#slow(request, response);
      });
    }
  };

  /** Whether a request is for this door, as far as its head says. */
  #isEvent({ method, url = '', headers }: IncomingMessage): boolean {
    const { bodyLimit, audit, routes } = this.#options;
    if (method !== 'POST' || this.#isClosed || audit?.refuses) return false;
    if (!ADDRESS.test(url) || !CONTENT_TYPE.test(headers['content-type'] ?? '')) return false;
    // `POST /hub/session` is no event of a topic of that name.
    if (url !== '/hub' && routes.includes(`POST ${url}`)) return false;
    if (UNUSUAL.some((name) => headers[name] !== undefined)) return false;
    const length = Number(headers['content-length']);
    return length > 0 && length <= bodyLimit;
  }

  async #admit(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now();
    const { tokens, limiter } = this.#options;
    let found: FoundToken | undefined;
    try {
      found = await tokens.find(request.headers.authorization);
    } catch {
      this.#slow(request, response);
      return;
    }
    const info = found?.info;
    if (!info || found?.scheme !== 'Bearer' || info.jkt !== undefined || this.#isClosed) {
      this.#handOver(request, response, { token: { found } });
      return;
    }
    const ip = this.#addressOf(request);
    if (!mayCome(ip, info, DOOR, limiter)) {
      this.#handOver(request, response, {});
      return;
    }
    const caller = { ...info, address: networkOf(ip) };
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const [first] = chunks;
      const body = first && chunks.length === 1 ? first : Buffer.concat(chunks);
      void this.#read(request, response, { caller, ip, startedAt, body });
    });
    request.on('error', (error) => {
      const failed = (): Readable => new Readable({ read: () => undefined }).destroy(error);
      this.#handOver(request, response, { caller, body: failed });
    });
  }

  async #read(
    request: IncomingMessage,
    response: ServerResponse,
    came: { readonly caller: Caller; readonly ip: string; readonly startedAt: number; readonly body: Buffer },
  ): Promise<void> {
    const { hub, audit, auditPatients, count, https } = this.#options;
    const { caller, ip, startedAt } = came;
    const topic = ADDRESS.exec(request.url ?? '')?.[1];
    const body = (): Readable => Readable.from([came.body]);
    const read = readJson(request.headers, came.body);
    if ('problem' in read || isSubscription(read, topic)) {
      this.#handOver(request, response, { caller, body });
      return;
    }
    const published = hub.publish(caller, read.exact, topic);
    const answer = await published.catch(() => undefined);
    if (!answer?.ok) {
      this.#handOver(request, response, { caller, body, published });
      return;
    }
    const id = requestId(request);
    if (audit) {
      const { clientId, user } = caller;
      const who = { clientId, ...(user !== undefined && { user }) };
      const described = describePublished(read.json, topic, auditPatients);
      audit.record({ ...who, ...described, status: answer.value, address: ip, requestId: id });
    }
    const headers = doorHeaders(DOOR, request.headers, id, https);
    headers['content-length'] = '0';
    response.writeHead(answer.value, headers).end();
    const route = topic === undefined ? '/hub' : '/hub/:topic';
    count({ method: 'POST', route, status: answer.value }, (performance.now() - startedAt) / 1000, request.headers);
  }

  #handOver(request: IncomingMessage, response: ServerResponse, what: Begun): void {
    begin(request, what);
    this.#slow(request, response);
  }
}
