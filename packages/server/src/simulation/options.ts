/** What a simulated launch is to be like, as the path of its addresses says it: `/simulate/slow-hub,user:dr-mei-tanaka/…`. */

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

/** Whoever asks as an app is let in. */
const UNCHECKED = 'unchecked';
const USER = 'user:';

export interface Simulated {
  readonly faults: readonly Fault[];
  /** Whether client, redirect address and scopes go unchecked. */
  readonly unchecked: boolean;
  /** The sample user whom the launch is for; undefined: the person at the browser. */
  readonly user?: string;
}

/** Reads a path segment. @returns what is not known in it, in words, where there is such a thing */
export function readSimulated(text: string): Simulated | { readonly problem: string } {
  const names = [...new Set(text.split(',').filter((name) => name !== '' && name !== 'none'))];
  const users = names.flatMap((name) => (name.startsWith(USER) ? [name.slice(USER.length)] : []));
  const rest = names.filter((name) => name !== UNCHECKED && !name.startsWith(USER));
  const faults = rest.filter((name): name is Fault => FAULTS.includes(name as Fault));
  if (faults.length < rest.length || users.length > 1) {
    return { problem: `Name faults (${FAULTS.join(', ')}), ${UNCHECKED}, and one ${USER}name at most` };
  }
  const [user] = users;
  return { faults, unchecked: names.includes(UNCHECKED), ...(user !== undefined && { user }) };
}
