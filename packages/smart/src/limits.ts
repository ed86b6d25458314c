import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PageError } from './browser.ts';
import { networkOf } from './guess-limit.ts';
import { OAuthError } from './oauth-error.ts';
import { isPageAddress } from './pages/page-addresses.ts';
import type { RequestLimit } from './ports.ts';

/** s. A caller gets its next request within one. */
const RETRY_AFTER = '1';

/** What costs work or can be guessed at; what is published (discovery, keys, styles) is neither. */
const LIMITED = /^\/(auth\/(?!jwks|style|smart-style|brand)|launch(\?|$))/;

/** Those who come to the authorization server from an address, as a caller of the limiter. */
export function authorizationCaller(ip: string): string {
  return `authorization of ${networkOf(ip)}`;
}

/** Limits the requests of each address; at the token endpoint those of each client too, see `limitClient`. */
export function limitRequests(app: FastifyInstance, limit: RequestLimit): void {
  app.addHook('onRequest', async (request, reply) => {
    if (!LIMITED.test(request.url) || limit.take(authorizationCaller(request.ip))) return;
    throw tooMany(request, reply);
  });
}

/** @throws OAuthError when the client has to wait */
export function limitClient(
  limit: RequestLimit | undefined,
  clientId: string,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  if (limit?.take(`tokens of ${clientId}`) === false) throw tooMany(request, reply);
}

function tooMany(request: FastifyRequest, reply: FastifyReply): Error {
  reply.header('retry-after', RETRY_AFTER);
  return isPageAddress(request.url)
    ? new PageError(
        'slow_down',
        'Too many requests come from your network. Wait a moment, then load this page again.',
        429,
      )
    : new OAuthError('slow_down', 'too many requests', 429);
}
