/** The two events of the work: a Patient-open of 0.8 KB and a DiagnosticReport-update of 4 KB, with versions. */

export type Kind = 'open' | 'update';

export const KINDS: Readonly<Record<Kind, string>> = {
  open: '0.8 KB Patient-open',
  update: '4 KB DiagnosticReport-update',
};

/** What a subscriber of the work asks for. */
export const SUBSCRIBED = 'Patient-open,DiagnosticReport-open,DiagnosticReport-update';

function patient(id: string): object {
  return {
    resourceType: 'Patient',
    id,
    identifier: [
      { use: 'official', type: { text: 'Medical record number' }, system: 'urn:oid:1.2.36.146.595.217.0.1', value: id },
    ],
    active: true,
    name: [{ use: 'official', family: 'Wellington', given: ['Georgina', 'Alexandra'], prefix: ['Ms'] }],
    telecom: [{ system: 'phone', value: '(03) 5555 6473', use: 'work', rank: 1 }],
    gender: 'female',
    birthDate: '1974-12-25',
    address: [{ use: 'home', line: ['534 Erewhon Street'], city: 'PleasantVille', state: 'Vic', postalCode: '3999' }],
    managingOrganization: { reference: 'Organization/1' },
  };
}

function report(topic: string): object {
  return {
    resourceType: 'DiagnosticReport',
    id: `report-${topic}`,
    status: 'unknown',
    subject: { reference: 'Patient/0' },
  };
}

function observation(topic: string, n: number): object {
  return {
    resourceType: 'Observation',
    id: `measurement-${topic}-${n}`,
    status: 'preliminary',
    category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'imaging' }] }],
    code: { coding: [{ system: 'http://loinc.org', code: '21889-1', display: 'Size Tumor' }], text: 'Lesion size' },
    subject: { reference: 'Patient/0' },
    effectiveDateTime: '2026-05-04T09:12:40+02:00',
    bodySite: { coding: [{ system: 'http://snomed.info/sct', code: '45653009', display: 'Upper lobe of right lung' }] },
    component: ['Length', 'Width'].map((axis) => ({
      code: { text: axis },
      valueQuantity: { value: 12.5 + n, unit: 'mm', system: 'http://unitsofmeasure.org', code: 'mm' },
    })),
  };
}

/** An event with holes for what differs from one publication to the next. */
export interface Template {
  fill(id: string, versionId: string): string;
}

const ID = '@id@';
const VERSION = '@version@';

function template(topic: string, event: string, context: readonly object[], versioned: boolean): Template {
  const text = JSON.stringify({
    timestamp: '2026-05-04T07:12:40.125Z',
    id: ID,
    event: {
      'hub.topic': topic,
      'hub.event': event,
      ...(versioned && { 'context.versionId': VERSION }),
      context,
    },
  });
  const [before = '', after = ''] = text.split(ID);
  const [middle = '', end] = after.split(VERSION);
  return {
    fill: (id, versionId) =>
      end === undefined ? `${before}${id}${middle}` : `${before}${id}${middle}${versionId}${end}`,
  };
}

/** Opens one of many patients. */
export function patientOpen(topic: string, which: number): Template {
  return template(topic, 'Patient-open', [{ key: 'patient', resource: patient(String(which)) }], false);
}

/** Opens the report that `reportUpdate` updates. */
export function reportOpen(topic: string): Template {
  const context = [
    { key: 'report', resource: report(topic) },
    { key: 'patient', resource: patient('0') },
  ];
  return template(topic, 'DiagnosticReport-open', context, false);
}

/** Puts four measurements into the open report, based on its version. */
export function reportUpdate(topic: string): Template {
  const entry = [1, 2, 3, 4].map((n) => ({
    request: { method: 'PUT', url: `Observation/measurement-${topic}-${n}` },
    resource: observation(topic, n),
  }));
  const context = [
    { key: 'report', reference: { reference: `DiagnosticReport/report-${topic}` } },
    { key: 'patient', reference: { reference: 'Patient/0' } },
    { key: 'updates', resource: { resourceType: 'Bundle', id: `bundle-${topic}`, type: 'transaction', entry } },
  ];
  return template(topic, 'DiagnosticReport-update', context, true);
}
