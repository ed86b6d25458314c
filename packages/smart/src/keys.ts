import type { RecordStore } from '@lockstep/store';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import type { Clock } from './ports.ts';
import { RecordRepository } from './repository.ts';

interface KeyRecord {
  readonly jwk: JWK;
  /** ms since the epoch. */
  readonly createdAt: number;
  /** ms since the epoch: no token was signed with it since. */
  readonly retiredAt?: number;
}

export interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  /** ms since the epoch. */
  readonly createdAt: number;
  readonly retiredAt?: number;
}

/** How long an id token signed with a retired key may still be shown, ms; then the key leaves the JWKS. */
export const ID_TOKEN_LIFE = 3_600_000;

/** How often the store is asked whether another process has rotated the keys, ms. */
const RELOAD_AFTER = 5_000;

function publicPart(jwk: JWK): JWK {
  const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...rest } = jwk;
  return rest;
}

/** The keys that sign id tokens: kept in the store, rotated, retired ones published until their tokens have expired (DIS-5). */
export class Keys {
  readonly #records: RecordRepository<KeyRecord>;
  readonly #clock: Clock;
  #keys: readonly KeyRecord[] = [];
  #loadedAt = Number.NEGATIVE_INFINITY;
  #loading: Promise<void> | undefined;

  constructor(store: RecordStore, clock: Clock) {
    this.#records = new RecordRepository<KeyRecord>(store, clock, 'signing-key');
    this.#clock = clock;
  }

  /** Loads the keys, and makes the first one. */
  async open(): Promise<void> {
    await this.#load();
    if (this.#current.length === 0) await this.#create();
  }

  /** The private keys that sign now, newest first; reads the store again from time to time. */
  async signing(): Promise<readonly JWK[]> {
    await this.refresh();
    return this.#current.map(({ jwk }) => jwk);
  }

  /** The published set (RFC 7517), with the key that another process made just now and signs with already. */
  async jwks(): Promise<{ keys: readonly JWK[] }> {
    await this.#load();
    return { keys: this.#keys.map(({ jwk }) => publicPart(jwk)) };
  }

  list(): readonly SigningKey[] {
    return this.#keys.map(({ jwk, createdAt, retiredAt }) => ({
      kid: jwk.kid ?? '',
      alg: jwk.alg ?? '',
      createdAt,
      ...(retiredAt === undefined ? {} : { retiredAt }),
    }));
  }

  /** Makes a new key and retires the others. @returns the new key's id */
  async rotate(): Promise<string> {
    await this.#load();
    const old = this.#current;
    const kid = await this.#create();
    const retiredAt = this.#clock.now();
    for (const key of old) {
      // Tokens may be signed with it elsewhere until other processes have seen the new key.
      const expiresAt = retiredAt + ID_TOKEN_LIFE + RELOAD_AFTER;
      await this.#records.put(key.jwk.kid ?? '', { ...key, retiredAt }, { expiresAt });
    }
    await this.#load();
    return kid;
  }

  get #current(): readonly KeyRecord[] {
    return this.#keys.filter(({ retiredAt }) => retiredAt === undefined);
  }

  async refresh(): Promise<void> {
    if (this.#clock.now() - this.#loadedAt < RELOAD_AFTER) return;
    await this.#load();
  }

  #load(): Promise<void> {
    this.#loading ??= this.#read().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #read(): Promise<void> {
    const loadedAt = this.#clock.now();
    const stored = await this.#records.list();
    this.#keys = stored.map(({ value }) => value).sort((a, b) => b.createdAt - a.createdAt);
    this.#loadedAt = loadedAt;
  }

  async #create(): Promise<string> {
    const { privateKey } = await generateKeyPair('RS256', { modulusLength: 2048, extractable: true });
    const bare = await exportJWK(privateKey);
    const kid = await calculateJwkThumbprint(bare);
    await this.#records.put(kid, { jwk: { ...bare, kid, alg: 'RS256', use: 'sig' }, createdAt: this.#clock.now() });
    await this.#load();
    return kid;
  }
}
