/**
 * What a simulated launch is to be like, as the path of its addresses says it: `/simulate/slow-hub,user:dr-mei-tanaka/…`. The
 * builder writes it, and the server reads it.
 */

/** What can go wrong, by the part of a launch that it happens in. */
export const FAULTS_BY_STAGE = {
  authorize: ['invalid-client', 'invalid-redirect', 'bad-scope', 'wrong-aud', 'denied-consent'],
  token: ['expired-code', 'wrong-secret', 'used-jti', 'wrong-assertion'],
  refresh: ['refused-refresh'],
  fhir: ['expired-token', 'fhir-expired', 'fhir-forbidden', 'slow-fhir', 'fhir-error'],
  hub: ['refused-subscription', 'slow-hub', 'sync-error', 'lost-socket', 'denied-subscription', 'version-gap'],
} as const;

export type FaultStage = keyof typeof FAULTS_BY_STAGE;
export type Fault = (typeof FAULTS_BY_STAGE)[FaultStage][number];

export const FAULT_STAGES = Object.keys(FAULTS_BY_STAGE) as FaultStage[];
export const FAULTS: readonly Fault[] = Object.values(FAULTS_BY_STAGE).flat();

export const PKCE_RULES = ['always', 'auto', 'none'] as const;
/** Whether an app must prove with PKCE that it asked (RFC 7636): always, where it began to, or never. */
export type PkceRule = (typeof PKCE_RULES)[number];

export const DECLARED_CLIENT_TYPES = ['public', 'symmetric', 'asymmetric'] as const;
export type DeclaredClientType = (typeof DECLARED_CLIENT_TYPES)[number];

/** A client that is registered nowhere but in the launch's address, and held to what is said of it there. */
export interface DeclaredClient {
  readonly type: DeclaredClientType;
  readonly id: string;
  /** Of a symmetric client. */
  readonly secret?: string;
  /** Of an asymmetric client: a key set as JSON, or the https address of one. */
  readonly keys?: string;
  /** Addresses it may be sent back to; without any, whichever it asks for. */
  readonly redirects?: readonly string[];
  /** Scopes it may ask for, separated by spaces; without it, whichever it asks for. */
  readonly scope?: string;
  /** Whether it acts for no person (SMART Backend Services). */
  readonly backend?: boolean;
}

/** Whom a launch is for: a sample user by name, or somebody of the record by id. */
export interface SimulatedPerson {
  readonly kind: 'user' | 'practitioner' | 'patient';
  readonly id: string;
}

export interface Simulated {
  readonly faults: readonly Fault[];
  /** Whether client, redirect address and scopes go unchecked. */
  readonly unchecked: boolean;
  readonly pkce: PkceRule;
  /** Undefined: the person at the browser. */
  readonly person?: SimulatedPerson;
  readonly client?: DeclaredClient;
  /** Whether the person signs in, also where they have done so before. */
  readonly asksSignIn: boolean;
  readonly skipsConsent: boolean;
  /** Whether the server picks patient and encounter: the patient named here, or the first. */
  readonly skipsPickers: boolean;
  /** The patient of a launch that the app starts by itself. */
  readonly chart?: string;
}

const UNCHECKED = 'unchecked';
const ASK_SIGN_IN = 'ask-sign-in';
const SKIP_CONSENT = 'skip-consent';
const SKIP_PICKERS = 'skip-pickers';
const FLAGS: readonly string[] = [UNCHECKED, ASK_SIGN_IN, SKIP_CONSENT, SKIP_PICKERS];
const PERSONS: readonly string[] = ['user', 'practitioner', 'patient'];
/** A name of a user, or an id of a resource. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$/;

/** Where the server is that launches in this way. @param server its public URL, such as `http://localhost:8080` */
export function simulatedServer(server: string, simulated: Partial<Simulated>): string {
  const { faults = [], unchecked, pkce = 'always', person, client, chart } = simulated;
  const options = [
    ...faults,
    ...(unchecked ? [UNCHECKED] : []),
    ...(simulated.asksSignIn ? [ASK_SIGN_IN] : []),
    ...(simulated.skipsConsent ? [SKIP_CONSENT] : []),
    ...(simulated.skipsPickers ? [SKIP_PICKERS] : []),
    ...(pkce === 'always' ? [] : [`pkce:${pkce}`]),
    ...(person ? [`${person.kind}:${person.id}`] : []),
    ...(chart ? [`chart:${chart}`] : []),
    ...(client ? [`client:${encoded(client)}`] : []),
  ];
  return options.length === 0 ? server : `${server}/simulate/${options.join(',')}`;
}

/** Reads a path segment. @returns what is not known in it, in words, where there is such a thing */
export function readSimulated(text: string): Simulated | { readonly problem: string } {
  const names = [...new Set(text.split(',').filter((name) => name !== '' && name !== 'none'))];
  const values = new Map<string, string>();
  const persons: SimulatedPerson[] = [];
  for (const name of names.filter((one) => one.includes(':'))) {
    const kind = name.slice(0, name.indexOf(':'));
    const value = name.slice(kind.length + 1);
    if (PERSONS.includes(kind) && ID.test(value)) persons.push({ kind: kind as SimulatedPerson['kind'], id: value });
    else if (['pkce', 'chart', 'client'].includes(kind) && !values.has(kind)) values.set(kind, value);
    else return unknown(name);
  }
  const plain = names.filter((name) => !name.includes(':') && !FLAGS.includes(name));
  const strange = plain.find((name) => !FAULTS.includes(name as Fault));
  if (strange !== undefined) return unknown(strange);
  const pkce = PKCE_RULES.find((one) => one === (values.get('pkce') ?? 'always'));
  const chart = values.get('chart');
  const [person] = persons;
  if (!pkce || persons.length > 1 || (chart !== undefined && !ID.test(chart))) return unknown(text);
  const client = values.has('client') ? decoded(values.get('client') ?? '') : undefined;
  if (client === null) return { problem: 'client: no client is described by this' };
  return {
    faults: plain as Fault[],
    unchecked: names.includes(UNCHECKED),
    asksSignIn: names.includes(ASK_SIGN_IN),
    skipsConsent: names.includes(SKIP_CONSENT),
    skipsPickers: names.includes(SKIP_PICKERS),
    pkce,
    ...(person && { person }),
    ...(client && { client }),
    ...(chart !== undefined && { chart }),
  };
}

function unknown(name: string): { readonly problem: string } {
  const values =
    'pkce:auto or pkce:none, chart:ID, client:DESCRIPTION, and one of user:NAME, practitioner:ID, patient:ID';
  return {
    problem: `${name.slice(0, 100)} is not known: name faults (${FAULTS.join(', ')}), ${FLAGS.join(', ')}, ${values}`,
  };
}

/** As base64url of JSON: a path holds it without being encoded again. */
function encoded(client: DeclaredClient): string {
  const bytes = new TextEncoder().encode(JSON.stringify(client));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+/, '');
}

/** @returns null for what describes no client */
function decoded(text: string): DeclaredClient | null {
  let value: unknown;
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (one) => one.charCodeAt(0));
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { type, id, secret, keys, redirects, scope, backend } = value as Record<string, unknown>;
  const known = DECLARED_CLIENT_TYPES.find((one) => one === type);
  const isText = (one: unknown): boolean => one === undefined || typeof one === 'string';
  const fits = [secret, keys, scope].every(isText) && (backend === undefined || typeof backend === 'boolean');
  const listed =
    redirects === undefined || (Array.isArray(redirects) && redirects.every((one) => typeof one === 'string'));
  if (!known || typeof id !== 'string' || id === '' || !fits || !listed) return null;
  return value as DeclaredClient;
}
