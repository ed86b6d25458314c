/** `b64token` of RFC 6750 section 2.1, with the longest that is looked at. */
const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]{1,4096}=*) *$/i;

/**
 * The bearer token of an `Authorization` header (RFC 6750 section 2.1).
 * @returns undefined where there is none, or none in this form
 */
export function bearerToken(authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : BEARER.exec(authorization)?.[1];
}
