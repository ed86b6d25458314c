import { constants, type KeyObject, type VerifyKeyObjectInput, verify } from 'node:crypto';
import { promisify } from 'node:util';
import type { JWK } from 'jose';

interface Algorithm {
  /** Kind and curve of its keys: as a JWK names them, and as Node does. */
  readonly key: { readonly kty: string; readonly crv?: string; readonly type: string; readonly curve?: string };
  /** Undefined where the algorithm has one of its own. */
  readonly hash?: string;
  readonly options?: Omit<VerifyKeyObjectInput, 'key'>;
}

const RSA = { kty: 'RSA', type: 'rsa' };
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
/** Signatures are r and s, not DER (RFC 7518 section 3.4). */
const R_AND_S = { dsaEncoding: 'ieee-p1363' } as const;
const P256 = { kty: 'EC', crv: 'P-256', type: 'ec', curve: 'prime256v1' };
const P384 = { kty: 'EC', crv: 'P-384', type: 'ec', curve: 'secp384r1' };
const P521 = { kty: 'EC', crv: 'P-521', type: 'ec', curve: 'secp521r1' };
const ED25519: Algorithm = { key: { kty: 'OKP', crv: 'Ed25519', type: 'ed25519' } };

/** By the names of RFC 7518 section 3.1, RFC 8037 and RFC 9864. None has a shared secret. */
const ALGORITHMS: ReadonlyMap<string, Algorithm> = new Map<string, Algorithm>([
  ['RS256', { key: RSA, hash: 'sha256' }],
  ['RS384', { key: RSA, hash: 'sha384' }],
  ['RS512', { key: RSA, hash: 'sha512' }],
  ['PS256', { key: RSA, hash: 'sha256', options: PSS }],
  ['PS384', { key: RSA, hash: 'sha384', options: PSS }],
  ['PS512', { key: RSA, hash: 'sha512', options: PSS }],
  ['ES256', { key: P256, hash: 'sha256', options: R_AND_S }],
  ['ES384', { key: P384, hash: 'sha384', options: R_AND_S }],
  ['ES512', { key: P521, hash: 'sha512', options: R_AND_S }],
  ['Ed25519', ED25519],
  ['EdDSA', ED25519],
]);

/** Signatures that only who holds the key can make, by their names. */
export const SIGNATURE_ALGORITHMS: readonly string[] = [...ALGORITHMS.keys()];

/** Shorter RSA keys are refused (RFC 7518 section 3.3). */
export const MIN_RSA_BITS = 2048;
/** RSA keys up to this length, with the usual exponent, take less time than a thread costs. */
const QUICK_RSA_BITS = 4096;
const USUAL_EXPONENT = 65_537n;

const verifyInThread = promisify(verify);

/** A compact JWS (RFC 7515 section 7.1): header, payload, signature. */
const JWS = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/;

/** The parts of a compact JWS, in Base64url. */
export interface JwsParts {
  readonly header: string;
  readonly payload: string;
  readonly signature: string;
}

/** @returns undefined for what is no compact JWS with a signature */
export function jwsParts(token: string): JwsParts | undefined {
  const [, header, payload, signature] = JWS.exec(token) ?? [];
  if (header === undefined || payload === undefined || signature === undefined) return undefined;
  return { header, payload, signature };
}

/** @returns undefined for a part that is no JSON object */
export function readPart(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return value as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}

/** The keys of a set that may have made a signature, by its header (RFC 7517 section 4). */
export function keysFor(
  keys: readonly JWK[],
  header: { readonly alg: string; readonly kid?: string | undefined },
): readonly JWK[] {
  const spec = ALGORITHMS.get(header.alg);
  if (!spec) return [];
  const { kty, crv } = spec.key;
  return keys.filter(
    (key) =>
      key.kty === kty &&
      (crv === undefined || key.crv === crv) &&
      (header.kid === undefined || key.kid === header.kid) &&
      (key.alg === undefined || key.alg === header.alg) &&
      (key.use === undefined || key.use === 'sig') &&
      (key.key_ops === undefined || (Array.isArray(key.key_ops) && key.key_ops.includes('verify'))),
  );
}

/**
 * Whether the signature of a JWS is the key's, by Node's own check, which takes a third to two thirds of Web Crypto's time.
 * @param algorithm `alg` of its header
 * @returns false also for a key of another kind than the algorithm's, a short one, and an algorithm that is not known
 */
export async function signatureFits(algorithm: string, key: KeyObject, jws: JwsParts): Promise<boolean> {
  const spec = ALGORITHMS.get(algorithm);
  if (!spec || !isKeyFor(spec, key)) return false;
  const signature = Buffer.from(jws.signature, 'base64url');
  // One text for one signature: bits that are left over say nothing, and must be none (RFC 4648 section 3.5).
  if (signature.toString('base64url') !== jws.signature) return false;
  const signed = Buffer.from(`${jws.header}.${jws.payload}`, 'latin1');
  const input = spec.options ? { key, ...spec.options } : key;
  if (factsOf(key).isQuick) return verify(spec.hash, signed, input, signature);
  return verifyInThread(spec.hash, signed, input, signature);
}

function isKeyFor({ key: { type, curve } }: Algorithm, key: KeyObject): boolean {
  if (key.type !== 'public' || key.asymmetricKeyType !== type) return false;
  const { bits = MIN_RSA_BITS, curve: own } = factsOf(key);
  return bits >= MIN_RSA_BITS && own === curve;
}

interface KeyFacts {
  /** Of RSA keys. */
  readonly bits: number | undefined;
  readonly curve: string | undefined;
  /** Whether a signature is checked in less time than handing it to a thread takes: other keys would hold everything else up. */
  readonly isQuick: boolean;
}

/** Node works them out each time that it is asked. */
const factsOfKeys = new WeakMap<KeyObject, KeyFacts>();

function factsOf(key: KeyObject): KeyFacts {
  let facts = factsOfKeys.get(key);
  if (!facts) {
    const { modulusLength: bits, publicExponent, namedCurve: curve } = key.asymmetricKeyDetails ?? {};
    const isQuick =
      bits === undefined
        ? curve === undefined || curve === P256.curve
        : bits <= QUICK_RSA_BITS && publicExponent === USUAL_EXPONENT;
    facts = { bits, curve, isQuick };
    factsOfKeys.set(key, facts);
  }
  return facts;
}
