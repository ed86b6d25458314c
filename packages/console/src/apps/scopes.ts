/** Scopes to choose from, in plain words that continue "The app may …". */
import { codeWords } from '../language/language.ts';

export interface ChoiceGroup {
  readonly group: 'identity' | 'record' | 'context';
  readonly choices: readonly string[];
}

const events = (type: string): readonly string[] =>
  ['open.read', 'open.write', 'close.read', 'close.write'].map((end) => `fhircast/${type}-${end}`);

export const SCOPE_GROUPS: readonly ChoiceGroup[] = [
  {
    group: 'identity',
    choices: ['openid', 'fhirUser', 'launch', 'launch/patient', 'launch/encounter', 'online_access', 'offline_access'],
  },
  {
    group: 'record',
    choices: [
      'patient/*.rs',
      'user/*.rs',
      'user/Patient.rs',
      'user/ImagingStudy.rs',
      'user/DiagnosticReport.rs',
      'user/DiagnosticReport.crus',
      'user/Observation.rs',
      'user/Observation.crus',
      'system/*.rs',
    ],
  },
  {
    group: 'context',
    choices: [
      'fhircast/*.read',
      'fhircast/*.write',
      ...events('Patient'),
      ...events('ImagingStudy'),
      ...events('DiagnosticReport'),
      'fhircast/DiagnosticReport-update.write',
      'fhircast/DiagnosticReport-select.write',
      'fhircast/SyncError.write',
      'hub/session.read',
      'hub/session.write',
    ],
  },
];

const LISTED = new Set(SCOPE_GROUPS.flatMap(({ choices }) => choices));

/** What a scope lets an app do. @param words the server's, for a scope that is not in the list above */
export function scopeWords(scope: string, words = scope): string {
  return LISTED.has(scope) ? codeWords('apps.scope', scope) : words;
}

/** The group of the list above that a scope belongs to. */
export function groupOf(scope: string): ChoiceGroup['group'] {
  if (/^(?:fhircast|hub)\//.test(scope)) return 'context';
  return /^(?:patient|user|system)\//.test(scope) ? 'record' : 'identity';
}

/** Scopes that are not in the list above: kept and shown as they are. */
export function unlisted(scopes: readonly string[]): readonly string[] {
  return scopes.filter((scope) => !LISTED.has(scope));
}
