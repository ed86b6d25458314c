import { OAuthError } from '@lockstep/smart';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

export type JsonBody = Readonly<Record<string, unknown>>;

/** The body of a request that must be a JSON object. @throws OAuthError */
export function jsonBody(request: FastifyRequest): JsonBody {
  const { body } = request;
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as JsonBody;
  throw new OAuthError('invalid_request', 'send a JSON object');
}

/** A text of a body that may be left out. @throws OAuthError */
export function optionalText(body: JsonBody, name: string, longest = 500): string | undefined {
  const value = body[name];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string' && value.length <= longest) return value;
  throw new OAuthError('invalid_request', `${name} must be a string of at most ${longest} characters`);
}

/** A text of a body. @throws OAuthError */
export function requiredText(body: JsonBody, name: string, longest = 500): string {
  const value = optionalText(body, name, longest);
  if (value === undefined) throw new OAuthError('invalid_request', `${name} is missing`);
  return value;
}

/** Refusals as RFC 6749 section 5.2 writes them; what went wrong inside is logged, not told. */
export function answerOAuthErrors(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
    if (error instanceof OAuthError) {
      if (error.status === 401) reply.header('www-authenticate', 'Bearer realm="Lockstep"');
      return reply.code(error.status).send(error.body);
    }
    const status = error.statusCode ?? (error.name === 'StoreUnavailable' ? 503 : 500);
    if (status < 500) return reply.code(status).send({ error: 'invalid_request', error_description: error.message });
    if (status === 503) return reply.code(503).header('retry-after', '1').send({ error: 'temporarily_unavailable' });
    request.log.error({ err: error }, 'request failed');
    return reply.code(500).send({ error: 'server_error' });
  });
}
