/** What the console's routes share: who asks, what was sent, and how refusals are told. */
import { type AuditEntry, InvalidUser, OAuthError, type SignedIn } from '@lockstep/smart';
import { StoreUnavailable } from '@lockstep/store';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';

/** A request of the console that is refused. */
export class ConsoleError extends Error {
  override readonly name = 'ConsoleError';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export type Body = Readonly<Record<string, unknown>>;
export type ById = { Params: { id: string } };
export type ByTopic = { Params: { topic: string } };

/** The person behind a request of the console, once it is known. */
export type PersonOf = (request: FastifyRequest) => SignedIn;

/** @throws ConsoleError */
export function bodyOf(request: FastifyRequest): Body {
  const { body } = request;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new ConsoleError(400, 'Send a JSON object.');
  }
  return body as Body;
}

/** Entries of one page of a list, unless the caller asks for fewer. */
const PAGE = 100;

/** What a request wants of a list: `?after=…&limit=…`. */
export function pageAsked(request: FastifyRequest): { readonly after?: string; readonly limit: number } {
  const { after, limit } = request.query as { readonly after?: unknown; readonly limit?: unknown };
  const most = typeof limit === 'string' && /^[1-9]\d{0,2}$/.test(limit) ? Math.min(Number(limit), PAGE) : PAGE;
  return { limit: most, ...(typeof after === 'string' && after !== '' && { after }) };
}

/** Tells where a list goes on (RFC 8288). @param next the `after` of the following page */
export function tellNext(reply: FastifyReply, path: string, next: string | undefined, limit: number): void {
  if (next === undefined) return;
  reply.header('link', `<${path}?${new URLSearchParams({ after: next, limit: String(limit) })}>; rel="next"`);
}

/** Writes to the audit trail what an administrator did. */
export function audit(request: FastifyRequest, entry: AuditEntry): void {
  request.log.info({ audit: entry }, 'audit');
}

/** Refusals in words for people; what went wrong inside is logged, not told. */
export function answerError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof ConsoleError) return reply.code(error.status).send({ message: error.message });
  if (error instanceof OAuthError) return reply.code(error.status).send({ error: error.error, message: error.message });
  if (error instanceof InvalidUser) return reply.code(400).send({ message: error.message });
  if (error instanceof StoreUnavailable) {
    const message = 'The store is away; try again in a moment.';
    return reply.code(503).header('retry-after', String(error.retryAfterSeconds)).send({ message });
  }
  const status = error.statusCode ?? 500;
  if (status < 500) return reply.code(status).send({ message: error.message });
  request.log.error({ err: error }, 'request of the console failed');
  return reply.code(status).send({ message: 'The server could not do this.' });
}
