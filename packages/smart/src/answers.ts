/** What all routes of the authorization server have in common: how forms are read, and how errors are answered. */
import { StoreUnavailable } from '@lockstep/store';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PageError } from './browser.ts';
import { OAuthError } from './oauth-error.ts';
import { isPageAddress } from './pages/page-addresses.ts';
import { said } from './pages/page-language.ts';
import type { Sentence } from './pages/sentences.ts';
import { type Logger, RecordUnavailable } from './ports.ts';

/** Form bodies stay text, for `readForm`. */
export function readBodies(app: FastifyInstance): void {
  const options = { parseAs: 'string', bodyLimit: 64 * 1024 } as const;
  app.addContentTypeParser('application/x-www-form-urlencoded', options, (_request, body, done) => done(null, body));
}

/** What a page says while the store cannot be reached: what was asked for may have been done, and can be asked again. */
const STORE_AWAY: Sentence = 'Lockstep cannot reach its store just now. Try again in a moment.';
const RECORD_AWAY: Sentence = 'The FHIR server cannot answer just now. Try again in a moment.';
const UNRECORDED: Sentence = 'Lockstep cannot record what is done just now, so nothing is done. Try again in a moment.';
/** s after which to ask again, where what failed does not say it. */
const RETRY_AFTER = 5;

/** What a page says about what cannot be asked now. */
export function awayOf(error: Error): Sentence {
  if (isUnrecorded(error)) return UNRECORDED;
  return error instanceof RecordUnavailable ? RECORD_AWAY : STORE_AWAY;
}

/** Whether something is refused since the audit trail cannot be written: the server that holds the trail says so. */
function isUnrecorded(error: Error): boolean {
  return (error as { readonly reason?: unknown }).reason === 'audit-unavailable';
}

/** Whether a browser shows what it is answered: programs get JSON at the same addresses. */
function isShown({ headers, routeOptions }: FastifyRequest): boolean {
  return isPageAddress(routeOptions.url ?? '') && (headers.accept ?? '').includes('text/html');
}

/**
 * Errors are OAuth errors, on pages pages; what went wrong inside is logged, not shown.
 * @param page sends the page of an error; without it there are no pages
 */
export function answerErrors(
  app: FastifyInstance,
  logger: Logger,
  page?: (request: FastifyRequest, reply: FastifyReply, error: PageError) => FastifyReply,
): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    reply.header('cache-control', 'no-store').header('pragma', 'no-cache');
    if (error instanceof PageError) {
      if (page && request.routeOptions.url !== '/auth/session') return page(request, reply, error);
      return reply.code(error.status).send({ error: error.error, error_description: error.message });
    }
    if (error instanceof OAuthError) {
      if (error.status === 401 && !reply.hasHeader('www-authenticate'))
        reply.header('www-authenticate', challenge(request.headers.authorization));
      if (error.error === 'insufficient_scope') reply.header('www-authenticate', NOT_ENOUGH);
      return reply.code(error.status).send(error.body);
    }
    const shown = page && isShown(request) ? page : undefined;
    const status = error.statusCode ?? 500;
    if (status < 500) {
      if (shown) {
        const detail = error.message;
        return shown(
          request,
          reply,
          new PageError('invalid_request', { ...said('The request could not be read.'), detail }, status),
        );
      }
      return reply.code(status).send({ error: 'invalid_request', error_description: error.message });
    }
    if (error instanceof StoreUnavailable || status === 503) {
      const wait = error instanceof StoreUnavailable ? error.retryAfterSeconds : RETRY_AFTER;
      reply.header('retry-after', String(wait));
      if (shown) return shown(request, reply, new PageError('temporarily_unavailable', awayOf(error), 503));
      return reply.code(503).send({
        error: 'temporarily_unavailable',
        ...(isUnrecorded(error) && { error_description: error.message }),
      });
    }
    logger.error({ err: error, route: request.routeOptions.url }, 'request failed');
    if (shown)
      return shown(request, reply, new PageError('server_error', 'Lockstep could not do this. Try again.', 500));
    return reply.code(500).send({ error: 'server_error' });
  });
}

/** Says that another token would do (RFC 6750 section 3.1). */
const NOT_ENOUGH = 'Bearer realm="Lockstep", error="insufficient_scope"';

function challenge(authorization: string | undefined): string {
  return /^bearer/i.test(authorization ?? '') ? 'Bearer error="invalid_token"' : 'Basic realm="Lockstep"';
}
