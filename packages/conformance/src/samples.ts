import { randomUUID } from 'node:crypto';
import { numeral } from './json.ts';

/** A resource of a scenario, written out in full: nothing of the suite's expectations comes from a shared library. */
export interface Resource {
  readonly resourceType: string;
  readonly id: string;
  readonly [element: string]: unknown;
}

export interface ContextElement {
  readonly key: string;
  readonly resource?: unknown;
  readonly reference?: unknown;
  /** Of a HeartBeat's period, seconds. */
  readonly decimal?: string;
}

export interface EventMessage {
  readonly timestamp: string;
  readonly id: string;
  readonly event: {
    readonly 'hub.topic': string;
    readonly 'hub.event': string;
    readonly 'context.versionId'?: string;
    readonly 'context.priorVersionId'?: string;
    readonly context: readonly ContextElement[];
  };
}

const MR = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'MR' }] };
const ACSN = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'ACSN' }] };

export function patient(): Resource {
  const id = randomUUID();
  return {
    resourceType: 'Patient',
    id,
    identifier: [{ use: 'official', type: MR, system: 'urn:oid:2.999.1', value: `MR-${id.slice(0, 8)}` }],
    name: [{ use: 'official', family: 'Conformance', given: ['Ada'] }],
    gender: 'female',
    birthDate: '1970-01-31',
  };
}

/** A patient whose name is in no single alphabet: its characters take one to four bytes in UTF-8. */
export function patientAbroad(): Resource {
  return { ...patient(), name: [{ use: 'official', family: 'Ångström-Łukasz', given: ['健太', 'Зоя', '𠮷'] }] };
}

const subject = (of: Resource) => ({ reference: `Patient/${of.id}` });

export function encounter(of: Resource): Resource {
  const id = randomUUID();
  return {
    resourceType: 'Encounter',
    id,
    identifier: [{ use: 'official', system: 'urn:oid:2.999.2', value: `V-${id.slice(0, 8)}` }],
    status: 'unknown',
    class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' },
    subject: subject(of),
  };
}

export function study(of: Resource): Resource {
  const id = randomUUID();
  return {
    resourceType: 'ImagingStudy',
    id,
    identifier: [
      { system: 'urn:dicom:uid', value: `urn:oid:2.999.3.${Number.parseInt(id.slice(0, 8), 16)}` },
      { type: ACSN, system: 'urn:oid:2.999.4', value: `A-${id.slice(0, 8)}` },
    ],
    status: 'unknown',
    subject: subject(of),
  };
}

export function report(of: Resource, about: Resource): Resource {
  const id = randomUUID();
  return {
    resourceType: 'DiagnosticReport',
    id,
    identifier: [{ use: 'official', system: 'urn:oid:2.999.5', value: `R-${id.slice(0, 8)}` }],
    status: 'unknown',
    code: { coding: [{ system: 'http://loinc.org', code: '19005-8' }] },
    subject: subject(of),
    imagingStudy: [{ reference: `ImagingStudy/${about.id}` }],
  };
}

export function observation(of: Resource, text = 'measurement'): Resource {
  return {
    resourceType: 'Observation',
    id: randomUUID(),
    status: 'preliminary',
    code: { coding: [{ system: 'http://radlex.org', code: 'RID49690' }], text },
    subject: subject(of),
  };
}

const EXTENSION = 'https://conformance.example.org/fhir/StructureDefinition';

/** Numbers that a program changes which takes them for its own: a precision, a large whole number, thirty digits, an exponent. */
const NUMBERS = [
  '7.10',
  '0.00',
  '100',
  '9007199254740993',
  '1.234567890123456789012345678901',
  '1.50e-7',
  '2E+3',
  '-3.0',
];

/**
 * Texts that a program changes which tidies up what it passes on: composed and decomposed letters, invisible marks, ends of
 * lines, blanks, and what other formats read as code.
 */
const TEXTS = [
  'A\u030angstro\u0308m \u212bngstr\u00f6m \ufb01n \uff76 \u00bd',
  'a\u200db\u00adc\ufeffd\u200fe',
  'one\r\ntwo\ttabs  two blanks\nthree ',
  '&amp; &lt;b&gt; <b> %41 +1 \\u0041 \\n \'single\' "double" {{y}}',
  'null',
  '007',
  '2026-01-31',
];

/** The resource with what programs like to lose: metadata, narrative, extensions of resources and of primitives, numbers. */
export function enriched(resource: Resource): Resource {
  return {
    ...resource,
    meta: {
      versionId: '7',
      lastUpdated: '2026-01-31T09:00:00.120+01:00',
      source: 'urn:oid:2.999.7',
      security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }],
      tag: [{ system: 'https://conformance.example.org/tags', code: 'a', display: 'Ä "quoted" \\ tag' }],
    },
    language: 'en',
    _language: { extension: [{ url: `${EXTENSION}/source`, valueString: 'by hand' }] },
    text: {
      status: 'generated',
      div: '<div xmlns="http://www.w3.org/1999/xhtml"><p>a &lt; b &amp; c\u2028\u00a0\ud83d\ude00</p></div>',
    },
    extension: [
      ...NUMBERS.map((text) => ({ url: `${EXTENSION}/number`, valueDecimal: numeral(text) })),
      ...TEXTS.map((valueString) => ({ url: `${EXTENSION}/text`, valueString })),
      { url: `${EXTENSION}/text`, valueString: TEXTS[0] },
      { url: `${EXTENSION}/bytes`, valueBase64Binary: '+/+/AAEC/w==' },
      { url: `${EXTENSION}/count`, valueInteger: 0 },
      { url: `${EXTENSION}/month`, valueDate: '2026-02' },
      { url: `${EXTENSION}/day`, valueDateTime: '2026-01-31T00:00:00+00:00' },
      { url: `${EXTENSION}/link`, valueUrl: 'https://conformance.example.org/a%20b?x=1&y=%C3%A9#top' },
      { url: `${EXTENSION}/by`, valueReference: { reference: '#org' } },
      { url: `${EXTENSION}/of`, valueReference: { reference: `${resource.resourceType}/${resource.id}/_history/7` } },
      {
        url: `${EXTENSION}/nested`,
        extension: [
          { url: 'flag', valueBoolean: false },
          { url: 'none', valueString: ' a ' },
          { url: 'deeper', extension: [{ url: 'deepest', valueQuantity: { value: numeral('1.0'), unit: 'mm' } }] },
        ],
      },
    ],
    contained: [{ resourceType: 'Organization', id: 'org', name: 'Contained', active: false }],
  };
}

/** A patient with everything that {@link enriched} adds, several identifiers and names with gaps in them. */
export function richPatient(): Resource {
  const one = patient();
  return enriched({
    ...one,
    identifier: [
      ...(one.identifier as readonly object[]),
      { use: 'secondary', system: 'urn:oid:2.999.6', value: `0${one.id.slice(0, 6)}`, period: { start: '2020-01-01' } },
    ],
    active: true,
    name: [
      {
        use: 'official',
        family: 'Conformance-Łukasz',
        _family: { extension: [{ url: `${EXTENSION}/own-name`, valueString: 'Łukasz' }] },
        given: ['Ada', null, '健太'],
        _given: [null, { extension: [{ url: `${EXTENSION}/unknown`, valueCode: 'masked' }] }, null],
      },
      { use: 'maiden', family: "O'Neill", given: ['Bo'] },
    ],
    _birthDate: {
      extension: [
        { url: 'http://hl7.org/fhir/StructureDefinition/patient-birthTime', valueDateTime: '1970-01-31T04:05:06.070Z' },
      ],
    },
    deceasedBoolean: false,
    multipleBirthInteger: 2,
    contact: [{ name: { text: 'A contact\nin two lines' } }],
    photo: [{ contentType: 'image/png', data: 'iVBORw0KGgo+/+8=', title: 'a+b/c=' }],
    managingOrganization: { reference: '#org' },
    link: [{ other: { reference: `urn:uuid:${one.id}` }, type: 'seealso' }],
  });
}

/** Everything that a report's opening context holds, with what programs like to lose. */
export function richReportContext(): ReportContext {
  const of = richPatient();
  const about = enriched(study(of));
  return { patient: of, study: about, report: enriched(report(of, about)) };
}

/** A measurement whose precision matters. */
export function richObservation(of: Resource): Resource {
  const { status, ...rest } = observation(of);
  return enriched({
    ...rest,
    status,
    valueQuantity: { value: numeral('7.10'), unit: 'mm', system: 'http://unitsofmeasure.org', code: 'mm' },
    component: [{ code: { text: 'long axis' }, valueQuantity: { value: numeral('12.300'), unit: 'mm' } }],
  });
}

/** Everything that a report's opening context holds. */
export interface ReportContext {
  readonly patient: Resource;
  readonly study: Resource;
  readonly report: Resource;
}

export function reportContext(): ReportContext {
  const of = patient();
  const about = study(of);
  return { patient: of, study: about, report: report(of, about) };
}

export const patientElements = (of: Resource): ContextElement[] => [{ key: 'patient', resource: of }];

export const encounterElements = (visit: Resource, of: Resource): ContextElement[] => [
  { key: 'encounter', resource: visit },
  { key: 'patient', resource: of },
];

export const studyElements = (about: Resource, of: Resource): ContextElement[] => [
  { key: 'study', resource: about },
  { key: 'patient', resource: of },
];

export const reportElements = (context: ReportContext): ContextElement[] => [
  { key: 'report', resource: context.report },
  { key: 'patient', resource: context.patient },
  { key: 'study', resource: context.study },
];

export interface BundleEntry {
  readonly fullUrl?: string;
  readonly request?: { readonly method: string; readonly url?: string };
  readonly resource?: unknown;
}

export const put = (resource: Resource): BundleEntry => ({
  fullUrl: `https://conformance.example.org/fhir/${resource.resourceType}/${resource.id}`,
  request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
  resource,
});

export const remove = (resource: Resource): BundleEntry => ({
  fullUrl: `https://conformance.example.org/fhir/${resource.resourceType}/${resource.id}`,
  request: { method: 'DELETE', url: `${resource.resourceType}/${resource.id}` },
});

export const updateElements = (
  context: ReportContext,
  entries: readonly BundleEntry[],
  bundleId: string = randomUUID(),
): ContextElement[] => [
  { key: 'report', reference: { reference: `DiagnosticReport/${context.report.id}` } },
  { key: 'patient', reference: { reference: `Patient/${context.patient.id}` } },
  { key: 'updates', resource: { resourceType: 'Bundle', id: bundleId, type: 'transaction', entry: entries } },
];

export const selectElements = (context: ReportContext, selected: readonly Resource[]): ContextElement[] => [
  { key: 'report', reference: { reference: `DiagnosticReport/${context.report.id}` } },
  { key: 'patient', reference: { reference: `Patient/${context.patient.id}` } },
  ...selected.map((one) => ({ key: 'select', reference: { reference: `${one.resourceType}/${one.id}` } })),
];

export const logoutElements = (): ContextElement[] => [
  {
    key: 'parameters',
    resource: {
      resourceType: 'Parameters',
      parameter: [
        {
          name: 'code',
          valueCoding: {
            system: 'http://hl7.org/fhir/uv/fhircast/CodeSystem/fhircast-codesystem',
            code: 'user-initiated',
          },
        },
      ],
    },
  },
];

/** The context of a SyncError that a subscriber sends about an event that it first accepted. */
export const syncErrorElements = (about: EventMessage, subscriber: string): ContextElement[] => [
  {
    key: 'operationoutcome',
    resource: {
      resourceType: 'OperationOutcome',
      issue: [
        {
          severity: 'warning',
          code: 'processing',
          diagnostics: `${subscriber} refused to follow context`,
          details: {
            coding: [
              { system: 'https://fhircast.hl7.org/events/syncerror/eventid', code: about.id },
              { system: 'https://fhircast.hl7.org/events/syncerror/eventname', code: about.event['hub.event'] },
              { system: 'https://fhircast.hl7.org/events/syncerror/subscribername', code: subscriber },
            ],
          },
        },
      ],
    },
  },
];
