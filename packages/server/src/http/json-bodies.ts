import { jsonLimitProblem } from '@lockstep/fhircast';
import { OAuthError } from '@lockstep/smart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { answerFailures, RequestRefused } from './failure.ts';

/** Reads JSON bodies within the limits of `jsonLimitProblem`; what is refused is the sender's mistake. */
export function parseJsonWithinLimits(app: FastifyInstance): void {
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (_request, text, done) => {
    try {
      done(null, readJson(text));
    } catch (error) {
      done(error as Error);
    }
  });
}

/** @throws RequestRefused for what is no JSON, or too much of it */
function readJson(text: string): unknown {
  const problem = jsonLimitProblem(text);
  if (problem !== undefined) throw new RequestRefused('invalid-request', problem);
  try {
    // Some writers begin every text with a byte order mark.
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    throw new RequestRefused('invalid-request', 'The body is not valid JSON');
  }
}

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

/** Refusals as RFC 6749 section 5.2 writes them. */
export function answerOAuthErrors(app: FastifyInstance): void {
  answerFailures(app, ({ code, reason }) => ({
    error: code,
    ...(reason !== undefined && { error_description: reason }),
  }));
}
