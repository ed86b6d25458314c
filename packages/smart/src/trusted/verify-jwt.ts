import { type KeyObject, KeyObject as NodeKey, verify } from 'node:crypto';
import {
  type CryptoKey,
  errors,
  type FlattenedJWSInput,
  type JWSHeaderParameters,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
  UnsecuredJWT,
} from 'jose';

/** Algorithms that are so quick that handing the check to another thread costs more than the check. */
const QUICK: Readonly<Record<string, string>> = { ES256: 'sha256', RS256: 'sha256', RS384: 'sha384', RS512: 'sha512' };
/** Members of the usual header; with any other `jose` decides. */
const USUAL = new Set(['alg', 'kid', 'typ', 'x5t', 'x5t#S256']);
const BASE64URL = /^[\w-]+$/;
const MIN_RSA_BITS = 2048;
/** The header that lets `jose` check the claims of a token whose signature was checked before. */
const CHECKED = Buffer.from('{"alg":"none"}').toString('base64url');

const keyObjects = new WeakMap<CryptoKey, KeyObject>();

export type FindKey = (header?: JWSHeaderParameters, token?: FlattenedJWSInput) => Promise<CryptoKey>;

/**
 * Verifies a JWT like `jwtVerify` of `jose`, which finds the same, with less work for the usual header and algorithms.
 * @param find the key of a header; it fits the header's algorithm
 * @throws an error of `jose`, or what `find` throws
 */
export async function verifyJwt(
  jwt: string,
  find: FindKey,
  options: JWTVerifyOptions & { readonly algorithms: string[] },
): Promise<JWTPayload> {
  const [head = '', payload = '', signature = '', ...rest] = jwt.split('.');
  const header = rest.length === 0 ? usualHeader([head, payload, signature]) : undefined;
  const hash = QUICK[header?.alg ?? ''];
  if (!header || hash === undefined || !options.algorithms.includes(header.alg)) {
    return (await jwtVerify(jwt, find, options)).payload;
  }
  const found = await find(header, { protected: head, payload, signature });
  let key = keyObjects.get(found);
  if (!key) {
    key = NodeKey.from(found);
    keyObjects.set(found, key);
  }
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && bits < MIN_RSA_BITS) throw new errors.JWSInvalid('the key is too short');
  const signed = Buffer.from(jwt.slice(0, head.length + 1 + payload.length));
  // ECDSA signatures are r and s, not DER (RFC 7518).
  const by = header.alg === 'ES256' ? ({ key, dsaEncoding: 'ieee-p1363' } as const) : key;
  if (!verify(hash, signed, by, Buffer.from(signature, 'base64url'))) {
    throw new errors.JWSSignatureVerificationFailed();
  }
  return UnsecuredJWT.decode(`${CHECKED}.${payload}.`, options).payload;
}

function usualHeader(parts: readonly [string, string, string]): (JWSHeaderParameters & { alg: string }) | undefined {
  if (!parts.every((part) => BASE64URL.test(part))) return undefined;
  try {
    const header: unknown = JSON.parse(Buffer.from(parts[0], 'base64url').toString('utf8'));
    if (typeof header !== 'object' || header === null || Array.isArray(header)) return undefined;
    const isUsual = Object.entries(header).every(([name, value]) => USUAL.has(name) && typeof value === 'string');
    return isUsual && 'alg' in header ? (header as JWSHeaderParameters & { alg: string }) : undefined;
  } catch {
    return undefined;
  }
}
