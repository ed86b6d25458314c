/** The elements of resources and of FHIR's datatypes (http://hl7.org/fhir/R4/datatypes.html), as data. */

export type ElementKind =
  | 'object'
  | 'string'
  | 'code'
  | 'boolean'
  | 'date'
  | 'dateTime'
  | 'instant'
  | 'count'
  | 'integer'
  | 'number';

export interface Element {
  readonly kind: ElementKind;
  readonly list: boolean;
  readonly required: boolean;
  /** The codes of a required binding. */
  readonly codes?: readonly string[];
  /** Of an object: the datatype, see `datatypeOf`; without it any object will do. */
  readonly type?: string;
}

export type Elements = ReadonlyMap<string, Element>;

const KINDS: Readonly<Record<string, ElementKind>> = {
  s: 'string',
  c: 'code',
  b: 'boolean',
  d: 'date',
  t: 'dateTime',
  i: 'instant',
  n: 'count',
  z: 'integer',
  q: 'number',
};

const WORD = /^([A-Za-z]+)(?::([A-Za-z]+))?(\*?)(!?)$/;

/**
 * Reads a list of elements: `name:kind` for primitives, `name:Datatype` or just `name` for objects, `*` for lists, `!` for
 * required ones.
 * @param bindings element name → codes of its required binding, space-separated
 */
export function elements(list: string, bindings: Readonly<Record<string, string>> = {}): Elements {
  const found = new Map<string, Element>();
  for (const word of list.trim().split(/\s+/)) {
    const [, name, type, star, required] = WORD.exec(word) ?? [];
    if (!name) throw new Error(`not an element: ${word}`);
    const kind = type === undefined ? undefined : KINDS[type];
    const codes = bindings[name]?.split(' ');
    found.set(name, {
      kind: kind ?? 'object',
      list: star === '*',
      required: required === '!',
      ...(codes && { codes }),
      ...(type !== undefined && !kind && { type }),
    });
  }
  return found;
}

export const GENDERS = 'male female other unknown';

/** What an Observation and each of its components say. */
export const OBSERVED = `valueQuantity:Quantity valueCodeableConcept:CodeableConcept valueString:s valueBoolean:b valueInteger:z
  valueRange:Range valueRatio:Ratio valueSampledData:SampledData valueTime:s valueDateTime:t valuePeriod:Period
  dataAbsentReason:CodeableConcept interpretation:CodeableConcept* referenceRange:ReferenceRange*`;

/** Required bindings of elements inside datatypes. */
const BINDINGS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Address: { use: 'home work temp old billing', type: 'postal physical both' },
  ContactPoint: { system: 'phone fax email pager url sms other', use: 'home work temp old mobile' },
  HumanName: { use: 'usual official temp nickname anonymous old maiden' },
  Identifier: { use: 'usual official temp secondary old' },
  Narrative: { status: 'generated extensions additional empty' },
  PatientContact: { gender: GENDERS },
  PatientLink: { type: 'replaced-by replaces refer seealso' },
  Quantity: { comparator: '< <= >= >' },
};

/** Datatypes, and the parts of resources that FHIR gives no name. */
const DATATYPES: ReadonlyMap<string, Elements> = new Map(
  (
    [
      ['Address', 'use:c type:c text:s line:s* city:s district:s state:s postalCode:s country:s period:Period'],
      ['Annotation', 'authorReference:Reference authorString:s time:t text:s!'],
      ['Attachment', 'contentType:c language:c data:s url:s size:n hash:s title:s creation:t'],
      ['CodeableConcept', 'coding:Coding* text:s'],
      ['Coding', 'system:s version:s code:c display:s userSelected:b'],
      ['ContactPoint', 'system:c value:s use:c rank:n period:Period'],
      ['HumanName', 'use:c text:s family:s given:s* prefix:s* suffix:s* period:Period'],
      ['Identifier', 'use:c type:CodeableConcept system:s value:s period:Period assigner:Reference'],
      ['Meta', 'versionId:s lastUpdated:i source:s profile:s* security:Coding* tag:Coding*'],
      ['Narrative', 'status:c! div:s!'],
      ['Period', 'start:t end:t'],
      ['Quantity', 'value:q comparator:c unit:s system:s code:c'],
      ['Range', 'low:Quantity high:Quantity'],
      ['Ratio', 'numerator:Quantity denominator:Quantity'],
      ['Reference', 'reference:s type:s identifier:Identifier display:s'],
      ['SampledData', 'origin:Quantity! period:q! factor:q lowerLimit:q upperLimit:q dimensions:n! data:s'],
      ['Timing', 'event:t* repeat code:CodeableConcept'],
      ['ClassHistory', 'class:Coding! period:Period!'],
      ['Communication', 'language:CodeableConcept! preferred:b'],
      ['ConditionEvidence', 'code:CodeableConcept* detail:Reference*'],
      ['ConditionStage', 'summary:CodeableConcept assessment:Reference* type:CodeableConcept'],
      ['EncounterDiagnosis', 'condition:Reference! use:CodeableConcept rank:n'],
      ['EncounterLocation', 'location:Reference! status:c physicalType:CodeableConcept period:Period'],
      [
        'Hospitalization',
        `preAdmissionIdentifier:Identifier origin:Reference admitSource:CodeableConcept reAdmission:CodeableConcept
         dietPreference:CodeableConcept* specialCourtesy:CodeableConcept* specialArrangement:CodeableConcept*
         destination:Reference dischargeDisposition:CodeableConcept`,
      ],
      ['Instance', 'uid:s! sopClass:Coding! number:n title:s'],
      ['ObservationComponent', `code:CodeableConcept! ${OBSERVED}`],
      ['OrganizationContact', 'purpose:CodeableConcept name:HumanName telecom:ContactPoint* address:Address'],
      ['Participant', 'type:CodeableConcept* period:Period individual:Reference'],
      [
        'PatientContact',
        `relationship:CodeableConcept* name:HumanName telecom:ContactPoint* address:Address gender:c
         organization:Reference period:Period`,
      ],
      ['PatientLink', 'other:Reference! type:c!'],
      ['Qualification', 'identifier:Identifier* code:CodeableConcept! period:Period issuer:Reference'],
      ['ReferenceRange', 'low:Quantity high:Quantity type:CodeableConcept appliesTo:CodeableConcept* age:Range text:s'],
      ['ReportMedia', 'comment:s link:Reference!'],
      [
        'Series',
        `uid:s! number:n modality:Coding! description:s numberOfInstances:n endpoint:Reference* bodySite:Coding
         laterality:Coding specimen:Reference* started:t performer:SeriesPerformer* instance:Instance*`,
      ],
      ['SeriesPerformer', 'function:CodeableConcept actor:Reference!'],
      ['StatusHistory', 'status:c! period:Period!'],
    ] satisfies [string, string][]
  ).map(([name, list]) => [name, elements(`id:s extension* modifierExtension* ${list}`, BINDINGS[name] ?? {})]),
);

/** @returns undefined for what is checked for its form only */
export function datatypeOf(name: string | undefined): Elements | undefined {
  return name === undefined ? undefined : DATATYPES.get(name);
}
