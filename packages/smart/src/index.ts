export { type LiveToken, REMEMBERED_FOR } from './access.ts';
export { AuthorizationAddresses } from './addresses.ts';
export { awayOf } from './answers.ts';
export {
  type AuthorizationServer,
  type AuthorizationServerOptions,
  createAuthorizationServer,
} from './authorization-server.ts';
export { PageError } from './browser.ts';
export { type Client, isLaunchedWithoutSignIn, LAUNCHED_WITHOUT_SIGN_IN, type LaunchKind } from './client.ts';
export { toMetadata } from './client-metadata.ts';
export { type ClientPage, type Clients, type NewClient, type NewClientOptions, revisionOf } from './clients.ts';
export { type Brand, CAPABILITIES, smartConfiguration } from './discovery.ts';
export { networkOf } from './guess-limit.ts';
export type { Keys, SigningKey } from './keys.ts';
export type { LaunchBinding, LaunchTokens } from './launch-tokens.ts';
export type { LaunchAnswer, LaunchRequest, PreparedLaunch } from './launches.ts';
export { authorizationCaller } from './limits.ts';
export { readManifest } from './manifest.ts';
export { OAuthError } from './oauth-error.ts';
export type { OutsideOptions } from './outside/options.ts';
export { isPageAddress } from './pages/page-addresses.ts';
export { ENGLISH, PageLanguages, said } from './pages/page-language.ts';
export type { PasswordDoor } from './password-door.ts';
export {
  type AuditEntry,
  type Clock,
  type EncounterSummary,
  type Logger,
  NO_PATIENTS,
  NO_SESSIONS,
  type OpenSession,
  type PatientDirectory,
  type PatientSummary,
  type PickablePatients,
  RecordUnavailable,
  type RequestLimit,
  type SessionDirectory,
} from './ports.ts';
export { groupScopes, scopeWords } from './scope-words.ts';
export type { SignedIn, SignInEnded } from './sign-ins.ts';
export { type Admission, type FoundToken, TokenDoor, type TokenRequest } from './token-door.ts';
export type { AccessEnded, AcknowledgementMode, AllowedSessions, Switches, TokenInfo } from './token-info.ts';
export type { TokenVerifier } from './token-verifier.ts';
export { discoverJwks, fetchJson } from './trusted/issuer-keys.ts';
export { readTrustedIssuers, type TrustedIssuer, TrustedIssuerError } from './trusted/options.ts';
export {
  createResourceServer,
  type ResourceServer,
  type ResourceServerOptions,
} from './trusted/resource-server.ts';
export {
  InvalidUser,
  type NewUser,
  type OutsideIdentity,
  SAMPLE_USERS,
  UserNames,
  type UserProfile,
  type Users,
} from './users.ts';
export { proofTimes } from './wall-time.ts';
