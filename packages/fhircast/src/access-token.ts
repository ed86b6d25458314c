/** `b64token` of RFC 6750 section 2.1, with the longest that is looked at; RFC 9449 section 7.1 writes the same after `DPoP`. */
const PRESENTED = /^(Bearer|DPoP) +([A-Za-z0-9\-._~+/]{1,4096}=*) *$/i;

/** An access token as a request presents it. */
export interface PresentedToken {
  /** `DPoP` for a token that comes with a proof of its key (RFC 9449). */
  readonly scheme: 'Bearer' | 'DPoP';
  readonly token: string;
}

/**
 * The access token of an `Authorization` header (RFC 6750 section 2.1, RFC 9449 section 7.1).
 * @returns undefined where there is none, or none in this form
 */
export function presentedToken(authorization: string | undefined): PresentedToken | undefined {
  const [, scheme, token] = PRESENTED.exec(authorization ?? '') ?? [];
  if (scheme === undefined || token === undefined) return undefined;
  return { scheme: scheme.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer', token };
}

/**
 * The bearer token of an `Authorization` header (RFC 6750 section 2.1).
 * @returns undefined where there is none, or none in this form
 */
export function bearerToken(authorization: string | undefined): string | undefined {
  const presented = presentedToken(authorization);
  return presented?.scheme === 'Bearer' ? presented.token : undefined;
}
