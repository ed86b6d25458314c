import { isPlainText } from '@lockstep/fhircast';
import { SIGNATURE_ALGORITHMS } from '../signatures.ts';
import type { AllowedSessions } from '../token-info.ts';

/** An authorization server whose tokens count here (REG-5). */
export interface TrustedIssuer {
  /** A short name: its clients are known here as `name/client_id`. */
  readonly name: string;
  /** `iss` of its tokens, byte for byte. */
  readonly issuer: string;
  /** What `aud` must hold, at least one of them. */
  readonly audience: readonly string[];
  readonly algorithms: readonly string[];
  /** Where its keys are; found by discovery without it. */
  readonly jwksUri?: string;
  /** Asks the issuer about each token (RFC 7662) instead of verifying JWTs. */
  readonly introspection?: IntrospectionOptions;
  /** Claims by name, or by the path to them: `realm_access.roles`. */
  readonly claims: {
    readonly user: string;
    readonly fhirUser: string;
    readonly client: readonly string[];
    readonly patient: string;
    readonly scopes: readonly string[];
  };
  /** The system of the alias by which users are known here: `system|value`. Without it, the sign-in name or a plain alias. */
  readonly aliasSystem?: string;
  /** What each of the issuer's scopes or roles means here, space-separated. */
  readonly scopes: ReadonlyMap<string, string>;
  /** Whether scopes that are written as SMART's and FHIRcast's are taken as they are. */
  readonly passScopes: boolean;
  /** Clients that act for no person, by the client_id that the issuer knows, and the sessions that each may see. */
  readonly services: ReadonlyMap<string, AllowedSessions>;
  /** `aud` of logout tokens: the client_id that the issuer knows us by. */
  readonly logoutAudience: readonly string[];
}

/** How an issuer is asked about tokens. */
export interface IntrospectionOptions {
  readonly endpoint: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** What its opaque tokens begin with: no others are shown to it. Without any, those that no other issuer's prefixes fit. */
  readonly tokenPrefixes: readonly string[];
  /** Whether tokens of others may be shown to it, where nothing says whose an opaque token is. */
  readonly seesOtherTokens: boolean;
}

/** What is wrong with the file of trusted issuers. */
export class TrustedIssuerError extends Error {
  override readonly name = 'TrustedIssuerError';
}

type Fields = Readonly<Record<string, unknown>>;

const KNOWN = new Set([
  ...['name', 'issuer', 'audience', 'algorithms', 'jwks_uri', 'introspection', 'claims', 'alias_system', 'scopes'],
  ...['pass_scopes', 'services', 'logout_audience', '$comment'],
]);
const KNOWN_CLAIMS = new Set(['user', 'fhir_user', 'client', 'patient', 'scopes']);

function fail(where: string, why: string): never {
  throw new TrustedIssuerError(`${where} ${why}`);
}

function fieldsOf(value: unknown, where: string, known?: ReadonlySet<string>): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(where, 'must be an object');
  const unknown = known && Object.keys(value).find((name) => !known.has(name));
  if (unknown !== undefined) fail(where, `has a field that is not known: ${unknown}`);
  return value as Fields;
}

function textOf(value: unknown, where: string): string {
  if (typeof value !== 'string' || value === '' || value.length > 2000) fail(where, 'must be a text');
  return value;
}

function textsOf(value: unknown, where: string): readonly string[] {
  const list = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(list) || list.length === 0) fail(where, 'must be a text or a list of texts');
  return list.map((one) => textOf(one, where));
}

/** Why an issuer may not be asked at an address; what comes by http could be anybody's, but for this machine's own. */
export function addressProblem(address: string): string | undefined {
  const url = URL.parse(address);
  const local = url?.protocol === 'http:' && /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname);
  if (!url || (url.protocol !== 'https:' && !local)) return 'must be an https address';
  return url.username || url.password || url.hash ? 'must hold no credentials and no fragment' : undefined;
}

function addressOf(value: unknown, where: string): string {
  const text = textOf(value, where);
  const problem = addressProblem(text);
  if (problem !== undefined) fail(where, problem);
  return text;
}

function algorithmsOf(value: unknown, where: string): readonly string[] {
  const list = value === undefined ? ['RS256', 'ES256'] : textsOf(value, where);
  const unknown = list.find((one) => !SIGNATURE_ALGORITHMS.includes(one));
  if (unknown !== undefined)
    fail(where, `holds ${unknown}: only ${SIGNATURE_ALGORITHMS.join(', ')} are signatures of the issuer alone`);
  return list;
}

function sessionsOf(value: unknown, where: string): AllowedSessions {
  if (value === 'all') return 'all';
  const { users, workstations } = fieldsOf(value, where, new Set(['users', 'workstations']));
  if (users === undefined && workstations === undefined) fail(where, 'must be "all", or name users or workstations');
  return {
    ...(users === undefined ? {} : { users: textsOf(users, `${where}.users`) }),
    ...(workstations === undefined ? {} : { workstations: textsOf(workstations, `${where}.workstations`) }),
  };
}

const KNOWN_INTROSPECTION = new Set([
  ...['endpoint', 'client_id', 'client_secret_file', 'token_prefix', 'sees_other_tokens'],
]);

function introspectionOf(value: unknown, where: string, readSecret: (path: string) => string): IntrospectionOptions {
  const fields = fieldsOf(value, where, KNOWN_INTROSPECTION);
  const { token_prefix: prefix, sees_other_tokens: sees = false } = fields;
  if (typeof sees !== 'boolean') fail(`${where}.sees_other_tokens`, 'must be true or false');
  return {
    endpoint: addressOf(fields.endpoint, `${where}.endpoint`),
    clientId: textOf(fields.client_id, `${where}.client_id`),
    clientSecret: readSecret(textOf(fields.client_secret_file, `${where}.client_secret_file`)).trim(),
    tokenPrefixes: prefix === undefined ? [] : textsOf(prefix, `${where}.token_prefix`),
    seesOtherTokens: sees,
  };
}

/**
 * An opaque token does not say whose it is. It must not be shown to an issuer that it is not of, which could use it: so it must be
 * known whom to ask, or be said that they may all see it.
 */
function requireKnownWhomToAsk(issuers: readonly TrustedIssuer[]): void {
  const asked = issuers.flatMap(({ name, introspection }) => (introspection ? [{ name, ...introspection }] : []));
  const others = asked.filter(({ tokenPrefixes }) => tokenPrefixes.length === 0);
  const blind = others.find(({ seesOtherTokens }) => !seesOtherTokens);
  if (others.length > 1 && blind) {
    const names = others.map(({ name }) => name).join(', ');
    fail(
      'introspection',
      `of ${names} needs "token_prefix", or "sees_other_tokens": true where they may see each other's`,
    );
  }
  for (const one of asked) {
    for (const other of asked) {
      const both = one === other ? undefined : one.tokenPrefixes.find((text) => isBegunBy(text, other.tokenPrefixes));
      if (both !== undefined) fail('token_prefix', `${both} of ${one.name} fits tokens of ${other.name} too`);
    }
  }
}

function isBegunBy(text: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => text.startsWith(prefix));
}

/** The issuers that an opaque token is shown to: the one whose tokens begin so, or those of which nothing is known. */
export function askedAbout<T extends TrustedIssuer>(token: string, issuers: readonly T[]): readonly T[] {
  const asked = issuers.filter(({ introspection }) => introspection !== undefined);
  const own = asked.filter(({ introspection }) => isBegunBy(token, introspection?.tokenPrefixes ?? []));
  return own.length > 0 ? own : asked.filter(({ introspection }) => introspection?.tokenPrefixes.length === 0);
}

function issuerOf(value: unknown, where: string, readSecret: (path: string) => string): TrustedIssuer {
  const fields = fieldsOf(value, where, KNOWN);
  const name = textOf(fields.name, `${where}.name`);
  if (!/^[a-z0-9][a-z0-9-]{0,39}$/.test(name)) fail(`${where}.name`, 'holds lower-case letters, digits and - only');
  const claims = fieldsOf(fields.claims ?? {}, `${where}.claims`, KNOWN_CLAIMS);
  const claim = (field: string, fallback: string) =>
    claims[field] === undefined ? fallback : textOf(claims[field], `${where}.claims.${field}`);
  const claimList = (field: string, fallback: readonly string[]) =>
    claims[field] === undefined ? fallback : textsOf(claims[field], `${where}.claims.${field}`);
  const scopes = Object.entries(fieldsOf(fields.scopes ?? {}, `${where}.scopes`));
  const services = Object.entries(fieldsOf(fields.services ?? {}, `${where}.services`));
  if (fields.pass_scopes !== undefined && typeof fields.pass_scopes !== 'boolean') {
    fail(`${where}.pass_scopes`, 'must be true or false');
  }
  const audience = textsOf(fields.audience, `${where}.audience`);
  return {
    name,
    issuer: addressOf(fields.issuer, `${where}.issuer`),
    audience,
    algorithms: algorithmsOf(fields.algorithms, `${where}.algorithms`),
    claims: {
      user: claim('user', 'preferred_username'),
      fhirUser: claim('fhir_user', 'fhirUser'),
      client: claimList('client', ['azp', 'client_id', 'appid', 'cid']),
      patient: claim('patient', 'patient'),
      scopes: claimList('scopes', ['scope', 'scp']),
    },
    scopes: new Map(scopes.map(([theirs, ours]) => [theirs, textOf(ours, `${where}.scopes.${theirs}`)])),
    passScopes: fields.pass_scopes !== false,
    services: new Map(services.map(([id, allowed]) => [id, sessionsOf(allowed, `${where}.services.${id}`)])),
    logoutAudience:
      fields.logout_audience === undefined ? audience : textsOf(fields.logout_audience, `${where}.logout_audience`),
    ...(fields.jwks_uri === undefined ? {} : { jwksUri: addressOf(fields.jwks_uri, `${where}.jwks_uri`) }),
    ...(fields.alias_system === undefined ? {} : { aliasSystem: textOf(fields.alias_system, `${where}.alias_system`) }),
    ...(fields.introspection === undefined
      ? {}
      : { introspection: introspectionOf(fields.introspection, `${where}.introspection`, readSecret) }),
  };
}

/**
 * Reads the file of trusted issuers, `docs/trusted-issuers.schema.json`.
 * @param readSecret reads the file that a secret is in
 * @throws TrustedIssuerError naming the field and what it must be
 */
export function readTrustedIssuers(text: string, readSecret: (path: string) => string): readonly TrustedIssuer[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    fail('the file', 'holds no JSON, such as {"issuers": [{"issuer": "https://login.example.org", …}]}');
  }
  const { issuers } = fieldsOf(value, 'the file', new Set(['issuers', '$schema', '$comment']));
  if (!Array.isArray(issuers) || issuers.length === 0 || issuers.length > 50)
    fail('issuers', 'must list 1 to 50 issuers');
  const read = issuers.map((one, index) => issuerOf(one, `issuers[${index}]`, readSecret));
  for (const field of ['name', 'issuer'] as const) {
    const values = read.map((one) => one[field]);
    const twice = values.find((one, index) => values.indexOf(one) !== index);
    if (twice !== undefined) fail('issuers', `have the same ${field} twice: ${twice}`);
  }
  if (!read.every(({ name, aliasSystem = '' }) => isPlainText(name + aliasSystem)))
    fail('issuers', 'hold control characters');
  requireKnownWhomToAsk(read);
  return read;
}
