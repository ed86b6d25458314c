import type { JWK } from 'jose';

/** Sign-in at an outside OpenID provider (REG-4). */
export interface OutsideOptions {
  /** The issuer, as its discovery document names it. Plain http is for tests on one machine. */
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret?: string;
  /** A private key with `alg`, instead of a secret (`private_key_jwt`). Without either the client is public. */
  readonly clientKey?: JWK;
  /** What people call the provider: on the button and in messages. */
  readonly name: string;
  /** Space-separated; `openid` is among them. */
  readonly scope: string;
  /** The claim that holds the user name here. */
  readonly userClaim: string;
  /** The claim that holds the user's FHIR resource, `Practitioner/123` or an address that ends so. */
  readonly fhirUserClaim: string;
  /** Who administers: whose claim holds the role. Without it administrators are made here. */
  readonly administrators?: { readonly claim: string; readonly role: string };
  /** Whether people of this server may sign in by password too. */
  readonly passwords: boolean;
  /** Whether somebody who comes for the first time becomes a user. */
  readonly newUsers: boolean;
  /** Whether a user who was here before is linked to the first person who comes with that user name. */
  readonly linkByName: boolean;
}
