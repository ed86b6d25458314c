/** A launch as it is planned, and the query that says it all. */

export const FAULTS = [
  'expired-token',
  'bad-scope',
  'wrong-aud',
  'denied-consent',
  'slow-hub',
  'refused-subscription',
  'sync-error',
] as const;
export type Fault = (typeof FAULTS)[number];

/** In place of an app's id: whatever answers at the plan's address. */
export const BY_ADDRESS = 'by-address';

export interface Plan {
  readonly kind: 'ehr' | 'standalone';
  /** The id of a registered app, or `BY_ADDRESS`. */
  readonly app: string;
  /** Launch address of an app that is not registered. */
  readonly address: string;
  /** Another user than the person signed in. */
  readonly user: string;
  readonly patient: string;
  readonly encounter: string;
  readonly study: string;
  /** Whether client, redirect address and scopes are checked. */
  readonly checks: boolean;
  readonly faults: readonly Fault[];
}

/** Reads a plan from an address; what is missing or unknown in it is left out. */
export function readPlan(query: string): Plan {
  const given = new URLSearchParams(query);
  const text = (name: string): string => given.get(name) ?? '';
  const faults = text('faults').split(',');
  return {
    kind: text('kind') === 'standalone' ? 'standalone' : 'ehr',
    app: text('app'),
    address: text('address'),
    user: text('user'),
    patient: text('patient'),
    encounter: text('encounter'),
    study: text('study'),
    checks: text('checks') !== 'off',
    faults: FAULTS.filter((fault) => faults.includes(fault)),
  };
}

export function toQuery({ kind, checks, faults, ...rest }: Plan): string {
  const query = new URLSearchParams({ kind });
  for (const [name, value] of Object.entries(rest)) if (value !== '') query.set(name, value);
  if (!checks) query.set('checks', 'off');
  if (faults.length > 0) query.set('faults', faults.join(','));
  return `?${query}`;
}

/** Where the server is that launches in this way. */
export function simulated(origin: string, { faults, checks, user }: Pick<Plan, 'faults' | 'checks' | 'user'>): string {
  const options = [...faults, ...(checks ? [] : ['unchecked']), ...(user === '' ? [] : [`user:${user}`])];
  return options.length === 0 ? origin : `${origin}/simulate/${options.join(',')}`;
}
