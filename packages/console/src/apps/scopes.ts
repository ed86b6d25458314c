/** Scopes to choose from, in plain words that continue "The app may …". */

export interface ScopeChoice {
  readonly scope: string;
  readonly words: string;
}

export interface ChoiceGroup {
  readonly title: string;
  readonly choices: readonly ScopeChoice[];
}

const EVENTS = (type: string, words: string): readonly ScopeChoice[] => [
  { scope: `fhircast/${type}-open.read`, words: `see which ${words} is open` },
  { scope: `fhircast/${type}-open.write`, words: `change the open ${words}` },
  { scope: `fhircast/${type}-close.read`, words: `see when a ${words} is closed` },
  { scope: `fhircast/${type}-close.write`, words: `close the open ${words}` },
];

export const SCOPE_GROUPS: readonly ChoiceGroup[] = [
  {
    title: 'Identity and launch',
    choices: [
      { scope: 'openid', words: 'know that the person has signed in' },
      { scope: 'fhirUser', words: 'know who the person is' },
      { scope: 'launch', words: 'be told what the EHR has open' },
      { scope: 'launch/patient', words: 'ask which patient' },
      { scope: 'launch/encounter', words: 'ask which encounter' },
      { scope: 'online_access', words: 'keep access until sign-out' },
      { scope: 'offline_access', words: 'keep access after sign-out' },
    ],
  },
  {
    title: 'The record',
    choices: [
      { scope: 'patient/*.rs', words: 'read everything of the chosen patient' },
      { scope: 'user/*.rs', words: 'read everything the person may see' },
      { scope: 'user/Patient.rs', words: 'read patients' },
      { scope: 'user/ImagingStudy.rs', words: 'read imaging studies' },
      { scope: 'user/DiagnosticReport.rs', words: 'read reports' },
      { scope: 'user/DiagnosticReport.crus', words: 'read and write reports' },
      { scope: 'user/Observation.rs', words: 'read observations' },
      { scope: 'user/Observation.crus', words: 'read and write observations' },
      { scope: 'system/*.rs', words: 'read all records (backend services)' },
    ],
  },
  {
    title: 'Following and changing context',
    choices: [
      { scope: 'fhircast/*.read', words: 'follow everything that is open' },
      { scope: 'fhircast/*.write', words: 'change everything that is open' },
      ...EVENTS('Patient', 'patient'),
      ...EVENTS('ImagingStudy', 'study'),
      ...EVENTS('DiagnosticReport', 'report'),
      { scope: 'fhircast/DiagnosticReport-update.write', words: 'share content in the open report' },
      { scope: 'fhircast/DiagnosticReport-select.write', words: 'select content in the open report' },
      { scope: 'fhircast/SyncError.write', words: 'tell that it does not follow' },
      { scope: 'hub/session.read', words: 'list sessions' },
      { scope: 'hub/session.write', words: 'start and end sessions' },
    ],
  },
];

const LISTED = new Set(SCOPE_GROUPS.flatMap(({ choices }) => choices.map(({ scope }) => scope)));

/** Scopes that are not in the list above: kept and shown as they are. */
export function unlisted(scopes: readonly string[]): readonly string[] {
  return scopes.filter((scope) => !LISTED.has(scope));
}
