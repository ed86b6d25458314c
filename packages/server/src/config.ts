/** Configuration by environment and file: every value checked, every wrong one named. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { parseRedisUrl } from '@lockstep/store-redis/address';
import { parseSyslogUrl } from './audit/syslog-sink.ts';
import { networks } from './callbacks/address-policy.ts';
import { OWN_SEGMENTS } from './http/base-path.ts';

export interface Config {
  /** What the server is: `all`, or `hub` beside an EHR with authorization and FHIR servers of its own. */
  readonly role: 'all' | 'hub';
  readonly port: number;
  readonly host: string;
  /** What clients use to reach Lockstep; no trailing slash. Undefined: made of host and port. */
  readonly publicUrl?: string;
  /** Folder of the database. */
  readonly data: string;
  /** Redis instead of a file: several processes may then serve the same sessions. See `parseRedisUrl`. */
  readonly redisUrl?: string;
  /** Replicas of Redis that must have an event before it is accepted. */
  readonly redisReplicas: number;
  /** What is done at the start with a database that lacks changes or holds damaged entries. */
  readonly storeDamage: 'refuse' | 'continue';
  readonly logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  /** Largest request body, bytes. */
  readonly bodyLimit: number;
  /** Requests a second and client; 0 is no limit. */
  readonly rateLimit: number;
  /** Proxies in CIDR notation whose `X-Forwarded-For` says where a request comes from. */
  readonly trustedProxies: readonly string[];
  readonly leaseSeconds: number;
  readonly maxLeaseSeconds: number;
  readonly graceSeconds: number;
  /** How long a lost connection may take to come back before it is reported to the others (ERR-3), ms. */
  readonly holdOffMilliseconds: number;
  /** Subscriptions that a session may have, and how many of them one client or one other person may hold (SUB-13). */
  readonly maxSubscriptions: number;
  readonly maxSubscriptionsPerClient: number;
  readonly maxSubscriptionsPerUser: number;
  /** Sessions that one client may have started: for other users than its tokens' own, and for one user (SUB-13). */
  readonly maxSessionsPerClient: number;
  readonly maxSessionsPerUser: number;
  /** Sessions that may have been started from one address, likewise (SUB-13). */
  readonly maxSessionsPerAddress: number;
  readonly answerSeconds: number;
  readonly maxUnanswered: number;
  readonly acknowledgements: 'answers' | 'strict' | 'off';
  /** Whether sessions may be started for users whom the server does not know; by default on loopback only (SES-8). */
  readonly unknownUsers: boolean;
  readonly pingSeconds: number;
  /** Time between the `HeartBeat` events for subscribers that ask for them by name. */
  readonly heartbeatSeconds: number;
  readonly idleHours: number;
  /** How long a rotated refresh token gets the same successor again (TOK-4). */
  readonly refreshGraceSeconds: number;
  /** The longest life that the registration of a connector with a secret may ask for its tokens. */
  readonly maxTokenSeconds: number;
  /** Life of a token that comes with a launch without SMART. */
  readonly launchTokenSeconds: number;
  /** The version of FHIRcast that the Hub follows; `core` is 3.0.0. */
  readonly profile: 'core' | 'ira' | 'stu2' | 'stu1';
  /** Whether subscribing to a topic that does not exist creates the session; by default in IHE IRA only (SUB-12). */
  readonly createSessions: boolean;
  /** Whether published resources are held against FHIR R4's definitions (PUB-5). */
  readonly validation: 'off' | 'fhir';
  /** How many events of a topic's log are kept, and for how long. */
  readonly logEvents: number;
  readonly logHours: number;
  /** Bytes of a session's log, and of its contexts and content. */
  readonly logBytes: number;
  readonly sessionBytes: number;
  /** Whether subscriptions may be webhooks (STU1, STU2). */
  readonly webhooks: boolean;
  /** Internal networks that webhook callbacks may be in, in CIDR notation (WEB-4). */
  readonly callbackNetworks: readonly string[];
  /** File that audit records are appended to; in the data folder where others reach the server, none on loopback. */
  readonly audit?: string;
  /** Bytes from which on audit records go to a new file. */
  readonly auditFileBytes: number;
  /** FHIR server that audit records are sent to (ITI-20), and a bearer token for it. */
  readonly auditFhir?: string;
  readonly auditFhirToken?: string;
  /** Syslog server that audit records are sent to; see `parseSyslogUrl`. */
  readonly auditSyslog?: string;
  /** What happens while audit records cannot be written. */
  readonly auditFailure: 'refuse' | 'continue';
  /** Whether the records of events name the patient. */
  readonly auditPatients: boolean;
  /** Port of health and metrics only; without it metrics are served on loopback only. */
  readonly managementPort?: number;
  readonly managementHost?: string;
  /** OpenTelemetry collector that spans of requests are sent to (OTLP over HTTP), without a trailing slash. */
  readonly otlpUrl?: string;
  /** Files with a certificate chain and its key, as PEM: the server then speaks https itself. */
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  /** File that names the authorization servers whose tokens count here as well (REG-5). */
  readonly trustedIssuers?: string;
  readonly initialAccessToken?: string;
  /** Whether anybody may register an app, or only who has the initial access token (REG-6). */
  readonly registration: 'open' | 'closed';
  /** Whether every DPoP proof must hold a nonce that the server gave (RFC 9449 section 8). */
  readonly dpopNonce: boolean;
  /** Whether invented patients and users are there to try things with; by default on loopback only. */
  readonly sampleData: boolean;
  /** The OpenID provider where people sign in; the settings that follow are about it (REG-4). */
  readonly oidcIssuer?: string;
  readonly oidcClientId?: string;
  readonly oidcClientSecret?: string;
  /** File with a private key (JWK), instead of a secret. */
  readonly oidcClientKey?: string;
  /** What the provider is called on the sign-in page. */
  readonly oidcName?: string;
  readonly oidcScopes: string;
  readonly oidcUserClaim: string;
  readonly oidcFhirUserClaim: string;
  readonly oidcRolesClaim?: string;
  readonly oidcAdministratorRole?: string;
  /** `beside` passwords, or `only` there. */
  readonly oidcMode: 'beside' | 'only';
  readonly oidcNewUsers: boolean;
  readonly oidcLinkByName: boolean;
  /** Base URL of the FHIR R4 server that `/fhir` stands in front of; without it Lockstep keeps FHIR resources itself. */
  readonly fhirUpstream?: string;
  /** A bearer token for it. */
  readonly fhirUpstreamToken?: string;
  /** Where its authorization server gives Lockstep tokens, as the client `fhirUpstreamClientId`. */
  readonly fhirUpstreamTokenUrl?: string;
  readonly fhirUpstreamClientId?: string;
  /** File with that client's private key, PEM or JWK. */
  readonly fhirUpstreamClientKey?: string;
  readonly fhirUpstreamScope: string;
  /** Files, PEM: Lockstep's TLS client certificate, its key, and who is trusted. */
  readonly fhirUpstreamCert?: string;
  readonly fhirUpstreamKey?: string;
  readonly fhirUpstreamCa?: string;
  /** s for an answer of the FHIR server */
  readonly fhirUpstreamSeconds: number;
  /** bytes of an answer of the FHIR server */
  readonly fhirUpstreamPageBytes: number;
}

/** Every wrong value of a configuration. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(
      problems.length === 1
        ? `The configuration has a problem: ${problems[0]}`
        : `The configuration has problems:\n- ${problems.join('\n- ')}`,
    );
    this.problems = problems;
  }
}

type Reader<T> = (text: string) => T | { readonly problem: string };

const problem = (text: string): { problem: string } => ({ problem: text });

function whole(min: number, max: number): Reader<number> {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : problem(`must be a whole number from ${min} to ${max}`);
  };
}

function oneOf<T extends string>(...values: readonly T[]): Reader<T> {
  return (text) => values.find((value) => value === text) ?? problem(`must be one of ${values.join(', ')}`);
}

const filled: Reader<string> = (text) =>
  text === '' ? problem('must not be empty: give it a value, or leave it out') : text;

const onOff: Reader<boolean> = (text) => (text === 'on' ? true : text === 'off' ? false : problem('must be on or off'));

const networkList: Reader<readonly string[]> = (text) => {
  const list = text.split(',').flatMap((one) => one.trim() || []);
  try {
    networks(list);
    return list;
  } catch {
    return problem('must be networks such as 10.0.0.0/8, separated by commas; a single address is 10.0.0.1/32');
  }
};

const hostName: Reader<string> = (text) =>
  isIP(text) > 0 || /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(text)
    ? text
    : problem('must be a host name or an IP address, such as 127.0.0.1, or 0.0.0.0 for all of this machine');

const webUrl: Reader<string> = (text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !['http:', 'https:'].includes(url.protocol))
    return problem('must be an http: or https: URL, such as https://lockstep.example.org');
  if (url.search || url.hash || url.username || url.password)
    return problem(`must be a URL without ?, # and credentials: ${url.origin}${url.pathname}`);
  const path = url.pathname.replace(/\/+$/, '');
  if (!/^(\/[A-Za-z0-9._~-]+)*$/.test(path) || OWN_SEGMENTS.includes(path.split('/')[1] ?? ''))
    return problem(`must have no path, or one that is no address of Lockstep's own, such as ${url.origin}/lockstep`);
  return url.origin + path;
};

/** The address of another service, such as this one: http or https, without query, fragment or credentials. */
const serviceUrl =
  (example: string): Reader<string> =>
  (text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (!url || !['http:', 'https:'].includes(url.protocol))
      return problem(`must be an http: or https: URL, such as ${example}`);
    if (url.search || url.hash || url.username || url.password)
      return problem('must be a URL without ?, # and credentials');
    return text.replace(/\/+$/, '');
  };

/** Plain http is for a provider on this machine. */
const issuerUrl: Reader<string> = (text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain = url?.protocol === 'http:' && isLoopback(url.hostname.replace(/^\[|\]$/g, ''));
  if (url?.protocol !== 'https:' && !plain) return problem('must be an https: URL, such as https://login.example.org');
  if (url?.search || url?.hash || url?.username) return problem('must be a URL without query, fragment and user');
  return text;
};

/** A FHIR server's base address, which may have a path. */
const fhirBase: Reader<string> = (text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.search || url.hash || url.username) {
    return problem('must be the http: or https: base address of a FHIR server, such as https://audit.example.org/fhir');
  }
  return text.replace(/\/+$/, '');
};

const syslogAddress: Reader<string> = (text) => {
  try {
    parseSyslogUrl(text);
    return text;
  } catch (error) {
    return problem((error as Error).message);
  }
};

const openidScopes: Reader<string> = (text) =>
  text.split(/\s+/).includes('openid')
    ? text.replace(/\s+/g, ' ')
    : problem('must hold the scope openid, such as "openid profile"');

const redisAddress: Reader<string> = (text) => {
  if (text === '') return filled(text);
  try {
    parseRedisUrl(text);
    return text;
  } catch (error) {
    return problem((error as Error).message);
  }
};

/** Name in the file → environment variable, default and reader. */
const SETTINGS = {
  role: ['LOCKSTEP_ROLE', 'all', oneOf('all', 'hub')],
  port: ['PORT', '8080', whole(0, 65_535)],
  host: ['LOCKSTEP_HOST', '127.0.0.1', hostName],
  publicUrl: ['LOCKSTEP_PUBLIC_URL', undefined, webUrl],
  data: ['LOCKSTEP_DATA', './data', filled],
  redisUrl: ['LOCKSTEP_REDIS_URL', undefined, redisAddress],
  redisReplicas: ['LOCKSTEP_REDIS_REPLICAS', '0', whole(0, 10)],
  storeDamage: ['LOCKSTEP_STORE_DAMAGE', 'refuse', oneOf('refuse', 'continue')],
  logLevel: ['LOCKSTEP_LOG_LEVEL', 'warn', oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent')],
  bodyLimit: ['LOCKSTEP_BODY_LIMIT', '1048576', whole(1024, 268_435_456)],
  rateLimit: ['LOCKSTEP_RATE_LIMIT', '1000', whole(0, 1_000_000)],
  trustedProxies: ['LOCKSTEP_TRUSTED_PROXIES', '', networkList],
  leaseSeconds: ['LOCKSTEP_LEASE_SECONDS', '7200', whole(1, 31_536_000)],
  maxLeaseSeconds: ['LOCKSTEP_MAX_LEASE_SECONDS', '86400', whole(1, 31_536_000)],
  graceSeconds: ['LOCKSTEP_GRACE_SECONDS', '120', whole(0, 86_400)],
  holdOffMilliseconds: ['LOCKSTEP_HOLD_OFF_MILLISECONDS', '2000', whole(0, 60_000)],
  maxSubscriptions: ['LOCKSTEP_MAX_SUBSCRIPTIONS', '64', whole(1, 10_000)],
  maxSubscriptionsPerClient: ['LOCKSTEP_MAX_SUBSCRIPTIONS_PER_CLIENT', '32', whole(1, 10_000)],
  maxSubscriptionsPerUser: ['LOCKSTEP_MAX_SUBSCRIPTIONS_PER_USER', '32', whole(1, 10_000)],
  maxSessionsPerClient: ['LOCKSTEP_MAX_SESSIONS_PER_CLIENT', '10000', whole(1, 10_000_000)],
  maxSessionsPerAddress: ['LOCKSTEP_MAX_SESSIONS_PER_ADDRESS', '20000', whole(1, 10_000_000)],
  maxSessionsPerUser: ['LOCKSTEP_MAX_SESSIONS_PER_USER', '100', whole(1, 100_000)],
  answerSeconds: ['LOCKSTEP_ANSWER_SECONDS', '10', whole(1, 3600)],
  maxUnanswered: ['LOCKSTEP_MAX_UNANSWERED', '3', whole(1, 1000)],
  acknowledgements: ['LOCKSTEP_ACKNOWLEDGEMENTS', undefined, oneOf('answers', 'strict', 'off')],
  unknownUsers: ['LOCKSTEP_UNKNOWN_USERS', undefined, onOff],
  pingSeconds: ['LOCKSTEP_PING_SECONDS', '30', whole(1, 3600)],
  heartbeatSeconds: ['LOCKSTEP_HEARTBEAT_SECONDS', '10', whole(1, 3600)],
  idleHours: ['LOCKSTEP_IDLE_HOURS', '12', whole(1, 8760)],
  refreshGraceSeconds: ['LOCKSTEP_REFRESH_GRACE_SECONDS', '30', whole(0, 600)],
  maxTokenSeconds: ['LOCKSTEP_MAX_TOKEN_SECONDS', '86400', whole(300, 604_800)],
  launchTokenSeconds: ['LOCKSTEP_LAUNCH_TOKEN_SECONDS', '43200', whole(60, 604_800)],
  profile: ['LOCKSTEP_PROFILE', 'core', oneOf('core', 'ira', 'stu2', 'stu1')],
  createSessions: ['LOCKSTEP_CREATE_SESSIONS', undefined, onOff],
  validation: ['LOCKSTEP_VALIDATION', 'off', oneOf('off', 'fhir')],
  logEvents: ['LOCKSTEP_LOG_EVENTS', '1000', whole(1, 1_000_000)],
  logHours: ['LOCKSTEP_LOG_HOURS', '24', whole(1, 8760)],
  logBytes: ['LOCKSTEP_LOG_BYTES', '134217728', whole(65_536, 2_147_483_648)],
  sessionBytes: ['LOCKSTEP_SESSION_BYTES', '134217728', whole(65_536, 2_147_483_648)],
  webhooks: ['LOCKSTEP_WEBHOOKS', 'on', onOff],
  callbackNetworks: ['LOCKSTEP_CALLBACK_NETWORKS', '', networkList],
  audit: ['LOCKSTEP_AUDIT', undefined, filled],
  auditFileBytes: ['LOCKSTEP_AUDIT_FILE_BYTES', '104857600', whole(65_536, 1_099_511_627_776)],
  auditFhir: ['LOCKSTEP_AUDIT_FHIR', undefined, fhirBase],
  auditFhirToken: ['LOCKSTEP_AUDIT_FHIR_TOKEN', undefined, filled],
  auditSyslog: ['LOCKSTEP_AUDIT_SYSLOG', undefined, syslogAddress],
  auditFailure: ['LOCKSTEP_AUDIT_FAILURE', 'continue', oneOf('refuse', 'continue')],
  auditPatients: ['LOCKSTEP_AUDIT_PATIENTS', 'off', onOff],
  managementPort: ['LOCKSTEP_MANAGEMENT_PORT', undefined, whole(0, 65_535)],
  managementHost: ['LOCKSTEP_MANAGEMENT_HOST', undefined, hostName],
  otlpUrl: ['LOCKSTEP_OTLP_URL', undefined, serviceUrl('http://collector:4318')],
  tlsCert: ['LOCKSTEP_TLS_CERT', undefined, filled],
  tlsKey: ['LOCKSTEP_TLS_KEY', undefined, filled],
  trustedIssuers: ['LOCKSTEP_TRUSTED_ISSUERS', undefined, filled],
  initialAccessToken: ['LOCKSTEP_INITIAL_ACCESS_TOKEN', undefined, filled],
  dpopNonce: ['LOCKSTEP_DPOP_NONCE', 'off', onOff],
  registration: ['LOCKSTEP_REGISTRATION', 'open', oneOf('open', 'closed')],
  sampleData: ['LOCKSTEP_SAMPLE_DATA', undefined, onOff],
  oidcIssuer: ['LOCKSTEP_OIDC_ISSUER', undefined, issuerUrl],
  oidcClientId: ['LOCKSTEP_OIDC_CLIENT_ID', undefined, filled],
  oidcClientSecret: ['LOCKSTEP_OIDC_CLIENT_SECRET', undefined, filled],
  oidcClientKey: ['LOCKSTEP_OIDC_CLIENT_KEY', undefined, filled],
  oidcName: ['LOCKSTEP_OIDC_NAME', undefined, filled],
  oidcScopes: ['LOCKSTEP_OIDC_SCOPES', 'openid profile', openidScopes],
  oidcUserClaim: ['LOCKSTEP_OIDC_USER_CLAIM', 'preferred_username', filled],
  oidcFhirUserClaim: ['LOCKSTEP_OIDC_FHIR_USER_CLAIM', 'fhirUser', filled],
  oidcRolesClaim: ['LOCKSTEP_OIDC_ROLES_CLAIM', undefined, filled],
  oidcAdministratorRole: ['LOCKSTEP_OIDC_ADMINISTRATOR_ROLE', undefined, filled],
  oidcMode: ['LOCKSTEP_OIDC_MODE', 'beside', oneOf('beside', 'only')],
  oidcNewUsers: ['LOCKSTEP_OIDC_NEW_USERS', 'on', onOff],
  oidcLinkByName: ['LOCKSTEP_OIDC_LINK_BY_NAME', 'off', onOff],
  fhirUpstream: ['LOCKSTEP_FHIR_UPSTREAM', undefined, serviceUrl('https://fhir.example.org/r4')],
  fhirUpstreamToken: ['LOCKSTEP_FHIR_UPSTREAM_TOKEN', undefined, filled],
  fhirUpstreamTokenUrl: ['LOCKSTEP_FHIR_UPSTREAM_TOKEN_URL', undefined, serviceUrl('https://login.example.org/token')],
  fhirUpstreamClientId: ['LOCKSTEP_FHIR_UPSTREAM_CLIENT_ID', undefined, filled],
  fhirUpstreamClientKey: ['LOCKSTEP_FHIR_UPSTREAM_CLIENT_KEY', undefined, filled],
  fhirUpstreamScope: ['LOCKSTEP_FHIR_UPSTREAM_SCOPE', 'system/*.cruds', filled],
  fhirUpstreamCert: ['LOCKSTEP_FHIR_UPSTREAM_CERT', undefined, filled],
  fhirUpstreamKey: ['LOCKSTEP_FHIR_UPSTREAM_KEY', undefined, filled],
  fhirUpstreamCa: ['LOCKSTEP_FHIR_UPSTREAM_CA', undefined, filled],
  fhirUpstreamSeconds: ['LOCKSTEP_FHIR_UPSTREAM_SECONDS', '10', whole(1, 300)],
  fhirUpstreamPageBytes: ['LOCKSTEP_FHIR_UPSTREAM_PAGE_BYTES', '8388608', whole(65_536, 268_435_456)],
} as const satisfies Record<keyof Config, readonly [string, string | undefined, Reader<unknown>]>;

/** Settings that are secrets: `{variable}_FILE` may name a file that holds the value instead. */
const SECRETS = [
  'redisUrl',
  'initialAccessToken',
  'oidcClientSecret',
  'auditFhirToken',
  'fhirUpstreamToken',
] as const satisfies readonly (keyof Config)[];

/**
 * What Kubernetes puts into a pod's environment for a Service of the same name (`{NAME}_SERVICE_HOST`, `{NAME}_PORT=tcp://…`):
 * no setting, wherever it comes from.
 */
function isOfKubernetes(name: string, value: string): boolean {
  if (/_PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)$/.test(name)) return true;
  if (/_SERVICE_HOST$/.test(name)) return isIP(value) > 0;
  if (/_SERVICE_PORT(_[A-Z0-9_]+)?$/.test(name)) return /^\d+$/.test(value);
  return /_PORT(_\d+_(TCP|UDP|SCTP))?$/.test(name) && /^(tcp|udp|sctp):\/\//.test(value);
}

/** The environment with the values of secrets that are in files. */
function withSecrets(env: NodeJS.ProcessEnv, problems: string[]): NodeJS.ProcessEnv {
  const full = { ...env };
  for (const name of SECRETS) {
    const [variable] = SETTINGS[name];
    const path = env[`${variable}_FILE`];
    if (path === undefined) continue;
    if (env[variable] !== undefined)
      problems.push(`${variable} and ${variable}_FILE exclude each other: set one of them`);
    try {
      full[variable] = readFileSync(path, 'utf8').trim();
    } catch (error) {
      problems.push(
        `${variable}_FILE: the file ${path} cannot be read (${(error as Error).message}): name one that can`,
      );
    }
  }
  return full;
}

const PREFIX = /^LOCKSTEP_/;

/** The setting whose name is nearest to a misspelt one. */
function similar(name: string, names: Iterable<string>): string {
  const [best] = [...names]
    .map((one) => [one, distance(one.replace(PREFIX, ''), name.replace(PREFIX, ''))] as const)
    .filter(([, apart]) => apart <= 2)
    .sort(([, a], [, b]) => a - b);
  return best ? `; did you mean ${best[0]}?` : '';
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function readFile(path: string): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new ConfigError([`LOCKSTEP_CONFIG: the file ${path} cannot be read: name one that can, or leave it out`]);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Said below, in words of ours.
  }
  throw new ConfigError([`LOCKSTEP_CONFIG: the file ${path} does not hold a JSON object, such as {"port": 8080}`]);
}

/**
 * Reads the configuration: environment before file before default.
 * @throws ConfigError naming every wrong value and every unknown setting
 */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const file = environment.LOCKSTEP_CONFIG ? readFile(environment.LOCKSTEP_CONFIG) : {};
  const problems: string[] = [];
  const settings = new Set<string>(Object.values(SETTINGS).map(([variable]) => variable));
  const ours = Object.entries(environment).filter(
    ([name, value = '']) => !(name.startsWith('LOCKSTEP_') && isOfKubernetes(name, value)),
  );
  const env = withSecrets(Object.fromEntries(ours), problems);
  const values: Record<string, unknown> = {};
  const variables = new Set<string>([
    'LOCKSTEP_CONFIG',
    ...settings,
    ...SECRETS.map((name) => `${SETTINGS[name][0]}_FILE`),
  ]);
  for (const name of Object.keys(file)) {
    if (!Object.hasOwn(SETTINGS, name))
      problems.push(`${name} in the file is no setting${similar(name, Object.keys(SETTINGS))}`);
  }
  for (const name of Object.keys(env)) {
    if (name.startsWith('LOCKSTEP_') && !variables.has(name))
      problems.push(`${name} is no setting${similar(name, variables)}`);
  }
  for (const [name, [variable, fallback, read]] of Object.entries(SETTINGS)) {
    const inFile = file[name];
    if (inFile !== undefined && typeof inFile !== 'string' && typeof inFile !== 'number') {
      problems.push(`${name} in the file must be a string or a number, such as "on" or 8080`);
      continue;
    }
    const text = env[variable] ?? (inFile === undefined ? fallback : String(inFile));
    if (text === undefined) continue;
    const value = read(text.trim());
    if (typeof value === 'object' && 'problem' in value)
      problems.push(`${env[variable] === undefined ? name : variable} ${value.problem}`);
    else values[name] = value;
  }
  if (problems.length === 0) {
    const local = isLocal(values as unknown as Config);
    values.sampleData ??= local && values.role !== 'hub';
    values.unknownUsers ??= local;
    if (!local) values.audit ??= join(String(values.data), 'audit.jsonl');
  }
  if (values.audit === 'off') delete values.audit;
  values.createSessions ??= values.profile === 'ira';
  values.acknowledgements ??= values.profile === 'ira' ? 'strict' : 'answers';
  const config = values as unknown as Config;
  if (problems.length === 0) problems.push(...contradictions(config));
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/** Settings that are right each and wrong together. */
function contradictions(config: Config): readonly string[] {
  const found: string[] = [];
  if (config.leaseSeconds > config.maxLeaseSeconds) {
    found.push('LOCKSTEP_LEASE_SECONDS must not be more than LOCKSTEP_MAX_LEASE_SECONDS');
  }
  found.push(...upstreamContradictions(config), ...roleContradictions(config));
  if ((config.tlsCert === undefined) !== (config.tlsKey === undefined)) {
    found.push('LOCKSTEP_TLS_CERT and LOCKSTEP_TLS_KEY belong together: name both files');
  }
  if (config.managementPort !== undefined && config.managementPort !== 0 && config.managementPort === config.port) {
    found.push('LOCKSTEP_MANAGEMENT_PORT must be another port than PORT');
  }
  if (config.managementHost !== undefined && config.managementPort === undefined) {
    found.push('LOCKSTEP_MANAGEMENT_PORT is missing: LOCKSTEP_MANAGEMENT_HOST is where that port listens');
  }
  if (config.redisReplicas > 0 && config.redisUrl === undefined) {
    found.push('LOCKSTEP_REDIS_URL is missing: LOCKSTEP_REDIS_REPLICAS are replicas of that Redis');
  }
  if (config.auditFhirToken !== undefined && config.auditFhir === undefined) {
    found.push('LOCKSTEP_AUDIT_FHIR is missing: LOCKSTEP_AUDIT_FHIR_TOKEN is for that server');
  }
  if (config.oidcIssuer === undefined) {
    const { oidcClientId, oidcClientSecret, oidcClientKey, oidcName, oidcRolesClaim, oidcAdministratorRole } = config;
    const rest = [oidcClientId, oidcClientSecret, oidcClientKey, oidcName, oidcRolesClaim, oidcAdministratorRole];
    if (config.oidcMode === 'only' || rest.some((value) => value !== undefined)) {
      found.push('LOCKSTEP_OIDC_ISSUER is missing: other settings are about that provider');
    }
    return found;
  }
  if (config.oidcClientId === undefined)
    found.push('LOCKSTEP_OIDC_CLIENT_ID is missing: the provider knows Lockstep by it');
  if (config.oidcClientSecret !== undefined && config.oidcClientKey !== undefined) {
    found.push('LOCKSTEP_OIDC_CLIENT_SECRET and LOCKSTEP_OIDC_CLIENT_KEY exclude each other: set one of them');
  }
  if ((config.oidcRolesClaim === undefined) !== (config.oidcAdministratorRole === undefined)) {
    found.push(
      'LOCKSTEP_OIDC_ROLES_CLAIM and LOCKSTEP_OIDC_ADMINISTRATOR_ROLE belong together: set all of them, or none',
    );
  }
  return found;
}

/** Settings about what a Hub alone does not have. */
const NOT_OF_A_HUB = ['oidcIssuer', 'fhirUpstream', 'initialAccessToken'] as const satisfies readonly (keyof Config)[];

function roleContradictions(config: Config): readonly string[] {
  if (config.role !== 'hub') return [];
  const others: string[] = NOT_OF_A_HUB.filter((name) => config[name] !== undefined).map((name) => SETTINGS[name][0]);
  if (config.sampleData) others.push('LOCKSTEP_SAMPLE_DATA=on');
  return [
    ...(config.trustedIssuers === undefined
      ? ['LOCKSTEP_TRUSTED_ISSUERS is missing: LOCKSTEP_ROLE=hub gives out no tokens of its own']
      : []),
    ...others.map((variable) => `${variable} and LOCKSTEP_ROLE=hub exclude each other`),
  ];
}

function upstreamContradictions(config: Config): readonly string[] {
  const { fhirUpstream, fhirUpstreamToken, fhirUpstreamTokenUrl, fhirUpstreamClientId, fhirUpstreamClientKey } = config;
  const { fhirUpstreamCert, fhirUpstreamKey, fhirUpstreamCa } = config;
  const client = [fhirUpstreamTokenUrl, fhirUpstreamClientId, fhirUpstreamClientKey];
  const given = [...client, fhirUpstreamToken, fhirUpstreamCert, fhirUpstreamKey, fhirUpstreamCa];
  if (fhirUpstream === undefined) {
    if (given.every((value) => value === undefined)) return [];
    return ['LOCKSTEP_FHIR_UPSTREAM is missing: other settings are about that FHIR server'];
  }
  const found: string[] = [];
  const named = client.filter((value) => value !== undefined).length;
  if (named > 0 && named < client.length) {
    found.push(
      'LOCKSTEP_FHIR_UPSTREAM_TOKEN_URL, _CLIENT_ID and _CLIENT_KEY belong together: set all of them, or none',
    );
  }
  if (named > 0 && fhirUpstreamToken !== undefined) {
    found.push('LOCKSTEP_FHIR_UPSTREAM_TOKEN and LOCKSTEP_FHIR_UPSTREAM_TOKEN_URL exclude each other: set one of them');
  }
  if ((fhirUpstreamCert === undefined) !== (fhirUpstreamKey === undefined)) {
    found.push('LOCKSTEP_FHIR_UPSTREAM_CERT and LOCKSTEP_FHIR_UPSTREAM_KEY belong together: set all of them, or none');
  }
  return found;
}

/**
 * Whether only this machine can reach Lockstep: registration is open then, and samples are there (REG-2). Behind a proxy it
 * listens on loopback too, and is reached by others for all that.
 */
export function isLocal({ host, publicUrl }: Pick<Config, 'host' | 'publicUrl'>): boolean {
  const outside = publicUrl === undefined ? host : new URL(publicUrl).hostname.replace(/^\[|\]$/g, '');
  return isLoopback(host) && isLoopback(outside);
}

/** Whether only this machine can reach the address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/**
 * What clients use to reach Lockstep, without a trailing slash; with a path where a proxy serves it below one.
 * @param port the port that it listens on, where the configuration leaves that open
 */
export function publicUrlOf(config: Config, port: number): string {
  if (config.publicUrl) return config.publicUrl;
  const host = isLoopback(config.host) || config.host === '0.0.0.0' || config.host === '::' ? 'localhost' : config.host;
  const scheme = config.tlsCert === undefined ? 'http' : 'https';
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
