/**
 * What this endpoint knows about its ten resource types, as data: search parameters, compartment, elements.
 */

export type SearchKind = 'token' | 'string' | 'date' | 'reference';

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
  /** Only identifiers whose type has this code count. */
  readonly identifierType?: string;
}

export interface TypeDefinition {
  readonly type: string;
  /** The element that says whose resource it is; undefined for Patient itself and for shared types. */
  readonly subject?: 'subject' | 'patient';
  /** Belongs to nobody: readable with a `patient/` scope when the patient's resources refer to it. */
  readonly shared: boolean;
  readonly searchParameters: ReadonlyMap<string, SearchParameter>;
  /** The search parameters that `_include` may name. */
  readonly includes: readonly string[];
  readonly elements: ReadonlyMap<string, Element>;
  /** Choices and conditions beyond required elements: at least one of each list must be there. */
  readonly atLeastOne: readonly (readonly string[])[];
}

export type ElementKind =
  | 'object'
  | 'string'
  | 'code'
  | 'boolean'
  | 'date'
  | 'dateTime'
  | 'instant'
  | 'count'
  | 'number';

export interface Element {
  readonly kind: ElementKind;
  readonly list: boolean;
  readonly required: boolean;
  /** The codes of a required binding. */
  readonly codes?: readonly string[];
}

const KINDS: Readonly<Record<string, ElementKind>> = {
  s: 'string',
  c: 'code',
  b: 'boolean',
  d: 'date',
  t: 'dateTime',
  i: 'instant',
  n: 'count',
  q: 'number',
};

const COMMON = 'meta implicitRules:s language:c text contained* extension* modifierExtension* identifier*';

/**
 * Reads a list of elements: `name`, `name:kind` for primitives, `*` for lists, `!` for required ones.
 */
function elements(list: string, bindings: Readonly<Record<string, string>> = {}): ReadonlyMap<string, Element> {
  const found = new Map<string, Element>();
  for (const word of `${COMMON} ${list}`.split(/\s+/)) {
    const match = /^([A-Za-z]+)(?::([a-z]))?(\*?)(!?)$/.exec(word);
    const name = match?.[1];
    if (!name) throw new Error(`not an element: ${word}`);
    const codes = bindings[name]?.split(' ');
    found.set(name, {
      kind: match[2] ? KINDS[match[2]]! : 'object',
      list: match[3] === '*',
      required: match[4] === '!',
      ...(codes && { codes }),
    });
  }
  return found;
}

function token(name: string, paths = name, system?: string): SearchParameter {
  return { name, kind: 'token', paths: paths.split(' '), ...(system && { system }) };
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

const EVERYWHERE = [token('_id', 'id'), date('_lastUpdated', 'meta.lastUpdated'), token('identifier')];
const REQUEST_TARGETS = ['ServiceRequest'];

function define(
  type: string,
  owner: 'subject' | 'patient' | 'self' | 'shared',
  parameters: readonly SearchParameter[],
  elementsOfType: ReadonlyMap<string, Element>,
  atLeastOne: readonly (readonly string[])[] = [],
): [string, TypeDefinition] {
  const all = [...EVERYWHERE, ...parameters];
  return [
    type,
    {
      type,
      ...((owner === 'subject' || owner === 'patient') && { subject: owner === 'subject' ? 'subject' : 'patient' }),
      shared: owner === 'shared',
      searchParameters: new Map(all.map((parameter) => [parameter.name, parameter])),
      includes: all.filter((parameter) => parameter.kind === 'reference').map((parameter) => parameter.name),
      elements: elementsOfType,
      atLeastOne,
    },
  ];
}

/** The two names by which a resource's patient is searched. */
function ofPatient(path = 'subject'): SearchParameter[] {
  return [reference('patient', path, 'Patient'), reference('subject', path)];
}

const GENDER = 'http://hl7.org/fhir/administrative-gender';
const GENDERS = 'male female other unknown';
const REQUEST_STATUS = 'http://hl7.org/fhir/request-status';

const DEFINITIONS: ReadonlyMap<string, TypeDefinition> = new Map([
  define(
    'Patient',
    'self',
    [
      token('active'),
      text('name'),
      text('family', 'name.family'),
      text('given', 'name.given'),
      date('birthdate', 'birthDate'),
      token('gender', 'gender', GENDER),
      reference('general-practitioner', 'generalPractitioner'),
      reference('organization', 'managingOrganization', 'Organization'),
    ],
    elements(
      `active:b name* telecom* gender:c birthDate:d deceasedBoolean:b deceasedDateTime:t address* maritalStatus
      multipleBirthBoolean:b multipleBirthInteger:q photo* contact* communication* generalPractitioner*
      managingOrganization link*`,
      { gender: GENDERS },
    ),
  ),
  define(
    'Practitioner',
    'shared',
    [
      token('active'),
      text('name'),
      text('family', 'name.family'),
      text('given', 'name.given'),
      token('gender', 'gender', GENDER),
    ],
    elements('active:b name* telecom* address* gender:c birthDate:d photo* qualification* communication*', {
      gender: GENDERS,
    }),
  ),
  define(
    'Organization',
    'shared',
    [token('active'), text('name', 'name alias'), token('type'), reference('partof', 'partOf', 'Organization')],
    elements('active:b type* name:s alias:s* telecom* address* partOf contact* endpoint*'),
    [['identifier', 'name']],
  ),
  define(
    'Endpoint',
    'shared',
    [
      text('name'),
      token('status', 'status', 'http://hl7.org/fhir/endpoint-status'),
      token('connection-type', 'connectionType'),
      reference('organization', 'managingOrganization', 'Organization'),
    ],
    elements(
      `status:c! connectionType! name:s managingOrganization contact* period payloadType*! payloadMimeType:c*
      address:s! header:s*`,
      { status: 'active suspended error off entered-in-error test' },
    ),
  ),
  define(
    'Encounter',
    'subject',
    [
      ...ofPatient(),
      token('status', 'status', 'http://hl7.org/fhir/encounter-status'),
      token('class'),
      token('type'),
      date('date', 'period'),
      reference('participant', 'participant.individual'),
      reference('service-provider', 'serviceProvider', 'Organization'),
      reference('based-on', 'basedOn', ...REQUEST_TARGETS),
      reference('part-of', 'partOf', 'Encounter'),
      token('reason-code', 'reasonCode'),
    ],
    elements(
      `status:c! statusHistory* class! classHistory* type* serviceType priority subject episodeOfCare* basedOn*
      participant* appointment* period length reasonCode* reasonReference* diagnosis* account* hospitalization
      location* serviceProvider partOf`,
      { status: 'planned arrived triaged in-progress onleave finished cancelled entered-in-error unknown' },
    ),
  ),
  define(
    'Observation',
    'subject',
    [
      ...ofPatient(),
      reference('encounter', 'encounter', 'Encounter'),
      token('status', 'status', 'http://hl7.org/fhir/observation-status'),
      token('category'),
      token('code'),
      date('date', 'effectiveDateTime effectivePeriod effectiveInstant'),
      token('value-concept', 'valueCodeableConcept'),
      reference('performer'),
      reference('based-on', 'basedOn', ...REQUEST_TARGETS),
      reference('part-of', 'partOf'),
      reference('derived-from', 'derivedFrom'),
      reference('has-member', 'hasMember'),
    ],
    elements(
      `basedOn* partOf* status:c! category* code! subject focus* encounter effectiveDateTime:t effectivePeriod
      effectiveTiming effectiveInstant:i issued:i performer* valueQuantity valueCodeableConcept valueString:s
      valueBoolean:b valueInteger:q valueRange valueRatio valueSampledData valueTime:s valueDateTime:t valuePeriod
      dataAbsentReason interpretation* note* bodySite method specimen device referenceRange* hasMember* derivedFrom*
      component*`,
      { status: 'registered preliminary final amended corrected cancelled entered-in-error unknown' },
    ),
  ),
  define(
    'Condition',
    'subject',
    [
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
    ],
    elements(
      `clinicalStatus verificationStatus category* severity code bodySite* subject! encounter onsetDateTime:t onsetAge
      onsetPeriod onsetRange onsetString:s abatementDateTime:t abatementAge abatementPeriod abatementRange
      abatementString:s recordedDate:t recorder asserter stage* evidence* note*`,
    ),
  ),
  define(
    'ImagingStudy',
    'subject',
    [
      ...ofPatient(),
      reference('encounter', 'encounter', 'Encounter'),
      token('status', 'status', 'http://hl7.org/fhir/imagingstudy-status'),
      { ...token('accession', 'identifier'), identifierType: 'ACSN' },
      date('started'),
      token('modality', 'modality series.modality'),
      token('bodysite', 'series.bodySite'),
      token('series', 'series.uid'),
      token('reason', 'reasonCode'),
      reference('basedon', 'basedOn', ...REQUEST_TARGETS),
      reference('based-on', 'basedOn', ...REQUEST_TARGETS),
      reference('endpoint', 'endpoint series.endpoint', 'Endpoint'),
      reference('interpreter'),
      reference('referrer'),
    ],
    elements(
      `status:c! modality* subject! encounter started:t basedOn* referrer interpreter* endpoint* numberOfSeries:n
      numberOfInstances:n procedureReference procedureCode* location reasonCode* reasonReference* note* description:s
      series*`,
      { status: 'registered available cancelled entered-in-error unknown' },
    ),
  ),
  define(
    'DiagnosticReport',
    'subject',
    [
      ...ofPatient(),
      reference('encounter', 'encounter', 'Encounter'),
      token('status', 'status', 'http://hl7.org/fhir/diagnostic-report-status'),
      token('category'),
      token('code'),
      date('date', 'effectiveDateTime effectivePeriod'),
      date('issued'),
      token('conclusion', 'conclusionCode'),
      reference('performer'),
      reference('results-interpreter', 'resultsInterpreter'),
      reference('based-on', 'basedOn', ...REQUEST_TARGETS),
      reference('result', 'result', 'Observation'),
      reference('imaging-study', 'imagingStudy', 'ImagingStudy'),
    ],
    elements(
      `basedOn* status:c! category* code! subject encounter effectiveDateTime:t effectivePeriod issued:i performer*
      resultsInterpreter* specimen* result* imagingStudy* media* conclusion:s conclusionCode* presentedForm*`,
      {
        status: 'registered partial preliminary final amended corrected appended cancelled entered-in-error unknown',
      },
    ),
  ),
  define(
    'ServiceRequest',
    'subject',
    [
      ...ofPatient(),
      reference('encounter', 'encounter', 'Encounter'),
      token('status', 'status', REQUEST_STATUS),
      token('intent', 'intent', 'http://hl7.org/fhir/request-intent'),
      token('priority', 'priority', 'http://hl7.org/fhir/request-priority'),
      token('category'),
      token('code'),
      token('requisition'),
      date('authored', 'authoredOn'),
      date('occurrence', 'occurrenceDateTime occurrencePeriod'),
      reference('requester'),
      reference('performer'),
      reference('based-on', 'basedOn'),
      reference('replaces'),
    ],
    elements(
      `instantiatesCanonical:s* instantiatesUri:s* basedOn* replaces* requisition status:c! intent:c! category*
      priority:c doNotPerform:b code orderDetail* quantityQuantity quantityRatio quantityRange subject! encounter
      occurrenceDateTime:t occurrencePeriod occurrenceTiming asNeededBoolean:b asNeededCodeableConcept authoredOn:t
      requester performerType performer* locationCode* locationReference* reasonCode* reasonReference* insurance*
      supportingInfo* specimen* bodySite* note* patientInstruction:s relevantHistory*`,
      {
        status: 'draft active on-hold revoked completed entered-in-error unknown',
        intent: 'proposal plan directive order original-order reflex-order filler-order instance-order option',
        priority: 'routine urgent asap stat',
      },
    ),
  ),
]);

/** The resource types served, in the order of the CapabilityStatement. */
export const RESOURCE_TYPES: readonly string[] = [...DEFINITIONS.keys()];

/** @returns undefined for a type that this endpoint does not serve */
export function definitionOf(type: string): TypeDefinition | undefined {
  return DEFINITIONS.get(type);
}
