/**
 * What this endpoint knows about its resource types, as data: search parameters and compartment.
 */

export type SearchKind = 'token' | 'string' | 'date' | 'reference' | 'quantity';

/** A search parameter of FHIR R4 (or one of ours, see `accession` and `imaging-study`). */
export interface SearchParameter {
  readonly name: string;
  readonly kind: SearchKind;
  /** Where its values are, see `valuesAt`. */
  readonly paths: readonly string[];
  /** The code system of elements of FHIR type `code`, which do not carry one. */
  readonly system?: string;
  /** Resource types a reference may point to; without it any. */
  readonly targets?: readonly string[];
  /** Its values are Identifiers, which have a type (`:of-type`). */
  readonly ofIdentifiers?: true;
  /** Only identifiers whose type has this code count. */
  readonly identifierType?: string;
  /** Only ContactPoints of this system count. */
  readonly contactSystem?: string;
}

/** An element whose reference says whose resource it is; of Provenance's targets, the one patient among them. */
export type Owner = 'subject' | 'patient' | 'target';

export interface TypeDefinition {
  readonly type: string;
  /** The element that says whose resource it is; undefined for Patient itself and for shared types. */
  readonly subject?: Owner;
  /** Belongs to no patient: readable with a `patient/` scope when the patient's resources refer to it. */
  readonly shared: boolean;
  readonly searchParameters: ReadonlyMap<string, SearchParameter>;
  /** The search parameters that `_include` may name. */
  readonly includes: readonly string[];
}

function token(name: string, paths = name, system?: string): SearchParameter {
  return { name, kind: 'token', paths: paths.split(' '), ...(system && { system }) };
}

function identifiers(name: string, paths = name): SearchParameter {
  return { ...token(name, paths), ofIdentifiers: true };
}

function text(name: string, paths = name): SearchParameter {
  return { name, kind: 'string', paths: paths.split(' ') };
}

function date(name: string, paths = name): SearchParameter {
  return { name, kind: 'date', paths: paths.split(' ') };
}

function reference(name: string, paths = name, ...targets: string[]): SearchParameter {
  return { name, kind: 'reference', paths: paths.split(' '), ...(targets.length > 0 && { targets }) };
}

/** The times that a Timing names. */
function timing(path: string): string {
  return `${path}.event ${path}.repeat.boundsPeriod`;
}

function quantity(name: string, paths = name): SearchParameter {
  return { name, kind: 'quantity', paths: paths.split(' ') };
}

/** Names, addresses and ways to be reached of a person. */
const PERSON: readonly SearchParameter[] = [
  text('name'),
  text('family', 'name.family'),
  text('given', 'name.given'),
  text('address'),
  text('address-city', 'address.city'),
  text('address-state', 'address.state'),
  text('address-postalcode', 'address.postalCode'),
  text('address-country', 'address.country'),
  token('telecom'),
  { ...token('phone', 'telecom'), contactSystem: 'phone' },
  { ...token('email', 'telecom'), contactSystem: 'email' },
];

const EVERYWHERE = [token('_id', 'id'), date('_lastUpdated', 'meta.lastUpdated'), identifiers('identifier')];
const ENCOUNTERS = ['Encounter', 'EpisodeOfCare'];
/** What reports and observations fulfil. */
const REQUESTS = [
  'CarePlan',
  'DeviceRequest',
  'ImmunizationRecommendation',
  'MedicationRequest',
  'NutritionOrder',
  'ServiceRequest',
];
/** What studies fulfil. */
const STUDY_REQUESTS = ['Appointment', 'AppointmentResponse', 'CarePlan', 'ServiceRequest', 'Task'];

function define(
  type: string,
  owner: Owner | 'self' | 'shared',
  parameters: readonly SearchParameter[],
): [string, TypeDefinition] {
  // Provenance is the one type without identifiers; a type may say where its own are.
  const own = new Set(parameters.map(({ name }) => name));
  const general = EVERYWHERE.filter(({ name }) => !own.has(name) && (type !== 'Provenance' || name !== 'identifier'));
  const all = [...general, ...parameters];
  return [
    type,
    {
      type,
      ...(owner !== 'self' && owner !== 'shared' && { subject: owner }),
      shared: owner === 'shared',
      searchParameters: new Map(all.map((parameter) => [parameter.name, parameter])),
      includes: all.filter((parameter) => parameter.kind === 'reference').map((parameter) => parameter.name),
    },
  ];
}

/** The two names by which a resource's patient is searched. */
function ofPatient(path = 'subject'): SearchParameter[] {
  return [reference('patient', path, 'Patient'), reference('subject', path)];
}

const GENDER = 'http://hl7.org/fhir/administrative-gender';
const REQUEST_STATUS = 'http://hl7.org/fhir/request-status';

const DEFINITIONS: ReadonlyMap<string, TypeDefinition> = new Map([
  define('Patient', 'self', [
    token('active'),
    ...PERSON,
    date('birthdate', 'birthDate'),
    date('death-date', 'deceasedDateTime'),
    token('language', 'communication.language'),
    reference('link', 'link.other'),
    token('gender', 'gender', GENDER),
    reference('general-practitioner', 'generalPractitioner'),
    reference('organization', 'managingOrganization', 'Organization'),
  ]),
  define('Practitioner', 'shared', [token('active'), ...PERSON, token('gender', 'gender', GENDER)]),
  define('Organization', 'shared', [
    token('active'),
    text('name', 'name alias'),
    token('type'),
    reference('partof', 'partOf', 'Organization'),
  ]),
  define('Endpoint', 'shared', [
    text('name'),
    token('status', 'status', 'http://hl7.org/fhir/endpoint-status'),
    token('connection-type', 'connectionType'),
    reference('organization', 'managingOrganization', 'Organization'),
  ]),
  define('Encounter', 'subject', [
    ...ofPatient(),
    token('status', 'status', 'http://hl7.org/fhir/encounter-status'),
    token('class'),
    token('type'),
    date('date', 'period'),
    reference('participant', 'participant.individual'),
    reference('service-provider', 'serviceProvider', 'Organization'),
    reference('based-on', 'basedOn', 'ServiceRequest'),
    reference('part-of', 'partOf', 'Encounter'),
    token('reason-code', 'reasonCode'),
  ]),
  define('Observation', 'subject', [
    ...ofPatient(),
    reference('encounter', 'encounter', ...ENCOUNTERS),
    token('status', 'status', 'http://hl7.org/fhir/observation-status'),
    token('category'),
    token('code'),
    date('date', `effectiveDateTime effectivePeriod effectiveInstant ${timing('effectiveTiming')}`),
    token('value-concept', 'valueCodeableConcept'),
    quantity('value-quantity', 'valueQuantity'),
    text('value-string', 'valueString valueCodeableConcept.text'),
    date('value-date', 'valueDateTime valuePeriod'),
    token('data-absent-reason', 'dataAbsentReason'),
    token('method'),
    token('component-code', 'component.code'),
    quantity('component-value-quantity', 'component.valueQuantity'),
    token('component-value-concept', 'component.valueCodeableConcept'),
    token('combo-code', 'code component.code'),
    quantity('combo-value-quantity', 'valueQuantity component.valueQuantity'),
    token('combo-value-concept', 'valueCodeableConcept component.valueCodeableConcept'),
    reference('specimen', 'specimen', 'Specimen'),
    reference('device'),
    reference('focus'),
    reference('performer'),
    reference('based-on', 'basedOn', ...REQUESTS),
    reference('part-of', 'partOf'),
    reference('derived-from', 'derivedFrom'),
    reference('has-member', 'hasMember'),
  ]),
  define('Condition', 'subject', [
    ...ofPatient(),
    reference('encounter', 'encounter', 'Encounter'),
    token('clinical-status', 'clinicalStatus'),
    token('verification-status', 'verificationStatus'),
    token('category'),
    token('severity'),
    token('code'),
    token('body-site', 'bodySite'),
    date('onset-date', 'onsetDateTime onsetPeriod'),
    date('recorded-date', 'recordedDate'),
    reference('asserter'),
  ]),
  define('ImagingStudy', 'subject', [
    ...ofPatient(),
    reference('encounter', 'encounter', 'Encounter'),
    token('status', 'status', 'http://hl7.org/fhir/imagingstudy-status'),
    { ...identifiers('accession', 'identifier'), identifierType: 'ACSN' },
    date('started'),
    token('modality', 'modality series.modality'),
    token('bodysite', 'series.bodySite'),
    token('series', 'series.uid'),
    token('reason', 'reasonCode'),
    reference('basedon', 'basedOn', ...STUDY_REQUESTS),
    reference('based-on', 'basedOn', ...STUDY_REQUESTS),
    reference('endpoint', 'endpoint series.endpoint', 'Endpoint'),
    reference('interpreter'),
    reference('referrer'),
  ]),
  define('DiagnosticReport', 'subject', [
    ...ofPatient(),
    reference('encounter', 'encounter', ...ENCOUNTERS),
    token('status', 'status', 'http://hl7.org/fhir/diagnostic-report-status'),
    token('category'),
    token('code'),
    date('date', 'effectiveDateTime effectivePeriod'),
    date('issued'),
    token('conclusion', 'conclusionCode'),
    reference('performer'),
    reference('results-interpreter', 'resultsInterpreter'),
    reference('based-on', 'basedOn', ...REQUESTS.filter((type) => type !== 'DeviceRequest')),
    reference('result', 'result', 'Observation'),
    reference('imaging-study', 'imagingStudy', 'ImagingStudy'),
  ]),
  define('ServiceRequest', 'subject', [
    ...ofPatient(),
    reference('encounter', 'encounter', ...ENCOUNTERS),
    token('status', 'status', REQUEST_STATUS),
    token('intent', 'intent', 'http://hl7.org/fhir/request-intent'),
    token('priority', 'priority', 'http://hl7.org/fhir/request-priority'),
    token('category'),
    token('code'),
    identifiers('requisition'),
    date('authored', 'authoredOn'),
    date('occurrence', `occurrenceDateTime occurrencePeriod ${timing('occurrenceTiming')}`),
    reference('requester'),
    reference('performer'),
    reference('based-on', 'basedOn'),
    reference('replaces'),
  ]),
  define('AllergyIntolerance', 'patient', [
    reference('patient', 'patient', 'Patient'),
    token('clinical-status', 'clinicalStatus'),
    token('verification-status', 'verificationStatus'),
    token('type', 'type', 'http://hl7.org/fhir/allergy-intolerance-type'),
    token('category', 'category', 'http://hl7.org/fhir/allergy-intolerance-category'),
    token('criticality', 'criticality', 'http://hl7.org/fhir/allergy-intolerance-criticality'),
    token('code', 'code reaction.substance'),
    token('manifestation', 'reaction.manifestation'),
    token('severity', 'reaction.severity', 'http://hl7.org/fhir/reaction-event-severity'),
    date('date', 'recordedDate'),
    date('last-date', 'lastOccurrence'),
    reference('recorder'),
    reference('asserter'),
  ]),
  define('Medication', 'shared', [
    token('code'),
    token('status', 'status', 'http://hl7.org/fhir/CodeSystem/medication-status'),
    token('form'),
    reference('manufacturer', 'manufacturer', 'Organization'),
  ]),
  define('MedicationRequest', 'subject', [
    ...ofPatient(),
    reference('encounter', 'encounter', 'Encounter'),
    token('status', 'status', 'http://hl7.org/fhir/CodeSystem/medicationrequest-status'),
    token('intent', 'intent', 'http://hl7.org/fhir/CodeSystem/medicationrequest-intent'),
    token('priority', 'priority', 'http://hl7.org/fhir/request-priority'),
    token('category'),
    token('code', 'medicationCodeableConcept'),
    reference('medication', 'medicationReference', 'Medication'),
    date('authoredon', 'authoredOn'),
    reference('requester'),
  ]),
  define('Procedure', 'subject', [
    ...ofPatient(),
    reference('encounter', 'encounter', ...ENCOUNTERS),
    token('status', 'status', 'http://hl7.org/fhir/event-status'),
    token('category'),
    token('code'),
    date('date', 'performedDateTime performedPeriod'),
    reference('performer', 'performer.actor'),
    reference('based-on', 'basedOn', 'CarePlan', 'ServiceRequest'),
    reference('part-of', 'partOf'),
    reference('reason-reference', 'reasonReference'),
  ]),
  define('Immunization', 'patient', [
    reference('patient', 'patient', 'Patient'),
    token('status', 'status', 'http://hl7.org/fhir/event-status'),
    token('vaccine-code', 'vaccineCode'),
    date('date', 'occurrenceDateTime'),
    text('lot-number', 'lotNumber'),
    reference('performer', 'performer.actor'),
    reference('manufacturer', 'manufacturer', 'Organization'),
  ]),
  define('DocumentReference', 'subject', [
    identifiers('identifier', 'masterIdentifier identifier'),
    ...ofPatient(),
    reference('encounter', 'context.encounter', ...ENCOUNTERS),
    token('status', 'status', 'http://hl7.org/fhir/document-reference-status'),
    token('type'),
    token('category'),
    date('date'),
    date('period', 'context.period'),
    token('contenttype', 'content.attachment.contentType'),
    token('security-label', 'securityLabel'),
    text('description'),
    reference('author'),
    reference('custodian', 'custodian', 'Organization'),
    reference('related', 'context.related'),
  ]),
  define('Provenance', 'target', [
    reference('patient', 'target', 'Patient'),
    reference('target'),
    date('recorded'),
    date('when', 'occurredDateTime occurredPeriod'),
    reference('agent', 'agent.who'),
    token('agent-type', 'agent.type'),
    token('agent-role', 'agent.role'),
    reference('entity', 'entity.what'),
  ]),
]);

/** The resource types served, in the order of the CapabilityStatement. */
export const RESOURCE_TYPES: readonly string[] = [...DEFINITIONS.keys()];

/** @returns undefined for a type that this endpoint does not serve */
export function definitionOf(type: string): TypeDefinition | undefined {
  return DEFINITIONS.get(type);
}
