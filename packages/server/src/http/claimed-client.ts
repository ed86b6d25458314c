/** The client that a request says it comes from, before that is checked. */
import type { FastifyRequest } from 'fastify';

const LONGEST = 200;

/** By form field, client assertion or Basic credentials (RFC 6749 section 2.3.1, RFC 7523). */
export function claimedClient({ body, headers }: Pick<FastifyRequest, 'body' | 'headers'>): string | undefined {
  const form = typeof body === 'string' ? new URLSearchParams(body) : undefined;
  return (claimedInForm(form) ?? basicId(headers.authorization))?.slice(0, LONGEST);
}

function claimedInForm(form: URLSearchParams | undefined): string | undefined {
  return form?.get('client_id') ?? assertedId(form?.get('client_assertion') ?? null);
}

/** The subject of a client assertion, whose signature has not been checked. */
export function assertedId(assertion: string | null): string | undefined {
  try {
    const claims = Buffer.from(assertion?.split('.')[1] ?? '', 'base64url').toString();
    const { sub } = JSON.parse(claims) as { sub?: unknown };
    return typeof sub === 'string' ? sub : undefined;
  } catch {
    return undefined;
  }
}

/** The name in Basic credentials. */
export function basicId(authorization: string | undefined): string | undefined {
  const encoded = /^basic +(\S+) *$/i.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const [id = ''] = Buffer.from(encoded, 'base64').toString().split(':');
  try {
    return decodeURIComponent(id.replaceAll('+', ' '));
  } catch {
    return id;
  }
}
