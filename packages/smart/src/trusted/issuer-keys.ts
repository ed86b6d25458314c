import { createPublicKey, type KeyObject } from 'node:crypto';
import { textOf } from '@lockstep/fhircast';
import { StoreUnavailable } from '@lockstep/store';
import type { JWK } from 'jose';
import { readJson } from '../client-keys.ts';
import type { Clock } from '../ports.ts';
import { keysFor } from '../signatures.ts';
import { addressProblem, type TrustedIssuer } from './options.ts';

/** How long keys and answers of an issuer are used, ms: what it takes back counts within this time. */
export const TRUST_FOR = 60_000;
/** How soon keys are fetched again for a token that none of them fits, ms. */
const REFETCH_AFTER = 5_000;
/** How soon an issuer that could not be reached is asked again, ms. */
const RETRY_AFTER = 1_000;
const PATIENCE = 5_000;

/** The issuer cannot be asked: whether the token is good is not known. Doors answer 503, as for a store that cannot be reached. */
export class IssuerUnavailable extends StoreUnavailable {
  constructor(name: string, reason?: unknown) {
    super(`the trusted issuer ${name} does not answer`, Math.ceil(PATIENCE / 1000));
    if (reason !== undefined) this.cause = reason;
  }
}

/** Fetches JSON from an issuer. @throws Error when there is no such answer */
export async function fetchJson(
  fetchIssuer: typeof fetch,
  address: string,
  init: RequestInit = {},
): Promise<Readonly<Record<string, unknown>>> {
  const response = await fetchIssuer(address, {
    ...init,
    headers: { accept: 'application/json', ...init.headers },
    redirect: 'error',
    signal: AbortSignal.timeout(PATIENCE),
  });
  if (response.status !== 200) throw new Error(`${address} answers ${response.status}`);
  const value = await readJson(response);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${address} answers no object`);
  return value as Readonly<Record<string, unknown>>;
}

/** Where an issuer says that its keys are (OpenID Connect Discovery, else RFC 8414). @throws Error when it cannot be found */
export async function discoverJwks(issuer: TrustedIssuer, fetchIssuer: typeof fetch): Promise<string> {
  if (issuer.jwksUri !== undefined) return issuer.jwksUri;
  const base = issuer.issuer.replace(/\/$/, '');
  const { origin, pathname } = new URL(base);
  const folder = pathname.replace(/\/$/, '');
  const document = await fetchJson(fetchIssuer, `${base}/.well-known/openid-configuration`).catch((error) =>
    fetchJson(fetchIssuer, `${origin}/.well-known/oauth-authorization-server${folder}`).catch(() => {
      throw error;
    }),
  );
  if (document.issuer !== issuer.issuer) throw new Error(`the issuer calls itself ${textOf(document.issuer)}`);
  const { jwks_uri: uri } = document;
  if (typeof uri !== 'string') throw new Error('the issuer names no jwks_uri');
  const problem = addressProblem(uri);
  if (problem !== undefined) throw new Error(`the jwks_uri that the issuer names ${problem}`);
  return uri;
}

/** Keys that are tried for a token which does not name one. */
const MAX_TRIED = 10;

/** The keys of one issuer. */
export class IssuerKeys {
  readonly #issuer: TrustedIssuer;
  readonly #clock: Clock;
  readonly #fetch: typeof fetch;
  #uri: string | undefined;
  #set: { readonly keys: readonly JWK[]; readonly ids: ReadonlySet<unknown>; readonly at: number } | undefined;
  #imported = new WeakMap<JWK, KeyObject>();
  #running: Promise<void> | undefined;
  #failedAt = Number.NEGATIVE_INFINITY;
  #renewedAt = Number.NEGATIVE_INFINITY;

  constructor(issuer: TrustedIssuer, clock: Clock, fetchIssuer: typeof fetch) {
    this.#issuer = issuer;
    this.#clock = clock;
    this.#fetch = fetchIssuer;
  }

  /** ms since the epoch: from when on a token that no key fits may be told so after another look. */
  get renewableAt(): number {
    return this.#renewedAt + REFETCH_AFTER;
  }

  /** The key that a token's header names, or each that fits where it names none (RFC 7515 section 4.1.4). @throws IssuerUnavailable */
  async find(header: { readonly alg: string; readonly kid?: string | undefined }): Promise<readonly KeyObject[]> {
    if (this.#clock.now() - (this.#set?.at ?? Number.NEGATIVE_INFINITY) >= TRUST_FOR) await this.#load();
    else if (header.kid !== undefined && !this.#set?.ids.has(header.kid)) await this.renew();
    if (!this.#set) throw new IssuerUnavailable(this.#issuer.name);
    const fitting = keysFor(this.#set.keys, header).slice(0, MAX_TRIED);
    return fitting.flatMap((key) => this.#import(key) ?? []);
  }

  /** @returns undefined for a key that cannot be used; a private one must not be known to us */
  #import(jwk: JWK): KeyObject | undefined {
    const held = this.#imported.get(jwk);
    if (held || jwk.d !== undefined) return held;
    try {
      const key = createPublicKey({ key: jwk, format: 'jwk' });
      this.#imported.set(jwk, key);
      return key;
    } catch {
      return undefined;
    }
  }

  /**
   * Fetches the keys again for a token that none fits: the issuer may have changed them. Tokens that come meanwhile wait for the same keys.
   * @returns whether they were fetched; not so soon after the last time
   * @throws IssuerUnavailable
   */
  async renew(): Promise<boolean> {
    if (!this.#running) {
      const now = this.#clock.now();
      if (now < this.renewableAt) return false;
      this.#renewedAt = now;
    }
    await this.#load();
    return true;
  }

  async #load(): Promise<void> {
    if (this.#clock.now() - this.#failedAt < RETRY_AFTER) throw new IssuerUnavailable(this.#issuer.name);
    this.#running ??= this.#read().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  async #read(): Promise<void> {
    try {
      this.#uri ??= await discoverJwks(this.#issuer, this.#fetch);
      const { keys } = await fetchJson(this.#fetch, this.#uri);
      if (!Array.isArray(keys) || keys.some((key) => typeof key !== 'object' || key === null))
        throw new Error('no key set');
      this.#set = { keys: keys as JWK[], ids: new Set(keys.map((key: JWK) => key.kid)), at: this.#clock.now() };
    } catch (error) {
      this.#uri = undefined;
      this.#failedAt = this.#clock.now();
      // Nothing is known of its keys by this: the next token that none fits is a reason to ask as well.
      this.#renewedAt = Number.NEGATIVE_INFINITY;
      throw new IssuerUnavailable(this.#issuer.name, error);
    }
  }
}
