import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject, randomUUID } from 'node:crypto';
import { FhirRefusal } from '@lockstep/fhir';
import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose';
import type { Dispatcher } from 'undici';

/** How Lockstep shows the FHIR server who it is. */
export interface Credentials {
  /** Headers of a request. @throws Refusal 502 where there is no token to be had */
  headers(dispatcher: Dispatcher): Promise<Readonly<Record<string, string>>>;
  /** Forgets a token that the server refused. @returns whether another one can be had */
  renew(): boolean;
}

/** For a server that asks for nothing, or for a client certificate alone. */
export const NO_CREDENTIALS: Credentials = { headers: async () => ({}), renew: () => false };

/** A token that somebody else renews. @param token asked for at each request, so that a file may change */
export function bearerCredentials(token: () => string): Credentials {
  return { headers: async () => ({ authorization: `Bearer ${token().trim()}` }), renew: () => false };
}

/** A backend client of the server's authorization server (SMART backend services, `private_key_jwt`). */
export interface ClientCredentialsOptions {
  readonly tokenUrl: string;
  readonly clientId: string;
  /**
   * Private key, PEM or JWK as text: RSA signs RS384, EC P-384 signs ES384. The `kid` of its assertions is the JWK's, otherwise the
   * key's thumbprint (RFC 7638).
   */
  readonly key: string;
  readonly scope: string;
  /** ms since the epoch */
  readonly now: () => number;
  /** The same by the clock that the server knows as well, where that is another one. */
  readonly wall?: () => number;
}

/** ms before its end from which on a token is not used any more. */
const MARGIN_MS = 30_000;
/** s for which an assertion is good. */
const ASSERTION_SECONDS = 120;
/** ms that a token endpoint may take. */
const TOKEN_MS = 10_000;
/** ms that a token is used where the endpoint does not say how long it lives, and at most. */
const USUAL_LIFE = 60_000;
const LONGEST_LIFE = 24 * 3_600_000;
/** A token as it can stand in a header (RFC 9110 section 5.5). */
const TOKEN = /^[\x20-\x7e\xa0-\xff]{1,16384}$/;
/** Bytes of an answer of a token endpoint. */
const MAX_ANSWER = 64 * 1024;

export class ClientCredentials implements Credentials {
  readonly #options: ClientCredentialsOptions;
  readonly #key: KeyObject;
  readonly #keyId: string | undefined;
  #token: { readonly text: string; readonly until: number } | undefined;
  #asking: Promise<string> | undefined;

  /** @throws for a key that is none */
  constructor(options: ClientCredentialsOptions) {
    this.#options = options;
    const text = options.key.trim();
    const jwk = text.startsWith('{') ? (JSON.parse(text) as JsonWebKey & { readonly kid?: string }) : undefined;
    this.#key = jwk ? createPrivateKey({ key: jwk, format: 'jwk' }) : createPrivateKey(text);
    this.#keyId = jwk?.kid;
  }

  async headers(dispatcher: Dispatcher): Promise<Readonly<Record<string, string>>> {
    return { authorization: `Bearer ${await this.#current(dispatcher)}` };
  }

  renew(): boolean {
    this.#token = undefined;
    return true;
  }

  async #current(dispatcher: Dispatcher): Promise<string> {
    if (this.#token && this.#token.until > this.#options.now()) return this.#token.text;
    // Requests that come at the same time wait for one token.
    this.#asking ??= this.#ask(dispatcher).finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #ask(dispatcher: Dispatcher): Promise<string> {
    const { tokenUrl, scope, now } = this.#options;
    const url = new URL(tokenUrl);
    try {
      const { statusCode, body } = await dispatcher.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          scope,
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: await this.#assertion(),
        }).toString(),
        signal: AbortSignal.timeout(TOKEN_MS),
      });
      const chunks: Buffer[] = [];
      let length = 0;
      for await (const chunk of body as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > MAX_ANSWER) throw noToken();
        chunks.push(chunk);
      }
      const answer = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>;
      const { access_token: token, expires_in: seconds } = answer;
      if (statusCode !== 200 || typeof token !== 'string' || !TOKEN.test(token)) throw noToken();
      const isLife = typeof seconds === 'number' && seconds > 0;
      const life = isLife ? Math.min(seconds * 1000, LONGEST_LIFE) : USUAL_LIFE;
      this.#token = { text: token, until: now() + Math.max(life - MARGIN_MS, life / 2) };
      return token;
    } catch (error) {
      throw error instanceof FhirRefusal ? error : noToken();
    }
  }

  async #assertion(): Promise<string> {
    const { clientId, tokenUrl, now, wall = now } = this.#options;
    const issued = Math.floor(wall() / 1000);
    const kid = this.#keyId ?? (await calculateJwkThumbprint(await exportJWK(createPublicKey(this.#key))));
    return new SignJWT({})
      .setProtectedHeader({ alg: this.#key.asymmetricKeyType === 'ec' ? 'ES384' : 'RS384', kid, typ: 'JWT' })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(tokenUrl)
      .setJti(randomUUID())
      .setIssuedAt(issued)
      .setExpirationTime(issued + ASSERTION_SECONDS)
      .sign(this.#key);
  }
}

function noToken(): FhirRefusal {
  return new FhirRefusal(502, 'exception', "The FHIR server's authorization server gives Lockstep no token.");
}
