import type { FastifyRequest } from 'fastify';

/** The bearer token of a request (RFC 6750 section 2.1). */
export function bearerOf(request: Pick<FastifyRequest, 'headers'>): string | undefined {
  return /^Bearer +([^\s]+) *$/i.exec(request.headers.authorization ?? '')?.[1];
}
