/** A launch as it is planned, and the query that says it all. */

export const FAULT_WORDS = {
  'expired-token': { title: 'Expired token', text: 'The token is refused by the record and the Hub from the start.' },
  'bad-scope': { title: 'Bad scope', text: 'The authorization request comes back with invalid_scope.' },
  'wrong-aud': { title: 'Wrong aud', text: 'The authorization request comes back with invalid_request.' },
  'denied-consent': { title: 'Denied consent', text: 'The person refuses: access_denied.' },
  'slow-hub': { title: 'Slow Hub', text: 'Every answer of the Hub takes three seconds.' },
  'refused-subscription': { title: 'Refused subscription', text: 'The Hub refuses to subscribe the app: 403.' },
  'sync-error': { title: 'SyncError on open', text: 'Every open is followed by a SyncError that nobody caused.' },
} as const;
export type Fault = keyof typeof FAULT_WORDS;

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
    faults: (Object.keys(FAULT_WORDS) as Fault[]).filter((fault) => faults.includes(fault)),
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
