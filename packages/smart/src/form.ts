import { OAuthError } from './oauth-error.ts';

/**
 * Reads a form body or a query into a map; each name at most once (RFC 6749 section 3.2). Empty values count as absent.
 * @throws OAuthError invalid_request for a repeated name
 */
export function readForm(text: string): Map<string, string> {
  const params = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (value === '') continue;
    if (params.has(name)) throw new OAuthError('invalid_request', `${name} is given more than once`);
    params.set(name, value);
  }
  return params;
}

/**
 * What a cookie is called. By https its name begins with `__Host-`: browsers then take it from this very host only, by https, for
 * all paths (RFC 6265bis section 4.1.3.2), so that no neighbouring host can plant one. Below a path of a shared host it is
 * `__Secure-`, since such a cookie is for that path alone.
 */
export function cookieName(name: string, { secure, path }: CookiePlace): string {
  if (!secure) return name;
  return path === '' ? `__Host-${name}` : `__Secure-${name}`;
}

/** The names that a cookie may have, wherever Lockstep is served. */
export function cookieNames(name: string): readonly string[] {
  return [`__Host-${name}`, `__Secure-${name}`, name];
}

/** Where browsers find Lockstep: by https or not, and below which path (`AuthorizationAddresses`). */
export interface CookiePlace {
  readonly secure: boolean;
  readonly path: string;
}

/** The cookies of a request by name. */
export function readCookies(header: string | undefined): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const part of header?.split(';') ?? []) {
    const equals = part.indexOf('=');
    const name = part.slice(0, equals).trim();
    if (equals > 0 && !cookies.has(name)) cookies.set(name, part.slice(equals + 1).trim());
  }
  return cookies;
}
