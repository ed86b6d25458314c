/**
 * A second face of the server that fails on purpose, for those who build apps: the same addresses below
 * `/simulate/{options}`, passed on to the real ones but for what was asked for. Only where sample data is.
 */
import { Scopes, syncErrorMessage } from '@lockstep/fhircast';
import type { Clock, Hub } from '@lockstep/hub';
import { type AuthorizationServer, OAuthError } from '@lockstep/smart';
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
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
  /** Where only this machine reaches the server: launches may then go unchecked, and be made for any sample user. */
  readonly standIns?: StandIns;
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

  /** @throws OAuthError for what is unknown, or not for this server */
  function simulated(request: FastifyRequest): Simulated {
    const read = readSimulated((request.params as Params).options);
    if ('problem' in read) throw new OAuthError('invalid_request', read.problem);
    if (!standIns && (read.unchecked || read.user !== undefined)) {
      throw new OAuthError(
        'access_denied',
        'Others can reach this server: client checks and users stay as they are',
        403,
      );
    }
    return read;
  }

  const pathOf = (request: FastifyRequest): string => `/simulate/${(request.params as Params).options}`;
  const baseOf = (request: FastifyRequest): string => `${origin}${pathOf(request)}`;

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

  /** From now on every open in the session is followed by a SyncError that nobody caused. */
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
      void hub.publish(simulator(), syncErrorMessage(crypto.randomUUID(), timestamp, topic, cause));
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

  /** Where an authorization request goes: back with a fault, or on to the real endpoint. */
  async function authorize(
    request: FastifyRequest,
    reply: FastifyReply,
    query: URLSearchParams,
  ): Promise<FastifyReply> {
    const { faults, unchecked, user } = simulated(request);
    const [, error, description] = AUTHORIZE.find(([fault]) => faults.includes(fault)) ?? [];
    const redirect = URL.parse(query.get('redirect_uri') ?? '');
    if (error !== undefined && description !== undefined && redirect && /^https?:$/.test(redirect.protocol)) {
      redirect.searchParams.set('error', error);
      redirect.searchParams.set('error_description', description);
      if (query.has('state')) redirect.searchParams.set('state', query.get('state') ?? '');
      return reply.redirect(redirect.href, 303);
    }
    const params = unchecked && standIns ? await standIns.admit(query) : query;
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
    if (faults.includes('expired-token')) await expire(String(granted.access_token));
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
        const path = request.url.slice(base.length);
        return servePerson(app, request, reply, { origin, authorization, base, path, userId });
      },
    });

    app.all<{ Params: Params }>('/:options/fhir/*', async (request, reply) => {
      simulated(request);
      const [, query] = request.url.split('?');
      return answer(reply, await pass(app, request, `/fhir/${request.params['*']}${query ? `?${query}` : ''}`));
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
      const rest = (request.params as Params)['*'];
      return answer(reply, await pass(app, request, rest ? `/hub/${rest}` : '/hub'));
    };
    app.all('/:options/hub', serveHub);
    app.all('/:options/hub/*', serveHub);
  };
}
