import { hash } from 'node:crypto';
import { textOf } from '@lockstep/fhircast';
import type { AuthorizationAddresses } from './addresses.ts';
import type { Client } from './client.ts';
import { grantableScopes } from './scope-policy.ts';

/** The parameters an app sends to the authorization endpoint, each at most once. */
export type RequestParams = ReadonlyMap<string, string>;

/** A fault that goes to the app by redirect (AUT-2). */
export interface AuthorizationFault {
  readonly error: string;
  readonly description: string;
}

type Check = (
  params: RequestParams,
  client: Client,
  addresses: AuthorizationAddresses,
) => AuthorizationFault | undefined;

const fault = (error: string, description: string): AuthorizationFault => ({ error, description });

function checkResponseType(params: RequestParams): AuthorizationFault | undefined {
  const type = params.get('response_type');
  if (type === undefined) return fault('invalid_request', 'response_type is missing');
  return type === 'code' ? undefined : fault('unsupported_response_type', 'response_type must be code');
}

function checkResponseMode(params: RequestParams): AuthorizationFault | undefined {
  return (params.get('response_mode') ?? 'query') === 'query'
    ? undefined
    : fault('unsupported_response_mode', 'response_mode must be query');
}

function checkGrantType(_params: RequestParams, client: Client): AuthorizationFault | undefined {
  return client.grantTypes.includes('authorization_code')
    ? undefined
    : fault('unauthorized_client', 'this client may not use authorization codes');
}

function checkState(params: RequestParams): AuthorizationFault | undefined {
  return params.has('state') ? undefined : fault('invalid_request', 'state is missing');
}

/** `resource` (RFC 8707) is a synonym of `aud` (AUT-1). */
function checkAudience(
  params: RequestParams,
  _client: Client,
  addresses: AuthorizationAddresses,
): AuthorizationFault | undefined {
  const named = [params.get('aud'), params.get('resource')].filter((value) => value !== undefined);
  if (named.length === 0) return fault('invalid_request', 'aud is missing');
  return named.every((value) => addresses.isFhir(value))
    ? undefined
    : fault('invalid_request', `aud must be ${addresses.fhir}`);
}

function checkPkce(params: RequestParams, client: Client): AuthorizationFault | undefined {
  const challenge = params.get('code_challenge');
  const method = params.get('code_challenge_method');
  const legacy = client.switches.legacy === true;
  if (challenge === undefined) {
    if (method === undefined && legacy) return undefined;
    return fault('invalid_request', 'code_challenge is missing');
  }
  if (legacy && (method ?? 'plain') === 'plain') return undefined;
  if (method !== 'S256') return fault('invalid_request', 'code_challenge_method must be S256');
  return /^[A-Za-z0-9_-]{43}$/.test(challenge)
    ? undefined
    : fault('invalid_request', 'code_challenge must be a SHA-256 in base64url');
}

/** The scopes that can be granted. Without a launch value there is nothing for the scope `launch` to bring. */
function effectiveScopes(params: RequestParams, client: Client): readonly string[] {
  const scopes = grantableScopes(params.get('scope') ?? '', client.scope, 'user').map(({ text }) => text);
  const refreshes = client.grantTypes.includes('refresh_token');
  return scopes
    .filter((scope) => scope !== 'launch' || params.has('launch'))
    .filter((scope) => refreshes || (scope !== 'offline_access' && scope !== 'online_access'));
}

function checkScope(params: RequestParams, client: Client): AuthorizationFault | undefined {
  if (!params.has('scope')) return fault('invalid_request', 'scope is missing');
  return effectiveScopes(params, client).length > 0
    ? undefined
    : fault('invalid_scope', 'none of these scopes can be granted to the app');
}

function checkUnsupported(params: RequestParams): AuthorizationFault | undefined {
  if (params.has('request')) return fault('request_not_supported', 'request objects are not supported');
  if (params.has('request_uri')) return fault('request_uri_not_supported', 'request_uri is not supported');
  return undefined;
}

/** The key that the code will be bound to (RFC 9449 section 10). */
function checkKey(params: RequestParams): AuthorizationFault | undefined {
  const jkt = params.get('dpop_jkt');
  return jkt === undefined || /^[A-Za-z0-9_-]{43}$/.test(jkt)
    ? undefined
    : fault('invalid_request', 'dpop_jkt must be a SHA-256 thumbprint in base64url');
}

const CHECKS: readonly Check[] = [
  checkResponseType,
  checkResponseMode,
  checkGrantType,
  checkUnsupported,
  checkState,
  checkAudience,
  checkScope,
  checkPkce,
  checkKey,
];

/** What is wrong with a request whose client and redirect_uri are right (AUT-1). */
export function findFault(
  params: RequestParams,
  client: Client,
  addresses: AuthorizationAddresses,
): AuthorizationFault | undefined {
  for (const check of CHECKS) {
    const found = check(params, client, addresses);
    if (found) return found;
  }
  return undefined;
}

const PASSED_ON = ['dpop_jkt', 'state', 'nonce', 'max_age', 'login_hint', 'id_token_hint', 'launch', 'ui_locales'];

/** The request as the provider gets it: its scopes are those that can be granted, consent is always ours to handle. */
export function providerQuery(
  params: RequestParams,
  client: Client,
  addresses: AuthorizationAddresses,
): URLSearchParams {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: client.id,
    redirect_uri: params.get('redirect_uri') ?? '',
    aud: addresses.fhir,
    scope: effectiveScopes(params, client).join(' '),
    prompt: promptOf(params.get('prompt')),
  });
  for (const name of PASSED_ON) {
    const value = params.get(name);
    if (value !== undefined) query.set(name, value);
  }
  const challenge = params.get('code_challenge');
  if (challenge !== undefined) {
    const plain = params.get('code_challenge_method') !== 'S256';
    query.set('code_challenge', plain ? hash('sha256', challenge, 'base64url') : challenge);
    query.set('code_challenge_method', 'S256');
  }
  return query;
}

/** `offline_access` would be dropped without prompt=consent, which SMART apps do not send. */
function promptOf(asked: string | undefined): string {
  if (asked === 'none') return 'none';
  const prompts = new Set(asked?.split(' ') ?? []);
  return [...prompts.add('consent')].join(' ');
}

/** A request's parameters as the provider holds them while the person is at our pages. */
type HeldParams = Readonly<Record<string, unknown>>;

/** Whether the app wants the person to show again who they are, and not the outside provider's word from before. */
export function asksAgain(params: HeldParams): boolean {
  return params.max_age !== undefined || textOf(params.prompt).split(' ').includes('login');
}

/** The same request, to start again now that the person has signed in. */
export function restartOf(params: HeldParams): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (typeof value === 'string' && name !== 'resource') query.set(name, value);
  }
  const prompt = (query.get('prompt') ?? '')
    .split(' ')
    .filter((one) => one !== 'login')
    .join(' ');
  query.set('prompt', prompt || 'consent');
  return query;
}
