import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { definitionOf, type SearchParameter } from '../src/definitions.ts';
import { sampleResources } from '../src/samples/index.ts';
import { BASE, type Endpoint, startEndpoint } from './harness.ts';

let endpoint: Endpoint;
before(async () => {
  endpoint = await startEndpoint();
  await endpoint.service.seedSampleData();
  const all = endpoint.token({ scope: 'system/*.cruds' });
  for (const crossing of CROSSING) await endpoint.send('PUT', `/Observation/${crossing.id}`, all, { ...crossing });
});
after(() => endpoint.close());

interface Found {
  readonly resourceType: string;
  readonly id: string;
  readonly subject?: { readonly reference: string };
  readonly patient?: { readonly reference: string };
  readonly target?: readonly { readonly reference: string }[];
}

const INVENTED = sampleResources() as unknown as Found[];
const PATIENTS = INVENTED.filter(({ resourceType }) => resourceType === 'Patient').map(({ id }) => id);

/** Observations that refer from one patient's compartment into another's, by every element that could. */
const CROSSING = PATIENTS.map((patient, index) => {
  const other = PATIENTS[(index + 1) % PATIENTS.length]!;
  const theirs = (type: string) => INVENTED.find((one) => one.resourceType === type && ownerOf(one) === other)!;
  const reference = (type: string) => ({ reference: `${type}/${theirs(type).id}` });
  return {
    resourceType: 'Observation',
    id: `crossing-${index}`,
    status: 'final' as const,
    code: { text: 'crossing' },
    subject: { reference: `Patient/${patient}` },
    encounter: reference('Encounter'),
    performer: [{ reference: `Patient/${other}` }],
    partOf: [reference('ImagingStudy')],
    basedOn: [reference('ServiceRequest')],
    derivedFrom: [reference('ImagingStudy'), reference('Observation')],
    hasMember: [reference('Observation')],
  };
});
const SAMPLES: readonly Found[] = [...INVENTED, ...CROSSING];
const TYPES = [...new Set(SAMPLES.map(({ resourceType }) => resourceType))];
const SHARED = new Set(['Practitioner', 'Organization', 'Endpoint', 'Medication']);

/** Whose a resource is, found without the code under test. */
function ownerOf(resource: Found): string | undefined {
  if (resource.resourceType === 'Patient') return resource.id;
  const owner =
    resource.subject ?? resource.patient ?? resource.target?.find(({ reference }) => reference.startsWith('Patient/'));
  return owner?.reference.replace('Patient/', '');
}

/** What a patient's token may see of the sample data, of one type. */
function visible(patient: string, type: string): Set<string> {
  const own = SAMPLES.filter((resource) => !SHARED.has(resource.resourceType) && ownerOf(resource) === patient);
  if (!SHARED.has(type)) return new Set(own.filter(({ resourceType }) => resourceType === type).map(({ id }) => id));
  const text = JSON.stringify(own);
  return new Set(
    SAMPLES.filter(({ resourceType, id }) => resourceType === type && text.includes(`"${type}/${id}"`)).map(
      ({ id }) => id,
    ),
  );
}

const anyId = fc.constantFrom(...SAMPLES.map(({ id }) => id));
const anyPatient = fc.constantFrom(...PATIENTS);
const anyReference = fc.oneof(
  anyPatient,
  anyPatient.map((id) => `Patient/${id}`),
  anyPatient.map((id) => `${BASE}/Patient/${id}`),
  fc.constantFrom(...SAMPLES).map(({ resourceType, id }) => `${resourceType}/${id}`),
);
const anyDate = fc.tuple(
  fc.constantFrom('', 'ge', 'le', 'gt', 'lt', 'ne'),
  fc.constantFrom('1980', '2026', '2026-03', '2026-05-18'),
);
const anyWord = fc.constantFrom(
  'a',
  'final',
  'male',
  'http://loinc.org|',
  'NF-252019',
  '%',
  '*',
  ',',
  '|',
  '',
  'true',
  'false',
);

/** A value that the search parameter mostly understands. */
function valueFor({ name, kind }: SearchParameter): fc.Arbitrary<string> {
  const odd = fc.oneof(anyWord, fc.string({ maxLength: 12 }));
  if (name === '_id')
    return fc.oneof({ weight: 4, arbitrary: fc.array(anyId, { minLength: 1, maxLength: 4 }).map(String) }, odd);
  switch (kind) {
    case 'reference':
      return fc.oneof({ weight: 6, arbitrary: anyReference }, odd);
    case 'date':
      return fc.oneof({ weight: 6, arbitrary: anyDate.map((parts) => parts.join('')) }, odd);
    default:
      return odd;
  }
}

type Pair = [name: string, value: string];

/** Searches of one type: filters, includes, forms, and what is none of these. */
function queryOf(type: string): fc.Arbitrary<Pair[]> {
  const { searchParameters, includes } = definitionOf(type)!;
  const parameter = fc.constantFrom(...searchParameters.values());
  const filter = parameter.chain((one) => valueFor(one).map((value): Pair => [one.name, value]));
  const modified = fc.tuple(
    fc
      .tuple(parameter, fc.constantFrom('missing', 'Patient', 'contains', 'not'))
      .map(([{ name }, modifier]) => `${name}:${modifier}`),
    fc.oneof(anyWord, anyReference),
  );
  const include = fc.constantFrom('*', ...includes).map((name): Pair => ['_include', `${type}:${name}`]);
  const form: fc.Arbitrary<Pair> = fc.oneof(
    fc.tuple(fc.constant('_count'), fc.constantFrom('0', '1', '3', '7', '500')),
    fc.tuple(
      fc.constant('_sort'),
      parameter.map(({ name }) => name),
    ),
    fc.tuple(fc.constant('_elements'), fc.constantFrom('id', 'subject,code')),
    fc.tuple(fc.constantFrom('_summary', '_total'), fc.constantFrom('count', 'data', 'accurate')),
  );
  const strange = fc.tuple(
    fc.constantFrom(
      'patient.name',
      'performer:Patient.name',
      'subject:Patient.identifier',
      'part-of:ImagingStudy.status',
      'has-member.status',
      '_has:Observation:patient:code',
      '_has:Observation:performer:code',
      '_has:Provenance:target:agent',
      '_include:iterate',
      'unknown',
      '_page',
    ),
    fc.oneof(anyWord, anyReference),
  );
  const revInclude = fc
    .constantFrom(
      'Observation:performer',
      'Observation:patient',
      'Observation:part-of',
      'Provenance:target',
      'Procedure:based-on',
    )
    .map((value): Pair => ['_revinclude', value]);
  return fc.array(
    fc.oneof(
      { weight: 5, arbitrary: filter },
      { weight: 2, arbitrary: revInclude },
      { weight: 6, arbitrary: include },
      { weight: 4, arbitrary: form },
      { weight: 1, arbitrary: modified },
      { weight: 1, arbitrary: strange },
    ),
    { maxLength: 4 },
  );
}

const anySearch = fc
  .oneof(fc.constantFrom(...TYPES), fc.constant('Observation'))
  .chain((type) => fc.tuple(fc.constant(type), queryOf(type)));
const SCOPES = [
  'patient/*.rs',
  'patient/*.cruds',
  'patient/*.read',
  'patient/Observation.rs patient/Patient.r',
  'patient/DiagnosticReport.rs?status=final patient/*.r',
  'launch/patient patient/*.s openid fhirUser',
];

test('FHR-2 whatever is asked for, a patient’s token finds no resource of another patient, and counts none', async () => {
  await fc.assert(
    fc.asyncProperty(
      anyPatient,
      fc.constantFrom(...SCOPES),
      anySearch,
      fc.boolean(),
      async (patient, scope, [type, params], post) => {
        const bearer = endpoint.token({ scope, patient, user: `Patient/${patient}` });
        const query = new URLSearchParams(params).toString();
        const send = post
          ? endpoint.send('POST', `/${type}/_search`, bearer, query, {
              'content-type': 'application/x-www-form-urlencoded',
            })
          : endpoint.get(`/${type}?${query}`, bearer);
        let answer = await send;
        assert.ok([200, 400, 403].includes(answer.status), `${answer.status} ${type}?${query}`);
        for (let page = 0; answer.status === 200 && page < 200; page++) {
          const { total = 0, entry = [], link } = answer.body;
          assert.ok(total <= visible(patient, type).size, `${type}?${query} counts ${total}`);
          for (const { resource } of entry as { resource: Found }[]) {
            assert.ok(
              visible(patient, resource.resourceType).has(resource.id),
              `${resource.resourceType}/${resource.id} for ${patient}: ${type}?${query}`,
            );
          }
          const next = (link as { relation: string; url: string }[]).find(({ relation }) => relation === 'next');
          if (!next) break;
          answer = await endpoint.get(next.url, bearer);
          assert.equal(answer.status, 200);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('FHR-2 a patient’s token finds all that is the patient’s', async () => {
  for (const patient of PATIENTS) {
    const bearer = endpoint.token({ scope: 'patient/*.rs', patient });
    for (const type of TYPES) {
      const { body } = await endpoint.get(`/${type}?_count=500`, bearer);
      const found = ((body.entry ?? []) as { resource: Found }[]).map(({ resource }) => resource.id);
      assert.deepEqual(found.toSorted(), [...visible(patient, type)].toSorted(), `${type} of ${patient}`);
    }
  }
});

/** Every resource anywhere in an answer. */
function resourcesIn(value: unknown): Found[] {
  if (Array.isArray(value)) return value.flatMap(resourcesIn);
  if (typeof value !== 'object' || value === null) return [];
  const one = value as Found;
  const isStored = TYPES.includes(one.resourceType) && typeof one.id === 'string';
  return [...(isStored ? [one] : []), ...Object.values(value).flatMap(resourcesIn)];
}

const anyKey = fc.constantFrom(...SAMPLES).map(({ resourceType, id }) => `${resourceType}/${id}`);
const anyOperation: fc.Arbitrary<readonly [method: string, path: string, body?: object]> = fc.oneof(
  anyKey.map((key) => ['GET', `/${key}`] as const),
  anyKey.map((key) => ['GET', `/${key}/_history/1`] as const),
  fc
    .tuple(anyKey, fc.constantFrom('', '?_count=1', '?_since=2020-01-01T00:00:00Z'))
    .map(([key, query]) => ['GET', `/${key}/_history${query}`] as const),
  fc
    .tuple(anyPatient, fc.constantFrom('', '?_type=Observation', '?_count=2'))
    .map(([id, query]) => ['GET', `/Patient/${id}/$everything${query}`] as const),
  fc
    .tuple(anyKey, fc.constantFrom('/id', '/status', '/subject/reference', '/nothing'))
    .map(([key, path]) => ['PATCH', `/${key}`, [{ op: 'test', path, value: 'final' }]] as const),
);

/** A batch or transaction of the same requests. */
const anyBundle = fc
  .tuple(fc.constantFrom('batch', 'transaction'), fc.array(fc.oneof(anyKey, anySearch), { maxLength: 4 }))
  .map(([type, urls]) => {
    const entry = urls.map((url) => {
      const address = typeof url === 'string' ? url : `${url[0]}?${new URLSearchParams(url[1])}`;
      return { request: { method: 'GET', url: address } };
    });
    return ['POST', '', { resourceType: 'Bundle', type, ...(entry.length > 0 && { entry }) }] as const;
  });

test('FHR-2 reads, versions, histories, $everything, patches and batches show a patient’s token its own alone', async () => {
  await fc.assert(
    fc.asyncProperty(
      anyPatient,
      fc.constantFrom(...SCOPES),
      fc.oneof({ weight: 2, arbitrary: anyOperation }, { weight: 1, arbitrary: anyBundle }),
      async (patient, scope, [method, path, body]) => {
        const bearer = endpoint.token({ scope, patient, user: `Patient/${patient}` });
        const type = method === 'PATCH' ? 'application/json-patch+json' : 'application/fhir+json';
        const answer = await endpoint.send(method, path, bearer, body && JSON.stringify(body), {
          'content-type': type,
        });
        assert.ok(answer.status < 500, `${answer.status} ${method} ${path}`);
        for (const { resourceType, id } of resourcesIn(answer.body)) {
          assert.ok(visible(patient, resourceType).has(id), `${resourceType}/${id} for ${patient}: ${method} ${path}`);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('FHR-2 a search answers as if nothing existed but what the token may see', async () => {
  const [patient = ''] = PATIENTS;
  const alone = await startEndpoint();
  const all = alone.token({ scope: 'system/*.cruds' });
  for (const sample of SAMPLES) {
    if (!visible(patient, sample.resourceType).has(sample.id)) continue;
    const { status } = await alone.send('PUT', `/${sample.resourceType}/${sample.id}`, all, JSON.stringify(sample));
    assert.equal(status, 201);
  }
  const bearer = endpoint.token({ scope: 'patient/*.rs', patient });
  await fc.assert(
    fc.asyncProperty(anySearch, async ([type, params]) => {
      const query = new URLSearchParams(params.filter(([name]) => name !== '_lastUpdated')).toString();
      const [here, there] = await Promise.all([
        endpoint.get(`/${type}?${query}`, bearer),
        alone.get(`/${type}?${query}`, all),
      ]);
      const shown = ({ status, body }: typeof here) =>
        JSON.stringify([
          status,
          body.total,
          (body.entry ?? []).map(({ resource, search }: { resource: Found; search: object }) => [
            resource.resourceType,
            resource.id,
            search,
          ]),
        ]);
      assert.equal(shown(here), shown(there), `${type}?${query}`);
    }),
    { numRuns: 400 },
  );
  await alone.close();
});
