/**
 * A second face of the server that fails on purpose, for those who build apps: the same addresses below
 * `/simulate/{faults}`, passed on to the real ones but for the faults asked for. Only where sample data is.
 */
import { Scopes, syncErrorMessage } from '@lockstep/fhircast';
import type { Clock, Hub } from '@lockstep/hub';
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Inspector } from '../inspector.ts';
import { CONSOLE_CLIENT } from '../own-apps.ts';

export const FAULTS = [
  'expired-token',
  'bad-scope',
  'wrong-aud',
  'denied-consent',
  'slow-hub',
  'refused-subscription',
  'sync-error',
] as const;
export type Fault = (typeof FAULTS)[number];

export interface SimulationOptions {
  readonly origin: string;
  readonly hub: Hub;
  readonly inspector: Inspector;
  readonly clock: Clock;
  /** What a slow Hub adds to each answer, ms. */
  readonly delayMs?: number;
}

/** How long opens in a session bring SyncErrors after a launch asked for it, ms. */
const SYNC_ERROR_LIFE = 10 * 60_000;

const SIMULATED = 'Simulated application';

type Params = { faults: string; '*': string };

/** Faults by name, joined by commas. @returns undefined when one of them is unknown */
export function parseFaults(text: string): readonly Fault[] | undefined {
  const names = [...new Set(text.split(',').filter((name) => name !== '' && name !== 'none'))];
  return names.every((name): name is Fault => FAULTS.includes(name as Fault)) ? names : undefined;
}

/** The refusals of the authorization endpoint, in the order they would be found. */
const AUTHORIZE: readonly (readonly [fault: Fault, error: string, description: string])[] = [
  ['wrong-aud', 'invalid_request', 'Simulated: aud is not the FHIR endpoint of this server'],
  ['bad-scope', 'invalid_scope', 'Simulated: none of the scopes can be granted'],
  ['denied-consent', 'access_denied', 'Simulated: the user refused'],
];

export function simulationRoutes(options: SimulationOptions): FastifyPluginAsync {
  const { origin, hub, inspector, clock, delayMs = 3000 } = options;
  const noisy = new Set<string>();

  function faultsOf(request: FastifyRequest): readonly Fault[] {
    const faults = parseFaults((request.params as Params).faults);
    if (!faults) throw Object.assign(new Error(`Faults are ${FAULTS.join(', ')}`), { statusCode: 400 });
    return faults;
  }

  function baseOf(request: FastifyRequest): string {
    return `${origin}/simulate/${(request.params as Params).faults}`;
  }

  function pass(app: FastifyInstance, request: FastifyRequest, url: string) {
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

  return async (app) => {
    // Bodies are passed on as they came.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

    app.get<{ Params: Params }>('/:faults/fhir/.well-known/smart-configuration', async (request, reply) => {
      faultsOf(request);
      const passed = await pass(app, request, '/fhir/.well-known/smart-configuration');
      const base = baseOf(request);
      return answer(reply, passed, {
        ...(passed.json() as object),
        authorization_endpoint: `${base}/auth/authorize`,
        token_endpoint: `${base}/auth/token`,
      });
    });

    app.get<{ Params: Params }>('/:faults/auth/authorize', async (request, reply) => {
      const faults = faultsOf(request);
      const query = new URLSearchParams(request.url.split('?')[1] ?? '');
      const [, error, description] = AUTHORIZE.find(([fault]) => faults.includes(fault)) ?? [];
      const redirect = URL.parse(query.get('redirect_uri') ?? '');
      if (error !== undefined && description !== undefined && redirect && /^https?:$/.test(redirect.protocol)) {
        redirect.searchParams.set('error', error);
        redirect.searchParams.set('error_description', description);
        if (query.has('state')) redirect.searchParams.set('state', query.get('state') ?? '');
        return reply.redirect(redirect.href, 303);
      }
      query.set('aud', `${origin}/fhir`);
      return reply.redirect(`${origin}/auth/authorize?${query}`, 303);
    });

    app.route<{ Params: Params }>({
      method: ['POST', 'OPTIONS'],
      url: '/:faults/auth/token',
      async handler(request, reply) {
        const faults = faultsOf(request);
        const passed = await pass(app, request, '/auth/token');
        if (passed.statusCode !== 200) return answer(reply, passed);
        const token = passed.json() as Record<string, unknown>;
        if (faults.includes('expired-token')) await revoke(app, request, String(token.access_token));
        if (faults.includes('sync-error') && typeof token['hub.topic'] === 'string') makeNoise(token['hub.topic']);
        const simulated = 'hub.url' in token && { 'hub.url': `${baseOf(request)}/hub` };
        return answer(reply, passed, { ...token, ...simulated });
      },
    });

    app.all<{ Params: Params }>('/:faults/fhir/*', async (request, reply) => {
      faultsOf(request);
      const [, query] = request.url.split('?');
      return answer(reply, await pass(app, request, `/fhir/${request.params['*']}${query ? `?${query}` : ''}`));
    });

    const serveHub = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const faults = faultsOf(request);
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
    app.all('/:faults/hub', serveHub);
    app.all('/:faults/hub/*', serveHub);
  };
}

/** Ends the token that the app is about to use (RFC 7009). */
async function revoke(app: FastifyInstance, request: FastifyRequest, token: string): Promise<void> {
  const given = new URLSearchParams(String(request.body ?? ''));
  const form = new URLSearchParams({ token, client_id: given.get('client_id') ?? '' });
  const { authorization } = request.headers;
  await app.inject({
    method: 'POST',
    url: '/auth/revoke',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...(authorization && { authorization }) },
    payload: form.toString(),
  });
}
