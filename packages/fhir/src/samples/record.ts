import type { JsonObject } from '../resource.ts';
import type { Case } from './case.ts';
import { type Code, concept, snomed } from './codes.ts';
import { HOSPITAL, RADIOLOGIST, type Sample } from './expand.ts';

const DOCTOR = { reference: 'Practitioner/dr-samuel-abebe', display: 'Dr. Samuel Abebe' };
const ALLERGY = 'http://terminology.hl7.org/CodeSystem/allergyintolerance-';
const PARTICIPANT = 'http://terminology.hl7.org/CodeSystem/provenance-participant-type';

const loincOf = (code: string, display: string): Code => ({ system: 'http://loinc.org', code, display });
const rxnorm = (code: string, display: string): Code => ({
  system: 'http://www.nlm.nih.gov/research/umls/rxnorm',
  code,
  display,
});

/** What Northfield's pharmacy keeps. */
export const MEDICATIONS: readonly Sample[] = [
  medication('metformin', rxnorm('860975', 'metformin hydrochloride 500 MG Extended Release Oral Tablet')),
  medication('lisinopril', rxnorm('314076', 'lisinopril 10 MG Oral Tablet')),
  medication('paracetamol', rxnorm('313782', 'acetaminophen 325 MG Oral Tablet')),
];

const ALLERGIES: readonly { readonly code: Code; readonly category?: string; readonly reaction?: Code }[] = [
  { code: snomed('716186003', 'No known allergy') },
  { code: snomed('91936005', 'Allergy to penicillin'), category: 'medication', reaction: snomed('271807003', 'Rash') },
  {
    code: snomed('293637006', 'Allergy to iodinated contrast media'),
    category: 'medication',
    reaction: snomed('126485001', 'Urticaria'),
  },
];

const DOSES = [
  'One tablet twice a day with meals',
  'One tablet in the morning',
  'One tablet when in pain, at most six a day',
];

function medication(id: string, code: Code): Sample {
  return { resourceType: 'Medication', id, code: concept(code), status: 'active' };
}

/** What a record holds beside the visits themselves: allergies, medication, vaccination, notes, and who wrote the reports. */
export function record({ patient, visits }: Case, number: number, expanded: readonly Sample[]): Sample[] {
  const subject = { reference: `Patient/${patient.id}`, display: `${patient.given} ${patient.family}` };
  const known = ALLERGIES[number % ALLERGIES.length]!;
  const drug = MEDICATIONS[number % MEDICATIONS.length]!;
  const [first] = visits;
  const id = (kind: string) => `${patient.id}-${kind}`;
  return [
    {
      resourceType: 'AllergyIntolerance',
      id: id('allergy'),
      clinicalStatus: { coding: [{ system: `${ALLERGY}clinical`, code: 'active' }] },
      verificationStatus: { coding: [{ system: `${ALLERGY}verification`, code: 'confirmed' }] },
      ...(known.category && { category: [known.category], criticality: 'low' }),
      code: concept(known.code),
      patient: subject,
      recorder: DOCTOR,
      ...(known.reaction && { reaction: [{ manifestation: [concept(known.reaction)], severity: 'mild' }] }),
    },
    {
      resourceType: 'MedicationRequest',
      id: id('medication'),
      status: 'active',
      intent: 'order',
      medicationReference: { reference: `Medication/${drug.id}` },
      subject,
      ...(first && { encounter: { reference: `Encounter/${patient.id}-${first.key}` }, authoredOn: first.start }),
      requester: first ? { reference: `Practitioner/${first.doctor}` } : DOCTOR,
      dosageInstruction: [{ text: DOSES[number % DOSES.length]! }],
    },
    {
      resourceType: 'Immunization',
      id: id('influenza'),
      status: 'completed',
      vaccineCode: concept({
        system: 'http://hl7.org/fhir/sid/cvx',
        code: '150',
        display: 'Influenza, injectable, quadrivalent, preservative free',
      }),
      patient: subject,
      occurrenceDateTime: '2025-10-14',
      primarySource: true,
      performer: [{ actor: DOCTOR }],
    },
    ...visits.filter(({ end }) => end).map((visit) => note(visit, patient.id, subject)),
    ...expanded.filter(({ resourceType, issued }) => resourceType === 'DiagnosticReport' && issued).map(authorship),
    ...expanded.filter(({ resourceType }) => resourceType === 'ImagingStudy').map(procedure),
  ];
}

/** What was written down about a visit that is over. */
function note(visit: Case['visits'][number], patient: string, subject: JsonObject): Sample {
  const text = `${visit.title}\n\n${visit.reason}.\n`;
  return {
    resourceType: 'DocumentReference',
    id: `${patient}-${visit.key}-note`,
    status: 'current',
    docStatus: 'final',
    type: concept(loincOf('34117-2', 'History and physical note')),
    category: [
      concept({
        system: 'http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category',
        code: 'clinical-note',
        display: 'Clinical Note',
      }),
    ],
    subject,
    date: visit.end!,
    author: [{ reference: `Practitioner/${visit.doctor}` }],
    custodian: { reference: HOSPITAL },
    content: [
      { attachment: { contentType: 'text/plain', language: 'en', data: Buffer.from(text).toString('base64') } },
    ],
    context: {
      encounter: [{ reference: `Encounter/${patient}-${visit.key}` }],
      period: { start: visit.start, end: visit.end! },
    },
  };
}

/** Who wrote a report. */
function authorship({ id, subject, issued }: Sample): Sample {
  return {
    resourceType: 'Provenance',
    id: `${id}-author`,
    target: [{ reference: `DiagnosticReport/${id}` }, subject!],
    recorded: issued!,
    agent: [
      {
        type: { coding: [{ system: PARTICIPANT, code: 'author', display: 'Author' }] },
        who: { reference: RADIOLOGIST },
        onBehalfOf: { reference: HOSPITAL },
      },
    ],
  };
}

/** The examination itself. */
function procedure({ id, subject, encounter, started, basedOn, procedureCode }: Sample): Sample {
  return {
    resourceType: 'Procedure',
    id,
    basedOn: basedOn!,
    status: 'completed',
    category: concept(snomed('103693007', 'Diagnostic procedure')),
    code: (procedureCode as readonly JsonObject[])[0]!,
    subject: subject!,
    encounter: encounter!,
    performedDateTime: started!,
  };
}
