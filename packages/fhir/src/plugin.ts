import { isResourceType, jsonLimitProblem } from '@lockstep/fhircast';
import type { R4Validator } from '@lockstep/r4';
import { StoreUnavailable } from '@lockstep/store';
import type {
  FastifyError,
  FastifyInstance,
  FastifyPluginAsync,
  FastifyReply,
  FastifyRequest,
  RouteHandlerMethod,
} from 'fastify';
import type { TokenInfo } from './access.ts';
import { bundleText } from './bundle-text.ts';
import { asPreferred, type Bundles, STORED } from './bundles.ts';
import { parseExact } from './exact-json.ts';
import type { Answered, AnsweredBundle, FhirExchange, Precondition, WriteTarget } from './exchange.ts';
import { DICOM, type ImageAddress, type ImagesOf, noImage, requireDicom, studySearch } from './images.ts';
import { etag } from './interactions.ts';
import { FHIR_JSON, ifMatch, noneMatch, preferences, requireJson, requireNotOlder } from './negotiation.ts';
import { FhirRefusal, type IssueType, NotBegun, operationOutcome } from './refusal.ts';
import { isObject, type Json, type JsonObject, type Resource } from './resource.ts';
import { shownOfRead, subset } from './subset.ts';
import type { SubmittedResource } from './validate.ts';
import type { WorkTurns } from './work-turns.ts';

/** Bytes of a request body, of whatever kind (FHR-6); the largest report of the sample data has a few thousand. */
const BODY_LIMIT = 2 * 1024 * 1024;

/** Characters of an answer that are sent as text: Node copies text three times on its way out, and bytes never. */
const MAX_SENT_AS_TEXT = 4096;

/** Who did what with whose data; one for every request but those for the CapabilityStatement. */
export interface AccessRecord {
  /** ms since the epoch */
  readonly at: number;
  readonly method: string;
  /** The route, such as `/fhir/:type/:id`: never the address itself, which may hold patient data. */
  readonly route: string;
  readonly status: number;
  readonly type?: string;
  readonly id?: string;
  readonly tokenId?: string;
  readonly clientId?: string;
  readonly user?: string;
  /** Ids of the patients whose data was answered or written. */
  readonly patients: readonly string[];
  /** IP address that the request came from. */
  readonly address: string;
  readonly requestId: string;
  /** The query of the address and of a form as they were sent; they may hold patient data. */
  readonly query?: string;
}

/** What the token of a request stands for; undefined where there is none, or none that is good. */
export type TokenOf = (request: FastifyRequest) => TokenInfo | undefined | Promise<TokenInfo | undefined>;

export interface PluginOptions<A> {
  readonly interactions: FhirExchange<A>;
  readonly bundles: Pick<Bundles<A>, 'run'>;
  /** What a token's holder may do. */
  readonly accessOf: (token: TokenInfo) => A;
  /** The id of the patient whose resource it is. */
  readonly patientOf: (resource: JsonObject) => string | undefined;
  readonly validator: R4Validator;
  readonly baseUrl: string;
  /** Whether the elements that IHE IRA takes from FHIR R5 may be stored, whatever the client says (FHR-7). */
  readonly r5: boolean;
  /** Bounds the work for requests (FHR-6). */
  readonly turns: WorkTurns;
  readonly now: () => number;
  readonly tokenOf: TokenOf;
  readonly metadata: () => JsonObject | Promise<JsonObject>;
  /** Images of the studies, where there are any. */
  readonly images?: ImagesOf | undefined;
  /** Resolves once the answer may go out; rejects where it must not. */
  readonly audit?: ((record: AccessRecord) => void | Promise<void>) | undefined;
}

type Params = { readonly type: string; readonly id: string; readonly version: string };
type Request = FastifyRequest<{ Params: Params }>;

/** A request body, unread: authorization comes first. */
type Body = { readonly kind: 'json' | 'form' | 'patch'; readonly text: string } | undefined;

/** What is known of a request once its token is verified. */
interface Caller<A> {
  readonly token: TokenInfo;
  readonly access: A;
  readonly patients: Set<string>;
  /** The id of what was written, where the address does not say it. */
  written?: string;
}

/** The headers of every answer. */
const COMMON_HEADERS = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'ETag, Location, Content-Location, Last-Modified, WWW-Authenticate, Retry-After',
  'x-content-type-options': 'nosniff',
};
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';
/** What a preflight may ask for, where it does not say. */
const HEADERS = 'Authorization, Content-Type, Accept, Prefer, If-Match, If-None-Match, If-None-Exist';

/** What a preflight asks for, as far as it is well-formed: no header is refused (FHR-6). */
function preflightHeaders(request: FastifyRequest): Record<string, string> {
  const asked = request.headers['access-control-request-headers'];
  const echoed = typeof asked === 'string' && /^[A-Za-z0-9\-_!#$%&'*+.^`|~, ]{1,2000}$/.test(asked) ? asked : HEADERS;
  return {
    'access-control-allow-methods': METHODS,
    'access-control-allow-headers': echoed,
    'access-control-max-age': '86400',
    vary: 'Access-Control-Request-Headers',
  };
}

/** FHIR's RESTful interface as a Fastify plugin, to be registered with the path of `baseUrl` as its prefix. */
export function fhirPlugin<A>(options: PluginOptions<A>): FastifyPluginAsync {
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser<string>(
      ['application/fhir+json', 'application/json', 'text/json', 'application/json-patch+json'],
      { parseAs: 'string', bodyLimit: BODY_LIMIT },
      (request, text, done) => {
        const isPatch = /^application\/json-patch\+json/i.test(request.headers['content-type'] ?? '');
        done(null, { kind: isPatch ? 'patch' : 'json', text } satisfies Body);
      },
    );
    app.addContentTypeParser<string>(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: BODY_LIMIT },
      (_request, text, done) => done(null, { kind: 'form', text } satisfies Body),
    );
    app.addHook('onRequest', (_request, reply, done) => {
      reply.headers(COMMON_HEADERS);
      done();
    });
    app.setErrorHandler((error: FastifyError, request, reply) => {
      const refusal = asRefusal(error);
      if (refusal.status >= 500 && !(error instanceof NotBegun))
        request.log.error({ err: error }, 'FHIR request failed');
      return reply
        .code(refusal.status)
        .headers({ 'cache-control': 'no-store', ...refusal.headers })
        .type(FHIR_JSON)
        .send(JSON.stringify(operationOutcome(refusal.issue, refusal.message)));
    });
    await app.register(async (open) => openRoutes(open, options));
    await app.register(async (guarded) => guardedRoutes(guarded, options));
  };
}

function openRoutes(app: FastifyInstance, { metadata }: Pick<PluginOptions<unknown>, 'metadata'>): void {
  const preflight = async (request: FastifyRequest, reply: FastifyReply) =>
    reply.code(204).headers(preflightHeaders(request)).send();
  app.options('/', preflight);
  app.options('/*', preflight);
  app.get('/metadata', async (request, reply) => {
    const params = query(request);
    requireJson(request.headers.accept, params.get('_format'));
    return answer(reply, JSON.stringify(await metadata()), params, 'no-cache');
  });
}

function guardedRoutes<A>(app: FastifyInstance, options: PluginOptions<A>): void {
  const { interactions, baseUrl } = options;
  const callers = new WeakMap<FastifyRequest, Caller<A>>();

  app.addHook('onRequest', async (request) => {
    const token = await authenticate(request, options);
    callers.set(request, { token, access: options.accessOf(token), patients: new Set() });
  });
  doInTurn(app, options.turns, (request) => callers.get(request)?.token);
  const { audit } = options;
  if (audit) {
    const audited = new WeakSet<FastifyRequest>();
    const record = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      if (audited.has(request)) return;
      audited.add(request);
      await audit(auditRecord(request, reply.statusCode, callers.get(request), options.now()));
    };
    app.addHook('onSend', record);
    // What was cut off before there was an answer.
    app.addHook('onResponse', record);
  }

  const callerOf = (request: FastifyRequest): Caller<A> => callers.get(request)!;
  const note = (caller: Caller<A>, resource: JsonObject): void => {
    if (!audit) return;
    const patient = options.patientOf(resource);
    if (patient !== undefined) caller.patients.add(patient);
  };

  /** FHR-7: a client says R5 by the MIME type parameter `fhirVersion` (http://hl7.org/fhir/R4/versioning.html#mt-version). */
  const content = (request: Request, kind: 'json' | 'patch' = 'json'): SubmittedResource => {
    const type = request.headers['content-type'];
    requireNotOlder(type);
    return {
      read: () => json(request.body as Body, kind, JSON.parse),
      exact: () => json(request.body as Body, kind, parseExact),
      r5: options.r5 || /;\s*fhirVersion\s*=\s*"?5\./i.test(type ?? ''),
    };
  };

  const read = async (request: Request, reply: FastifyReply) => {
    const params = begin(request);
    const caller = callerOf(request);
    const { type, id, version } = request.params;
    const shows = isResourceType(type) ? shownOfRead(type, params, options.validator) : undefined;
    const found =
      version === undefined
        ? await interactions.read({ type, id }, caller.access)
        : await interactions.vread({ type, id }, version, caller.access);
    note(caller, found.resource);
    const tag = versionHeaders(reply, found);
    if (tag !== undefined && noneMatch(request.headers['if-none-match'], tag)) return reply.code(304).send();
    const text = shows ? JSON.stringify(subset(parseExact(found.text) as JsonObject, shows)) : found.text;
    return answer(reply, text, params);
  };

  const noteAll = (caller: Caller<A>, found: AnsweredBundle): void => {
    if (!found.patients) for (const resource of found.resources) note(caller, resource);
    else for (const patient of found.patients) caller.patients.add(patient);
  };

  const bundleAnswer = (reply: FastifyReply, found: AnsweredBundle, params: URLSearchParams, caller: Caller<A>) => {
    noteAll(caller, found);
    return answer(reply, found.text, params);
  };

  const search = async (request: Request, reply: FastifyReply) => {
    const params = query(request);
    if (request.method === 'POST') for (const [name, value] of form(request.body as Body)) params.append(name, value);
    requireJson(request.headers.accept, params.get('_format'));
    const caller = callerOf(request);
    const { lenient } = preferences(request.headers.prefer);
    const found = await interactions.search(request.params.type, params, caller.access, lenient);
    return bundleAnswer(reply, found, params, caller);
  };

  const written = (request: Request, reply: FastifyReply, done: Answered, status: number, params: URLSearchParams) => {
    const { resourceType, id, meta } = done.resource;
    const caller = callerOf(request);
    note(caller, done.resource);
    caller.written = id;
    versionHeaders(reply.code(status), done);
    const version = meta?.versionId === undefined ? '' : `/_history/${meta.versionId}`;
    const location = `${baseUrl}/${resourceType}/${id}${version}`;
    reply.header(status === 201 ? 'location' : 'content-location', location);
    switch (preferences(request.headers.prefer).body) {
      case 'minimal':
        return reply.header('cache-control', 'no-store').send();
      case 'OperationOutcome':
        return answer(reply, JSON.stringify(STORED), params);
      case 'representation':
        return answer(reply, done.text, params);
    }
  };

  app.get<{ Params: Params }>('/:type/:id', read);
  app.get<{ Params: Params }>('/:type/:id/_history/:version', read);
  app.get<{ Params: Params }>('/:type/:id/_history', async (request, reply) => {
    const params = begin(request);
    const caller = callerOf(request);
    const found = await interactions.history(request.params, params, caller.access);
    return bundleAnswer(reply, found, params, caller);
  });
  app.route<{ Params: Params }>({
    method: ['GET', 'POST'],
    url: '/Patient/:id/$everything',
    handler: async (request, reply) => {
      const params = begin(request);
      if (request.method === 'POST') {
        for (const [name, value] of operationParameters(request.body as Body)) params.append(name, value);
      }
      const caller = callerOf(request);
      const found = await interactions.everything(request.params.id, params, caller.access);
      return bundleAnswer(reply, found, params, caller);
    },
  });
  const { images } = options;
  if (images) {
    app.get<{ Params: ImageAddress }>(IMAGE, async (request, reply) => {
      requireDicom(request.headers.accept);
      const caller = callerOf(request);
      const found = await interactions.search('ImagingStudy', studySearch(request.params), caller.access);
      const study = found.resources[0] as Resource | undefined;
      if (!study) throw noImage();
      note(caller, study);
      const patient = await readable(interactions, options.patientOf(study), caller.access);
      const file = images(study, patient, request.params);
      if (!file) throw noImage();
      return reply.type(DICOM).header('cache-control', 'no-store').send(file);
    });
    notAllowed(app, IMAGE, ['GET', 'HEAD']);
  }
  const create = async (request: Request, reply: FastifyReply) => {
    const params = begin(request);
    const { access } = callerOf(request);
    const condition = request.headers['if-none-exist'];
    const done = await interactions.create(request.params.type, content(request), condition?.toString(), access);
    return written(request, reply, done, done.created ? 201 : 200, params);
  };

  app.post<{ Params: Params }>('/', async (request, reply) => {
    const params = begin(request);
    const caller = callerOf(request);
    const bundle = await options.bundles.run(content(request), caller.access, (found) =>
      'resource' in found ? note(caller, found.resource) : noteAll(caller, found),
    );
    const preferred = asPreferred(bundle, preferences(request.headers.prefer));
    return answer(reply, await bundleText(preferred, () => options.turns.slice()), params);
  });

  const patch = async (request: Request, reply: FastifyReply) => {
    const params = begin(request);
    const { access } = callerOf(request);
    const target = targetOf(request, params);
    const done = await interactions.patch(target, content(request, 'patch'), precondition(request), access);
    if (done.readable) return written(request, reply, done, 200, params);
    callerOf(request).written = done.resource.id;
    versionHeaders(reply, done);
    return answer(reply, JSON.stringify(STORED), params);
  };
  const update = async (request: Request, reply: FastifyReply) => {
    const params = begin(request);
    const { access } = callerOf(request);
    const done = await interactions.update(targetOf(request, params), content(request), precondition(request), access);
    return written(request, reply, done, done.created ? 201 : 200, params);
  };
  const remove = async (request: Request, reply: FastifyReply) => {
    const params = begin(request);
    const caller = callerOf(request);
    const target = targetOf(request, params);
    const { removed, version } = await interactions.remove(target, precondition(request), caller.access);
    if (removed) {
      note(caller, removed);
      caller.written = removed.id;
    }
    if (version !== undefined) reply.header('etag', etag(version));
    return reply.code(204).header('cache-control', 'no-store').send();
  };
  app.post<{ Params: Params }>('/:type/_search', search);
  app.get<{ Params: Params }>('/:type', search);
  app.post<{ Params: Params }>('/:type', create);
  for (const url of ['/:type', '/:type/:id']) {
    app.patch<{ Params: Params }>(url, patch);
    app.put<{ Params: Params }>(url, update);
    app.delete<{ Params: Params }>(url, remove);
  }

  notAllowed(app, '/', ['POST'], 'Searches of all types are not supported.');
  notAllowed(app, '/Patient/:id/$everything', ['GET', 'HEAD', 'POST']);
  notAllowed(app, '/:type/_search', ['GET', 'HEAD', 'POST']);
  notAllowed(app, '/:type/:id', ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE']);
  notAllowed(app, '/:type/:id/_history', ['GET', 'HEAD']);
  notAllowed(app, '/:type/:id/_history/:version', ['GET', 'HEAD']);
  // A route, not a handler of what is not found: the server may have one of those of its own (FHR-6).
  app.route({
    method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    url: '/*',
    handler: async () => {
      throw new FhirRefusal(404, 'not-supported', 'There is nothing at this address.');
    },
  });
}

/** Has the handlers of all routes that are added from now on do their work when it is their turn. */
function doInTurn(
  app: FastifyInstance,
  turns: WorkTurns,
  tokenOf: (request: FastifyRequest) => TokenInfo | undefined,
): void {
  const answered = new WeakMap<FastifyRequest, () => void>();
  const inTurn = new WeakSet<RouteHandlerMethod>();
  app.addHook('onRoute', (route) => {
    const { handler } = route;
    // A route for HEAD is added with the handler of the one for GET.
    if (inTurn.has(handler)) return;
    route.handler = async function (request, reply) {
      const { clientId, user = '' } = tokenOf(request) ?? {};
      const body = request.body as Body;
      let answer: unknown;
      await turns.run(`${clientId} ${user}`, body?.text.length ?? 0, () => {
        if (request.raw.socket.destroyed) throw new NotBegun(503, 'transient', 'The client has left.');
        // Until the answer is made: how long a client takes to read it is its own affair.
        return new Promise<void>((resolve, reject) => {
          answered.set(request, resolve);
          const made = handler.call(this, request, reply);
          answer = made;
          Promise.resolve(made).then(() => resolve(), reject);
        });
      });
      return answer;
    };
    inTurn.add(route.handler);
  });
  app.addHook('onSend', (request, _reply, _payload, done) => {
    answered.get(request)?.();
    done();
  });
}

/** DICOM PS3.18 10.4.1.1.3. */
const IMAGE = '/dicom-web/studies/:study/series/:series/instances/:instance';

/** The patient, where the caller may see them. */
async function readable<A>(
  interactions: FhirExchange<A>,
  id: string | undefined,
  access: A,
): Promise<Resource | undefined> {
  if (id === undefined) return undefined;
  try {
    return (await interactions.read({ type: 'Patient', id }, access)).resource;
  } catch (error) {
    if (error instanceof FhirRefusal && error.status < 500) return undefined;
    throw error;
  }
}

/** Answers 405 to the methods that an address does not know. */
function notAllowed(app: FastifyInstance, url: string, allowed: readonly string[], reason?: string): void {
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((method) => !allowed.includes(method));
  app.route({
    method: methods,
    url,
    exposeHeadRoute: false,
    handler: async (request) => {
      const headers = { allow: [...allowed, 'OPTIONS'].join(', ') };
      throw new FhirRefusal(405, 'not-supported', reason ?? `${request.method} is not supported here.`, headers);
    },
  });
}

/**
 * Finds out who calls.
 * @throws Refusal 401 without a valid token
 */
async function authenticate(
  request: FastifyRequest,
  { tokenOf, now }: Pick<PluginOptions<unknown>, 'tokenOf' | 'now'>,
): Promise<TokenInfo> {
  const token = await tokenOf(request);
  if (!token && request.headers.authorization === undefined) {
    throw new FhirRefusal(401, 'login', 'A bearer token is required.', { 'www-authenticate': 'Bearer realm="fhir"' });
  }
  if (!token || token.expiresAt <= now()) {
    throw new FhirRefusal(401, 'login', 'The token is unknown, expired or revoked.', {
      'www-authenticate': 'Bearer realm="fhir", error="invalid_token"',
    });
  }
  return token;
}

function begin(request: FastifyRequest): URLSearchParams {
  const params = query(request);
  requireJson(request.headers.accept, params.get('_format'));
  return params;
}

function query(request: FastifyRequest): URLSearchParams {
  const start = request.url.indexOf('?');
  return new URLSearchParams(start < 0 ? '' : request.url.slice(start + 1));
}

function json(body: Body, kind: 'json' | 'patch', parse: (text: string) => Json): Json {
  if (!body) throw new FhirRefusal(400, 'structure', 'The body must be a resource, or a patch.');
  if (body.kind !== kind) {
    const type = kind === 'json' ? 'application/fhir+json' : 'application/json-patch+json';
    throw new FhirRefusal(415, 'not-supported', `The content type must be ${type}.`);
  }
  const problem = jsonLimitProblem(body.text);
  if (problem !== undefined) throw new FhirRefusal(400, 'too-costly', problem);
  try {
    return parse(body.text);
  } catch {
    throw new FhirRefusal(400, 'structure', 'The body is not well-formed JSON.');
  }
}

function form(body: Body): URLSearchParams {
  if (body && body.kind !== 'form') {
    throw new FhirRefusal(415, 'not-supported', 'The content type must be application/x-www-form-urlencoded.');
  }
  return new URLSearchParams(body?.text);
}

/**
 * What an operation is asked: the values of a Parameters resource (R4 3.2.0.3), or of a form.
 * @throws Refusal 400 for what is none, and for parameters that are no single values
 */
function operationParameters(body: Body): URLSearchParams {
  if (!body || body.text.trim() === '') return new URLSearchParams();
  if (body.kind === 'form') return form(body);
  const value = json(body, 'json', JSON.parse);
  const { resourceType, parameter = [] } = isObject(value) ? value : {};
  if (resourceType !== 'Parameters' || !Array.isArray(parameter)) {
    throw new FhirRefusal(400, 'structure', 'The body must be a Parameters resource.');
  }
  const params = new URLSearchParams();
  for (const one of parameter as readonly Json[]) {
    const { name, ...rest } = isObject(one) ? one : {};
    const [[member, given] = [], ...more] = Object.entries(rest);
    if (typeof name !== 'string' || more.length > 0 || !member?.startsWith('value') || !isSingle(given)) {
      throw new FhirRefusal(400, 'value', 'Each parameter must have a name and one value.');
    }
    params.append(name, String(given));
  }
  return params;
}

function isSingle(value: Json | undefined): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

/**
 * What a write is about: the resource of the address, or the one that its search parameters find.
 * @throws Refusal 400 for both, 405 for a whole type
 */
function targetOf({ method, params: { type, id } }: Request, params: URLSearchParams): WriteTarget {
  const condition = new URLSearchParams(params);
  for (const name of ['_format', '_pretty']) condition.delete(name);
  if (id !== undefined) {
    if (condition.size === 0) return { type, id };
    throw new FhirRefusal(400, 'not-supported', 'A write names its resource by an id or by a search, not by both.');
  }
  if (condition.size > 0) return { type, condition: condition.toString() };
  const headers = { allow: 'GET, HEAD, POST, OPTIONS' };
  throw new FhirRefusal(405, 'not-supported', `${method} needs an id, or search parameters.`, headers);
}

function precondition(request: FastifyRequest): Precondition {
  const version = ifMatch(request.headers['if-match']);
  const absent = request.headers['if-none-match'];
  if (absent !== undefined && absent !== '*') {
    throw new FhirRefusal(400, 'not-supported', 'If-None-Match on a write must be "*".');
  }
  return { ...(version !== undefined && { version }), absent: absent === '*' };
}

function versionHeaders(reply: FastifyReply, { resource }: Answered): string | undefined {
  const { versionId, lastUpdated } = (resource.meta ?? {}) as Partial<Resource['meta']>;
  const time = Date.parse(lastUpdated ?? '');
  if (!Number.isNaN(time)) reply.header('last-modified', new Date(time).toUTCString());
  const tag = versionId === undefined ? undefined : etag(versionId);
  if (tag !== undefined) reply.header('etag', tag);
  return tag;
}

function answer(reply: FastifyReply, text: string, params: URLSearchParams, cache = 'no-store') {
  const body = params.get('_pretty') === 'true' ? JSON.stringify(parseExact(text), null, 2) : text;
  const sent = body.length > MAX_SENT_AS_TEXT ? Buffer.from(body) : body;
  return reply.header('cache-control', cache).header('content-type', FHIR_JSON).send(sent);
}

const ISSUES: Readonly<Record<number, IssueType>> = {
  401: 'login',
  429: 'throttled',
  404: 'not-found',
  413: 'too-long',
  415: 'not-supported',
};

function asRefusal(error: FastifyError | Error): FhirRefusal {
  if (error instanceof FhirRefusal) return error;
  if (error instanceof StoreUnavailable) {
    const headers = { 'retry-after': String(error.retryAfterSeconds) };
    return new FhirRefusal(503, 'transient', 'The store cannot be reached; try again later.', headers);
  }
  const status = 'statusCode' in error ? (error.statusCode ?? 500) : 500;
  if (status === 503) return new FhirRefusal(503, 'transient', error.message, { 'retry-after': '5' });
  if (status >= 400 && status < 500) return new FhirRefusal(status, ISSUES[status] ?? 'structure', error.message);
  return new FhirRefusal(500, 'exception', 'The request failed through a fault of the server.');
}

function auditRecord(
  request: FastifyRequest,
  status: number,
  caller: Caller<unknown> | undefined,
  at: number,
): AccessRecord {
  const { type, id = caller?.written } = (request.params ?? {}) as Partial<Params>;
  const asked = askedIn(request);
  return {
    at,
    method: request.method,
    route: request.routeOptions.url ?? '',
    status,
    ...(type !== undefined && { type }),
    ...(id !== undefined && { id }),
    ...(caller && { tokenId: caller.token.tokenId, clientId: caller.token.clientId }),
    ...(caller?.token.user !== undefined && { user: caller.token.user }),
    patients: [...(caller?.patients ?? [])],
    address: request.ip,
    requestId: String(request.id),
    ...(asked !== '' && { query: asked }),
  };
}

/** What a request asks in its address and in a form, as it was sent. */
function askedIn({ url, body }: FastifyRequest): string {
  const start = url.indexOf('?');
  const inForm = (body as Body)?.kind === 'form' ? (body as { readonly text: string }).text : '';
  return [start < 0 ? '' : url.slice(start + 1), inForm].filter(Boolean).join('&');
}
