import type { FastifyInstance } from 'fastify';
import { OAuthError } from '../oauth-error.ts';
import { noStore, oauthParams } from '../token-endpoint.ts';
import type { TrustedIssuers } from './trusted-issuers.ts';

/** Where trusted issuers say that somebody has signed out (OpenID Connect Back-Channel Logout 1.0). */
export function trustedRoutes(app: FastifyInstance, trusted: TrustedIssuers): void {
  app.post('/auth/backchannel-logout', async (request, reply) => {
    noStore(reply);
    const token = oauthParams(request).get('logout_token');
    if (token === undefined) throw new OAuthError('invalid_request', 'logout_token is missing');
    await trusted.logout(token);
    return reply.code(200).send();
  });
}
