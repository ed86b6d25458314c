import type { JWK } from 'jose';
import type { AllowedSessions, Switches } from './token-info.ts';

/** How an app is started (REG-1). */
export const LAUNCH_KINDS = ['ehr', 'standalone', 'backend', 'command-line', 'web', 'file', 'derived'] as const;
export type LaunchKind = (typeof LAUNCH_KINDS)[number];

export const AUTH_METHODS = ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;
export type AuthMethod = (typeof AUTH_METHODS)[number];

export const GRANT_TYPES = ['authorization_code', 'refresh_token', 'client_credentials'] as const;
export type GrantType = (typeof GRANT_TYPES)[number];

/** A registered app. */
export interface Client {
  readonly id: string;
  readonly name: string;
  readonly description?: string;
  /** Under which people find the app among many: one word or two, such as `Imaging`. */
  readonly category?: string;
  readonly uri?: string;
  readonly logoUri?: string;
  readonly contacts?: readonly string[];
  readonly authMethod: AuthMethod;
  /** Digest of the secret of a symmetric client. */
  readonly secretDigest?: string;
  readonly jwks?: { readonly keys: readonly JWK[] };
  readonly jwksUri?: string;
  readonly redirectUris: readonly string[];
  readonly grantTypes: readonly GrantType[];
  /** What the client may ask for, space-separated. */
  readonly scope: string;
  readonly launchUrl?: string;
  readonly launchKinds: readonly LaunchKind[];
  /** Origins whose pages may read answers (CORS). */
  readonly origins: readonly string[];
  /** Users whose sessions a backend client may see; with no such list and no workstations: all (SES-4). */
  readonly sessionUsers?: readonly string[];
  readonly sessionWorkstations?: readonly string[];
  /** Its tokens are good only bound to a key (RFC 9449, `dpop_bound_access_tokens`). */
  readonly dpopBound?: boolean;
  /** Whether it may introspect tokens of other clients (TOK-6). */
  readonly resourceServer: boolean;
  /** Life of the tokens that a connector with a secret gets by `client_credentials`, s; five minutes without it. */
  readonly tokenLife?: number;
  /** An administrator's word that EHR launches need no consent page (AUT-5). */
  readonly trusted: boolean;
  /** An administrator's word that the client may make launch tickets for apps of others (LAU-1). */
  readonly launcher?: boolean;
  readonly switches: Switches;
  /** `waiting` for an administrator (REG-2), `active`, or `suspended` by one. */
  readonly status: 'waiting' | 'active' | 'suspended';
  /** ms since the epoch. */
  readonly registeredAt: number;
  /** Digest of the registration access token (RFC 7592). */
  readonly registrationTokenDigest?: string;
  /** ms since the epoch. */
  readonly lastLaunchAt?: number;
  /** Whether it was made for simulated launches: it is no app, and no list shows it. */
  readonly simulated?: boolean;
}

export function isPublic(client: Pick<Client, 'authMethod'>): boolean {
  return client.authMethod === 'none';
}

export function isAsymmetric(client: Pick<Client, 'authMethod'>): boolean {
  return client.authMethod === 'private_key_jwt';
}

/**
 * Whether a client of this registration may use `client_credentials`: with a key (TOK-5), or with a secret where its
 * registration says `secretCredentials`, as connectors that know no assertions need it.
 */
export function mayBeBackend({ authMethod, switches }: Pick<Client, 'authMethod' | 'switches'>): boolean {
  return authMethod === 'private_key_jwt' || (authMethod !== 'none' && switches.secretCredentials === true);
}

/** The sessions a backend client may see (SES-4). */
export function allowedSessions(client: Client): AllowedSessions {
  if (!client.sessionUsers && !client.sessionWorkstations) return 'all';
  return {
    ...(client.sessionUsers ? { users: client.sessionUsers } : {}),
    ...(client.sessionWorkstations ? { workstations: client.sessionWorkstations } : {}),
  };
}

/** Apps of these launch kinds are started without a sign-in page: their registration is the administrator's consent (LAU-1). */
export const LAUNCHED_WITHOUT_SIGN_IN: readonly LaunchKind[] = ['command-line', 'web', 'file'];

export function isLaunchedWithoutSignIn({ launchKinds }: Pick<Client, 'launchKinds'>): boolean {
  return launchKinds.some((kind) => LAUNCHED_WITHOUT_SIGN_IN.includes(kind));
}
