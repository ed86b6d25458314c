/**
 * Access tokens that are good only with a key of the application's (RFC 9449): a token that is read from a log or a proxy
 * opens nothing. Apart from the client, for those who need it.
 */
import type { Clock, Ports } from './ports.ts';

/** The request that a proof is for. */
export interface ProofRequest {
  readonly method: string;
  /** The whole address; query and fragment do not count. */
  readonly url: string;
  /** The access token that goes with it; left out at the token endpoint. */
  readonly token?: string;
  /** What the server wants to see in the proof. */
  readonly nonce?: string;
}

/** Makes the proof for a request: a JWT for the header `DPoP`. */
export type ProofSource = (request: ProofRequest) => string | Promise<string>;

/** A key as WebCrypto knows it, in browsers and in Node. */
type Key = Parameters<typeof crypto.subtle.sign>[1];

/** An application's key pair, as `newProofKey` makes one. */
export interface ProofKey {
  readonly privateKey: Key;
  readonly publicKey: Key;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

function base64url(bytes: ArrayBuffer): string {
  const binary = String.fromCharCode(...new Uint8Array(bytes));
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

function encoded(value: object): string {
  return base64url(new TextEncoder().encode(JSON.stringify(value)).buffer);
}

/** A new key pair on P-256 whose private key cannot be read, not even by this page. It can be kept in IndexedDB. */
export function newProofKey(): Promise<ProofKey> {
  return crypto.subtle.generateKey(ALGORITHM, false, ['sign', 'verify']);
}

/**
 * Makes proofs with a key (ES256).
 * @param clock for those who know that this machine's is wrong
 * @throws DOMException where the public key cannot be exported, or is on another curve
 */
export async function proofSource(
  { privateKey, publicKey }: ProofKey,
  clock: Pick<Clock, 'now'> = Date,
): Promise<ProofSource> {
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', publicKey);
  const header = encoded({ typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } });
  return async ({ method, url, token, nonce }) => {
    const { origin, pathname } = new URL(url);
    const ath = token && base64url(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token)));
    const iat = Math.floor(clock.now() / 1000);
    const claims = { jti: crypto.randomUUID(), htm: method, htu: origin + pathname, iat, ath, nonce };
    const signed = `${header}.${encoded(claims)}`;
    const signature = await crypto.subtle.sign(ALGORITHM, privateKey, new TextEncoder().encode(signed));
    return `${signed}.${base64url(signature)}`;
  };
}

/**
 * A `fetch` that sends proofs: for the client's port of that name, and for requests to the token endpoint. A bearer token in
 * `Authorization` goes out as DPoP. A server that asks for a nonce gets the request again with it.
 */
export function proofFetch(proof: ProofSource, fetch: Ports['fetch'] = globalThis.fetch): Ports['fetch'] {
  /** The newest nonce of each server. */
  const nonces = new Map<string, string>();
  return async (url, init) => {
    const headers = new Headers(init.headers);
    const token = /^(?:Bearer|DPoP) +(.+)$/i.exec(headers.get('Authorization') ?? '')?.[1];
    const { origin } = new URL(url);
    const send = async (): Promise<Response> => {
      const nonce = nonces.get(origin);
      const request = { method: init.method ?? 'GET', url, ...(token && { token }), ...(nonce && { nonce }) };
      headers.set('DPoP', await proof(request));
      if (token) headers.set('Authorization', `DPoP ${token}`);
      const response = await fetch(url, { ...init, headers });
      const next = response.headers.get('DPoP-Nonce');
      if (next) nonces.set(origin, next);
      return response;
    };
    const response = await send();
    return (await asksForNonce(response)) ? send() : response;
  };
}

async function asksForNonce(response: Response): Promise<boolean> {
  if (!response.headers.has('DPoP-Nonce') || ![400, 401].includes(response.status)) return false;
  const challenge = response.headers.get('WWW-Authenticate') ?? (await response.clone().text());
  return challenge.includes('use_dpop_nonce');
}
