import { type FhirScope, R4_RESOURCE_TYPES, type Scope, Scopes } from '@lockstep/fhircast';
import type { GrantType } from './client.ts';
import { OAuthError } from './oauth-error.ts';

/** What a user-facing app may ask for when its registration names no scopes. */
const USER_SCOPES =
  'openid fhirUser profile launch launch/patient launch/encounter online_access offline_access ' +
  'patient/*.cruds user/*.cruds fhircast fhircast/*.* hub/session.*';

const BACKEND_SCOPES = 'launch system/*.cruds fhircast fhircast/*.* hub/session.*';

/** Examples of every form of scope that is really supported, for discovery (DIS-2). */
export const SUPPORTED_SCOPES: readonly string[] = [
  'openid',
  'fhirUser',
  'profile',
  'launch',
  'launch/patient',
  'launch/encounter',
  'online_access',
  'offline_access',
  ...['patient', 'user', 'system'].flatMap((context) => [
    `${context}/*.rs`,
    `${context}/*.cruds`,
    `${context}/*.read`,
    `${context}/*.write`,
    `${context}/*.*`,
  ]),
  'fhircast',
  'fhircast/*.read',
  'fhircast/*.write',
  'fhircast/*.*',
  'hub/session.read',
  'hub/session.write',
];

/**
 * The scopes a registration is approved for: what it asked for, else all that its grant types can use.
 * @throws OAuthError when nothing of what it asked for is known
 */
export function approvableScope(
  asked: string | undefined,
  grantTypes: readonly GrantType[],
  canEverOpen: CanEverOpen,
): string {
  if (asked === undefined) {
    const parts = [
      ...(grantTypes.includes('authorization_code') ? USER_SCOPES.split(' ') : []),
      ...(grantTypes.includes('client_credentials') ? BACKEND_SCOPES.split(' ') : []),
    ];
    return [...new Set(parts)].join(' ');
  }
  const approved = usefulScope(asked, grantTypes, canEverOpen);
  if (approved === '')
    throw new OAuthError(
      'invalid_client_metadata',
      'scope: none of these scopes opens anything here: choose one that does',
    );
  return approved;
}

/** Of some scopes those that are known, and of use to a client with these grant types; '' where none is. */
export function usefulScope(asked: string, grantTypes: readonly GrantType[], canEverOpen: CanEverOpen): string {
  return new Scopes(asked).list
    .filter((scope) => isOfR4(scope) && !isUseless(scope, canEverOpen) && fitsGrants(scope, grantTypes))
    .map(({ text }) => text)
    .join(' ');
}

const RESOURCE_TYPES: ReadonlySet<string> = new Set(R4_RESOURCE_TYPES);

/** Whether a scope could ever let anybody in at the FHIR endpoint. */
export type CanEverOpen = (scope: FhirScope) => boolean;

/** Whether a scope could open anything anywhere: there are no resources of types that R4 does not have. */
function isOfR4(scope: Scope): boolean {
  return scope.kind !== 'fhir' || scope.type === '*' || RESOURCE_TYPES.has(scope.type);
}

function isUseless(scope: Scope | undefined, canEverOpen: CanEverOpen): boolean {
  return scope?.kind === 'fhir' && !canEverOpen(scope);
}

/** The scopes asked for, without those that the FHIR endpoint could never let anybody in with; undefined where none were asked for. */
export function withoutUseless<T extends string | undefined>(asked: T, canEverOpen: CanEverOpen): T | string {
  if (asked === undefined) return asked;
  return asked
    .split(/\s+/)
    .filter((text) => !isUseless(new Scopes(text).list[0], canEverOpen))
    .join(' ');
}

/** Whether a scope can be given to a user's token. */
function fitsUser(scope: Scope): boolean {
  return scope.kind !== 'fhir' || scope.context !== 'system';
}

/** Whether a scope can be given to a backend service: nothing that belongs to a person (TOK-5). */
function fitsBackend(scope: Scope): boolean {
  switch (scope.kind) {
    case 'fhir':
      return scope.context === 'system';
    case 'launch':
      return scope.need === 'launch';
    default:
      return scope.kind === 'fhircast' || scope.kind === 'session';
  }
}

/** Whether a scope could ever be given to a client with these ways to get tokens; one that has none is launched for a person. */
function fitsGrants(scope: Scope, grantTypes: readonly GrantType[]): boolean {
  const service = grantTypes.includes('client_credentials');
  const person = grantTypes.includes('authorization_code') || !service;
  return (person && fitsUser(scope)) || (service && fitsBackend(scope));
}

/** Clients ask for the same scopes again and again. */
const known = new Map<string, Scopes>();
const MAX_KNOWN = 500;
const MAX_LENGTH = 2_000;

function parsed(text: string): Scopes {
  let scopes = known.get(text);
  if (!scopes) {
    scopes = new Scopes(text);
    if (known.size >= MAX_KNOWN) known.clear();
    if (text.length <= MAX_LENGTH) known.set(text, scopes);
  }
  return scopes;
}

/**
 * The scopes of a request that can be granted: known, fit for the kind of token, approved for the client. The others are
 * dropped (FHR-1). Their spelling stays as it was asked for.
 */
export function grantableScopes(asked: string, approved: string, kind: 'user' | 'backend'): readonly Scope[] {
  const approval = parsed(approved);
  const fits = kind === 'user' ? fitsUser : fitsBackend;
  return parsed(asked).list.filter((scope) => isOfR4(scope) && fits(scope) && approval.covers(scope));
}
