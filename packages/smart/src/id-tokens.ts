import { hash } from 'node:crypto';
import { importJWK, SignJWT } from 'jose';
import type { AuthorizationAddresses } from './addresses.ts';
import { isRepresented } from './charts.ts';
import { ID_TOKEN_LIFE, type Keys } from './keys.ts';
import type { Clock, PatientDirectory } from './ports.ts';
import type { UserProfile } from './users.ts';
import { toldLife } from './wall-time.ts';

interface Parts {
  readonly addresses: AuthorizationAddresses;
  readonly keys: Keys;
  readonly patients: PatientDirectory;
  readonly clock: Clock;
}

/** What an id token or the userinfo endpoint says about a person. */
export type PersonClaims = Record<string, unknown> & { readonly sub: string };

/** Says who has signed in. */
export class IdTokens {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The claims that browser clients decode with `atob` hold no name and nothing beyond plain ASCII (TOK-7). */
  async claimsOf(user: UserProfile): Promise<PersonClaims> {
    const { addresses, patients } = this.#parts;
    if (!(await isRepresented(user.reference, patients))) return { sub: user.id };
    const fhirUser = addresses.resource(user.reference);
    return { sub: user.id, fhirUser, profile: fhirUser };
  }

  /** Those of the claims that the scopes open. */
  async claimsFor(user: UserProfile, scope: string): Promise<PersonClaims> {
    const held = new Set(scope.split(' '));
    const { sub, fhirUser, profile } = await this.claimsOf(user);
    return {
      sub,
      ...(held.has('fhirUser') && fhirUser !== undefined ? { fhirUser } : {}),
      ...(held.has('profile') && profile !== undefined ? { profile } : {}),
    };
  }

  /** A signed id token that goes with an access token (OpenID Connect Core section 12.2). */
  async sign(
    user: UserProfile,
    given: {
      readonly clientId: string;
      readonly scope: string;
      readonly accessToken: string;
      readonly nonce?: string | undefined;
      /** s since the epoch. */
      readonly authTime?: number | undefined;
    },
  ): Promise<string> {
    const { addresses, keys, clock } = this.#parts;
    const [jwk] = await keys.signing();
    if (!jwk) throw new Error('there is no signing key');
    const now = Math.floor(clock.now() / 1000);
    const { iat, exp } = toldLife(clock, { iat: now, exp: now + ID_TOKEN_LIFE / 1000 });
    const digest = hash('sha256', given.accessToken, 'buffer');
    const claims = {
      ...(await this.claimsFor(user, given.scope)),
      at_hash: digest.subarray(0, digest.length / 2).toString('base64url'),
      ...(given.nonce === undefined ? {} : { nonce: given.nonce }),
      ...(given.authTime === undefined ? {} : { auth_time: given.authTime }),
    };
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', ...(jwk.kid === undefined ? {} : { kid: jwk.kid }) })
      .setIssuer(addresses.issuer)
      .setAudience(given.clientId)
      .setIssuedAt(iat)
      .setExpirationTime(exp)
      .sign(await importJWK(jwk, 'RS256'));
  }
}
