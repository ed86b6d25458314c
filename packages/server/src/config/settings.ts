/** All settings: what they mean, their variables, defaults and readers. */
import {
  fhirBase,
  filled,
  hostName,
  issuerUrl,
  networkList,
  oneOf,
  onOff,
  openidScopes,
  type Reader,
  redisAddress,
  serviceUrl,
  syslogAddress,
  webUrl,
  whole,
} from './value-readers.ts';

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
  /** File with a FHIR Organization: who runs the server, for apps that list it (SMART App Launch, User-access Brands). */
  readonly brand?: string;
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

/** Name in the file → environment variable, default and reader. */
export const SETTINGS = {
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
  brand: ['LOCKSTEP_BRAND', undefined, filled],
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
export const SECRETS = [
  'redisUrl',
  'initialAccessToken',
  'oidcClientSecret',
  'auditFhirToken',
  'fhirUpstreamToken',
] as const satisfies readonly (keyof Config)[];
