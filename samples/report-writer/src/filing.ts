import { type Resource, textAt, valuesAt } from '../../kit/fhir.ts';

type Coded = { readonly id: string };

/** A report on a study that has none to go on with. */
export function newReport(id: string, patient: Resource, study: Resource): Resource & Coded {
  const code = (study.procedureCode as readonly unknown[] | undefined)?.[0] ?? {
    text: String(study.description ?? 'Imaging report'),
  };
  return {
    resourceType: 'DiagnosticReport',
    id,
    status: 'partial',
    ...(Array.isArray(study.basedOn) && { basedOn: study.basedOn }),
    category: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0074', code: 'RAD', display: 'Radiology' }] },
    ],
    code,
    subject: { reference: `Patient/${patient.id}` },
    ...(study.encounter !== undefined && { encounter: study.encounter }),
    effectiveDateTime: study.started,
    imagingStudy: [{ reference: `ImagingStudy/${study.id}` }],
  };
}

/** Whether a report may still be written. */
export function isUnfinished(report: Resource): boolean {
  return ['registered', 'partial', 'preliminary'].includes(String(report.status));
}

/** Without what the report alone had: an ImagingSelection is of FHIR R5, and no record of R4 keeps it. */
function ofR4({ derivedFrom, ...one }: Resource): Resource {
  const kept = valuesAt({ derivedFrom }, 'derivedFrom').filter(
    (from) => !textAt(from, 'reference')?.startsWith('ImagingSelection/'),
  );
  return { ...one, ...(kept.length > 0 && { derivedFrom: kept }) };
}

/** The signed report with what it rests on, ready to be filed. */
export function signed(
  report: Resource,
  given: { readonly text: string; readonly observations: readonly Resource[]; readonly at: Date },
): { readonly report: Resource; readonly observations: readonly Resource[] } {
  const earlier = Array.isArray(report.result) ? report.result : [];
  const result = [...earlier, ...given.observations.map(({ id }) => ({ reference: `Observation/${id}` }))];
  return {
    observations: given.observations.map((one) => ({ ...ofR4(one), status: 'final' })),
    report: {
      ...report,
      status: 'final',
      issued: given.at.toISOString(),
      conclusion: given.text,
      ...(result.length > 0 && { result }),
    },
  };
}
