import { type PresentedToken, presentedToken } from '@lockstep/fhircast';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DPOP_ALGORITHMS, type DpopProofs, type ProofError } from './dpop/proofs.ts';
import { OAuthError } from './oauth-error.ts';
import type { TokenInfo } from './token-info.ts';

/** A token that a request presents, and what it stands for; nothing is admitted by it yet. */
export interface FoundToken extends PresentedToken {
  /** Undefined for a token that is unknown, expired or revoked. */
  readonly info: TokenInfo | undefined;
}

/** Who is let in, or what a refusal says. */
export type Admission =
  | { readonly ok: true; readonly info: TokenInfo; readonly headers: Readonly<Record<string, string>> }
  | {
      readonly ok: false;
      readonly error: 'token_missing' | 'invalid_token' | ProofError;
      readonly reason: string;
      /** `WWW-Authenticate`, and a nonce for the next proof where it needs one. */
      readonly headers: Readonly<Record<string, string>>;
    };

/** The part of a request that a token is shown with. */
export type TokenRequest = Pick<FastifyRequest, 'method' | 'originalUrl' | 'headers'>;

/** @returns undefined for a token that is unknown, expired or revoked */
type LookUp = (token: string) => Promise<TokenInfo | undefined>;

/** @returns undefined for a token that is not remembered, or not good: it is to be looked up */
type Remembered = (token: string) => TokenInfo | undefined;

/** Where the metadata is of the protected resource at an address, `/fhir/Patient?name=x` (RFC 9728); undefined for what has none. */
export type ResourceMetadata = (url: string) => string | undefined;

/** Tokens that are remembered to have been good. */
const MOST_FAMILIAR = 20_000;

const REALM = 'realm="Lockstep"';
const ALGORITHMS = `algs="${DPOP_ALGORITHMS.join(' ')}"`;

/**
 * The one place where access tokens are parsed and checked, for every door that takes one: bearer tokens (RFC 6750), and
 * tokens that are bound to a key, with a proof of that key (RFC 9449 section 7).
 */
export class TokenDoor {
  readonly #lookUp: LookUp;
  readonly #remembered: Remembered;
  readonly #proofs: Pick<DpopProofs, 'check'>;
  readonly #metadataOf: ResourceMetadata;
  /** Tokens that were good when they were last looked up: those of late, and those of the time before. */
  #familiar = new Set<string>();
  #familiarBefore = new Set<string>();

  /**
   * @param lookUp what a token stands for
   * @param remembered what a token stands for that need not be looked up, since it was just now
   * @param metadataOf what refusals say of where tokens come from
   */
  constructor(
    lookUp: LookUp,
    proofs: Pick<DpopProofs, 'check'>,
    remembered: Remembered = () => undefined,
    metadataOf: ResourceMetadata = () => undefined,
  ) {
    this.#lookUp = lookUp;
    this.#metadataOf = metadataOf;
    this.#proofs = proofs;
    this.#remembered = remembered;
  }

  /** The token that is presented in the header, where it is good and need not be looked up; undefined asks for `find`. */
  known(authorization: string | undefined): FoundToken | undefined {
    const presented = presentedToken(authorization);
    const info = presented && this.#remembered(presented.token);
    if (!info) return undefined;
    this.#remember(presented.token, true);
    return { scheme: presented.scheme, token: presented.token, info };
  }

  /**
   * The token that is presented in the header, or in a form (RFC 6750 section 2.2).
   * @returns undefined where there is none, or none in the form that the standards give it
   */
  async find(authorization: string | undefined, inForm?: string): Promise<FoundToken | undefined> {
    const presented = presentedToken(authorization ?? (inForm && `Bearer ${inForm}`));
    if (!presented) return undefined;
    const info = await this.#lookUp(presented.token);
    this.#remember(presented.token, info !== undefined);
    return { ...presented, info };
  }

  /** Whether the token of the header was good when it was last looked up: it may have ended since. */
  isFamiliar(authorization: string | undefined): boolean {
    const presented = presentedToken(authorization);
    if (!presented) return false;
    return this.#familiar.has(presented.token) || this.#familiarBefore.has(presented.token);
  }

  #remember(token: string, isGood: boolean): void {
    if (!isGood) {
      this.#familiar.delete(token);
      this.#familiarBefore.delete(token);
      return;
    }
    if (this.#familiar.has(token)) return;
    this.#familiar.add(token);
    if (this.#familiar.size <= MOST_FAMILIAR / 2) return;
    this.#familiarBefore = this.#familiar;
    this.#familiar = new Set();
  }

  /** Decides whether the token that was found lets this request in. A proof is spent by it. */
  async admit(request: TokenRequest, found: FoundToken | undefined): Promise<Admission> {
    const { method, originalUrl: url, headers } = request;
    const refuse = (...why: Refused): Admission => refused(this.#metadataOf(url), ...why);
    if (!found) return missing(this.#metadataOf(url));
    const { scheme, token, info } = found;
    if (!info) return refuse(scheme, 'invalid_token', 'The access token is not valid');
    if (info.jkt === undefined) {
      if (scheme === 'Bearer') return { ok: true, info, headers: {} };
      return refuse('Bearer', 'invalid_token', 'The access token is bound to no key: it is a bearer token');
    }
    if (scheme === 'Bearer') {
      const reason = 'The access token is bound to a key: send it as DPoP, with a proof';
      return refuse('DPoP', 'invalid_token', reason);
    }
    const shown = await this.#proofs.check({ proof: headers.dpop, method, url, token }, info.jkt);
    const nonce = shown.nonce === undefined ? {} : { 'dpop-nonce': shown.nonce };
    if (shown.ok) return { ok: true, info, headers: nonce };
    return refuse('DPoP', shown.error, shown.reason, nonce);
  }

  /**
   * Who calls one of the authorization server's own addresses.
   * @throws OAuthError 401 without a token that lets the request in
   */
  async require(request: TokenRequest, reply: FastifyReply): Promise<TokenInfo> {
    const admission = await this.admit(request, await this.find(request.headers.authorization));
    reply.headers(admission.headers);
    if (admission.ok) return admission.info;
    const error = admission.error === 'token_missing' ? 'invalid_token' : admission.error;
    throw new OAuthError(error, admission.reason, 401);
  }
}

/** Where the metadata of a protected resource is (RFC 9728 section 5.1), as a challenge says it; empty for none. */
function metadataIn(address: string | undefined): string {
  return address === undefined ? '' : `, resource_metadata="${address}"`;
}

/** The answer to a request without a token (RFC 9449 section 7.2). */
function missing(metadata: string | undefined): Admission {
  const where = metadataIn(metadata);
  const headers = { 'www-authenticate': `Bearer ${REALM}${where}, DPoP ${ALGORITHMS}${where}` };
  return { ok: false, error: 'token_missing', reason: 'An access token is required', headers };
}

type Refused = readonly [
  scheme: PresentedToken['scheme'],
  error: 'invalid_token' | ProofError,
  reason: string,
  headers?: Readonly<Record<string, string>>,
];

function refused(metadata: string | undefined, ...[scheme, error, reason, headers = {}]: Refused): Admission {
  const algorithms = scheme === 'DPoP' ? `, ${ALGORITHMS}` : '';
  const said = `error="${error}", error_description="${reason}"${algorithms}${metadataIn(metadata)}`;
  return { ok: false, error, reason, headers: { ...headers, 'www-authenticate': `${scheme} ${REALM}, ${said}` } };
}
