import { presentedToken, Scopes } from '@lockstep/fhircast';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { BearerTokens, GrantContext, TokenRecord } from './access.ts';
import type { AuthorizationAddresses } from './addresses.ts';
import { type Client, isPublic } from './client.ts';
import type { ClientAuthentication } from './client-authentication.ts';
import type { Clients } from './clients.ts';
import type { ClientCors } from './cors.ts';
import type { LaunchContext } from './launch-context.ts';
import { invalidClient, OAuthError } from './oauth-error.ts';
import type { Clock } from './ports.ts';
import { digest } from './secrets.ts';
import type { TokenDoor } from './token-door.ts';
import { noStore, oauthParams } from './token-endpoint.ts';
import type { Users } from './users.ts';
import { toldLife } from './wall-time.ts';

interface Parts {
  readonly clock: Clock;
  readonly addresses: AuthorizationAddresses;
  readonly access: BearerTokens;
  readonly clients: Clients;
  readonly users: Users;
  readonly authentication: ClientAuthentication;
  readonly cors: ClientCors;
  readonly launchContext: LaunchContext;
  readonly tokens: TokenDoor;
}

interface Found {
  readonly clientId: string;
  readonly grantId?: string | undefined;
  readonly scope: string;
  readonly iat?: number | undefined;
  readonly exp: number;
  readonly kind: 'access' | 'refresh';
  readonly jkt?: string | undefined;
}

/** Token introspection (RFC 7662) and revocation (RFC 7009): TOK-6. */
export function introspectionRoutes(app: FastifyInstance, parts: Parts): void {
  const { addresses, access, clients, clock, users, authentication, cors, launchContext, tokens } = parts;

  /** Callers show themselves by client authentication, or by an access token of their own. */
  async function caller(
    request: FastifyRequest,
    reply: FastifyReply,
    params: ReadonlyMap<string, string>,
    endpoint: string,
  ): Promise<Client> {
    const { authorization } = request.headers;
    if (!presentedToken(authorization)) return authentication.authenticate({ authorization, params, endpoint });
    const { clientId } = await tokens.require(request, reply);
    const client = await clients.get(clientId);
    if (!client) throw new OAuthError('invalid_token', 'the access token is not one of this server', 401);
    return client;
  }

  async function find(token: string): Promise<Found | undefined> {
    if (await access.verifyToken(token)) {
      const record = await access.tokens.get(digest(token));
      if (record) return { ...record, scope: record.scope ?? '', kind: 'access' };
    }
    const stored = await access.refreshTokens.find(digest(token));
    const { clientId, grantId, scope = '', iat, exp, jkt } = (stored?.value ?? {}) as Partial<TokenRecord>;
    if (
      !stored ||
      stored.consumedAt !== undefined ||
      stored.value.rotated !== undefined ||
      !clientId ||
      exp === undefined
    )
      return undefined;
    return { clientId, grantId, scope, iat, exp, kind: 'refresh', jkt };
  }

  async function describe(found: Found): Promise<object | undefined> {
    const client = await clients.get(found.clientId);
    if (client?.status !== 'active') return undefined;
    // Whoever asks compares it with a clock of its own.
    const told = toldLife(clock, { iat: found.iat ?? 0, exp: found.exp });
    const basics = {
      active: true,
      client_id: found.clientId,
      scope: found.scope,
      exp: told.exp,
      ...(found.iat !== undefined && { iat: told.iat }),
      iss: addresses.issuer,
      aud: addresses.fhir,
      ...(found.kind === 'access' ? { token_type: found.jkt === undefined ? 'Bearer' : 'DPoP' } : {}),
      ...(found.jkt === undefined ? {} : { cnf: { jkt: found.jkt } }),
    };
    if (!found.grantId) return { ...basics, sub: found.clientId };
    const context: GrantContext | undefined = (await access.grants.get(found.grantId))?.context;
    const user = context && (await users.get(context.user));
    if (!context || user?.status !== 'active') return undefined;
    const scopes = new Scopes(found.scope);
    return {
      ...basics,
      sub: user.id,
      ...(scopes.has('fhirUser') || scopes.has('profile') ? { fhirUser: addresses.resource(user.reference) } : {}),
      ...launchContext.parameters(context, scopes, client.switches),
    };
  }

  for (const path of ['/auth/introspect', '/auth/revoke']) {
    app.options(path, async (request, reply) => {
      await cors.apply(request, reply);
      return reply.code(204).send();
    });
  }

  app.post('/auth/introspect', async (request, reply) => {
    noStore(reply);
    await cors.apply(request, reply);
    const params = oauthParams(request);
    const client = await caller(request, reply, params, addresses.introspect);
    if (isPublic(client) && !request.headers.authorization)
      throw invalidClient('a public client may not introspect tokens');
    cors.check(request, reply, client);
    const token = params.get('token');
    if (token === undefined) throw new OAuthError('invalid_request', 'token is missing');
    const found = await find(token);
    const allowed = found && (client.resourceServer || found.clientId === client.id);
    return reply.send((allowed && (await describe(found))) || { active: false });
  });

  app.post('/auth/revoke', async (request, reply) => {
    noStore(reply);
    await cors.apply(request, reply);
    const params = oauthParams(request);
    const { authorization } = request.headers;
    const client = await authentication.authenticate({ authorization, params, endpoint: addresses.revoke });
    cors.check(request, reply, client);
    const token = params.get('token');
    if (token === undefined) throw new OAuthError('invalid_request', 'token is missing');
    await revoke(client, digest(token));
    return reply.code(200).send();
  });

  /** A token of another client, or one that does not exist, is left alone without a word (RFC 7009 section 2.2). */
  async function revoke(client: Client, tokenId: string): Promise<void> {
    const reason = 'the token was revoked';
    const token = await access.tokens.get(tokenId);
    if (token?.clientId === client.id) await access.endToken(tokenId, reason);
    const refresh = await access.refreshTokens.get(tokenId);
    if (refresh?.clientId === client.id && refresh.grantId) await access.endGrant(refresh.grantId, reason);
  }
}
