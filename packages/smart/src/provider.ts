import type { EventEmitter } from 'node:events';
import { IncomingMessage, type ServerResponse } from 'node:http';
import { Scopes, textOf } from '@lockstep/fhircast';
import { type RecordStore, StoreUnavailable } from '@lockstep/store';
import Provider, { type Configuration, interactionPolicy, type JWKS, type KoaContextWithOIDC } from 'oidc-provider';
import type { BearerTokens } from './access.ts';
import { adapterFactory, bindTokens, loadedContext } from './adapter.ts';
import type { AuthorizationAddresses } from './addresses.ts';
import { awayOf } from './answers.ts';
import type { Client } from './client.ts';
import type { Clients } from './clients.ts';
import { cookieName } from './form.ts';
import type { IdTokens } from './id-tokens.ts';
import { ID_TOKEN_LIFE, type Keys } from './keys.ts';
import type { LaunchContext } from './launch-context.ts';
import { type Said, said } from './pages/page-language.ts';
import type { Clock, Logger } from './ports.ts';
import { isRegisteredRedirect } from './redirects.ts';
import { SESSION_COOKIE, SIGN_IN_LIFE, type SignIns } from './sign-ins.ts';
import type { Users } from './users.ts';
import { toldLife } from './wall-time.ts';

/** Lives, s. */
export const ACCESS_TOKEN_LIFE = 3600;
const CODE_LIFE = 60;
const OFFLINE_LIFE = 90 * 24 * 3600;
const OFFLINE_GRANT_LIFE = 365 * 24 * 3600;
const INTERACTION_LIFE = 3600;

export interface ProviderParts {
  readonly store: RecordStore;
  readonly clock: Clock;
  readonly addresses: AuthorizationAddresses;
  readonly access: BearerTokens;
  readonly clients: Clients;
  readonly users: Users;
  readonly signIns: SignIns;
  readonly keys: Keys;
  readonly idTokens: IdTokens;
  readonly launchContext: LaunchContext;
  readonly logger: Logger;
  /** The page for errors that must not be redirected (AUT-2). */
  /** @param description what the library says about it, or ours */
  readonly errorPage: (request: IncomingMessage, error: string, description: Said) => string;
}

function isOffline(scope: string | undefined): boolean {
  return scope?.split(' ').includes('offline_access') ?? false;
}

/** Life of a refresh token from now on, s. */
export function refreshLife(scope: string | undefined): number {
  return isOffline(scope) ? OFFLINE_LIFE : SIGN_IN_LIFE / 1000;
}

/** The scopes of the request, code or refresh token that is being answered: they are checked before the provider sees them. */
function scopeAtHand(ctx: KoaContextWithOIDC): string {
  return ctx.oidc.entities.AuthorizationCode?.scope ?? textOf(ctx.oidc.params?.scope);
}

function configuration(parts: ProviderParts, jwks: JWKS): Configuration {
  const { addresses, users, idTokens } = parts;
  return {
    jwks,
    adapter: adapterFactory(parts),
    clientAuthMethods: ['none'],
    clientBasedCORS: () => true,
    clientDefaults: { id_token_signed_response_alg: 'RS256' },
    claims: { openid: ['sub'], fhirUser: ['fhirUser'], profile: ['profile'] },
    scopes: ['openid', 'offline_access'],
    cookies: {
      names: {
        session: cookieName(SESSION_COOKIE, addresses),
        interaction: 'lockstep_interaction',
        resume: 'lockstep_resume',
      },
      long: { httpOnly: true, sameSite: 'lax', path: '/' },
      short: { httpOnly: true, sameSite: 'lax' },
    },
    enabledJWA: { idTokenSigningAlgValues: ['RS256'] },
    // A window's tokens outlive other windows' sign-ins; what online_access means is decided by the sign-in itself.
    expiresWithSession: () => false,
    extraClientMetadata: { properties: ['lockstep_legacy'] },
    extraParams: ['aud', 'launch', 'dpop_jkt'],
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => addresses.fhir,
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx) => ({
          scope: scopeAtHand(ctx),
          audience: addresses.fhir,
          accessTokenFormat: 'opaque',
          accessTokenTTL: ACCESS_TOKEN_LIFE,
        }),
      },
    },
    findAccount: async (_ctx, id) => {
      const user = await users.get(id);
      return user?.status === 'active' ? { accountId: user.id, claims: () => idTokens.claimsOf(user) } : undefined;
    },
    formats: { bitsOfOpaqueRandomness: 256 },
    interactions: {
      policy: interactionPolicy.base(),
      url: (_ctx, interaction) => `/auth/interaction/${interaction.uid}`,
    },
    issueRefreshToken: (_ctx, client, code) =>
      client.grantTypeAllowed('refresh_token') &&
      (code.scopes.has('offline_access') || code.scopes.has('online_access')),
    // Only what was consented to in this very interaction: an older grant would bring the older patient.
    loadExistingGrant: async (ctx) => {
      const grantId = ctx.oidc.result?.consent?.grantId;
      return grantId ? ctx.oidc.provider.Grant.find(grantId) : undefined;
    },
    pkce: { required: (_ctx, client) => client.lockstep_legacy !== true },
    renderError: (ctx, out, error) => {
      if (error instanceof StoreUnavailable) return notNow(ctx, error, parts);
      ctx.type = 'html';
      ctx.body = parts.errorPage(ctx.req, out.error, {
        ...said('The request could not be answered.'),
        detail: out.error_description,
      });
    },
    responseTypes: ['code'],
    revokeGrantPolicy: () => true,
    routes: { authorization: '/auth/authorize', token: '/auth/token', jwks: '/auth/jwks' },
    ttl: {
      AccessToken: ACCESS_TOKEN_LIFE,
      AuthorizationCode: CODE_LIFE,
      Grant: (_ctx, grant) =>
        isOffline(grant.getResourceScope(addresses.fhir)) ? OFFLINE_GRANT_LIFE : SIGN_IN_LIFE / 1000,
      IdToken: ID_TOKEN_LIFE / 1000,
      Interaction: INTERACTION_LIFE,
      RefreshToken: (_ctx, token) => refreshLife(token.scope),
      Session: SIGN_IN_LIFE / 1000,
    },
  };
}

/** Error code of what may be asked again. */
const NOT_NOW = 'temporarily_unavailable';

/** Says that the store cannot be reached, on a page where a browser shows it. */
function notNow(
  ctx: KoaContextWithOIDC,
  error: StoreUnavailable,
  { errorPage }: Pick<ProviderParts, 'errorPage'>,
): void {
  ctx.status = 503;
  ctx.set('retry-after', String(error.retryAfterSeconds));
  const isShown = ctx.path.startsWith('/auth/authorize') && ctx.accepts('json', 'html') === 'html';
  ctx.type = isShown ? 'html' : 'json';
  ctx.body = isShown ? errorPage(ctx.req, NOT_NOW, said(awayOf(error))) : { error: NOT_NOW };
}

/** What the provider says to a code; the caller sends it. */
export interface CodeAnswer {
  /** HTTP status. */
  readonly status: number;
  /** JSON. */
  readonly body: unknown;
}

interface Redeeming {
  readonly client: Client;
  /** The key that the tokens are bound to (RFC 9449). */
  readonly jkt: string | undefined;
  answer?: CodeAnswer;
}

/** oidc-provider, set up for SMART App Launch. Everything that is said to it is said here and in `adapter.ts`. */
export class SmartProvider {
  readonly #parts: ProviderParts;
  readonly #redeeming = new WeakMap<IncomingMessage, Redeeming>();
  #built: { readonly kid: string; readonly provider: Provider } | undefined;

  constructor(parts: ProviderParts) {
    this.#parts = parts;
  }

  /** The provider with the newest signing key; built again when that has changed. Its state is all in the store. */
  async provider(): Promise<Provider> {
    const [key] = await this.#parts.keys.signing();
    const kid = key?.kid ?? '';
    if (this.#built?.kid !== kid) {
      this.#built = { kid, provider: this.#build({ keys: key ? [key] : [] } as JWKS) };
    }
    return this.#built.provider;
  }

  /**
   * The provider's own handler of requests, which answers each of them, failures included. Nothing can fail between it and a
   * request that is handed to it.
   */
  async handler(): Promise<(request: IncomingMessage, response: ServerResponse) => Promise<void>> {
    const provider = await this.provider();
    const handle = provider.callback();
    return (request, response) => {
      this.#atPublicAddress(request);
      return handle(request, response);
    };
  }

  /**
   * Redeems a code for a client that is authenticated.
   * @returns what to answer; undefined where the provider has answered by itself
   * @param jkt the key that the client has shown, which its tokens are bound to (RFC 9449)
   */
  async redeem(
    client: Client,
    params: URLSearchParams,
    original: IncomingMessage,
    response: ServerResponse,
    jkt?: string,
  ): Promise<CodeAnswer | undefined> {
    const body = Buffer.from(params.toString());
    const request = new IncomingMessage(original.socket);
    request.method = 'POST';
    request.url = '/auth/token';
    request.headers = {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(body.length),
    };
    request.complete = true;
    request.push(body);
    request.push(null);
    const redeeming: Redeeming = { client, jkt };
    this.#redeeming.set(request, redeeming);
    const handle = await this.handler();
    await handle(request, response);
    return redeeming.answer;
  }

  /** Addresses in answers are the public ones, whatever Host a request names. */
  #atPublicAddress(request: IncomingMessage): void {
    const { host, protocol } = new URL(this.#parts.addresses.origin);
    request.headers.host = host;
    request.headers['x-forwarded-proto'] = protocol.slice(0, -1);
    delete request.headers['x-forwarded-host'];
  }

  #build(jwks: JWKS): Provider {
    const { addresses, logger, launchContext, clock } = this.#parts;
    const provider = new Provider(addresses.issuer, configuration(this.#parts, jwks));
    provider.proxy = true;
    // The id is new at every sign-in already; changing it again would break flows in other windows.
    Object.assign(provider.Session.prototype, { resetIdentifier: () => undefined });
    Object.assign(provider.Client.prototype, {
      redirectUriAllowed(this: { redirectUris: readonly string[] }, uri: string) {
        return isRegisteredRedirect(this.redirectUris, uri);
      },
    });
    // Apps check id tokens by their own clocks.
    const { issue } = provider.IdToken.prototype;
    Object.assign(provider.IdToken.prototype, {
      issue(this: InstanceType<typeof provider.IdToken>, options: Parameters<typeof issue>[0]) {
        const now = Math.floor(Date.now() / 1000);
        const { iat, exp } = toldLife(clock, { iat: now, exp: now + ID_TOKEN_LIFE / 1000 });
        this.set('iat', iat);
        return issue.call(this, { ...options, expiresAt: exp });
      },
    });
    const log = (error: Error) => logger.error({ err: error }, 'authorization failed');
    provider.on('server_error', (ctx, error) => {
      log(error);
      if (error instanceof StoreUnavailable) notNow(ctx, error, this.#parts);
    });
    (provider as EventEmitter).on('error', log);
    provider.use(async (ctx, next) => {
      const redeeming = this.#redeeming.get(ctx.req);
      if (redeeming?.jkt !== undefined) bindTokens(ctx.state, redeeming);
      await next();
      if (!redeeming) return;
      const { client, jkt } = redeeming;
      if (ctx.response.get('access-control-allow-origin') === '*') ctx.remove('access-control-allow-origin');
      const context = loadedContext(ctx.state);
      // The answer waits for its audit record: who has asked for it sends it.
      ctx.respond = false;
      const { status } = ctx;
      if (status !== 200 || !context || typeof ctx.body !== 'object') {
        redeeming.answer = { status, body: ctx.body };
        return;
      }
      const body = ctx.body as { readonly scope?: string };
      const scopes = new Scopes(body.scope ?? '');
      const type = jkt === undefined ? {} : { token_type: 'DPoP' };
      const answer = { ...body, ...type, ...launchContext.parameters(context, scopes, client.switches) };
      redeeming.answer = { status, body: answer };
    });
    return provider;
  }
}
