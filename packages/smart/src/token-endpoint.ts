import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { BearerTokens } from './access.ts';
import type { AuthorizationAddresses } from './addresses.ts';
import { backendToken } from './backend-token.ts';
import type { Client } from './client.ts';
import type { ClientAuthentication } from './client-authentication.ts';
import type { ClientCors } from './cors.ts';
import type { DpopProofs } from './dpop/proofs.ts';
import { readForm } from './form.ts';
import { limitClient } from './limits.ts';
import { OAuthError } from './oauth-error.ts';
import type { RequestLimit } from './ports.ts';
import type { SmartProvider } from './provider.ts';
import type { RefreshGrant } from './refresh-grant.ts';
import type { CanEverOpen } from './scope-policy.ts';
import { digest } from './secrets.ts';

/** The form parameters of an OAuth POST. @throws OAuthError invalid_request */
export function oauthParams(request: FastifyRequest): Map<string, string> {
  if (typeof request.body !== 'string') {
    throw new OAuthError('invalid_request', 'send the parameters as application/x-www-form-urlencoded');
  }
  return readForm(request.body);
}

export function noStore(reply: FastifyReply): void {
  reply.header('cache-control', 'no-store').header('pragma', 'no-cache');
}

const PASSED_ON = ['grant_type', 'code', 'redirect_uri', 'code_verifier'];

/** The request as the provider gets it, of a client that is known to be who it says. */
function passedOn(client: Client, params: ReadonlyMap<string, string>): URLSearchParams {
  const fields = new URLSearchParams({ client_id: client.id });
  for (const name of PASSED_ON) {
    const value = params.get(name);
    if (value !== undefined) fields.set(name, value);
  }
  return fields;
}

interface Credentials {
  readonly authorization: string | undefined;
  readonly params: ReadonlyMap<string, string>;
}

/** The token endpoint: authenticates the client, then answers the grant (TOK-1 to TOK-5). */
export function tokenRoutes(
  app: FastifyInstance,
  parts: {
    readonly addresses: AuthorizationAddresses;
    readonly access: BearerTokens;
    readonly authentication: ClientAuthentication;
    readonly cors: ClientCors;
    readonly provider: SmartProvider;
    readonly refresh: RefreshGrant;
    readonly proofs: DpopProofs;
    readonly canEverOpen: CanEverOpen;
    readonly limit?: RequestLimit | undefined;
  },
): void {
  const { addresses, access, authentication, cors, provider, refresh, proofs, canEverOpen, limit } = parts;

  /** The client a refresh token was given to: a public one may leave client_id out (TOK-4). */
  async function ownerOf({ authorization, params }: Credentials): Promise<string | undefined> {
    const refreshToken = params.get('refresh_token');
    if (params.get('grant_type') !== 'refresh_token' || !refreshToken) return undefined;
    // Who names itself needs no other name; it would cost a read of the store.
    if (authorization !== undefined || params.has('client_id') || params.has('client_assertion')) return undefined;
    return (await access.refreshTokens.get(digest(refreshToken)))?.clientId;
  }

  /**
   * The key that the client shows (RFC 9449 section 5).
   * @returns undefined where it shows none, and its tokens need none
   * @throws OAuthError
   */
  async function keyOf(client: Client, request: FastifyRequest, reply: FastifyReply): Promise<string | undefined> {
    const { method, originalUrl: url, headers } = request;
    if (headers.dpop === undefined && !client.dpopBound) return undefined;
    const shown = await proofs.check({ proof: headers.dpop, method, url });
    if (shown.nonce !== undefined) reply.header('dpop-nonce', shown.nonce);
    if (!shown.ok) throw new OAuthError(shown.error, shown.reason);
    return shown.jkt;
  }

  app.options('/auth/token', async (request, reply) => {
    await cors.apply(request, reply);
    return reply.code(204).send();
  });

  /** A code that was asked for with `dpop_jkt` is good only with that key (RFC 9449 section 10). */
  async function checkCodeKey(code: string | undefined, jkt: string | undefined): Promise<void> {
    const wanted = code === undefined ? undefined : (await access.codes.get(digest(code)))?.tokenKey;
    if (wanted === undefined || wanted === jkt) return;
    throw new OAuthError('invalid_dpop_proof', 'the code is bound to another key');
  }

  app.post('/auth/token', async (request, reply) => {
    noStore(reply);
    await cors.apply(request, reply);
    const params = oauthParams(request);
    const grantType = params.get('grant_type');
    if (grantType === undefined) throw new OAuthError('invalid_request', 'grant_type is missing');
    if (!['authorization_code', 'refresh_token', 'client_credentials'].includes(grantType)) {
      throw new OAuthError('unsupported_grant_type', 'this grant_type is not supported');
    }
    const { authorization } = request.headers;
    const credentials = { authorization, params, endpoint: addresses.token };
    if (grantType === 'client_credentials') {
      const authenticated = await authentication.recognize(credentials);
      cors.check(request, reply, authenticated.client);
      limitClient(limit, authenticated.client.id, request, reply);
      const jkt = await keyOf(authenticated.client, request, reply);
      return reply.send(await backendToken(access, authenticated, params.get('scope'), { jkt, canEverOpen }));
    }
    const client = await authentication.authenticate(credentials, await ownerOf(credentials));
    cors.check(request, reply, client);
    limitClient(limit, client.id, request, reply);
    if (!client.grantTypes.some((type) => type === grantType)) {
      throw new OAuthError('unauthorized_client', `this client may not use ${grantType}`);
    }
    const jkt = await keyOf(client, request, reply);
    if (grantType === 'refresh_token') return reply.send(await refresh.redeem(client, params, jkt));
    await checkCodeKey(params.get('code'), jkt);
    const answer = await provider.redeem(client, passedOn(client, params), request.raw, reply.raw, jkt);
    if (answer) return reply.code(answer.status).send(answer.body);
    // The provider has failed and said so by itself.
    return reply.hijack();
  });
}
