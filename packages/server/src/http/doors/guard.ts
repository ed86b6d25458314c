/** Decides about every request before a byte of its body is read: who comes in, and how often. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { networkOf, type TokenDoor, type TokenInfo } from '@lockstep/smart';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { unrecorded } from '../../audit/request-audit.ts';
import { begunOf, type Caller } from '../begun-requests.ts';
import { RequestRefused } from '../failure.ts';
import { traceOf } from '../request-id.ts';
import { type DoorRow, findDoor, needsRecord, SMALL_BODY } from './door.ts';
import type { Limiter } from './limiter.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    door?: DoorRow;
  }
  interface FastifyRequest {
    /** What the access token of the header stands for; undefined where there is none that lets the request in. */
    caller: Caller | undefined;
  }
}

export interface GuardParts {
  readonly doors: readonly DoorRow[];
  readonly tokens: Pick<TokenDoor, 'known' | 'find' | 'admit'>;
  readonly limiter: Limiter;
  /** Whether only this machine reaches the server: other names for it are a stranger's (DNS rebinding). */
  readonly local?: boolean;
  /** Whether clients reach the server by https: browsers are to use nothing else (RFC 6797). */
  readonly https: boolean;
  /** Whether acts that are recorded may be done now: not while the audit cannot be written and its setting says `refuse`. */
  readonly audit?: { readonly admits: boolean } | undefined;
}

export const TOO_MANY = 'Too many requests';
/** s. */
export const RETRY_AFTER = '1';

/** An address may send more than one client: a whole hospital may have one address. */
const CLIENTS_AT_ADDRESS = 10;
/** A FHIR request costs many times what an event costs: those of one client for one user must not hold sessions up. */
const SHARE_OF_FHIR = 0.2;

const SHARED = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers':
    'ETag, Link, Location, Content-Location, Last-Modified, Retry-After, WWW-Authenticate, DPoP-Nonce, X-Request-Id',
};
const ONE_YEAR = 'max-age=31536000';

/** What is answered where no route is. */
const NOWHERE: DoorRow = {
  methods: '*',
  path: '*',
  authentication: 'none',
  shared: false,
  audit: { none: 'there is nothing at this address' },
  limit: 'door',
};

const SHARED_NOWHERE: DoorRow = { ...NOWHERE, shared: true };

const isShared = (address: string): boolean => /^\/(hub|fhir)(\/|\?|$)/.test(address);

/**
 * Puts a guard at every route that is added from now on. A route that fits no row of the table is refused.
 * @throws Error by `app.route`, naming the route
 */
export function guardDoors(app: FastifyInstance, parts: GuardParts): void {
  app.decorateRequest('caller', undefined);
  app.addHook('onRoute', (route) => decide(route, parts.doors));
  app.addHook('onRequest', (request, reply) => admit(request, reply, parts));
  app.addHook('preParsing', answerNowhere);
  app.addHook('preValidation', (request, reply) => admitOnceMore(request, reply, parts));
}

/** Answers at once where no route is: nothing needs the body, and nobody has shown who they are. */
async function answerNowhere(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (request.is404) await request.routeOptions.handler.call(request.server, request, reply);
}

function decide(route: RouteOptions & { path: string }, doors: readonly DoorRow[]): void {
  const found = new Set(
    [route.method].flat().map((method) => findDoor(doors, method === 'HEAD' ? 'GET' : method, route.path)),
  );
  const [door] = found;
  if (found.size !== 1 || door === undefined) {
    const name = `${[route.method].flat().join(', ')} ${route.path}`;
    throw new Error(
      `${name} has no door of its own: decide in http/doors/doors.ts who may come in and what is recorded`,
    );
  }
  route.config = { ...route.config, door };
  if (isUnknown(door)) route.bodyLimit = Math.min(route.bodyLimit ?? SMALL_BODY, SMALL_BODY);
}

/** Whether bodies of unauthenticated clients are read here. */
export function isUnknown({ authentication }: DoorRow): boolean {
  return authentication === 'none' || authentication === 'handler';
}

/** Whether a request brings a form. */
export function isForm(request: Pick<FastifyRequest, 'headers'>): boolean {
  return /^application\/x-www-form-urlencoded\b/i.test(request.headers['content-type'] ?? '');
}

/** The headers of every answer at a door. */
export function doorHeaders(
  door: Pick<DoorRow, 'shared'>,
  asked: IncomingHttpHeaders,
  requestId: string,
  https: boolean,
): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { 'x-content-type-options': 'nosniff', 'x-request-id': requestId };
  if (traceOf(asked) !== undefined) headers.traceparent = asked.traceparent as string;
  if (https) headers['strict-transport-security'] = ONE_YEAR;
  return door.shared ? Object.assign(headers, SHARED) : headers;
}

async function admit(request: FastifyRequest, reply: FastifyReply, parts: GuardParts): Promise<void> {
  const door = request.routeOptions.config?.door ?? (isShared(request.url) ? SHARED_NOWHERE : NOWHERE);
  reply.headers(doorHeaders(door, request.headers, request.id, parts.https));
  if (parts.local && door.authentication !== 'none' && !isOwnName(request.headers.host)) {
    throw new RequestRefused(
      'misdirected',
      'This server is for its own machine: ask it as localhost, or set LOCKSTEP_PUBLIC_URL to its address',
    );
  }
  const begun = begunOf(request.raw);
  if (begun?.caller) {
    request.caller = begun.caller;
    return;
  }
  const takesToken = door.authentication.startsWith('bearer');
  const { authorization } = request.headers;
  const lookUp = async () => (begun?.token ? begun.token.found : parts.tokens.find(authorization));
  const found = takesToken ? await lookUp() : undefined;
  const isCounted = begun?.counted === door;
  if (door.limit === 'door' && !isCounted && !mayCome(request.ip, found?.info, door, parts.limiter)) {
    reply.header('retry-after', RETRY_AFTER);
    throw new RequestRefused('too-many-requests', TOO_MANY);
  }
  if (parts.audit && !parts.audit.admits && needsRecord(door)) {
    throw unrecorded();
  }
  // The handler looks for a token in the form once that is read.
  const inForm = door.authentication === 'bearer or form' && isForm(request) && !authorization;
  if (!takesToken || inForm) return;
  const admission = await parts.tokens.admit(request, found);
  reply.headers(admission.headers);
  if (!admission.ok) throw new RequestRefused(REFUSED[admission.error], admission.reason);
  request.caller = { ...admission.info, address: networkOf(request.ip) };
}

/**
 * A sender takes its time with a body: what let it in may have ended meanwhile (TOK-6). A proof is not asked for twice.
 * @throws RequestRefused
 */
async function admitOnceMore(request: FastifyRequest, reply: FastifyReply, parts: GuardParts): Promise<void> {
  const { body, caller } = request;
  const door = request.routeOptions.config?.door;
  if (body === undefined || body === null || begunOf(request.raw)?.published) return;
  if (parts.audit && !parts.audit.admits && door && needsRecord(door)) throw unrecorded();
  if (!caller) return;
  const { authorization } = request.headers;
  const found = parts.tokens.known(authorization) ?? (await parts.tokens.find(authorization));
  if (found?.info?.tokenId === caller.tokenId) return;
  const admission = await parts.tokens.admit(request, found && { ...found, info: undefined });
  reply.headers(admission.headers);
  if (!admission.ok) throw new RequestRefused(REFUSED[admission.error], admission.reason);
}

/** IP addresses, names without a dot, and those below names that are no stranger's to give (RFC 6761, and `internal`). */
const OWN_NAME =
  /^(?:\[[0-9a-f:.]+\]|\d{1,3}(?:\.\d{1,3}){3}|(?:[\w-]+\.)*(?:localhost|internal)|[\w-]+)\.?(?::\d{1,5})?$/i;

/**
 * Whether a request names this machine as its own. A page of a stranger can have the stranger's name lead to this machine
 * (DNS rebinding); the browser then takes the server for a part of the stranger's site, but still says that name.
 */
function isOwnName(host: string | undefined): boolean {
  // Programs without a name for the server say none (RFC 9110 section 7.2); a browser always does.
  return host === undefined || host === '' || OWN_NAME.test(host);
}

const REFUSED = {
  token_missing: 'token-missing',
  invalid_token: 'token-invalid',
  invalid_dpop_proof: 'proof-invalid',
  use_dpop_nonce: 'proof-nonce',
} as const;

/** Those who show no token that is good, as callers of the limiter. Who has one IPv6 address has all of its network. */
export function addressCaller(ip: string): string {
  return `address ${networkOf(ip)}`;
}

/**
 * A client, its user and its address have a share each: many clients of one person or place get no more together. The smallest share
 * comes first: what is refused by it takes nothing from what others at the address, or the same client at the Hub, may send.
 */
export function mayCome(
  ip: string,
  caller: TokenInfo | undefined,
  { audit }: Pick<DoorRow, 'audit'>,
  limiter: Limiter,
): boolean {
  if (!caller) return limiter.take(addressCaller(ip));
  return (
    (audit !== 'fhir' || limiter.take(`FHIR of client ${caller.clientId} ${caller.user}`, SHARE_OF_FHIR)) &&
    limiter.take(`client ${caller.clientId}`) &&
    (caller.user === undefined || limiter.take(`user ${caller.user}`)) &&
    limiter.take(`address of clients ${networkOf(ip)}`, CLIENTS_AT_ADDRESS)
  );
}
