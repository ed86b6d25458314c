/** A short way past the web framework for published events, which are nearly all requests of a busy Hub, and which go first. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { Hub } from '@lockstep/hub';
import { type FoundToken, networkOf, type TokenDoor } from '@lockstep/smart';
import type { ServerAuditTrail } from '../audit/audit-trail.ts';
import { describePublished } from '../audit/published-event.ts';
import type { Begun, Caller } from './begun-requests.ts';
import { doorHeaders, mayCome } from './doors/guard.ts';
import type { Limiter } from './doors/limiter.ts';
import type { EarlyRefusals } from './early-refusals.ts';
import { type HubJson, isSubscription, readJson } from './hub-bodies.ts';
import { requestId } from './request-id.ts';
import type { CountRequest } from './request-metrics.ts';

/** What is decided about the door of events in the table of doors. */
const DOOR = { shared: true, audit: 'publish', path: '/hub' } as const;

const ADDRESS = /^\/hub(?:\/([A-Za-z0-9_-]{1,256}))?$/;
const CONTENT_TYPE = /^application\/(?:fhir\+)?json(?:; ?charset=utf-8)?$/i;
/** Headers that change how a body is read. */
const UNUSUAL = ['transfer-encoding', 'content-encoding', 'expect', 'upgrade', 'trailer'] as const;

export interface EventDoorOptions {
  readonly hub: Hub;
  readonly tokens: Pick<TokenDoor, 'known' | 'find'>;
  readonly limiter: Limiter;
  readonly audit: ServerAuditTrail | undefined;
  /** Whether the audit records of events name the patient. */
  readonly auditPatients: boolean;
  readonly count: CountRequest;
  readonly refusals: EarlyRefusals;
  /** Bytes of a body at most. */
  readonly bodyLimit: number;
  readonly addressOf: (request: IncomingMessage) => string;
  readonly https: boolean;
  /** Every address that the framework serves, `POST /hub/session`. */
  readonly routes: readonly string[];
}

/** A request that has arrived whole. */
interface Arrived {
  readonly caller: Caller;
  readonly ip: string;
  /** ms, of `performance.now()`. */
  readonly startedAt: number;
  readonly body: Buffer;
}

/** Takes a request that this door does not answer, from where it has come to. */
export type HandOver = (request: IncomingMessage, response: ServerResponse, what: Begun) => void;

/**
 * Takes `POST {hub.url}` and `POST {hub.url}/{topic}` with JSON and a bearer token that is good, and answers what the Hub accepts. All
 * else is handed over: the framework answers whatever is refused, from where this has come to, so that both ways say the same.
 */
export class EventDoor {
  readonly #options: EventDoorOptions;
  #isClosed = false;

  constructor(options: EventDoorOptions) {
    this.#options = options;
  }

  /** The framework refuses what comes from now on. */
  close(): void {
    this.#isClosed = true;
  }

  /** Whether a request is for this door, as far as its head says. */
  takes({ method, url = '', headers }: IncomingMessage): boolean {
    const { bodyLimit, audit, routes } = this.#options;
    if (method !== 'POST' || this.#isClosed || audit?.refuses) return false;
    if (!ADDRESS.test(url) || !CONTENT_TYPE.test(headers['content-type'] ?? '')) return false;
    // `POST /hub/session` is no event of a topic of that name.
    if (url !== '/hub' && routes.includes(`POST ${url}`)) return false;
    if (UNUSUAL.some((name) => headers[name] !== undefined)) return false;
    const length = Number(headers['content-length']);
    return length > 0 && length <= bodyLimit;
  }

  /**
   * Takes a request whose token has to be looked up.
   * @param otherwise takes what is not accepted here
   */
  async lookUp(request: IncomingMessage, response: ServerResponse, otherwise: HandOver): Promise<void> {
    const startedAt = performance.now();
    let found: FoundToken | undefined;
    try {
      found = await this.#options.tokens.find(request.headers.authorization);
    } catch {
      otherwise(request, response, {});
      return;
    }
    this.admit(request, response, found, otherwise, startedAt);
  }

  /**
   * Takes a request with what its token stands for.
   * @param otherwise takes what is not accepted here
   * @param startedAt ms, of `performance.now()`
   */
  admit(
    request: IncomingMessage,
    response: ServerResponse,
    found: FoundToken | undefined,
    otherwise: HandOver,
    startedAt = performance.now(),
  ): void {
    const { limiter, refusals, addressOf } = this.#options;
    const info = found?.info;
    if (!info || found?.scheme !== 'Bearer' || info.jkt !== undefined || this.#isClosed) {
      otherwise(request, response, { token: { found } });
      return;
    }
    const ip = addressOf(request);
    if (!mayCome(ip, info, DOOR, limiter)) {
      refusals.refuse(request, response, DOOR, 'too-many-requests');
      return;
    }
    const caller = { ...info, address: networkOf(ip) };
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const [first] = chunks;
      const body = first && chunks.length === 1 ? first : Buffer.concat(chunks);
      this.#read(request, response, { caller, ip, startedAt, body }, otherwise);
    });
    request.on('error', (error) => {
      const failed = (): Readable => new Readable({ read: () => undefined }).destroy(error);
      otherwise(request, response, { caller, body: failed });
    });
  }

  #read(request: IncomingMessage, response: ServerResponse, came: Arrived, otherwise: HandOver): void {
    const { caller } = came;
    const topic = ADDRESS.exec(request.url ?? '')?.[1];
    const body = (): Readable => Readable.from([came.body]);
    // The token may have ended while the body was coming; the framework looks it up where it is not remembered.
    const known = this.#options.tokens.known(request.headers.authorization);
    if (known?.info?.tokenId !== caller.tokenId) {
      otherwise(request, response, { caller, body });
      return;
    }
    const read = readJson(request.headers, came.body);
    if ('problem' in read || isSubscription(read, topic)) {
      otherwise(request, response, { caller, body });
      return;
    }
    const published = this.#options.hub.publishing.publishRead(caller, read.exact, topic);
    // The framework says what is wrong.
    const refused = (): void => otherwise(request, response, { caller, body, published });
    void published.then(
      (answer) =>
        answer.ok ? this.#accepted(request, response, came, { status: answer.value, topic, read }) : refused(),
      refused,
    );
  }

  #accepted(
    request: IncomingMessage,
    response: ServerResponse,
    { caller, ip, startedAt }: Arrived,
    { status, topic, read }: { readonly status: number; readonly topic: string | undefined; readonly read: HubJson },
  ): void {
    const { audit, auditPatients, count, https } = this.#options;
    const id = requestId(request);
    if (audit) {
      const { clientId, user } = caller;
      const who = { clientId, ...(user !== undefined && { user }) };
      const described = describePublished(read.json, topic, auditPatients);
      audit.record({ ...who, ...described, status, address: ip, requestId: id });
    }
    const headers = doorHeaders(DOOR, request.headers, id, https);
    headers['content-length'] = '0';
    response.writeHead(status, headers).end();
    const route = topic === undefined ? '/hub' : '/hub/:topic';
    count({ method: 'POST', route, status }, (performance.now() - startedAt) / 1000, request.headers);
  }
}
