import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AuthorizationAddresses } from './addresses.ts';
import type { Client } from './client.ts';
import type { Clients } from './clients.ts';
import { OAuthError } from './oauth-error.ts';

const PREFLIGHT_AGE = '3600';

/** Lets pages of any origin read the answer: for what is public anyway. */
export function allowAnyOrigin(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('access-control-allow-origin', '*');
  reply.header('access-control-expose-headers', 'DPoP-Nonce, ETag, WWW-Authenticate');
  if (request.method !== 'OPTIONS') return;
  reply.header('access-control-allow-methods', 'GET, OPTIONS');
  reply.header('access-control-allow-headers', request.headers['access-control-request-headers'] ?? '*');
  reply.header('access-control-max-age', PREFLIGHT_AGE);
}

/** CORS of the token, introspection and revocation endpoints: pages of registered origins (TOK-2). */
export class ClientCors {
  readonly #clients: Clients;
  readonly #addresses: AuthorizationAddresses;

  constructor(clients: Clients, addresses: AuthorizationAddresses) {
    this.#clients = clients;
    this.#addresses = addresses;
  }

  /** Allows the request's origin when some active client has registered it. */
  async apply(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { origin } = request.headers;
    reply.header('vary', 'Origin');
    if (origin === undefined || !(await this.#clients.knowsOrigin(origin))) return;
    reply.header('access-control-allow-origin', origin);
    reply.header('access-control-expose-headers', 'DPoP-Nonce, WWW-Authenticate, Retry-After');
    if (request.method !== 'OPTIONS') return;
    reply.header('access-control-allow-methods', 'POST, OPTIONS');
    reply.header(
      'access-control-allow-headers',
      request.headers['access-control-request-headers'] ?? 'authorization, content-type, dpop',
    );
    reply.header('access-control-max-age', PREFLIGHT_AGE);
  }

  /** Refuses a page of an origin that this client has not registered, before anything is spent. */
  check(request: FastifyRequest, reply: FastifyReply, client: Client): void {
    const { origin } = request.headers;
    if (origin === undefined || origin === this.#addresses.origin || client.origins.includes(origin)) return;
    reply.removeHeader('access-control-allow-origin');
    throw new OAuthError('invalid_request', 'this origin is not registered for the client');
  }
}
