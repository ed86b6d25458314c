import type { Scopes } from '@lockstep/fhircast';

/** Which users' and workstations' sessions a backend client may see (SES-4). */
export type AllowedSessions = 'all' | { readonly users?: readonly string[]; readonly workstations?: readonly string[] };

export type AcknowledgementMode = 'answers' | 'strict' | 'off';

/** Compatibility switches of a client's registration. */
export interface Switches {
  /** When a missing answer to an event counts as an error (ERR-4). */
  readonly acknowledgements?: AcknowledgementMode;
  /** PKCE may be missing or plain (AUT-1). */
  readonly legacy?: boolean;
  /** `fhirContext` holds strings, as in SMART App Launch 2.0 (TOK-2). */
  readonly stu2?: boolean;
  /** A client with a secret may use client_credentials, which TOK-5 keeps for keys. */
  readonly secretCredentials?: boolean;
  readonly [name: string]: unknown;
}

/** What a bearer token stands for. */
export interface TokenInfo {
  readonly tokenId: string;
  readonly grantId: string;
  readonly clientId: string;
  readonly clientName: string;
  readonly scopes: Scopes;
  /** ms since the epoch. */
  readonly expiresAt: number;
  /** `Practitioner/123` or `Patient/1`; absent for backend services. */
  readonly user?: string;
  /** `system|value` or plain names by which other systems know the user (SES-7). */
  readonly userAliases: readonly string[];
  /** The user's resource as a full URL. */
  readonly fhirUser?: string;
  readonly patient?: string;
  readonly encounter?: string;
  /** `hub.topic` values handed out with the token (SES-6). */
  readonly topics: readonly string[];
  /** What a backend client may see; absent for users' tokens. */
  readonly sessions?: AllowedSessions;
  readonly switches: Switches;
  /** Thumbprint of the key that the token is bound to (RFC 9449): it counts only with a proof of that key. */
  readonly jkt?: string;
  /** It came with a launch without OAuth: it launches nothing itself (LAU-1). */
  readonly launched?: boolean;
}

/** Access that has just ended: whatever matches all the fields given must stop (TOK-6). */
export interface AccessEnded {
  readonly grantId?: string;
  readonly clientId?: string;
  readonly tokenId?: string;
  readonly user?: string;
  /** A sentence for the denied subscriber. */
  readonly reason: string;
}
