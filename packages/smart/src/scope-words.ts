import type { FhircastScope, FhirScope, Scope } from '@lockstep/fhircast';

export interface ScopeGroup {
  readonly title: string;
  readonly entries: readonly { readonly scope: Scope; readonly words: string }[];
}

const IDENTITY: Readonly<Record<string, string>> = {
  openid: 'know that you have signed in',
  fhirUser: 'know who you are',
  profile: 'know who you are',
};

const LAUNCH: Readonly<Record<string, string>> = {
  launch: 'be told what you have open when you start it',
  patient: 'be told which patient you choose',
  encounter: 'be told which encounter you choose',
};

const INTERACTIONS: Readonly<Record<string, string>> = {
  c: 'add',
  r: 'read',
  u: 'change',
  d: 'delete',
  s: 'search',
};

const WHOSE: Readonly<Record<FhirScope['context'], string>> = {
  patient: 'of the chosen patient',
  user: 'of every patient you may see',
  system: 'of all patients',
};

/** `DiagnosticReport` → `diagnostic report`. */
function typeWords(type: string): string {
  return type.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
}

function fhirWords(scope: FhirScope): string {
  const verbs = scope.interactions.map((one) => INTERACTIONS[one] ?? one);
  const list = verbs.length > 1 ? `${verbs.slice(0, -1).join(', ')} and ${verbs.at(-1)}` : (verbs[0] ?? '');
  const what = scope.type === '*' ? 'all records' : `${typeWords(scope.type)} records`;
  const only =
    scope.params.length > 0
      ? ` (only where ${scope.params.map(([name, value]) => `${name} is ${value}`).join(' and ')})`
      : '';
  return `${list} ${what} ${WHOSE[scope.context]}${only}`;
}

/** Events that are about no resource: what reading and writing them means, by the event in lower case. */
const OTHER_EVENTS: ReadonlyMap<string, readonly [read: string, write: string]> = new Map([
  ['syncerror', ['be told when an application does not follow', 'say that it does not follow']],
  ['userlogout', ['be told when you sign out', 'sign you out of your applications']],
  ['userhibernate', ['be told when you pause your work', 'pause your work in your applications']],
  ['home-open', ['see when you leave for the start page', 'bring your applications to their start page']],
]);

function eventWords(scope: FhircastScope): string {
  if (scope.event === '*') {
    if (scope.read && scope.write) return 'follow and change what you have open in all your applications';
    return scope.read
      ? 'see what you have open in your other applications'
      : 'change what is open in your other applications';
  }
  const other = OTHER_EVENTS.get(scope.event.toLowerCase());
  if (other) return joinReadWrite(scope, ...other);
  const dash = scope.event.lastIndexOf('-');
  const what = typeWords(dash < 0 ? scope.event : scope.event.slice(0, dash));
  const action = dash < 0 ? '' : scope.event.slice(dash + 1);
  switch (action) {
    case 'open':
      return joinReadWrite(scope, `see which ${what} you have open`, `change the open ${what}`);
    case 'close':
      return joinReadWrite(scope, `see when the open ${what} is closed`, `close the open ${what}`);
    case 'update':
      return joinReadWrite(scope, `see what is shared about the open ${what}`, `share content about the open ${what}`);
    case 'select':
      return joinReadWrite(scope, `see what you select in the open ${what}`, `select things in the open ${what}`);
    default:
      return joinReadWrite(scope, `receive the event ${scope.event}`, `send the event ${scope.event}`);
  }
}

function joinReadWrite(
  scope: { readonly read: boolean; readonly write: boolean },
  read: string,
  write: string,
): string {
  if (scope.read && scope.write) return `${read} and ${write}`;
  return scope.read ? read : write;
}

/** What a scope allows, in plain words that continue "The app may …" (AUT-5). */
export function scopeWords(scope: Scope): string {
  switch (scope.kind) {
    case 'identity':
      return IDENTITY[scope.text] ?? scope.text;
    case 'launch':
      return LAUNCH[scope.need] ?? scope.text;
    case 'refresh':
      return scope.text === 'offline_access'
        ? 'keep its access after you sign out'
        : 'keep its access until you sign out';
    case 'session':
      return joinReadWrite(scope, 'see your synchronized sessions', 'start and end your synchronized sessions');
    case 'fhircast':
      return eventWords(scope);
    case 'fhir':
      return fhirWords(scope);
  }
}

const GROUPS: readonly (readonly [title: string, kinds: readonly Scope['kind'][]])[] = [
  ['Your identity', ['identity']],
  ['Medical records', ['fhir']],
  ['Your open applications', ['fhircast', 'session']],
  ['Starting and staying signed in', ['launch', 'refresh']],
];

/** The scopes of a request as the consent page lists them. */
export function groupScopes(scopes: readonly Scope[]): readonly ScopeGroup[] {
  return GROUPS.map(([title, kinds]) => ({
    title,
    entries: scopes.filter(({ kind }) => kinds.includes(kind)).map((scope) => ({ scope, words: scopeWords(scope) })),
  })).filter(({ entries }) => entries.length > 0);
}
