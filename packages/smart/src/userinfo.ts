import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { allowAnyOrigin } from './cors.ts';
import type { IdTokens } from './id-tokens.ts';
import { OAuthError } from './oauth-error.ts';
import type { TokenDoor } from './token-door.ts';
import { noStore } from './token-endpoint.ts';
import type { Users } from './users.ts';

interface Parts {
  readonly tokens: TokenDoor;
  readonly users: Users;
  readonly idTokens: IdTokens;
}

/** The userinfo endpoint (OpenID Connect Core section 5.3): what an id token says, for a token with the scope `openid`. */
export function userinfoRoutes(app: FastifyInstance, { tokens, users, idTokens }: Parts): void {
  async function answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    noStore(reply);
    allowAnyOrigin(request, reply);
    const info = await tokens.require(request, reply);
    const [name] = info.userAliases;
    const user = info.user === undefined || name === undefined ? undefined : await users.get(name);
    if (!user) throw new OAuthError('invalid_token', 'an access token of a person is needed', 401);
    if (!info.scopes.has('openid')) throw new OAuthError('insufficient_scope', 'the scope openid is needed', 403);
    const scope = info.scopes.list.map(({ text }) => text).join(' ');
    return reply.send(await idTokens.claimsFor(user, scope));
  }

  app.get('/auth/userinfo', answer);
  app.post('/auth/userinfo', answer);
  app.options('/auth/userinfo', async (request, reply) => {
    allowAnyOrigin(request, reply);
    return reply.header('access-control-allow-methods', 'GET, POST, OPTIONS').code(204).send();
  });
}
