import { dialectProblem, isPlainLines, isPlainText, MISLEADING_NAME } from '@lockstep/fhircast';
import type { JWK } from 'jose';
import {
  AUTH_METHODS,
  type AuthMethod,
  type Client,
  GRANT_TYPES,
  type GrantType,
  LAUNCH_KINDS,
  type LaunchKind,
  mayBeBackend,
} from './client.ts';
import { OAuthError } from './oauth-error.ts';
import { approvableScope, type CanEverOpen } from './scope-policy.ts';
import type { Switches } from './token-info.ts';

/** What a registration decides on; the rest of a `Client` is the server's. */
export type ClientProfile = Omit<
  Client,
  | 'id'
  | 'secretDigest'
  | 'status'
  | 'registeredAt'
  | 'registrationTokenDigest'
  | 'lastLaunchAt'
  | 'trusted'
  | 'launcher'
  | 'simulated'
>;

export type Metadata = Readonly<Record<string, unknown>>;

function invalid(description: string): OAuthError {
  return new OAuthError('invalid_client_metadata', description);
}

function optionalString(metadata: Metadata, name: string): string | undefined {
  const value = metadata[name];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw invalid(`${name} must be a string`);
  if (value.length > 2000) throw invalid(`${name} is too long`);
  if (!(name.endsWith('description') ? isPlainLines(value) : isPlainText(value))) throw misleading(name);
  return value;
}

/** Blanks of all scripts, and letters that are drawn as nothing. */
const BLANK = /^[\p{Z}\p{C}\p{M}\u115f\u1160\u2800\u3164\uffa0]*$/u;

/** What people know the app by, at the page that asks for their consent. */
function nameOf(metadata: Metadata): string {
  const name = optionalString(metadata, 'client_name');
  if (name !== undefined && BLANK.test(name)) throw invalid('client_name must show something');
  return name ?? 'Unnamed app';
}

/** Longest name of a category, characters. */
const MAX_CATEGORY = 60;

function shortString(metadata: Metadata, name: string): string | undefined {
  const value = optionalString(metadata, name)?.trim();
  if (value !== undefined && value.length > MAX_CATEGORY) throw invalid(`${name} is too long`);
  return value || undefined;
}

function misleading(name: string): OAuthError {
  return invalid(`${name} ${MISLEADING_NAME}`);
}

function strings(metadata: Metadata, name: string): readonly string[] | undefined {
  const value = metadata[name];
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value) || value.some((one) => typeof one !== 'string' || one === '')) {
    throw invalid(`${name} must be an array of strings`);
  }
  if (value.length > 100) throw invalid(`${name} has too many entries`);
  if (!(value as string[]).every(isPlainText)) throw misleading(name);
  return [...new Set(value as string[])];
}

function boolean(metadata: Metadata, name: string): boolean | undefined {
  const value = metadata[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'boolean') throw invalid(`${name} must be true or false`);
  return value;
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** A web address that means the same wherever it stands: browsers take `https:x` for a path, and a backslash for a slash. */
const WRITTEN_OUT = /^https?:\/\/[^\s\\/?#][^\s\\]*$/i;

/** Schemes that belong to one app: a domain name of its maker, written backwards (RFC 8252 section 7.1). */
const PRIVATE_USE = /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:$/;

/** Origins of pages that are packed into a mobile app: browsers there send them, and no other app can. */
const PACKED_ORIGIN = /^(capacitor|ionic):\/\/[a-z0-9.-]+$/;

function webAddress(value: string | undefined, name: string, insecureAllowed: boolean): string | undefined {
  if (value === undefined) return undefined;
  const url = URL.parse(value);
  if (!url || !WRITTEN_OUT.test(value)) throw invalid(`${name} must be an http or https address`);
  if (url.username || url.password) throw invalid(`${name} must not hold credentials`);
  if (url.protocol === 'http:' && !insecureAllowed && !LOOPBACK.has(url.hostname)) {
    throw invalid(`${name} must use https`);
  }
  return value;
}

/** Longest icon that is in the registration itself, characters: lists of apps bring all of them. */
const MAX_ICON = 6 * 1024;

/** An address, or a small picture itself: one of pixels, since an SVG may hold more than a picture. */
function readLogo(metadata: Metadata): string | undefined {
  const { logo_uri: value } = metadata;
  if (typeof value !== 'string' || !/^data:/i.test(value)) {
    return webAddress(optionalString(metadata, 'logo_uri'), 'logo_uri', true);
  }
  if (value.length > MAX_ICON) throw invalid('logo_uri is too long: an icon of 64 × 64 pixels is large enough');
  if (!/^data:image\/(?:png|jpeg|webp);base64,[A-Za-z0-9+/]+={0,2}$/.test(value)) {
    throw invalid('logo_uri must be an http or https address, or a PNG, JPEG or WebP picture as a data: URL in Base64');
  }
  return value;
}

function checkRedirectUri(value: string, insecureAllowed: boolean): void {
  const fail = (why: string) => new OAuthError('invalid_redirect_uri', `redirect_uris: ${why}`);
  const url = URL.parse(value);
  if (!url) throw fail('each must be an absolute address');
  if (value.includes('#')) throw fail('none may hold a fragment');
  if (url.username || url.password) throw fail('none may hold credentials');
  if (/^https?:$/.test(url.protocol) && !WRITTEN_OUT.test(value))
    throw fail('each must be written as https://host/path');
  if (/[\s\\]/.test(value)) throw fail('none may hold white space or a backslash');
  if (url.host.includes('*')) throw fail('none may stand for several hosts: there are no wildcards');
  if (url.protocol === 'https:' || PRIVATE_USE.test(url.protocol)) return;
  if (url.protocol !== 'http:') {
    throw fail(`the scheme ${url.protocol} is not allowed: use https, or a domain name written backwards`);
  }
  if (!insecureAllowed && !LOOPBACK.has(url.hostname)) throw fail('plain http is for loopback addresses');
}

function readJwks(metadata: Metadata): { readonly keys: readonly JWK[] } | undefined {
  const value = metadata.jwks;
  if (value === undefined || value === null) return undefined;
  const keys: unknown = (value as { keys?: unknown }).keys;
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > 20) throw invalid('jwks must hold 1 to 20 keys');
  for (const key of keys as unknown[]) {
    if (typeof key !== 'object' || key === null) throw invalid('jwks: each key must be an object');
    const jwk = key as JWK;
    if (jwk.kty !== 'RSA' && jwk.kty !== 'EC') throw invalid('jwks: keys must be RSA or EC public keys');
    if ('d' in jwk || 'k' in jwk || 'p' in jwk) throw invalid('jwks must not hold private keys');
  }
  return { keys: keys as readonly JWK[] };
}

function choices<T extends string>(
  values: readonly string[] | undefined,
  allowed: readonly T[],
  name: string,
): readonly T[] | undefined {
  const unknown = values?.find((value) => !allowed.includes(value as T));
  if (unknown !== undefined) throw invalid(`${name}: ${unknown} is not one of ${allowed.join(', ')}`);
  return values as readonly T[] | undefined;
}

function readSwitches(metadata: Metadata): Switches {
  const nested = metadata.switches;
  if (nested !== undefined && (typeof nested !== 'object' || nested === null || Array.isArray(nested))) {
    throw invalid('switches must be an object');
  }
  const all: Metadata = {
    ...(nested as Metadata | undefined),
    ...pick(metadata, ['acknowledgements', 'legacy', 'stu2']),
  };
  for (const value of Object.values(all)) {
    const isList = Array.isArray(value) && value.every((one) => typeof one === 'string');
    if (!isList && !['string', 'boolean', 'number'].includes(typeof value)) {
      throw invalid('switches hold strings, numbers, booleans and lists of strings');
    }
  }
  if (JSON.stringify(all).length > 2000) throw invalid('switches are too long');
  choices(
    strings({ list: all.acknowledgements === undefined ? undefined : [all.acknowledgements] }, 'list'),
    ['answers', 'strict', 'off'],
    'acknowledgements',
  );
  const problem = dialectProblem(all);
  if (problem !== undefined) throw invalid(problem);
  boolean(all, 'legacy');
  boolean(all, 'stu2');
  return all;
}

function pick(metadata: Metadata, names: readonly string[]): Metadata {
  return Object.fromEntries(names.filter((name) => metadata[name] !== undefined).map((name) => [name, metadata[name]]));
}

function readAuthMethod(metadata: Metadata, hasKeys: boolean): AuthMethod {
  const asked = optionalString(metadata, 'token_endpoint_auth_method');
  if (asked === undefined) return hasKeys ? 'private_key_jwt' : 'client_secret_basic';
  return choices([asked], AUTH_METHODS, 'token_endpoint_auth_method')![0]!;
}

/** What the deployment allows in registrations. */
export interface MetadataPolicy {
  /** Whether plain http is accepted for addresses that are not loopback. */
  readonly insecureAllowed: boolean;
  /** Whether key sets may be fetched from a host, an IP address without brackets or a name (CWE-918). */
  readonly keyHostAllowed: (host: string) => boolean;
  /** The longest `token_life` that may be asked for, s. */
  readonly maxTokenLife: number;
  /** Whether a scope could ever let anybody in at the FHIR endpoint: others are not approved. */
  readonly canEverOpen: CanEverOpen;
}

/**
 * Reads client metadata (RFC 7591 section 2, with Lockstep's own fields) and checks it (REG-1).
 * @throws OAuthError invalid_client_metadata or invalid_redirect_uri, saying which field and why
 */
export function readMetadata(metadata: Metadata, policy: MetadataPolicy): ClientProfile {
  const { insecureAllowed, keyHostAllowed } = policy;
  const jwks = readJwks(metadata);
  const jwksUri = webAddress(optionalString(metadata, 'jwks_uri'), 'jwks_uri', insecureAllowed);
  // Loopback is the person's machine in other addresses; this one the server calls itself.
  if (jwksUri && !insecureAllowed && new URL(jwksUri).protocol !== 'https:') throw invalid('jwks_uri must use https');
  if (jwksUri && !keyHostAllowed(new URL(jwksUri).hostname.replace(/^\[|\]$/g, ''))) {
    throw invalid('jwks_uri points into a network that key sets are not fetched from');
  }
  if (jwks && jwksUri) throw invalid('jwks and jwks_uri exclude each other');
  const authMethod = readAuthMethod(metadata, Boolean(jwks ?? jwksUri));
  if (authMethod === 'private_key_jwt' && !jwks && !jwksUri) throw invalid('private_key_jwt needs jwks or jwks_uri');

  const redirectUris = strings(metadata, 'redirect_uris') ?? [];
  for (const uri of redirectUris) checkRedirectUri(uri, insecureAllowed);

  const grantTypes: readonly GrantType[] =
    choices(strings(metadata, 'grant_types'), GRANT_TYPES, 'grant_types') ??
    (redirectUris.length > 0 ? ['authorization_code', 'refresh_token'] : ['client_credentials']);
  if (grantTypes.includes('authorization_code') && redirectUris.length === 0) {
    throw new OAuthError('invalid_redirect_uri', 'redirect_uris: authorization_code needs at least one');
  }
  const switches = readSwitches(metadata);
  if (grantTypes.includes('client_credentials') && !mayBeBackend({ authMethod, switches })) {
    throw invalid('client_credentials needs token_endpoint_auth_method private_key_jwt');
  }
  const responseTypes = strings(metadata, 'response_types');
  if (responseTypes?.some((type) => type !== 'code')) throw invalid('response_types: only code is supported');

  const launchUrl = webAddress(
    optionalString(metadata, 'launch_url') ?? optionalString(metadata, 'initiate_login_uri'),
    'launch_url',
    insecureAllowed,
  );
  const launchKinds: readonly LaunchKind[] = choices(
    strings(metadata, 'launch_kinds'),
    LAUNCH_KINDS,
    'launch_kinds',
  ) ?? [
    ...(launchUrl ? (['ehr'] as const) : []),
    ...(grantTypes.includes('authorization_code') ? (['standalone'] as const) : []),
    ...(grantTypes.includes('client_credentials') ? (['backend'] as const) : []),
  ];

  const asked = optionalString({ scope: metadata.scope ?? metadata.scopes }, 'scope');
  const profile = {
    name: nameOf(metadata),
    authMethod,
    redirectUris,
    grantTypes,
    scope: approvableScope(asked, grantTypes, policy.canEverOpen),
    launchKinds,
    origins: readOrigins(metadata, redirectUris, launchUrl),
    resourceServer: boolean(metadata, 'resource_server') ?? false,
    switches,
  };
  return {
    ...profile,
    ...defined({
      description: optionalString(metadata, 'description') ?? optionalString(metadata, 'client_description'),
      category: shortString(metadata, 'category'),
      uri: webAddress(optionalString(metadata, 'client_uri'), 'client_uri', true),
      logoUri: readLogo(metadata),
      contacts: strings(metadata, 'contacts'),
      jwks,
      jwksUri,
      launchUrl,
      sessionUsers: strings(metadata, 'session_users'),
      sessionWorkstations: strings(metadata, 'session_workstations'),
      dpopBound: boolean(metadata, 'dpop_bound_access_tokens') || undefined,
      tokenLife: readTokenLife(
        metadata,
        policy.maxTokenLife,
        grantTypes.includes('client_credentials') && authMethod.startsWith('client_secret'),
      ),
    }),
  };
}

/** Connectors with a secret ask for a token once, and want leases of a day: they may have tokens that live as long. */
function readTokenLife(metadata: Metadata, longest: number, fits: boolean): number | undefined {
  const life = metadata.token_life;
  if (life === undefined || life === null) return undefined;
  if (typeof life !== 'number' || !Number.isSafeInteger(life) || life < 60 || life > longest) {
    throw invalid(`token_life must be a whole number of seconds from 60 to ${longest}`);
  }
  if (!fits)
    throw invalid('token_life is for client_credentials with a secret: clients with keys get new tokens easily');
  return life;
}

function readOrigins(
  metadata: Metadata,
  redirectUris: readonly string[],
  launchUrl: string | undefined,
): readonly string[] {
  const given = strings(metadata, 'origins');
  for (const origin of given ?? []) {
    if (URL.parse(origin)?.origin !== origin && !PACKED_ORIGIN.test(origin))
      throw invalid(`origins: ${origin} is not an origin`);
  }
  const own = [...redirectUris, ...(launchUrl ? [launchUrl] : [])]
    .map((uri) => new URL(uri).origin)
    .filter((origin) => origin !== 'null');
  return [...new Set(given ?? own)];
}

/** The object without its undefined entries. */
function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** The client as RFC 7591 section 3.2.1 answers it, without secrets. */
export function toMetadata(client: Client): Record<string, unknown> {
  const { acknowledgements, legacy, stu2, ...switches } = client.switches;
  return {
    client_id: client.id,
    client_id_issued_at: Math.floor(client.registeredAt / 1000),
    client_name: client.name,
    token_endpoint_auth_method: client.authMethod,
    grant_types: client.grantTypes,
    response_types: client.grantTypes.includes('authorization_code') ? ['code'] : [],
    redirect_uris: client.redirectUris,
    scope: client.scope,
    launch_kinds: client.launchKinds,
    origins: client.origins,
    resource_server: client.resourceServer,
    status: client.status,
    ...defined({
      description: client.description,
      category: client.category,
      client_uri: client.uri,
      logo_uri: client.logoUri,
      contacts: client.contacts,
      jwks: client.jwks,
      jwks_uri: client.jwksUri,
      launch_url: client.launchUrl,
      session_users: client.sessionUsers,
      session_workstations: client.sessionWorkstations,
      dpop_bound_access_tokens: client.dpopBound,
      token_life: client.tokenLife,
      acknowledgements,
      legacy,
      stu2,
      switches: Object.keys(switches).length > 0 ? switches : undefined,
    }),
  };
}
