import { hash } from 'node:crypto';
import type { RecordStore } from '@lockstep/store';
import { calculateJwkThumbprint, EmbeddedJWK, type JWTPayload, jwtVerify } from 'jose';
import type { Clock } from '../ports.ts';
import { RecordRepository } from '../repository.ts';
import { digest } from '../secrets.ts';
import { overByBoth, proofTimes } from '../wall-time.ts';
import type { DpopNonces } from './nonces.ts';

/** How proofs may be signed; published to clients as `dpop_signing_alg_values_supported`. */
export const DPOP_ALGORITHMS: readonly string[] = ['ES256', 'ES384', 'Ed25519', 'EdDSA', 'PS256', 'RS256'];

/** How far from now a proof may have been made, ms. A proof with a nonce of ours needs no right clock. */
const WINDOW = 60_000;
/** How long a proof with a nonce is remembered, ms: as long as the nonce is good at most. */
const NONCE_WINDOW = 330_000;

/** Characters of a proof: an RSA key of 4096 bits and its signature need half of it. */
const MAX_PROOF = 4096;
const MAX_ID = 256;

export type ProofError = 'invalid_dpop_proof' | 'use_dpop_nonce';

/** What a proof has shown, or why it shows nothing. */
export type ProofResult =
  | {
      readonly ok: true;
      /** SHA-256 thumbprint of the key (RFC 7638). */
      readonly jkt: string;
      /** For the next proofs, where the client needs another one. */
      readonly nonce?: string;
    }
  | { readonly ok: false; readonly error: ProofError; readonly reason: string; readonly nonce?: string };

/** A proof whose signature is right, and the thumbprint of its key. */
interface Verified {
  readonly payload: JWTPayload;
  readonly jkt: string;
}

/** The request that a proof must be made for. */
export interface ProvenRequest {
  /** `DPoP` header, as it came. */
  readonly proof: string | readonly string[] | undefined;
  readonly method: string;
  /** Path and query as the client sent them. */
  readonly url: string;
  /** The access token that comes with it; undefined at the token endpoint. */
  readonly token?: string;
}

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/;

function invalid(reason: string): ProofResult {
  return { ok: false, error: 'invalid_dpop_proof', reason };
}

/**
 * Checks DPoP proofs (RFC 9449 section 4.3): a client shows that it holds the key that its tokens are bound to. Each proof
 * counts once, at all nodes together.
 */
export class DpopProofs {
  readonly #records: RecordRepository<object>;
  readonly #clock: Clock;
  readonly #publicUrl: string;
  readonly #nonces: DpopNonces;
  readonly #nonceRequired: boolean;

  /** @param publicUrl what clients use, without a trailing slash: what a proxy in front calls us does not count */
  constructor(
    records: RecordStore,
    clock: Clock,
    options: { readonly publicUrl: string; readonly nonces: DpopNonces; readonly nonceRequired: boolean },
  ) {
    this.#records = new RecordRepository(records, clock, 'dpop-proof');
    this.#clock = clock;
    this.#publicUrl = options.publicUrl;
    this.#nonces = options.nonces;
    this.#nonceRequired = options.nonceRequired;
  }

  /**
   * @param boundTo the thumbprint that the token is bound to; left out at the token endpoint
   */
  async check(request: ProvenRequest, boundTo?: string): Promise<ProofResult> {
    const { proof } = request;
    if (typeof proof !== 'string' || proof === '') return invalid('one DPoP proof is required');
    if (proof.length > MAX_PROOF) return invalid('the DPoP proof is too long');
    const verified = await this.#verified(proof);
    if (!verified) return invalid('the DPoP proof is no JWT that is signed with the public key in its header');
    const { payload, jkt } = verified;
    const problem = this.#problemOf(payload, request) ?? (boundTo !== undefined && boundTo !== jkt && OTHER_KEY);
    if (problem) return invalid(problem);
    const nonce = typeof payload.nonce === 'string' ? this.#nonces.check(payload.nonce) : undefined;
    const fault = this.#freshness(payload, nonce);
    if (fault) return fault;
    if (!(await this.#spend(jkt, payload, nonce !== undefined))) return invalid('the DPoP proof was used before');
    const next = nonce === 'renew' || (nonce === undefined && this.#nonceRequired);
    return { ok: true, jkt, ...(next && { nonce: this.#nonces.next() }) };
  }

  async #verified(proof: string): Promise<Verified | undefined> {
    for (const now of proofTimes(this.#clock)) {
      const verified = await this.#verify(proof, now);
      if (verified) return verified;
    }
    return undefined;
  }

  async #verify(proof: string, now: number): Promise<Verified | undefined> {
    try {
      const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
        algorithms: [...DPOP_ALGORITHMS],
        typ: 'dpop+jwt',
        currentDate: new Date(now),
      });
      if (!protectedHeader.jwk) return undefined;
      return { payload, jkt: await calculateJwkThumbprint(protectedHeader.jwk) };
    } catch {
      return undefined;
    }
  }

  #problemOf(payload: JWTPayload, { method, url, token }: ProvenRequest): string | undefined {
    const { htm, htu, jti, iat, ath, nonce } = payload;
    if (typeof jti !== 'string' || jti === '' || jti.length > MAX_ID) return 'jti must be a text that is used once';
    if (typeof iat !== 'number') return 'iat is missing';
    if (nonce !== undefined && typeof nonce !== 'string') return 'nonce must be a text';
    if (htm !== method) return `htm must be ${method}`;
    if (typeof htu !== 'string' || this.#address(htu) !== this.#address(`${this.#publicUrl}${url}`))
      return 'htu is not the address asked for';
    if (token !== undefined && ath !== hash('sha256', token, 'base64url')) return 'ath is not the digest of the token';
    return undefined;
  }

  /** An address as it is compared: without query and fragment; the Hub makes nothing of doubled and trailing slashes. */
  #address(address: string): string | undefined {
    const url = URL.parse(address);
    const here = new URL(this.#publicUrl);
    if (!url || url.username || url.password) return undefined;
    const sameMachine = LOOPBACK.test(here.hostname) && LOOPBACK.test(url.hostname) && url.port === here.port;
    const origin = sameMachine && url.protocol === here.protocol ? here.origin : url.origin;
    const path = url.pathname.replace(/%[0-9a-f]{2}/gi, (octet) => octet.toUpperCase());
    return origin + path.replace(/\/{2,}/g, '/').replace(/(.)\/$/, '$1');
  }

  #freshness({ iat = 0 }: JWTPayload, nonce: 'good' | 'renew' | 'bad' | undefined): ProofResult | undefined {
    const useNonce = (reason: string): ProofResult => {
      return { ok: false, error: 'use_dpop_nonce', reason, nonce: this.#nonces.next() };
    };
    if (nonce === 'bad') return useNonce('the nonce in the DPoP proof is not good, or no more');
    if (nonce !== undefined) return undefined;
    if (this.#nonceRequired) return useNonce('the DPoP proof must hold the nonce of the header DPoP-Nonce');
    // A client whose clock is wrong can go on with a nonce.
    const isNow = proofTimes(this.#clock).some((now) => Math.abs(now - iat * 1000) <= WINDOW);
    if (!isNow) return useNonce('the DPoP proof was not made just now');
    return undefined;
  }

  /** @returns whether this is the first time */
  #spend(jkt: string, { jti, iat = 0 }: JWTPayload, withNonce: boolean): Promise<boolean> {
    const made = overByBoth(this.#clock, iat * 1000);
    const expiresAt = withNonce ? this.#clock.now() + NONCE_WINDOW : made + WINDOW + 1000;
    return this.#records.put(digest(`${jkt} ${jti}`), {}, { expiresAt, condition: 'absent' });
  }
}

const OTHER_KEY = 'the DPoP proof is signed with another key than the token is bound to';
