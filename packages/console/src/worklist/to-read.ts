/** Which imaging studies are still to be read. */
import type { Resource } from '@lockstep/fhircast';
import { referenceOf, subjectOf, textAt, valuesAt } from '../fhir.ts';

/** A report of one of these states says what the study shows. */
const DONE = new Set(['final', 'amended', 'corrected', 'appended']);

export interface StudyToRead {
  readonly study: Resource;
  readonly patient: Resource;
}

/** Studies without a finished report, the earliest first. @param found studies, their patients and reports, in any order */
export function studiesToRead(found: readonly Resource[]): readonly StudyToRead[] {
  const patients = new Map<string, Resource>(
    found.flatMap((one) => (one.resourceType === 'Patient' ? [[`Patient/${one.id}`, one] as const] : [])),
  );
  const reports = found.filter(
    ({ resourceType, status }) => resourceType === 'DiagnosticReport' && DONE.has(String(status)),
  );
  const reported = new Set(
    reports.flatMap((report) => valuesAt(report, 'imagingStudy').flatMap((one) => referenceOf({ one }, 'one') ?? [])),
  );
  return found
    .flatMap((study) => {
      const patient = patients.get(subjectOf(study) ?? '');
      const isToRead = study.resourceType === 'ImagingStudy' && study.status === 'available';
      return patient && isToRead && !reported.has(`ImagingStudy/${study.id}`) ? [{ study, patient }] : [];
    })
    .sort((a, b) => (textAt(a.study, 'started') ?? '').localeCompare(textAt(b.study, 'started') ?? ''));
}
