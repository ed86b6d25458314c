/** A launch as it is planned, and the query that says it all. */
import {
  DECLARED_CLIENT_TYPES,
  type DeclaredClient,
  type DeclaredClientType,
  FAULTS,
  type Fault,
  PKCE_RULES,
  type PkceRule,
  type Simulated,
  type SimulatedPerson,
  simulatedServer,
} from './simulation.ts';

/** In place of an app's id: whatever answers at the plan's address. */
export const BY_ADDRESS = 'by-address';

/** Who launches what: an EHR or the app itself, for a person who works here or for a patient, or a program without a user. */
export const PLAN_KINDS = ['ehr', 'patient-portal', 'standalone', 'patient-standalone', 'backend'] as const;
export type PlanKind = (typeof PLAN_KINDS)[number];

export interface Plan {
  readonly kind: PlanKind;
  /** The id of a registered app, or `BY_ADDRESS`. */
  readonly app: string;
  /** Launch address of an app that is not registered. */
  readonly address: string;
  /** Another person than the one signed in: a sample user's name, or `Practitioner/ID`. */
  readonly user: string;
  readonly patient: string;
  readonly encounter: string;
  readonly study: string;
  /** Whether client, redirect address and scopes are checked. */
  readonly checks: boolean;
  readonly pkce: PkceRule;
  /** What the client of an app by address is held to, where checks are on. */
  readonly clientType: DeclaredClientType;
  readonly clientId: string;
  readonly clientSecret: string;
  /** A key set as JSON, or its address. */
  readonly clientKeys: string;
  /** Separated by spaces. */
  readonly clientRedirects: string;
  readonly clientScope: string;
  readonly skipSignIn: boolean;
  readonly skipConsent: boolean;
  readonly skipPickers: boolean;
  readonly faults: readonly Fault[];
}

/** The names of the fields of text in an address. */
const TEXTS = {
  app: 'app',
  address: 'address',
  user: 'user',
  patient: 'patient',
  encounter: 'encounter',
  study: 'study',
  clientId: 'client_id',
  clientSecret: 'client_secret',
  clientKeys: 'keys',
  clientRedirects: 'redirects',
  clientScope: 'scope',
} as const;

/** Whether an EHR launches, and the app does not begin by itself. */
export function isEhrLaunch({ kind }: Pick<Plan, 'kind'>): boolean {
  return kind === 'ehr' || kind === 'patient-portal';
}

/** Whether the launch is for the patient, and not for who treats them. */
export function isForPatient({ kind }: Pick<Plan, 'kind'>): boolean {
  return kind === 'patient-portal' || kind === 'patient-standalone';
}

/** The kind that an app must be registered for. */
export function registeredKind(plan: Pick<Plan, 'kind'>): 'ehr' | 'standalone' | 'backend' {
  if (plan.kind === 'backend') return 'backend';
  return isEhrLaunch(plan) ? 'ehr' : 'standalone';
}

/** Reads a plan from an address; what is missing or unknown in it is left out. */
export function readPlan(query: string): Plan {
  const given = new URLSearchParams(query);
  const one = <T extends string>(name: string, known: readonly [T, ...T[]] | readonly T[], otherwise: T): T =>
    known.find((value) => value === given.get(name)) ?? otherwise;
  const faults = (given.get('faults') ?? '').split(',');
  const skip = (given.get('skip') ?? '').split(',');
  const texts = Object.entries(TEXTS).map(([field, name]) => [field, given.get(name) ?? '']);
  return {
    ...(Object.fromEntries(texts) as Record<keyof typeof TEXTS, string>),
    kind: one('kind', PLAN_KINDS, 'ehr'),
    checks: given.get('checks') !== 'off',
    pkce: one('pkce', PKCE_RULES, 'always'),
    clientType: one('client_type', DECLARED_CLIENT_TYPES, 'public'),
    skipSignIn: given.get('sign_in') !== 'ask',
    skipConsent: skip.includes('consent'),
    skipPickers: skip.includes('pickers'),
    faults: FAULTS.filter((fault) => faults.includes(fault)),
  };
}

export function toQuery(plan: Plan): string {
  const query = new URLSearchParams({ kind: plan.kind });
  for (const [field, name] of Object.entries(TEXTS)) {
    const value = plan[field as keyof typeof TEXTS];
    if (value !== '') query.set(name, value);
  }
  const skip = [...(plan.skipConsent ? ['consent'] : []), ...(plan.skipPickers ? ['pickers'] : [])];
  if (!plan.checks) query.set('checks', 'off');
  if (plan.pkce !== 'always') query.set('pkce', plan.pkce);
  if (plan.clientType !== 'public') query.set('client_type', plan.clientType);
  if (!plan.skipSignIn) query.set('sign_in', 'ask');
  if (skip.length > 0) query.set('skip', skip.join(','));
  if (plan.faults.length > 0) query.set('faults', plan.faults.join(','));
  return `?${query}`;
}

/** Whom the launch is for, where it is not the person signed in. */
function personOf(plan: Plan): SimulatedPerson | undefined {
  if (plan.kind === 'backend') return undefined;
  if (isForPatient(plan)) return plan.patient === '' ? undefined : { kind: 'patient', id: plan.patient };
  if (plan.user === '') return undefined;
  const practitioner = /^Practitioner\/(.+)$/.exec(plan.user)?.[1];
  return practitioner === undefined ? { kind: 'user', id: plan.user } : { kind: 'practitioner', id: practitioner };
}

/** The user that the server makes the launch for; undefined: the person signed in. */
export function userOf(plan: Plan): string | undefined {
  if (isForPatient(plan)) return plan.patient === '' ? undefined : `Patient/${plan.patient}`;
  return plan.user === '' ? undefined : plan.user;
}

/** The client that the launch itself describes. */
export function declaredClient(plan: Plan): DeclaredClient | undefined {
  const { clientType: type, clientId: id, clientSecret: secret, clientKeys: keys, clientScope: scope } = plan;
  if (plan.app !== BY_ADDRESS || !plan.checks) return undefined;
  const redirects = plan.clientRedirects.split(/\s+/).filter(Boolean);
  return {
    type,
    id,
    ...(type === 'symmetric' && secret !== '' && { secret }),
    ...(type === 'asymmetric' && { keys }),
    ...(redirects.length > 0 && plan.kind !== 'backend' && { redirects }),
    ...(scope !== '' && { scope }),
    ...(plan.kind === 'backend' && { backend: true }),
  };
}

/** Where the server is that launches in this way. */
export function planServer(server: string, plan: Plan): string {
  const person = personOf(plan);
  const client = declaredClient(plan);
  const isBackend = plan.kind === 'backend';
  const startsItself = !isEhrLaunch(plan) && !isForPatient(plan) && !isBackend;
  const simulated: Partial<Simulated> = {
    faults: plan.faults,
    unchecked: !plan.checks,
    pkce: isBackend ? 'always' : plan.pkce,
    asksSignIn: !isBackend && !plan.skipSignIn,
    // An EHR launch carries both itself.
    skipsConsent: !isEhrLaunch(plan) && !isBackend && plan.skipConsent,
    skipsPickers: !isEhrLaunch(plan) && !isBackend && plan.skipPickers,
    ...(person && { person }),
    ...(startsItself && plan.patient !== '' && { chart: plan.patient }),
    ...(client && { client }),
  };
  return simulatedServer(server, simulated);
}
