import { createPublicKey, type KeyObject } from 'node:crypto';
import { jsonLimitProblem } from '@lockstep/fhircast';
import type { JWK } from 'jose';
import type { Client } from './client.ts';
import { invalidClient } from './oauth-error.ts';
import type { Clock } from './ports.ts';
import { keysFor, MIN_RSA_BITS } from './signatures.ts';
import { wallTime } from './wall-time.ts';

/** How long a key set without cache headers is kept, and how soon one may be fetched again, ms. */
const DEFAULT_AGE = 60_000;
const MIN_REFETCH = 5_000;
const MAX_AGE = 24 * 3_600_000;
const FETCH_TIMEOUT = 5_000;
const MAX_BYTES = 256 * 1024;

interface Fetched {
  readonly keys: readonly JWK[];
  readonly fetchedAt: number;
  readonly freshUntil: number;
}

/** How long an answer may be kept by its headers (RFC 9111), ms. */
export function freshFor(headers: Headers, now: number): number {
  const control = headers.get('cache-control')?.toLowerCase();
  if (control) {
    if (/\bno-(store|cache)\b/.test(control)) return 0;
    const maxAge = /\bmax-age\s*=\s*"?(\d+)/.exec(control)?.[1];
    // A cache on the way has kept it for a while already.
    const age = /^\d+$/.exec(headers.get('age') ?? '')?.[0] ?? '0';
    if (maxAge !== undefined) return Math.min(Math.max(Number(maxAge) - Number(age), 0) * 1000, MAX_AGE);
  }
  const expires = Date.parse(headers.get('expires') ?? '');
  return Number.isNaN(expires) ? DEFAULT_AGE : Math.min(Math.max(expires - now, 0), MAX_AGE);
}

/** The public keys of asymmetric clients, by `jwks` or `jwks_uri` (TOK-1). */
export class ClientKeys {
  readonly #clock: Clock;
  readonly #fetch: typeof fetch;
  readonly #sets = new Map<string, Fetched>();
  readonly #running = new Map<string, Promise<Fetched>>();
  readonly #imported = new Map<string, KeyObject>();

  /** @param fetchKeys decides which addresses may be called (CWE-918) */
  constructor(clock: Clock, fetchKeys: typeof fetch) {
    this.#clock = clock;
    this.#fetch = fetchKeys;
  }

  /**
   * The one key of the client that fits an assertion's header.
   * @throws OAuthError invalid_client when none fits, or more than one
   */
  async select(client: Client, header: { readonly alg: 'RS384' | 'ES384'; readonly kid?: string }): Promise<KeyObject> {
    let matching = keysFor(await this.#keysOf(client, false), header);
    if (matching.length === 0 && client.jwksUri) matching = keysFor(await this.#keysOf(client, true), header);
    const [key, second] = matching;
    if (!key) throw invalidClient('no registered key fits the assertion');
    if (second) throw invalidClient('more than one registered key fits the assertion');
    return this.#import(key);
  }

  async #keysOf(client: Client, again: boolean): Promise<readonly JWK[]> {
    if (client.jwks) return client.jwks.keys;
    if (!client.jwksUri) return [];
    const now = this.#clock.now();
    const held = this.#sets.get(client.jwksUri);
    if (held && (again ? now - held.fetchedAt < MIN_REFETCH : now < held.freshUntil)) return held.keys;
    return (await this.#fetchOnce(client.jwksUri)).keys;
  }

  #fetchOnce(uri: string): Promise<Fetched> {
    const running = this.#running.get(uri);
    if (running) return running;
    const fetching = this.#fetchSet(uri).finally(() => this.#running.delete(uri));
    this.#running.set(uri, fetching);
    return fetching;
  }

  async #fetchSet(uri: string): Promise<Fetched> {
    const fetchedAt = this.#clock.now();
    let keys: unknown;
    let headers: Headers;
    try {
      const response = await this.#fetch(uri, {
        headers: { accept: 'application/json' },
        redirect: 'error',
        signal: AbortSignal.timeout(FETCH_TIMEOUT),
      });
      if (response.status !== 200) throw new Error(`status ${response.status}`);
      headers = response.headers;
      keys = ((await readJson(response)) as { keys?: unknown }).keys;
    } catch {
      throw invalidClient('the key set at jwks_uri could not be read');
    }
    if (!Array.isArray(keys) || keys.some((key) => typeof key !== 'object' || key === null)) {
      throw invalidClient('what jwks_uri answers is no key set');
    }
    const set = {
      keys: keys as readonly JWK[],
      fetchedAt,
      freshUntil: fetchedAt + freshFor(headers, wallTime(this.#clock)),
    };
    if (this.#sets.size > 1000) this.#sets.clear();
    this.#sets.set(uri, set);
    return set;
  }

  #import(jwk: JWK): KeyObject {
    const name = JSON.stringify(jwk);
    const held = this.#imported.get(name);
    if (held) return held;
    const key = importKey(jwk);
    if (this.#imported.size > 1000) this.#imported.clear();
    this.#imported.set(name, key);
    return key;
  }
}

function importKey(jwk: JWK): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    throw invalidClient('the registered key cannot be used');
  }
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && bits < MIN_RSA_BITS) throw invalidClient('the registered key is too short');
  return key;
}

/** The JSON of an answer. @throws Error for what is none, larger than 256 KiB, or more than `jsonLimitProblem` lets through */
export async function readJson(response: Response): Promise<unknown> {
  const text = await readLimited(response);
  const problem = jsonLimitProblem(text);
  if (problem !== undefined) throw new Error(problem);
  return JSON.parse(text);
}

async function readLimited(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new Error('too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
