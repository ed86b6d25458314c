import { decodeProtectedHeader, importJWK } from 'jose';
import * as openid from 'openid-client';
import type { Clock } from '../ports.ts';
import { wallTime } from '../wall-time.ts';
import type { Claims } from './claims.ts';
import { claimAt } from './claims.ts';
import type { OutsideOptions } from './options.ts';

/** How far the provider's clock may differ from ours, s. */
const CLOCK_TOLERANCE = 30;
/** How long one request to the provider may take, s. */
const PATIENCE = 10;
/** How long the provider's description of itself is used before it is asked again, ms. */
const METADATA_AGE = 10 * 60_000;
/** ms by which the clock may be set before the provider's metadata are read again, with the library's view of the clock. */
const SKEW = 5000;

/** Only signatures that the provider alone can make. */
const ALGORITHMS = /^((RS|PS|ES)(256|384|512)|EdDSA|Ed25519)$/;

/** Why a sign-in at the outside provider came to nothing. The message is for logs: it holds nothing of the person. */
export class OutsideError extends Error {
  override readonly name = 'OutsideError';
  /** `refused`: the provider says no; `unreachable`: it does not answer; `invalid`: its answer cannot be trusted. */
  readonly kind: 'refused' | 'unreachable' | 'invalid';
  /** The provider's error code, or the library's. */
  readonly code: string | undefined;
  /** What the provider says about it. */
  readonly description: string | undefined;
  constructor(kind: OutsideError['kind'], message: string, details: { code?: string; description?: string } = {}) {
    super(message);
    this.kind = kind;
    this.code = details.code;
    this.description = details.description;
  }
}

/** What one sign-in is bound to. */
export interface SignInBinding {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** The outside provider, over HTTP: `openid-client` behind what a sign-in needs of it. */
export class OutsideProvider {
  readonly options: OutsideOptions;
  readonly #redirectUri: string;
  readonly #clock: Clock;
  #found:
    | { readonly at: number; readonly skew: number; readonly configuration: Promise<openid.Configuration> }
    | undefined;

  constructor(options: OutsideOptions, redirectUri: string, clock: Clock) {
    this.#clock = clock;
    this.options = options;
    this.#redirectUri = redirectUri;
  }

  /** Where to send the browser. @throws OutsideError unreachable or invalid */
  async authorizationUrl(checks: SignInBinding, again: boolean): Promise<string> {
    const configuration = await this.#configuration();
    return openid.buildAuthorizationUrl(configuration, {
      redirect_uri: this.#redirectUri,
      scope: this.options.scope,
      state: checks.state,
      nonce: checks.nonce,
      code_challenge: await openid.calculatePKCECodeChallenge(checks.verifier),
      code_challenge_method: 'S256',
      ...(again && { prompt: 'login' }),
    }).href;
  }

  /**
   * Redeems the code that came back and verifies the id token: signature, issuer, audience, nonce, times.
   * @param query what the provider sent back with the browser
   * @throws OutsideError
   */
  async redeem(query: URLSearchParams, checks: SignInBinding): Promise<Claims> {
    const configuration = await this.#configuration();
    try {
      const tokens = await openid.authorizationCodeGrant(configuration, new URL(`${this.#redirectUri}?${query}`), {
        expectedState: checks.state,
        expectedNonce: checks.nonce,
        pkceCodeVerifier: checks.verifier,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      const { alg = 'none' } = decodeProtectedHeader(tokens.id_token ?? '');
      if (!claims || !ALGORITHMS.test(alg)) throw new OutsideError('invalid', `the id token is signed with ${alg}`);
      const { userinfo_endpoint: userinfo } = configuration.serverMetadata();
      // Many providers keep names out of the id token.
      if (userinfo === undefined || claimAt(claims, this.options.userClaim) !== undefined) return claims;
      return { ...(await openid.fetchUserInfo(configuration, tokens.access_token, claims.sub)), ...claims };
    } catch (error) {
      throw asOutsideError(error);
    }
  }

  /** Where the person signs out of the provider too; undefined where it does not offer that, or cannot be asked. */
  async endSessionUrl(afterwards: string): Promise<string | undefined> {
    try {
      const configuration = await this.#configuration();
      if (configuration.serverMetadata().end_session_endpoint === undefined) return undefined;
      return openid.buildEndSessionUrl(configuration, { post_logout_redirect_uri: afterwards }).href;
    } catch {
      return undefined;
    }
  }

  #configuration(): Promise<openid.Configuration> {
    const at = Date.now();
    const skew = wallTime(this.#clock) - this.#clock.now();
    const known = this.#found;
    if (known && at - known.at < METADATA_AGE && Math.abs(skew - known.skew) < SKEW) return known.configuration;
    const found = { at, skew, configuration: this.#discover(skew) };
    this.#found = found;
    found.configuration.catch(() => {
      if (this.#found === found) this.#found = undefined;
    });
    return found.configuration;
  }

  /** @param skew ms that the wall clock is ahead of the time that the library goes by: an id token may fit either */
  async #discover(skew: number): Promise<openid.Configuration> {
    const { issuer, clientId } = this.options;
    const plain = issuer.startsWith('http:');
    try {
      return await openid.discovery(
        new URL(issuer),
        clientId,
        {
          [openid.clockSkew]: Math.round(skew / 2000),
          [openid.clockTolerance]: CLOCK_TOLERANCE + Math.ceil(Math.abs(skew) / 2000),
        },
        await this.#clientAuth(),
        {
          timeout: PATIENCE,
          execute: [openid.enableNonRepudiationChecks, ...(plain ? [openid.allowInsecureRequests] : [])],
        },
      );
    } catch (error) {
      throw asOutsideError(error);
    }
  }

  async #clientAuth(): Promise<openid.ClientAuth> {
    const { clientSecret, clientKey } = this.options;
    if (clientKey) {
      const key = await importJWK(clientKey, clientKey.alg);
      if (key instanceof Uint8Array) throw new OutsideError('invalid', 'the client key is no private key');
      return openid.PrivateKeyJwt({ key, ...(clientKey.kid && { kid: clientKey.kid }) });
    }
    if (clientSecret === undefined) return openid.None();
    const basic = openid.ClientSecretBasic(clientSecret);
    const post = openid.ClientSecretPost(clientSecret);
    return (server, client, body, headers) => {
      const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
      return (methods.includes('client_secret_basic') ? basic : post)(server, client, body, headers);
    };
  }
}

function asOutsideError(error: unknown): OutsideError {
  if (error instanceof OutsideError) return error;
  if (error instanceof openid.AuthorizationResponseError) {
    const { error: code, error_description: description } = error;
    return new OutsideError('refused', `it answered ${code}`, { code, ...(description && { description }) });
  }
  if (error instanceof openid.ResponseBodyError) {
    return new OutsideError('invalid', `the token endpoint answered ${error.error}`, { code: error.error });
  }
  const { code, message } = error as Error & { code?: string };
  const details = code === undefined ? {} : { code };
  return isUnanswered(error)
    ? new OutsideError('unreachable', message, details)
    : new OutsideError('invalid', message, details);
}

/** Whether there was no answer, or one that only says that the provider has trouble. */
function isUnanswered(error: unknown): boolean {
  const { code, cause, message } = error as Error & { code?: string };
  if (code === 'OAUTH_TIMEOUT' || code === 'OAUTH_ABORT') return true;
  if (cause instanceof Response) return cause.status >= 500;
  // What fetch throws when no connection comes about.
  return (
    (error instanceof TypeError || cause instanceof TypeError) &&
    /fetch failed/.test(`${message} ${(cause as Error)?.message}`)
  );
}
