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

export interface Plan {
  readonly kind: 'ehr' | 'standalone';
  readonly app: string;
  readonly patient: string;
  readonly encounter: string;
  readonly study: string;
  readonly faults: readonly Fault[];
}

/** Reads a plan from an address; what is missing or unknown in it is left out. */
export function readPlan(query: string): Plan {
  const given = new URLSearchParams(query);
  const faults = (given.get('faults') ?? '').split(',');
  return {
    kind: given.get('kind') === 'standalone' ? 'standalone' : 'ehr',
    app: given.get('app') ?? '',
    patient: given.get('patient') ?? '',
    encounter: given.get('encounter') ?? '',
    study: given.get('study') ?? '',
    faults: (Object.keys(FAULT_WORDS) as Fault[]).filter((fault) => faults.includes(fault)),
  };
}

export function toQuery({ kind, faults, ...rest }: Plan): string {
  const query = new URLSearchParams({ kind });
  for (const [name, value] of Object.entries(rest)) if (value !== '') query.set(name, value);
  if (faults.length > 0) query.set('faults', faults.join(','));
  return `?${query}`;
}

/** Where the server is that has the faults. */
export function simulated(origin: string, faults: readonly Fault[]): string {
  return faults.length === 0 ? origin : `${origin}/simulate/${faults.join(',')}`;
}
