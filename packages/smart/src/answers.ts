/** What all routes of the authorization server have in common: how forms are read, and how errors are answered. */
import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify';
import { PageError } from './browser.ts';
import { OAuthError } from './oauth-error.ts';
import type { Logger } from './ports.ts';

/** Form bodies stay text, for `readForm`. */
export function readBodies(app: FastifyInstance): void {
  const options = { parseAs: 'string', bodyLimit: 64 * 1024 } as const;
  app.addContentTypeParser('application/x-www-form-urlencoded', options, (_request, body, done) => done(null, body));
}

/**
 * Errors are OAuth errors, on pages pages; what went wrong inside is logged, not shown.
 * @param page sends the page of an error; without it there are no pages
 */
export function answerErrors(
  app: FastifyInstance,
  logger: Logger,
  page?: (reply: FastifyReply, error: PageError) => FastifyReply,
): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    reply.header('cache-control', 'no-store').header('pragma', 'no-cache');
    if (error instanceof PageError) {
      if (page && request.routeOptions.url !== '/auth/session') return page(reply, error);
      return reply.code(error.status).send({ error: error.error, error_description: error.message });
    }
    if (error instanceof OAuthError) {
      if (error.status === 401 && !reply.hasHeader('www-authenticate'))
        reply.header('www-authenticate', challenge(request.headers.authorization));
      return reply.code(error.status).send(error.body);
    }
    const status = error.statusCode ?? 500;
    if (status < 500) return reply.code(status).send({ error: 'invalid_request', error_description: error.message });
    if (error.name === 'StoreUnavailable' || status === 503) {
      return reply.code(503).header('retry-after', '5').send({ error: 'temporarily_unavailable' });
    }
    logger.error({ err: error, route: request.routeOptions.url }, 'request failed');
    return reply.code(500).send({ error: 'server_error' });
  });
}

function challenge(authorization: string | undefined): string {
  return /^bearer/i.test(authorization ?? '') ? 'Bearer error="invalid_token"' : 'Basic realm="Lockstep"';
}
