/**
 * A second face of the server that fails on purpose, for those who build apps: the same addresses below
 * `/simulate/{options}`, passed on to the real ones but for what was asked for. Only where sample data is and no other machine reaches the server.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readSimulated, type Simulated } from '@lockstep/console/simulation';
import { Scopes, syncErrorMessage, textOf } from '@lockstep/fhircast';
import type { Clock, Hub } from '@lockstep/hub';
import { type AuthorizationServer, awayOf, OAuthError, PageError, said, type UserProfile } from '@lockstep/smart';
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Inspector } from '../inspector.ts';
import { CONSOLE_CLIENT } from '../own-apps.ts';
import type { LaunchContexts } from '../simulation/contexts.ts';
import { fhirFault, type OAuthFault, returnedFault, shownFault, tokenFault } from '../simulation/faults.ts';
import { type SimulatedPeople, servePerson } from '../simulation/person.ts';
import { failsOnSocket, type SocketFaults } from '../simulation/socket-faults.ts';
import { asStandIn, isOnThisMachine, type StandIns } from '../simulation/stand-ins.ts';
import { type FailureAnswer, failureHeaders, failureOf } from './failure.ts';
import { answerOAuthErrors } from './json-bodies.ts';

export interface SimulationOptions {
  readonly publicUrl: string;
  readonly hub: Hub;
  readonly authorization: AuthorizationServer;
  readonly inspector: Inspector;
  readonly clock: Clock;
  /** Who stands in for the apps of unchecked launches. */
  readonly standIns: StandIns;
  readonly people: SimulatedPeople;
  readonly contexts: LaunchContexts;
  readonly socketFaults: SocketFaults;
  /** What a slow Hub or record adds to each answer, ms. */
  readonly delayMs?: number;
}

/** Characters of an address that a request is redirected to: what lies between takes no more. */
const LONGEST_ADDRESS = 8000;
/** How long opens in a session bring SyncErrors after a launch asked for it, ms. */
const SYNC_ERROR_LIFE = 10 * 60_000;

const SIMULATED = 'Simulated application';

/** The part of a request that is passed on. */
type Sent = Pick<FastifyRequest, 'method' | 'headers' | 'body'>;

type Params = { options: string; '*': string };

export function simulationRoutes(options: SimulationOptions): FastifyPluginAsync {
  const { publicUrl, hub, authorization, inspector, clock, standIns, people, contexts, socketFaults } = options;
  const { delayMs = 3000 } = options;
  // Proves for apps that do not use PKCE that it was they who asked.
  const verifier = randomBytes(32).toString('base64url');
  const noisy = new Set<string>();

  /** @throws OAuthError for what is unknown */
  function simulated(request: FastifyRequest): Simulated {
    const read = readSimulated((request.params as Params).options);
    if ('problem' in read) throw new OAuthError('invalid_request', read.problem);
    return read;
  }

  const pathOf = (request: FastifyRequest): string => `/simulate/${(request.params as Params).options}`;
  const baseOf = (request: FastifyRequest): string => `${publicUrl}${pathOf(request)}`;

  /**
   * The address behind the simulated one, as it was written: decoding it and sending it on would decode it twice, and reach
   * what is not below `from` (CWE-22, CWE-174).
   * @param from what the address begins with there, such as `/fhir`
   * @throws OAuthError for an address that leads elsewhere
   */
  function behind(request: FastifyRequest, from: string): string {
    const address = `${from}${request.url.slice(`${pathOf(request)}${from}`.length)}`;
    const { pathname } = new URL(address, publicUrl);
    const leadsElsewhere = pathname !== from && !pathname.startsWith(`${from}/`);
    if (leadsElsewhere || /%2f|%5c|%00|\\/i.test(pathname)) {
      throw new OAuthError('invalid_request', 'there is nothing at this address', 404);
    }
    return address;
  }

  function pass(app: FastifyInstance, request: Sent, url: string) {
    const { 'content-length': _, host, connection: __, ...headers } = request.headers;
    return app.inject({
      method: request.method as 'GET',
      url,
      headers: { ...headers, ...(host !== undefined && { host }) },
      ...(request.body !== undefined && { payload: request.body as Buffer }),
    });
  }

  function answer(reply: FastifyReply, passed: Awaited<ReturnType<typeof pass>>, body?: unknown): FastifyReply {
    for (const [name, value] of Object.entries(passed.headers)) {
      if (value !== undefined && !['content-length', 'connection', 'transfer-encoding', 'date'].includes(name)) {
        reply.header(name, value);
      }
    }
    return reply.code(passed.statusCode).send(body === undefined ? passed.rawPayload : JSON.stringify(body));
  }

  /** From now on every open in the session is followed by a SyncError without a cause. */
  function makeNoise(topic: string): void {
    if (noisy.has(topic)) return;
    noisy.add(topic);
    const stop = inspector.watch(topic, (_, { observation }) => {
      if (observation.kind !== 'published' || !observation.event.endsWith('-open')) return;
      const { eventId, event } = observation;
      const cause = {
        eventId,
        eventName: event,
        subscriberName: SIMULATED,
        diagnostics: `${SIMULATED} was sent ${event} and did not follow it.`,
        severity: 'warning' as const,
      };
      const timestamp = new Date(clock.now()).toISOString();
      const message = syncErrorMessage(crypto.randomUUID(), timestamp, topic, cause);
      void hub.publish(simulator(), JSON.stringify(message));
    });
    clock.after(SYNC_ERROR_LIFE, () => {
      stop();
      noisy.delete(topic);
    });
  }

  function simulator(): Parameters<Hub['publish']>[0] {
    return {
      tokenId: 'simulation',
      grantId: 'simulation',
      clientId: CONSOLE_CLIENT,
      clientName: SIMULATED,
      scopes: new Scopes('fhircast/SyncError.write'),
      expiresAt: clock.now() + 60_000,
      userAliases: [],
      topics: [],
      sessions: 'all',
      switches: {},
    };
  }

  /**
   * Where a simulated refusal goes: to an address of the app's registration, or with client checks off to this machine. Any
   * other would make the server send people wherever a link says (CWE-601).
   * @throws PageError
   */
  async function registeredRedirect(query: URLSearchParams, unchecked: boolean): Promise<URL> {
    const asked = query.get('redirect_uri') ?? '';
    const redirect = URL.parse(asked);
    const client = await authorization.clients.get(query.get('client_id') ?? '');
    const registered = client?.redirectUris.includes(asked) === true;
    const here = unchecked && isOnThisMachine(asked);
    if (redirect && (registered || here)) return redirect;
    throw new PageError('invalid_redirect_uri', 'redirect_uri is not registered for the application.');
  }

  /** Where an authorization request goes: back with a fault, or on to the real endpoint. */
  async function authorize(
    request: FastifyRequest,
    reply: FastifyReply,
    query: URLSearchParams,
  ): Promise<FastifyReply> {
    const read = simulated(request);
    const { faults, unchecked, person, client } = read;
    const shown = shownFault(faults);
    if (shown) throw shown;
    const returned = returnedFault(faults);
    if (returned) {
      if (client && !unchecked) await standIns.admitDeclared(query, client);
      const redirect = await registeredRedirect(query, unchecked);
      redirect.searchParams.set('error', returned.error);
      redirect.searchParams.set('error_description', returned.description);
      if (query.has('state')) redirect.searchParams.set('state', query.get('state') ?? '');
      return reply.redirect(redirect.href, 303);
    }
    const user = person && (await people.find(person));
    const params = await admitted(query, read);
    proveFor(params, read);
    params.set('aud', `${publicUrl}/fhir`);
    const launch = await preparedLaunch(request, params, read, user);
    if (launch !== undefined) params.set('launch', launch);
    if (read.asksSignIn) params.set('prompt', 'login');
    if (user) params.set('login_hint', user.id);
    const there = user ? `${baseOf(request)}/person` : publicUrl;
    const address = `${there}/auth/authorize?${params}`;
    if (address.length > LONGEST_ADDRESS)
      throw new OAuthError('invalid_request', 'the request is too long to be simulated', 414);
    return reply.redirect(address, 303);
  }

  function admitted(query: URLSearchParams, { unchecked, client }: Simulated): Promise<URLSearchParams> {
    if (unchecked) return standIns.admit(query);
    return client ? standIns.admitDeclared(query, client) : Promise.resolve(new URLSearchParams(query));
  }

  /** Where the rule lets an app do without PKCE, this server asks with a challenge of its own. */
  function proveFor(params: URLSearchParams, { pkce }: Simulated): void {
    if (pkce === 'always' || (pkce === 'auto' && params.has('code_challenge'))) return;
    params.set('code_challenge', createHash('sha256').update(verifier).digest('base64url'));
    params.set('code_challenge_method', 'S256');
  }

  /**
   * A launch for an app that asks without one, where its patient was chosen or pages are to be skipped.
   * @param user whom the launch is simulated for; otherwise it is for the person at the browser
   */
  async function preparedLaunch(
    request: FastifyRequest,
    params: URLSearchParams,
    { skipsConsent, skipsPickers, chart }: Simulated,
    user: UserProfile | undefined,
  ): Promise<string | undefined> {
    if (params.has('launch') || !(skipsConsent || skipsPickers || chart)) return undefined;
    const signedIn = user ? undefined : await authorization.signedIn(request);
    const launched = user ?? signedIn?.user;
    if (!launched) return undefined;
    const topic = signedIn?.topic ?? (await contexts.topicOf(launched));
    const context = await contexts.complete(launched, { ...(chart && { patient: chart }) }, skipsPickers);
    return authorization.prepareLaunch(launched, {
      clientId: params.get('client_id') ?? '',
      ...(skipsPickers && { topic }),
      // A link alone must not hand over what the user was not asked for.
      consented: skipsConsent && isOnThisMachine(params.get('redirect_uri') ?? ''),
      ...context,
    });
  }

  async function passForm(app: FastifyInstance, request: FastifyRequest, url: string) {
    const { unchecked, pkce, client } = simulated(request);
    const form = new URLSearchParams(String(request.body ?? ''));
    if (request.method !== 'POST') return pass(app, request, url);
    const grantType = form.get('grant_type');
    const proves =
      grantType === 'authorization_code' && (pkce === 'none' || (pkce === 'auto' && !form.has('code_verifier')));
    if (proves) form.set('code_verifier', verifier);
    if (grantType === 'client_credentials') {
      if (client?.backend && !unchecked) await standIns.declare(client, { scope: form.get('scope') ?? '' });
      return pass(app, request, url);
    }
    const { authorization: proof, ...headers } = request.headers;
    if (unchecked) return pass(app, { method: request.method, headers, body: formBody(asStandIn(form, proof)) }, url);
    return pass(app, { method: request.method, headers: request.headers, body: formBody(form) }, url);
  }

  /** The headers by which a page of the app may read an answer that the real endpoint does not give. */
  async function corsOf(app: FastifyInstance, request: FastifyRequest, url: string): Promise<Record<string, string>> {
    const { origin: from, host = '' } = request.headers;
    if (from === undefined) return {};
    const asked = { origin: from, host, 'access-control-request-method': 'POST' };
    const { headers } = await app.inject({ method: 'OPTIONS', url, headers: asked });
    const allowed = headers['access-control-allow-origin'];
    return typeof allowed === 'string' ? { 'access-control-allow-origin': allowed, vary: 'Origin' } : {};
  }

  async function answerFault(
    app: FastifyInstance,
    request: FastifyRequest,
    reply: FastifyReply,
    { status, error, description }: OAuthFault,
  ): Promise<FastifyReply> {
    reply
      .headers(await corsOf(app, request, '/auth/token'))
      .header('cache-control', 'no-store')
      .header('pragma', 'no-cache');
    return reply.code(status).send({ error, error_description: description });
  }

  function delay(): Promise<void> {
    return new Promise((resolve) => {
      clock.after(delayMs, resolve);
    });
  }

  async function token(app: FastifyInstance, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { faults } = simulated(request);
    const grantType = new URLSearchParams(String(request.body ?? '')).get('grant_type') ?? undefined;
    const fault = request.method === 'POST' ? tokenFault(faults, grantType) : undefined;
    if (fault) return answerFault(app, request, reply, fault);
    const passed = await passForm(app, request, '/auth/token');
    if (passed.statusCode !== 200) return answer(reply, passed);
    const granted = passed.json() as Record<string, unknown>;
    if (faults.includes('expired-token')) await expire(textOf(granted.access_token));
    if (faults.includes('sync-error') && typeof granted['hub.topic'] === 'string') makeNoise(granted['hub.topic']);
    const hubUrl = 'hub.url' in granted && { 'hub.url': `${baseOf(request)}/hub` };
    return answer(reply, passed, { ...granted, ...hubUrl });
  }

  /** A subscription's answer whose endpoint is one of the simulation. @returns undefined where it names none */
  function throughHere(
    app: FastifyInstance,
    request: FastifyRequest,
    passed: Awaited<ReturnType<typeof pass>>,
  ): Record<string, unknown> | undefined {
    const subscribed = passed.statusCode === 202 ? (passed.json() as Record<string, unknown>) : {};
    const endpoint = textOf(subscribed['hub.channel.endpoint']);
    const id = /\/hub\/ws\/([A-Za-z0-9_-]+)$/.exec(endpoint)?.[1];
    if (id === undefined) return undefined;
    socketFaults.remember(id, async () => {
      const form = new URLSearchParams(String(request.body));
      const fields = { 'hub.mode': 'unsubscribe', 'hub.channel.endpoint': endpoint };
      for (const [name, value] of Object.entries(fields)) form.set(name, value);
      await pass(app, { method: 'POST', headers: request.headers, body: formBody(form) }, '/hub');
    });
    const base = baseOf(request).replace(/^http/, 'ws');
    return { ...subscribed, 'hub.channel.endpoint': `${base}/hub/ws/${id}` };
  }

  /** Ends the token that the app is about to use. */
  async function expire(bearer: string): Promise<void> {
    const info = await authorization.verifyToken(bearer);
    if (info) await authorization.revokeToken(info.tokenId);
  }

  /** What browsers show: what goes wrong there is told by a page. */
  const pages: FastifyPluginAsync = async (app) => {
    app.setErrorHandler((error, request, reply) => {
      if (error instanceof PageError) return authorization.sendErrorPage(request, reply, error);
      const failure = failureOf(error);
      if (failure.status >= 500) request.log.error({ err: error }, 'request failed');
      return authorization.sendErrorPage(request, failureHeaders(reply, failure), pageOf(error as Error, failure));
    });

    app.get('/:options/auth/authorize', (request, reply) =>
      authorize(request, reply, new URLSearchParams(request.url.split('?')[1] ?? '')),
    );
    app.post('/:options/auth/authorize', (request, reply) =>
      authorize(request, reply, new URLSearchParams(String(request.body ?? ''))),
    );

    app.route<{ Params: Params }>({
      method: ['GET', 'POST'],
      url: '/:options/person/auth/*',
      async handler(request, reply) {
        const { person, asksSignIn } = simulated(request);
        if (!person) throw new OAuthError('invalid_request', 'user is missing', 404);
        const user = await people.find(person);
        const base = `${pathOf(request)}/person`;
        const path = behind(request, '/person/auth').slice('/person'.length);
        return servePerson(app, request, reply, { publicUrl, authorization, base, path, user, asksSignIn });
      },
    });
  };

  return async (app) => {
    answerOAuthErrors(app);
    // Bodies are passed on as they came.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

    app.get<{ Params: Params }>('/:options/fhir/.well-known/smart-configuration', async (request, reply) => {
      const { pkce } = simulated(request);
      const passed = await pass(app, request, '/fhir/.well-known/smart-configuration');
      const base = baseOf(request);
      return answer(reply, passed, {
        ...(passed.json() as object),
        authorization_endpoint: `${base}/auth/authorize`,
        token_endpoint: `${base}/auth/token`,
        revocation_endpoint: `${base}/auth/revoke`,
        // A proof would be made for the simulated address, and be checked at the real one.
        dpop_signing_alg_values_supported: undefined,
        ...(pkce === 'none' && { code_challenge_methods_supported: undefined }),
      });
    });

    app.register(pages);

    app.route({
      method: ['POST', 'OPTIONS'],
      url: '/:options/auth/token',
      handler: (request, reply) => token(app, request, reply),
    });
    app.route({
      method: ['POST', 'OPTIONS'],
      url: '/:options/auth/revoke',
      handler: async (request, reply) => answer(reply, await passForm(app, request, '/auth/revoke')),
    });

    app.all<{ Params: Params }>('/:options/fhir/*', async (request, reply) => {
      const { faults } = simulated(request);
      const address = behind(request, '/fhir');
      // What says how to launch is there for everybody, whatever becomes of the launch.
      const isOpen = request.method === 'OPTIONS' || /^\/fhir\/(metadata|\.well-known\/)/.test(address);
      if (isOpen) return answer(reply, await pass(app, request, address));
      if (faults.includes('slow-fhir')) await delay();
      const fault = fhirFault(faults);
      if (!fault) return answer(reply, await pass(app, request, address));
      const { status, code, text } = fault;
      reply.header('access-control-allow-origin', '*').type('application/fhir+json; charset=utf-8');
      if (status === 401) reply.header('www-authenticate', `Bearer error="invalid_token", error_description="${text}"`);
      const issue = [{ severity: 'error', code, diagnostics: text }];
      return reply.code(status).send(JSON.stringify({ resourceType: 'OperationOutcome', issue }));
    });

    const serveHub = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const { faults } = simulated(request);
      if (faults.includes('slow-hub') && request.method !== 'OPTIONS') await delay();
      const form = String(request.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded');
      if (faults.includes('refused-subscription') && request.method === 'POST' && form) {
        reply.header('access-control-allow-origin', '*').type('text/plain');
        return reply.code(403).send('Simulated: the subscription is refused\n');
      }
      const passed = await pass(app, request, behind(request, '/hub'));
      if (request.method !== 'POST' || !form || !failsOnSocket(faults)) return answer(reply, passed);
      return answer(reply, passed, throughHere(app, request, passed));
    };
    app.all('/:options/hub', serveHub);
    app.all('/:options/hub/*', serveHub);
  };
}

/** A refusal in words that the pages' catalogs have, with what was said of it beside them. */
function pageOf(error: Error, { status, code, reason: detail }: FailureAnswer): PageError {
  if (status === 503) return new PageError(code, awayOf(error), status);
  if (status >= 500) return new PageError(code, 'Lockstep could not do this. Try again.', status);
  return new PageError(code, { ...said('This launch cannot be simulated.'), detail }, status);
}

function formBody(form: URLSearchParams): Buffer {
  return Buffer.from(form.toString());
}
