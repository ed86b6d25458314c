/** Everything that can go wrong with a request, and how HTTP says it: one table for all doors, each answers in its own form. */
import { InvalidUser, OAuthError, RecordUnavailable } from '@lockstep/smart';
import { StoreUnavailable } from '@lockstep/store';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Why a request is refused, and its HTTP status. */
const STATUS = {
  'invalid-request': 400,
  'token-missing': 401,
  'token-invalid': 401,
  'proof-invalid': 401,
  'proof-nonce': 401,
  'not-signed-in': 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  misdirected: 421,
  'too-many-requests': 429,
  'audit-unavailable': 503,
} as const;

export type RefusalReason = keyof typeof STATUS;

/** A request that is refused. The message is for the client's developer and holds no patient data. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused';
  readonly reason: RefusalReason;
  /** Read by the error handlers of other packages too. */
  readonly statusCode: number;

  constructor(reason: RefusalReason, message: string) {
    super(message);
    this.reason = reason;
    this.statusCode = STATUS[reason];
  }
}

/** What an answer says about a failure. */
export interface FailureAnswer {
  readonly status: number;
  /** RFC 6749 section 5.2 and RFC 6750 section 3.1, and what others say beside them. */
  readonly code: string;
  /** Undefined for failures of the server's own, of which nothing is said. */
  readonly reason?: string;
  /** s. */
  readonly retryAfter?: number;
}

const CODES: Readonly<Record<number, string>> = {
  401: 'invalid_token',
  403: 'access_denied',
  429: 'slow_down',
  503: 'temporarily_unavailable',
};

/** Reasons that have a code of their own in RFC 9449. */
const REASON_CODES: Partial<Record<RefusalReason, string>> = {
  'proof-invalid': 'invalid_dpop_proof',
  'proof-nonce': 'use_dpop_nonce',
};

/** s. */
const RETRY_AFTER = 1;

/** How HTTP says what was thrown. */
export function failureOf(error: unknown): FailureAnswer {
  if (error instanceof OAuthError) return said(error.status, error.message, error.error);
  if (error instanceof RequestRefused) return said(error.statusCode, error.message, REASON_CODES[error.reason]);
  if (error instanceof InvalidUser) return said(400, error.message);
  if (error instanceof RecordUnavailable) {
    return {
      ...said(503, 'The FHIR server cannot answer just now; try again in a moment'),
      retryAfter: error.retryAfterSeconds,
    };
  }
  if (error instanceof StoreUnavailable) return { ...said(503), retryAfter: error.retryAfterSeconds };
  const { statusCode, message } = error as { readonly statusCode?: unknown; readonly message?: string };
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 599) return said(500);
  return said(statusCode, statusCode < 500 ? message : undefined);
}

function said(status: number, reason?: string, code?: string): FailureAnswer {
  return {
    status,
    code: code ?? CODES[status] ?? (status < 500 ? 'invalid_request' : 'server_error'),
    ...(reason !== undefined && { reason }),
    ...((status === 429 || status === 503) && { retryAfter: RETRY_AFTER }),
  };
}

/** The headers of an answer that says a failure: when to come back, and how to authenticate. */
export function failureHeaders(reply: FastifyReply, { status, retryAfter }: FailureAnswer): FastifyReply {
  if (retryAfter !== undefined && !reply.hasHeader('retry-after')) reply.header('retry-after', String(retryAfter));
  if (status === 401 && !reply.hasHeader('www-authenticate')) {
    reply.header('www-authenticate', 'Bearer realm="Lockstep"');
  }
  return reply.code(status);
}

/**
 * Answers what goes wrong below this part of the application; failures of the server's own are logged, not shown.
 * @param body the answer's body; a string is plain text, anything else JSON
 */
export function answerFailures(app: FastifyInstance, body: (failure: FailureAnswer) => string | object): void {
  app.setErrorHandler((error, request: FastifyRequest, reply: FastifyReply) => {
    const failure = failureOf(error);
    if (failure.status >= 500) request.log.error({ err: error }, 'request failed');
    const answer = body(failure);
    if (typeof answer === 'string') reply.type('text/plain; charset=utf-8');
    return failureHeaders(reply, failure).send(answer);
  });
}
