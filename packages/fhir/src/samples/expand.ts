import type { JsonObject } from '../resource.ts';
import type { Case, Exam, Measured, Observed, Visit } from './case.ts';
import { type Code, concept, dicom, loinc, snomed } from './codes.ts';

export type Sample = JsonObject & { readonly resourceType: string; readonly id: string };

export const HOSPITAL = 'Organization/northfield-general';
export const IMAGING = 'Organization/northfield-imaging';
export const PACS = 'Endpoint/northfield-pacs';
export const RADIOLOGIST = 'Practitioner/dr-lena-okafor';

const IDS = 'http://northfield.example.org/ids';
const V2_IDENTIFIER = 'http://terminology.hl7.org/CodeSystem/v2-0203';
const CATEGORY = 'http://terminology.hl7.org/CodeSystem/observation-category';
const CONDITION = 'http://terminology.hl7.org/CodeSystem/condition-';
/** What the UIDs of the sample studies begin with, below the arc that ITU-T keeps for examples. */
export const UID_ROOT = '2.999.7.26';

const CLASS: Readonly<Record<Visit['kind'], string>> = {
  AMB: 'ambulatory',
  EMER: 'emergency',
  IMP: 'inpatient encounter',
};
const LATERALITY = { left: snomed('7771000', 'Left'), right: snomed('24028007', 'Right') };

const ref = (reference: string, display?: string): JsonObject => ({ reference, ...(display && { display }) });
const identifier = (kind: string, code: string, display: string, value: string): JsonObject => ({
  type: { coding: [{ system: V2_IDENTIFIER, code, display }] },
  system: `${IDS}/${kind}`,
  value,
});

/** The ids of what belongs to a visit start with the patient's id: `amara-diallo-2026-01-ct-chest`. */
interface Place {
  readonly patient: string;
  readonly subject: JsonObject;
  readonly encounter: JsonObject;
  readonly prefix: string;
  /** When the visit began. */
  readonly start: string;
  readonly doctor: JsonObject;
}

/** The resources of one case: patient, conditions, and for each visit its encounter, observations and imaging. */
export function expand(told: Case, number: number): Sample[] {
  const { patient, problems, visits } = told;
  const name = `${patient.given} ${patient.family}`;
  const subject = ref(`Patient/${patient.id}`, name);
  const resources: Sample[] = [
    {
      resourceType: 'Patient',
      id: patient.id,
      identifier: [{ use: 'usual', ...identifier('mrn', 'MR', 'Medical record number', patient.mrn) }],
      active: true,
      name: [{ use: 'official', text: name, family: patient.family, given: patient.given.split(' ') }],
      telecom: [{ system: 'phone', value: patient.phone, use: 'home' }],
      gender: patient.gender,
      birthDate: patient.birthDate,
      address: [{ use: 'home', city: patient.city }],
      generalPractitioner: [ref('Practitioner/dr-samuel-abebe', 'Dr. Samuel Abebe')],
      managingOrganization: ref(HOSPITAL, 'Northfield General Hospital'),
    },
  ];
  for (const problem of problems) {
    const found = visits.find(({ key }) => key === problem.visit);
    resources.push({
      resourceType: 'Condition',
      id: `${patient.id}-${problem.key}`,
      clinicalStatus: { coding: [{ system: `${CONDITION}clinical`, code: problem.status ?? 'active' }] },
      verificationStatus: {
        coding: [{ system: `${CONDITION}ver-status`, code: problem.verification ?? 'confirmed' }],
      },
      category: [
        {
          coding: [
            { system: `${CONDITION}category`, code: problem.visit ? 'encounter-diagnosis' : 'problem-list-item' },
          ],
        },
      ],
      code: concept(problem.code, problem.text),
      subject,
      ...(problem.visit && { encounter: ref(`Encounter/${patient.id}-${problem.visit}`) }),
      onsetDateTime: problem.onset,
      recordedDate: found?.start ?? problem.onset,
    });
  }
  let exam = 0;
  for (const visit of visits) {
    const place: Place = {
      patient: patient.id,
      subject,
      encounter: ref(`Encounter/${patient.id}-${visit.key}`),
      prefix: `${patient.id}-${visit.key}`,
      start: visit.start,
      doctor: ref(`Practitioner/${visit.doctor}`),
    };
    resources.push(encounter(visit, place), ...measurements(visit, place));
    for (const one of visit.exams) resources.push(...imaging(one, place, `${UID_ROOT}.${number}.${++exam}`));
  }
  return resources;
}

function encounter(visit: Visit, place: Place): Sample {
  return {
    resourceType: 'Encounter',
    id: place.prefix,
    identifier: [identifier('visit', 'VN', 'Visit number', `V-${place.prefix}`)],
    status: visit.end ? 'finished' : 'in-progress',
    class: {
      system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode',
      code: visit.kind,
      display: CLASS[visit.kind],
    },
    type: [{ text: visit.title }],
    subject: place.subject,
    participant: [{ individual: place.doctor }],
    period: { start: visit.start, ...(visit.end && { end: visit.end }) },
    reasonCode: [{ text: visit.reason }],
    serviceProvider: ref(HOSPITAL, 'Northfield General Hospital'),
  };
}

function measurements(visit: Visit, place: Place): Sample[] {
  if (!visit.measured) return [];
  const { at, values } = visit.measured;
  const found = values.map((measured) => measurement(measured, at, place));
  if (visit.bloodPressure) found.push(bloodPressure(visit.bloodPressure, at, place));
  return found;
}

function observationCategory(code: string): JsonObject {
  return { coding: [{ system: CATEGORY, code }] };
}

/** Units as people write them, where UCUM does not. */
const WRITTEN: Readonly<Record<string, string>> = {
  Cel: '°C',
  deg: '°',
  'mL/min/{1.73_m2}': 'mL/min/1.73 m²',
  'mm[Hg]': 'mmHg',
  "[hnsf'U]": 'HU',
};

function quantity(value: number, unit: string): JsonObject {
  return { value, unit: WRITTEN[unit] ?? unit.replace(/[{}]/g, ''), system: 'http://unitsofmeasure.org', code: unit };
}

function measurement([measurand, value]: Measured, at: string, place: Place): Sample {
  const { code, exactly, unit, category, low, high } = measurand;
  const flag = low !== undefined && value < low ? 'L' : high !== undefined && value > high ? 'H' : 'N';
  const bounded = low !== undefined || high !== undefined;
  return {
    resourceType: 'Observation',
    id: `${place.prefix}-${code.code}`,
    status: 'final',
    category: [observationCategory(category)],
    code: { coding: [{ ...code }, ...(exactly ? [{ ...exactly }] : [])], text: code.display },
    subject: place.subject,
    encounter: place.encounter,
    effectiveDateTime: at,
    issued: at,
    performer: [ref(HOSPITAL, 'Northfield General Hospital')],
    valueQuantity: quantity(value, unit),
    ...(bounded && {
      interpretation: [
        { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation', code: flag }] },
      ],
      referenceRange: [
        {
          ...(low !== undefined && { low: quantity(low, unit) }),
          ...(high !== undefined && { high: quantity(high, unit) }),
        },
      ],
    }),
  };
}

function bloodPressure([systolic, diastolic]: readonly [number, number], at: string, place: Place): Sample {
  const component = (code: string, display: string, value: number) => ({
    code: concept(loinc(code, display)),
    valueQuantity: quantity(value, 'mm[Hg]'),
  });
  return {
    resourceType: 'Observation',
    id: `${place.prefix}-85354-9`,
    status: 'final',
    category: [observationCategory('vital-signs')],
    code: concept(loinc('85354-9', 'Blood pressure panel with all children optional')),
    subject: place.subject,
    encounter: place.encounter,
    effectiveDateTime: at,
    issued: at,
    performer: [ref(HOSPITAL, 'Northfield General Hospital')],
    component: [
      component('8480-6', 'Systolic blood pressure', systolic),
      component('8462-4', 'Diastolic blood pressure', diastolic),
    ],
  };
}

/** Order, study, findings and report of one examination. */
function imaging(exam: Exam, place: Place, uid: string): Sample[] {
  const id = `${place.prefix}-${exam.key}`;
  const accession = identifier('accession', 'ACSN', 'Accession ID', exam.accession);
  const { subject, encounter } = place;
  const observed = (exam.observed ?? []).map((one) => finding(one, exam, place, id));
  const modalities = [...new Set(exam.series.map(({ modality }) => modality))];
  const { report } = exam;
  return [
    {
      resourceType: 'ServiceRequest',
      id,
      identifier: [identifier('order', 'PLAC', 'Placer Identifier', `ORD-${exam.accession}`), accession],
      status: report.status === 'final' || report.status === 'amended' ? 'completed' : 'active',
      intent: 'order',
      category: [concept(snomed('363679005', 'Imaging'))],
      priority: exam.priority,
      code: concept(exam.code),
      subject,
      // What was ordered ahead belongs to no visit yet.
      ...(Date.parse(exam.ordered) >= Date.parse(place.start) && { encounter }),
      authoredOn: exam.ordered,
      requester: place.doctor,
      performer: [ref(IMAGING, 'Northfield Imaging Centre')],
      reasonCode: [{ text: exam.indication }],
      bodySite: [concept(exam.site)],
    },
    {
      resourceType: 'ImagingStudy',
      id,
      identifier: [{ system: 'urn:dicom:uid', value: `urn:oid:${uid}` }, accession],
      status: 'available',
      modality: modalities.map((modality) => ({ ...modalityCode(modality) })),
      subject,
      encounter,
      started: exam.started,
      basedOn: [ref(`ServiceRequest/${id}`)],
      referrer: place.doctor,
      interpreter: [ref(RADIOLOGIST, 'Dr. Lena Okafor')],
      endpoint: [ref(PACS)],
      numberOfSeries: exam.series.length,
      numberOfInstances: exam.series.reduce((sum, { instances }) => sum + instances, 0),
      procedureCode: [concept(exam.code)],
      reasonCode: [{ text: exam.indication }],
      description: exam.code.display,
      series: exam.series.map((series, index) => ({
        uid: `${uid}.${index + 1}`,
        number: index + 1,
        modality: { ...modalityCode(series.modality) },
        description: series.description,
        numberOfInstances: series.instances,
        bodySite: { ...(series.site ?? exam.site) },
        ...(series.laterality && { laterality: { ...LATERALITY[series.laterality] } }),
        started: exam.started,
      })),
    },
    ...observed,
    {
      resourceType: 'DiagnosticReport',
      id,
      identifier: [accession],
      basedOn: [ref(`ServiceRequest/${id}`)],
      status: report.status,
      category: [
        { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0074', code: 'RAD', display: 'Radiology' }] },
      ],
      code: concept(exam.code),
      subject,
      encounter,
      effectiveDateTime: exam.started,
      ...(report.issued && { issued: report.issued }),
      performer: [ref(IMAGING, 'Northfield Imaging Centre')],
      resultsInterpreter: [ref(RADIOLOGIST, 'Dr. Lena Okafor')],
      ...(observed.length > 0 && { result: observed.map((one) => ref(`Observation/${one.id}`)) }),
      imagingStudy: [ref(`ImagingStudy/${id}`)],
      ...(report.impression && {
        conclusion: report.impression,
        presentedForm: [{ contentType: 'text/plain', language: 'en', data: written(exam), title: exam.code.display }],
      }),
      ...(report.conclusions && { conclusionCode: report.conclusions.map((code) => concept(code)) }),
    },
  ];
}

function finding(observed: Observed, exam: Exam, place: Place, id: string): Sample {
  return {
    resourceType: 'Observation',
    id: `${id}-${observed.key}`,
    basedOn: [ref(`ServiceRequest/${id}`)],
    partOf: [ref(`ImagingStudy/${id}`)],
    status: exam.report.status === 'preliminary' ? 'preliminary' : 'final',
    category: [observationCategory('imaging')],
    code: concept(observed.code, observed.text),
    subject: place.subject,
    encounter: place.encounter,
    effectiveDateTime: exam.started,
    performer: [ref(RADIOLOGIST, 'Dr. Lena Okafor')],
    ...(observed.quantity && { valueQuantity: quantity(...observed.quantity) }),
    ...(observed.concept && { valueCodeableConcept: concept(observed.concept) }),
    ...(observed.value && { valueString: observed.value }),
    bodySite: concept(observed.site ?? exam.site),
  };
}

const MODALITY: Readonly<Record<string, string>> = {
  CT: 'Computed Tomography',
  MR: 'Magnetic Resonance',
  DX: 'Digital Radiography',
  MG: 'Mammography',
  US: 'Ultrasound',
  PT: 'Positron emission tomography',
  SR: 'Structured Report Document',
};

function modalityCode(modality: string): Code {
  return dicom(modality, MODALITY[modality]!);
}

/** The report as it is read on paper, base64. */
function written({ code, indication, technique, comparison, findings, report }: Exam): string {
  const parts = [
    ['EXAM', code.display],
    ['INDICATION', indication],
    ['TECHNIQUE', technique],
    ['COMPARISON', comparison ?? 'None.'],
    ['FINDINGS', findings],
    ['IMPRESSION', report.impression ?? ''],
  ];
  return Buffer.from(parts.map(([title, text]) => `${title}\n${text}\n`).join('\n')).toString('base64');
}
