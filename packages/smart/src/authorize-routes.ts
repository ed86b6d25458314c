import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AuthorizationAddresses } from './addresses.ts';
import { type AuthorizationFault, findFault, providerQuery, type RequestParams } from './authorization-request.ts';
import { type Browser, PageError, pageHeaders } from './browser.ts';
import type { Client } from './client.ts';
import type { Clients } from './clients.ts';
import type { HeldRequests } from './held-requests.ts';
import type { Launches } from './launches.ts';
import { forwardPage } from './pages/layout.ts';
import { said } from './pages/page-language.ts';
import type { SmartProvider } from './provider.ts';
import { isRegisteredRedirect } from './redirects.ts';
import { type CanEverOpen, withoutUseless } from './scope-policy.ts';

interface Parts {
  readonly addresses: AuthorizationAddresses;
  readonly clients: Clients;
  readonly launches: Launches;
  readonly provider: SmartProvider;
  readonly browser: Browser;
  readonly held: HeldRequests;
  readonly canEverOpen: CanEverOpen;
}

/** The authorization endpoint (AUT-1, AUT-2): our checks first, then the provider's. */
export function authorizeRoutes(app: FastifyInstance, parts: Parts): void {
  const { addresses, clients, launches, provider, browser, held, canEverOpen } = parts;

  /** The request, without scopes that could never let it in anywhere. */
  function readQuery(text: string): Query {
    const { params, repeated } = queryIn(text);
    const scope = withoutUseless(params.get('scope'), canEverOpen);
    return { params: scope === undefined ? params : new Map([...params, ['scope', scope]]), repeated };
  }

  /** @throws PageError for what must never be redirected: unknown client, redirect_uri not registered exactly (AUT-2) */
  async function knownClient({ params, repeated }: Query): Promise<{ client: Client; redirectUri: string }> {
    const twice = ['client_id', 'redirect_uri'].find((name) => repeated.includes(name));
    if (twice !== undefined) throw new PageError('invalid_request', said('{} is given more than once.', twice));
    const client = await clients.get(params.get('client_id') ?? '');
    if (client?.status !== 'active') throw new PageError('invalid_client', 'The application is not known here.');
    const redirectUri = params.get('redirect_uri') ?? '';
    if (!isRegisteredRedirect(client.redirectUris, redirectUri)) {
      throw new PageError('invalid_redirect_uri', 'redirect_uri is not registered for the application.');
    }
    return { client, redirectUri };
  }

  async function faultOf({ params, repeated }: Query, client: Client): Promise<AuthorizationFault | undefined> {
    // The one that was not checked could be the one that the provider reads.
    if (repeated.length > 0) {
      return { error: 'invalid_request', description: `given more than once: ${repeated.join(', ')}` };
    }
    const launch = params.get('launch');
    const known = launch !== undefined && (await launches.find(launch, client)) !== undefined;
    if (known) await launches.noteAsked(launch);
    const found = findFault(params, client, addresses);
    if (found) return found;
    if (launch === undefined || known) return undefined;
    return { error: 'invalid_request', description: 'launch is unknown, was used before, or has expired' };
  }

  function redirectFault(
    reply: FastifyReply,
    redirectUri: string,
    fault: AuthorizationFault,
    state: string | undefined,
  ) {
    const url = new URL(redirectUri);
    url.searchParams.set('error', fault.error);
    url.searchParams.set('error_description', fault.description);
    if (state !== undefined) url.searchParams.set('state', state);
    url.searchParams.set('iss', addresses.issuer);
    return reply.redirect(url.href, 303);
  }

  async function handOver(request: FastifyRequest, reply: FastifyReply, url: string): Promise<void> {
    // It reads the store: once the reply is taken from the framework, nobody would answer a failure of that.
    const handle = await provider.handler();
    pageHeaders(reply, false);
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) reply.raw.setHeader(name, value);
    }
    reply.hijack();
    request.raw.url = url;
    await handle(request.raw, reply.raw);
  }

  /** Sends the frame here once more, this time from our own site, with the cookies (AUT-7). */
  function forward(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const page = forwardPage(browser.setting(request), `${addresses.path}${request.url}`);
    return browser.send(reply, 200, page, true);
  }

  async function begin(request: FastifyRequest, reply: FastifyReply, query: Query) {
    const { params } = query;
    const { client, redirectUri } = await knownClient(query);
    const fault = await faultOf(query, client);
    if (fault) return redirectFault(reply, redirectUri, fault, params.get('state'));
    return handOver(request, reply, `/auth/authorize?${providerQuery(params, client, addresses)}`);
  }

  app.get('/auth/authorize', async (request, reply) => {
    reply.header('cache-control', 'no-store');
    if (isForeignFrame(request)) return forward(request, reply);
    return begin(request, reply, readQuery(request.url.slice(request.url.indexOf('?') + 1 || request.url.length)));
  });

  /**
   * Browsers leave SameSite=Lax cookies out of another site's POST, and send them when they follow its answer. The request
   * itself is kept here meanwhile: in an address it would be too long for what lies between.
   */
  app.post('/auth/authorize', async (request, reply) => {
    reply.header('cache-control', 'no-store');
    if (typeof request.body !== 'string') throw new PageError('invalid_request', 'Send the request as a form.', 415);
    const query = readQuery(request.body);
    const { client, redirectUri } = await knownClient(query);
    const fault = await faultOf(query, client);
    if (fault) return redirectFault(reply, redirectUri, fault, query.params.get('state'));
    return reply.redirect(await held.keep(request.body), 303);
  });

  app.get('/auth/authorize/held/:id', async (request, reply) => {
    reply.header('cache-control', 'no-store');
    if (isForeignFrame(request)) return forward(request, reply);
    const form = await held.find((request.params as { id: string }).id);
    if (form === undefined) {
      throw new PageError('session_expired', 'This request has expired. Start again from your application.');
    }
    return begin(request, reply, readQuery(form));
  });

  app.get('/auth/authorize/:uid', (request, reply) => handOver(request, reply, request.url));
}

interface Query {
  /** Without the repeated ones. Empty values count as absent. */
  readonly params: RequestParams;
  readonly repeated: readonly string[];
}

function queryIn(text: string): Query {
  const params = new Map<string, string>();
  const repeated = new Set<string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (value === '') continue;
    if (params.has(name)) repeated.add(name);
    params.set(name, value);
  }
  for (const name of repeated) params.delete(name);
  return { params, repeated: [...repeated].map((name) => name.replaceAll(/[^\w-]/g, '?').slice(0, 40)) };
}

/** An app of another site, framed by our pages, has sent its frame here: the browser leaves Lax cookies out. */
function isForeignFrame(request: FastifyRequest): boolean {
  return request.headers['sec-fetch-dest'] === 'iframe' && request.headers['sec-fetch-site'] === 'cross-site';
}
