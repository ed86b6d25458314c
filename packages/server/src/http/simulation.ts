/**
 * A second face of the server that fails on purpose, for those who build apps: the same addresses below
 * `/simulate/{options}`, passed on to the real ones but for what was asked for. Only where sample data is and no other machine reaches the server.
 */
import { Scopes, syncErrorMessage, textOf } from '@lockstep/fhircast';
import type { Clock, Hub } from '@lockstep/hub';
import { type AuthorizationServer, OAuthError } from '@lockstep/smart';
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { isLoopback } from '../config.ts';
import type { Inspector } from '../inspector.ts';
import { CONSOLE_CLIENT } from '../own-apps.ts';
import { type Fault, readSimulated, type Simulated } from '../simulation/options.ts';
import { servePerson } from '../simulation/person.ts';
import { asStandIn, type StandIns } from '../simulation/stand-ins.ts';
import { answerOAuthErrors } from './json-bodies.ts';

export interface SimulationOptions {
  readonly origin: string;
  readonly hub: Hub;
  readonly authorization: AuthorizationServer;
  readonly inspector: Inspector;
  readonly clock: Clock;
  /** Who stands in for the apps of unchecked launches. */
  readonly standIns: StandIns;
  /** What a slow Hub adds to each answer, ms. */
  readonly delayMs?: number;
}

/** How long opens in a session bring SyncErrors after a launch asked for it, ms. */
const SYNC_ERROR_LIFE = 10 * 60_000;

const SIMULATED = 'Simulated application';

/** The part of a request that is passed on. */
type Sent = Pick<FastifyRequest, 'method' | 'headers' | 'body'>;

type Params = { options: string; '*': string };

/** The refusals of the authorization endpoint, in the order they would be found. */
const AUTHORIZE: readonly (readonly [fault: Fault, error: string, description: string])[] = [
  ['wrong-aud', 'invalid_request', 'Simulated: aud is not the FHIR endpoint of this server'],
  ['bad-scope', 'invalid_scope', 'Simulated: none of the scopes can be granted'],
  ['denied-consent', 'access_denied', 'Simulated: the user refused'],
];

export function simulationRoutes(options: SimulationOptions): FastifyPluginAsync {
  const { origin, hub, authorization, inspector, clock, standIns, delayMs = 3000 } = options;
  const noisy = new Set<string>();

  /** @throws OAuthError for what is unknown */
  function simulated(request: FastifyRequest): Simulated {
    const read = readSimulated((request.params as Params).options);
    if ('problem' in read) throw new OAuthError('invalid_request', read.problem);
    return read;
  }

  const pathOf = (request: FastifyRequest): string => `/simulate/${(request.params as Params).options}`;
  const baseOf = (request: FastifyRequest): string => `${origin}${pathOf(request)}`;

  /**
   * The address behind the simulated one, as it was written: decoding it and sending it on would decode it twice, and reach
   * what is not below `from` (CWE-22, CWE-174).
   * @param from what the address begins with there, such as `/fhir`
   * @throws OAuthError for an address that leads elsewhere
   */
  function behind(request: FastifyRequest, from: string): string {
    const address = `${from}${request.url.slice(`${pathOf(request)}${from}`.length)}`;
    const { pathname } = new URL(address, origin);
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
   * @throws OAuthError
   */
  async function registeredRedirect(query: URLSearchParams, unchecked: boolean): Promise<URL> {
    const asked = query.get('redirect_uri') ?? '';
    const redirect = URL.parse(asked);
    const client = await authorization.clients.get(query.get('client_id') ?? '');
    const registered = client?.redirectUris.includes(asked) === true;
    const here = unchecked && redirect?.protocol === 'http:' && isLoopback(redirect.hostname.replace(/^\[|\]$/g, ''));
    if (redirect && (registered || here)) return redirect;
    throw new OAuthError('invalid_request', 'redirect_uri is not registered for this client');
  }

  /** Where an authorization request goes: back with a fault, or on to the real endpoint. */
  async function authorize(
    request: FastifyRequest,
    reply: FastifyReply,
    query: URLSearchParams,
  ): Promise<FastifyReply> {
    const { faults, unchecked, user } = simulated(request);
    const [, error, description] = AUTHORIZE.find(([fault]) => faults.includes(fault)) ?? [];
    if (error !== undefined && description !== undefined) {
      const redirect = await registeredRedirect(query, unchecked);
      redirect.searchParams.set('error', error);
      redirect.searchParams.set('error_description', description);
      if (query.has('state')) redirect.searchParams.set('state', query.get('state') ?? '');
      return reply.redirect(redirect.href, 303);
    }
    const params = unchecked ? await standIns.admit(query) : query;
    params.set('aud', `${origin}/fhir`);
    const there = user === undefined ? origin : `${baseOf(request)}/person`;
    return reply.redirect(`${there}/auth/authorize?${params}`, 303);
  }

  async function passForm(app: FastifyInstance, request: FastifyRequest, url: string) {
    const { unchecked } = simulated(request);
    const form = new URLSearchParams(String(request.body ?? ''));
    if (!unchecked || request.method !== 'POST' || form.get('grant_type') === 'client_credentials') {
      return pass(app, request, url);
    }
    const { authorization: proof, ...headers } = request.headers;
    const body = Buffer.from(asStandIn(form, proof).toString());
    return pass(app, { method: request.method, headers, body }, url);
  }

  async function token(app: FastifyInstance, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { faults } = simulated(request);
    const passed = await passForm(app, request, '/auth/token');
    if (passed.statusCode !== 200) return answer(reply, passed);
    const granted = passed.json() as Record<string, unknown>;
    if (faults.includes('expired-token')) await expire(textOf(granted.access_token));
    if (faults.includes('sync-error') && typeof granted['hub.topic'] === 'string') makeNoise(granted['hub.topic']);
    const hubUrl = 'hub.url' in granted && { 'hub.url': `${baseOf(request)}/hub` };
    return answer(reply, passed, { ...granted, ...hubUrl });
  }

  /** Ends the token that the app is about to use. */
  async function expire(bearer: string): Promise<void> {
    const info = await authorization.verifyToken(bearer);
    if (info) await authorization.revokeToken(info.tokenId);
  }

  return async (app) => {
    answerOAuthErrors(app);
    // Bodies are passed on as they came.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

    app.get<{ Params: Params }>('/:options/fhir/.well-known/smart-configuration', async (request, reply) => {
      simulated(request);
      const passed = await pass(app, request, '/fhir/.well-known/smart-configuration');
      const base = baseOf(request);
      return answer(reply, passed, {
        ...(passed.json() as object),
        authorization_endpoint: `${base}/auth/authorize`,
        token_endpoint: `${base}/auth/token`,
        revocation_endpoint: `${base}/auth/revoke`,
        // A proof would be made for the simulated address, and be checked at the real one.
        dpop_signing_alg_values_supported: undefined,
      });
    });

    app.get('/:options/auth/authorize', (request, reply) =>
      authorize(request, reply, new URLSearchParams(request.url.split('?')[1] ?? '')),
    );
    app.post('/:options/auth/authorize', (request, reply) =>
      authorize(request, reply, new URLSearchParams(String(request.body ?? ''))),
    );
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

    app.route<{ Params: Params }>({
      method: ['GET', 'POST'],
      url: '/:options/person/auth/*',
      async handler(request, reply) {
        const { user: userId } = simulated(request);
        if (userId === undefined) throw new OAuthError('invalid_request', 'user is missing', 404);
        const base = `${pathOf(request)}/person`;
        const path = behind(request, '/person/auth').slice('/person'.length);
        return servePerson(app, request, reply, { origin, authorization, base, path, userId });
      },
    });

    app.all<{ Params: Params }>('/:options/fhir/*', async (request, reply) => {
      simulated(request);
      return answer(reply, await pass(app, request, behind(request, '/fhir')));
    });

    const serveHub = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const { faults } = simulated(request);
      if (faults.includes('slow-hub') && request.method !== 'OPTIONS') {
        await new Promise<void>((resolve) => {
          clock.after(delayMs, resolve);
        });
      }
      const form = String(request.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded');
      if (faults.includes('refused-subscription') && request.method === 'POST' && form) {
        return reply.code(403).type('text/plain').send('Simulated: the subscription is refused\n');
      }
      return answer(reply, await pass(app, request, behind(request, '/hub')));
    };
    app.all('/:options/hub', serveHub);
    app.all('/:options/hub/*', serveHub);
  };
}
