/** What the console's routes share: who asks, what was sent, and how refusals are answered. */
import type { AuditEntry, SignedIn } from '@lockstep/smart';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { describeAct } from '../audit/request-audit.ts';
import { answerFailures } from './failure.ts';

const AWAY = 'The store is away; try again in a moment.';

/** A request of the console that is refused. */
export class ConsoleError extends Error {
  override readonly name = 'ConsoleError';
  readonly statusCode: number;
  constructor(status: number, message: string) {
    super(message);
    this.statusCode = status;
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

/** Tells where a list goes on (RFC 8288). @param next the `after` of the following page @param more of the query, kept */
export function tellNext(
  reply: FastifyReply,
  path: string,
  next: string | undefined,
  limit: number,
  more: Readonly<Record<string, string>> = {},
): void {
  if (next === undefined) return;
  const query = new URLSearchParams({ after: next, limit: String(limit), ...more });
  reply.header('link', `<${path}?${query}>; rel="next"`);
}

/** Says for the audit trail what an administrator did. */
export function audit(_request: FastifyRequest, { action, user, clientId, detail }: AuditEntry): void {
  const subject = clientId ?? detail;
  describeAct({
    detail: action,
    ...(user !== undefined && { user }),
    ...(subject !== undefined && { subject }),
  });
}

/** Refusals in words for people. */
export function answerConsoleErrors(app: FastifyInstance): void {
  answerFailures(app, ({ status, code, reason }) => ({
    ...(reason !== undefined && { error: code }),
    message: reason ?? (status === 503 ? AWAY : 'The server could not do this.'),
  }));
}
