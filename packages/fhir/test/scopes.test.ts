import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { R4_RESOURCE_TYPES, Scopes } from '@lockstep/fhircast';
import { definitionOf } from '../src/definitions.ts';
import { canEverOpen, RESOURCE_TYPES } from '../src/index.ts';
import { BASE, type Endpoint, type Grant, included, matches, startEndpoint } from './harness.ts';

let endpoint: Endpoint;
before(async () => {
  endpoint = await startEndpoint();
  await endpoint.service.seedSampleData();
});
after(() => endpoint.close());

const RADIOLOGIST = 'Practitioner/dr-lena-okafor';
const MINE = 'amara-diallo';
const THEIRS = 'kofi-mensah';

const token = (scope: string, over: Partial<Grant> = {}) => endpoint.token({ scope, ...over });
const patientToken = (scope: string) => token(scope, { patient: MINE, user: RADIOLOGIST });
const status = async (path: string, bearer: string) => (await endpoint.get(path, bearer)).status;

const observation = (patient: string, over: object = {}) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'x' },
  subject: { reference: `Patient/${patient}` },
  ...over,
});
const laboratory = {
  category: [
    { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'laboratory' }] },
  ],
};

function assertForbidden(
  answer: { status: number; headers: Headers; body: { resourceType: string; issue: { code: string }[] } },
  what: string,
) {
  assert.equal(answer.status, 403, what);
  assert.equal(answer.body.resourceType, 'OperationOutcome', what);
  assert.equal(answer.body.issue[0]?.code, 'forbidden', what);
}

test('FHR-2 a resource that contains another patient’s is nobody’s who may see one patient alone', async () => {
  const all = token('system/*.cruds');
  const inner = (patient: string) => ({ ...observation(patient), id: 'inner' });
  const theirs = { reference: `Patient/${THEIRS}` };
  const others = [
    { resourceType: 'Appointment', status: 'booked', participant: [{ actor: theirs, status: 'accepted' }] },
    { resourceType: 'Schedule', actor: [theirs] },
    { resourceType: 'Group', type: 'person', actual: true, member: [{ entity: theirs }] },
    { resourceType: 'Person', link: [{ target: theirs }] },
    { resourceType: 'RelatedPerson', patient: theirs },
    {
      resourceType: 'Provenance',
      target: [theirs],
      recorded: '2026-01-01T00:00:00Z',
      agent: [{ who: { display: 'x' } }],
    },
    { resourceType: 'Coverage', status: 'active', beneficiary: theirs, payor: [{ display: 'x' }] },
  ];
  for (const [id, contained, isMine] of [
    ['holds-mine', [inner(MINE)], true],
    ['holds-theirs', [inner(MINE), inner(THEIRS)], false],
    ...others.map((one) => [`holds-${one.resourceType}`, [{ ...one, id: 'inner' }], false] as const),
  ] as const) {
    const resource = observation(MINE, { id, contained, hasMember: [{ reference: '#inner' }] });
    const put = await endpoint.send('PUT', `/Observation/${id}`, all, resource);
    assert.ok(put.status < 300, put.text);
    assert.equal(await status(`/Observation/${id}`, patientToken('patient/*.rs')), isMine ? 200 : 403, id);
    const found = matches((await endpoint.get(`/Observation?_id=${id}`, patientToken('patient/*.rs'))).body);
    assert.equal(found.length, isMine ? 1 : 0, id);
    assert.equal(await status(`/Observation/${id}`, all), 200, id);
    assert.ok((await endpoint.send('DELETE', `/Observation/${id}`, all)).status < 300);
  }
});

test('FHR-2 every interaction needs its letter, in v1 and v2', async () => {
  const path = '/Observation/scoped';
  const all = token('system/*.cruds');
  await endpoint.send('PUT', path, all, observation(MINE, { id: 'scoped' }));
  const interactions: Record<string, (bearer: string) => Promise<number>> = {
    r: (bearer) => status(path, bearer),
    R: (bearer) => status(`${path}/_history/1`, bearer),
    h: (bearer) => status(`${path}/_history`, bearer),
    s: (bearer) => status('/Observation', bearer),
    S: async (bearer) =>
      (
        await endpoint.send('POST', '/Observation/_search', bearer, '', {
          'content-type': 'application/x-www-form-urlencoded',
        })
      ).status,
    c: async (bearer) => (await endpoint.send('POST', '/Observation', bearer, observation(MINE))).status,
    u: async (bearer) => (await endpoint.send('PUT', path, bearer, observation(MINE, { id: 'scoped' }))).status,
    U: async (bearer) =>
      (await endpoint.send('PUT', '/Observation/new-one', bearer, observation(MINE, { id: 'new-one' }))).status,
    d: async (bearer) => (await endpoint.send('DELETE', '/Observation/new-one', bearer)).status,
  };
  const scopes: [string, string][] = [
    ['system/Observation.r', 'rRh'],
    ['system/Observation.s', 'sS'],
    ['system/Observation.c', 'c'],
    ['system/Observation.u', 'uU'],
    ['system/Observation.d', 'd'],
    ['system/Observation.cruds', 'rRhsScuUd'],
    ['system/Observation.read', 'rRhsS'],
    ['system/Observation.write', 'cuUd'],
    ['system/*.*', 'rRhsScuUd'],
    ['system/Patient.cruds', ''],
    ['openid fhirUser launch offline_access fhircast/*.*', ''],
    ['', ''],
  ];
  for (const [scope, allowed] of scopes) {
    for (const [letter, run] of Object.entries(interactions)) {
      const answered = await run(token(scope));
      if (allowed.includes(letter)) assert.ok(answered < 300, `${scope} ${letter} ${answered}`);
      else assert.equal(answered, 403, `${scope} ${letter}`);
      if (letter === 'd' && answered === 204)
        await endpoint.send('PUT', '/Observation/new-one', all, observation(MINE, { id: 'new-one' }));
    }
  }
});

test('FHR-2 a patient/ scope reads, searches and writes in its compartment only', async () => {
  const bearer = patientToken('patient/*.cruds');
  assert.equal(await status(`/Patient/${MINE}`, bearer), 200);
  assertForbidden(await endpoint.get(`/Patient/${THEIRS}`, bearer), 'read of another patient');
  assert.equal(await status('/DiagnosticReport/amara-diallo-2026-05-ct-chest', bearer), 200);
  assertForbidden(await endpoint.get('/DiagnosticReport/kofi-mensah-2026-02-pet-ct', bearer), 'read');
  assertForbidden(await endpoint.get('/DiagnosticReport/kofi-mensah-2026-02-pet-ct/_history/1', bearer), 'vread');
  assertForbidden(await endpoint.get('/DiagnosticReport/kofi-mensah-2026-02-pet-ct/_history', bearer), 'history');
  assert.deepEqual(
    matches((await endpoint.get('/Patient', bearer)).body).map(({ id }) => id),
    [MINE],
  );
  const { body } = await endpoint.get('/ImagingStudy', bearer);
  assert.deepEqual([body.total, matches(body).every(({ id }) => id.startsWith(MINE))], [2, true]);
  for (const query of [
    `patient=${THEIRS}`,
    `subject=Patient/${THEIRS}`,
    '_id=kofi-mensah-2026-02-pet-ct',
    'accession=NF26-000577',
  ]) {
    const answer = await endpoint.get(`/ImagingStudy?${query}`, bearer);
    assert.deepEqual([answer.status, answer.body.total, answer.body.entry], [200, 0, undefined], query);
  }
  assertForbidden(await endpoint.send('POST', '/Observation', bearer, observation(THEIRS)), 'create');
  assertForbidden(
    await endpoint.send('POST', '/Observation', bearer, observation(MINE, { subject: undefined })),
    'create for nobody',
  );
  assertForbidden(await endpoint.send('POST', '/Patient', bearer, { resourceType: 'Patient' }), 'create patient');
  assertForbidden(await endpoint.send('DELETE', '/Observation/kofi-mensah-2026-02-2532-0', bearer), 'delete');
  assert.equal((await endpoint.send('POST', '/Observation', bearer, observation(MINE))).status, 201);
});

test('FHR-2 nothing moves into or out of a compartment', async () => {
  const all = token('system/*.cruds');
  const bearer = patientToken('patient/*.cruds');
  await endpoint.send('PUT', '/Observation/here', all, observation(MINE, { id: 'here' }));
  await endpoint.send('PUT', '/Observation/there', all, observation(THEIRS, { id: 'there' }));
  assertForbidden(await endpoint.send('PUT', '/Observation/here', bearer, observation(THEIRS, { id: 'here' })), 'out');
  assertForbidden(await endpoint.send('PUT', '/Observation/there', bearer, observation(MINE, { id: 'there' })), 'in');
  const guarded = await endpoint.send('PUT', '/Observation/there', bearer, observation(MINE, { id: 'there' }), {
    'if-match': 'W/"9"',
  });
  assertForbidden(guarded, 'in, with If-Match');
  const absolute = observation(MINE, { id: 'here', subject: { reference: `${BASE}/Patient/${THEIRS}` } });
  assertForbidden(await endpoint.send('PUT', '/Observation/here', bearer, absolute), 'out, absolute');
  const foreign = observation(MINE, {
    id: 'here',
    subject: { reference: `https://other.example/fhir/Patient/${MINE}` },
  });
  assertForbidden(await endpoint.send('PUT', '/Observation/here', bearer, foreign), 'to another server');
  await endpoint.send('DELETE', '/Observation/there', all);
  assertForbidden(
    await endpoint.send('PUT', '/Observation/there', bearer, observation(MINE, { id: 'there' })),
    'into a deleted one',
  );
  assertForbidden(await endpoint.get('/Observation/there', bearer), 'that it was deleted');
  assert.equal(
    (await endpoint.send('PUT', '/Observation/here', bearer, observation(MINE, { id: 'here' }))).status,
    200,
  );
  assert.equal((await endpoint.get('/Observation/here', all)).body.meta.versionId, '2');
});

test('FHR-2 versions from the time a resource was another patient’s stay hidden, and it from them', async () => {
  const all = token('system/*.cruds');
  await endpoint.send('PUT', '/Observation/corrected', all, observation(THEIRS, { id: 'corrected' }));
  await endpoint.send('PUT', '/Observation/corrected', all, observation(MINE, { id: 'corrected' }));
  const mine = patientToken('patient/*.rs');
  assert.equal(await status('/Observation/corrected', mine), 200);
  assert.equal(await status('/Observation/corrected/_history/2', mine), 200);
  assertForbidden(await endpoint.get('/Observation/corrected/_history/1', mine), 'old version');
  const { body } = await endpoint.get('/Observation/corrected/_history', mine);
  assert.deepEqual([body.total, body.entry.length], [1, 1]);
  const theirs = token('patient/*.rs', { patient: THEIRS });
  assertForbidden(await endpoint.get('/Observation/corrected/_history/1', theirs), 'version that was theirs');
});

test('FHR-2 a patient/ scope without a patient grants nothing', async () => {
  const bearer = token('patient/*.cruds', { user: RADIOLOGIST });
  for (const path of [`/Patient/${MINE}`, '/Patient', '/Observation', '/Practitioner']) {
    assertForbidden(await endpoint.get(path, bearer), path);
  }
  assertForbidden(await endpoint.send('POST', '/Observation', bearer, observation(MINE)), 'create');
});

test('FHR-2 user/ scopes reach everything for a clinician, the own compartment for a patient, nothing for nobody', async () => {
  const clinician = token('user/*.rs', { user: RADIOLOGIST });
  assert.equal((await endpoint.get('/Patient', clinician)).body.total, 13);
  assert.equal(await status(`/Patient/${THEIRS}`, clinician), 200);
  const patient = token('user/*.rs', { user: `Patient/${MINE}` });
  assert.deepEqual(
    matches((await endpoint.get('/Patient', patient)).body).map(({ id }) => id),
    [MINE],
  );
  assertForbidden(await endpoint.get(`/Patient/${THEIRS}`, patient), 'another patient');
  assertForbidden(await endpoint.get('/Patient', token('user/*.rs')), 'no user');
  assertForbidden(await endpoint.get('/Patient', token('user/*.rs', { user: 'RelatedPerson/x' })), 'related person');
});

test('FHR-2 scopes add up', async () => {
  const bearer = token('patient/Observation.rs user/Practitioner.rs', { patient: MINE, user: RADIOLOGIST });
  assert.equal(await status('/Observation', bearer), 200);
  const practitioners = await endpoint.get('/Practitioner', token('system/Practitioner.rs'));
  assert.ok(practitioners.body.total > 3);
  assert.equal((await endpoint.get('/Practitioner', bearer)).body.total, practitioners.body.total);
  assertForbidden(await endpoint.get('/Condition', bearer), 'not granted');
  const wider = token('patient/Condition.rs user/Condition.rs', { patient: MINE, user: RADIOLOGIST });
  const everything = await endpoint.get('/Condition', token('system/Condition.rs'));
  assert.equal((await endpoint.get('/Condition', wider)).body.total, everything.body.total);
});

test('FHR-2 granular scopes filter searches and guard reads and writes', async () => {
  const category = 'http://terminology.hl7.org/CodeSystem/observation-category|laboratory';
  const bearer = patientToken(`patient/Observation.cruds?category=${category}`);
  const found = await endpoint.get('/Observation', bearer);
  assert.deepEqual(
    matches(found.body).map(({ id }) => id),
    ['amara-diallo-2026-01-2160-0'],
  );
  assert.equal(found.body.total, 1);
  assert.equal(await status('/Observation/amara-diallo-2026-01-2160-0', bearer), 200);
  assertForbidden(await endpoint.get('/Observation/amara-diallo-2026-01-8867-4', bearer), 'vital sign');
  assertForbidden(await endpoint.send('POST', '/Observation', bearer, observation(MINE)), 'uncategorized');
  const made = await endpoint.send('POST', '/Observation', bearer, observation(MINE, laboratory));
  assert.equal(made.status, 201);
  assertForbidden(
    await endpoint.send('PUT', `/Observation/${made.body.id}`, bearer, observation(MINE, { id: made.body.id })),
    'out of the category',
  );
  await endpoint.send('DELETE', `/Observation/${made.body.id}`, bearer);
});

test('FHR-2 granular scopes: all parameters of one must hold, any of several scopes may', async () => {
  const both = token('system/Observation.rs?status=final&code=http://loinc.org|2857-1');
  assert.equal((await endpoint.get('/Observation', both)).body.total, 1);
  const either = token(
    'system/Observation.rs?code=http://loinc.org|2857-1 system/Observation.rs?code=http://loinc.org|48065-7',
  );
  assert.equal((await endpoint.get('/Observation', either)).body.total, 2);
});

test('FHR-2 a granular restriction that a type cannot be searched by grants nothing of it', async () => {
  for (const scope of [
    'patient/*.rs?category=laboratory',
    'patient/Patient.rs?shoe-size=43',
    'patient/Patient.rs?name:phonetic=x',
    'patient/Patient.rs?_count=5',
  ]) {
    assertForbidden(await endpoint.get('/Patient', patientToken(scope)), scope);
  }
  assertForbidden(
    await endpoint.get('/Observation', patientToken('patient/Observation.rs?code:in=http://example.org/vs')),
    'code:in',
  );
  assertForbidden(
    await endpoint.get('/Observation', patientToken('patient/Observation.rs?patient.name=Amara')),
    'chain',
  );
});

test('FHR-2 what a patient’s resources refer to is readable with that type’s scope, and no more', async () => {
  const bearer = patientToken('patient/*.cruds');
  for (const path of [
    '/Practitioner/dr-lena-okafor',
    '/Practitioner/dr-samuel-abebe',
    '/Organization/northfield-general',
    '/Endpoint/northfield-pacs',
  ]) {
    assert.equal(await status(path, bearer), 200, path);
  }
  assertForbidden(await endpoint.get('/Practitioner/dr-viktor-novak', bearer), 'unrelated');
  assertForbidden(await endpoint.get('/Organization/lakeside-practice', bearer), 'unrelated');
  assert.deepEqual(
    matches((await endpoint.get('/Practitioner', bearer)).body).map(({ id }) => id),
    ['dr-lena-okafor', 'dr-mei-tanaka', 'dr-samuel-abebe'],
  );
  assertForbidden(await endpoint.get('/Practitioner/dr-lena-okafor', patientToken('patient/Patient.rs')), 'other type');
  const changed = { resourceType: 'Practitioner', id: 'dr-lena-okafor', active: false };
  assertForbidden(
    await endpoint.send('PUT', '/Practitioner/dr-lena-okafor', bearer, changed),
    'change of a shared resource',
  );
  assertForbidden(
    await endpoint.send('POST', '/Organization', bearer, { resourceType: 'Organization', name: 'x' }),
    'create of one',
  );
});

test('FHR-2 writing a reference opens no way to what it names', async () => {
  const bearer = patientToken('patient/*.cruds');
  const linking = observation(MINE, { performer: [{ reference: 'Practitioner/dr-viktor-novak' }] });
  assertForbidden(await endpoint.send('POST', '/Observation', bearer, linking), 'unrelated practitioner');
  assertForbidden(
    await endpoint.send('PUT', '/Observation/linking', bearer, { ...linking, id: 'linking' }),
    'by update',
  );
  assertForbidden(await endpoint.get('/Practitioner/dr-viktor-novak', bearer), 'still hidden');
  const own = observation(MINE, {
    performer: [{ reference: RADIOLOGIST }, { reference: 'Organization/northfield-imaging' }],
  });
  assert.equal((await endpoint.send('POST', '/Observation', bearer, own)).status, 201);
  const clinician = token('user/*.cruds', { user: RADIOLOGIST });
  assert.equal(
    (
      await endpoint.send('POST', '/Observation', clinician, {
        ...linking,
        subject: { reference: `Patient/${THEIRS}` },
      })
    ).status,
    201,
  );
});

test('FHR-2 included resources are checked one by one', async () => {
  const bearer = patientToken('patient/DiagnosticReport.rs patient/Practitioner.r');
  const query = '/DiagnosticReport?_include=DiagnosticReport:*';
  const types = new Set(included((await endpoint.get(query, bearer)).body).map(({ resourceType }) => resourceType));
  assert.deepEqual([...types], ['Practitioner']);
  const all = token('system/*.cruds');
  const crossing = observation(MINE, {
    id: 'crossing',
    derivedFrom: [{ reference: 'Observation/kofi-mensah-2026-02-2532-0' }],
  });
  await endpoint.send('PUT', '/Observation/crossing', all, crossing);
  const found = await endpoint.get(
    '/Observation?_id=crossing&_include=Observation:derived-from',
    patientToken('patient/*.rs'),
  );
  assert.deepEqual([matches(found.body).length, included(found.body).length], [1, 0]);
  const seen = await endpoint.get('/Observation?_id=crossing&_include=Observation:derived-from', all);
  assert.equal(included(seen.body).length, 1);
  await endpoint.send('DELETE', '/Observation/crossing', all);
});

test('FHR-2 a page’s link taken to another token shows that token’s resources only', async () => {
  const wide = token('user/*.rs', { user: RADIOLOGIST });
  const first = await endpoint.get('/Observation?_count=2', wide);
  const next = first.body.link.find(({ relation }: { relation: string }) => relation === 'next').url;
  const { body } = await endpoint.get(next, patientToken('patient/*.rs'));
  assert.ok(
    matches(body).every(
      ({ id }) =>
        id.startsWith(MINE) ||
        id.startsWith('made-') ||
        id === 'here' ||
        id === 'corrected' ||
        id === 'scoped' ||
        id === 'new-one',
    ),
  );
  assert.equal(body.total, (await endpoint.get('/Observation', patientToken('patient/*.rs'))).body.total);
});

test('TOK-7 the user named by fhirUser can be read with openid fhirUser, or with user/Practitioner.r', async () => {
  const path = `/${RADIOLOGIST}`;
  assert.equal(await status(path, token('openid fhirUser', { user: RADIOLOGIST })), 200);
  assert.equal(await status(path, token('user/Practitioner.r', { user: RADIOLOGIST })), 200);
  assert.equal(
    await status(
      path,
      token('openid fhirUser launch/patient patient/Patient.rs', { user: RADIOLOGIST, patient: MINE }),
    ),
    200,
  );
  assertForbidden(
    await endpoint.get('/Practitioner/dr-mei-tanaka', token('openid fhirUser', { user: RADIOLOGIST })),
    'another user',
  );
  assertForbidden(await endpoint.get('/Practitioner', token('openid fhirUser', { user: RADIOLOGIST })), 'search');
  for (const scope of ['openid', 'fhirUser', 'openid profile']) {
    assertForbidden(await endpoint.get(path, token(scope, { user: RADIOLOGIST })), scope);
  }
  const patient = token('openid fhirUser', { user: `Patient/${MINE}` });
  assert.equal(await status(`/Patient/${MINE}`, patient), 200);
  assertForbidden(await endpoint.get(`/Patient/${THEIRS}`, patient), 'another patient');
});

test('FHR-2 a token that is revoked or has expired ends at once', async () => {
  const bearer = token('system/*.rs', { expiresAt: endpoint.clock.time + 1000 });
  assert.equal(await status(`/Patient/${MINE}`, bearer), 200);
  endpoint.clock.time += 1000;
  assert.equal(await status(`/Patient/${MINE}`, bearer), 401);
  const other = token('system/*.rs');
  endpoint.revoke(other);
  assert.equal(await status(`/Patient/${MINE}`, other), 401);
});

test('FHR-1 whether the conditions of a scope can be checked is said before it is granted, and shows when it is used', async () => {
  const conditions: readonly [type: string, condition: string, canBeChecked: boolean][] = [
    ['Observation', 'category=laboratory', true],
    ['Observation', 'category:not=laboratory', true],
    ['Observation', 'category=laboratory&code=1-8,2-9', true],
    ['Observation', 'date=ge2020', true],
    ['*', 'category=laboratory', true],
    ['Patient', 'birthdate=lt2000-01', true],
    ['Observation', 'category=laboratory&nothing=x', false],
    ['Observation', 'nothing=x', false],
    ['Observation', 'birthdate=2000', false],
    ['Observation', 'subject.name=x', false],
    ['Observation', '_has:Provenance:target:agent=x', false],
    ['Observation', 'category:sideways=x', false],
    ['Observation', 'date=yesterday', false],
    ['Observation', 'date=ap2020', false],
    ['Observation', '_count=1', false],
    ['*', 'nothing=x', false],
    ['Immunization', 'status=completed', true],
    ['Invoice', 'status=draft', false],
  ];
  for (const [type, condition, canBeChecked] of conditions) {
    const scope = `system/${type}.rs?${condition}`;
    const [parsed] = new Scopes(scope).list;
    assert.ok(parsed?.kind === 'fhir', scope);
    assert.equal(canEverOpen(parsed, BASE), canBeChecked, scope);
    // There is nothing to ask of a type that this endpoint does not have.
    if (type === 'Invoice') continue;
    const at = type === '*' ? 'Observation' : type;
    assert.equal(await status(`/${at}?_count=1`, token(scope)), canBeChecked ? 200 : 403, scope);
  }
});

test('FHR-1 a scope that opens nothing of a type is said to, for each interaction of every type', async () => {
  const canOpen = (scope: string) => {
    const [parsed] = new Scopes(scope).list;
    assert.ok(parsed?.kind === 'fhir', scope);
    return canEverOpen(parsed, BASE);
  };
  for (const type of R4_RESOURCE_TYPES) {
    const served = RESOURCE_TYPES.includes(type);
    for (const context of ['patient', 'user', 'system'])
      assert.equal(canOpen(`${context}/${type}.cruds`), served, type);
    if (!served) continue;
    const shared = definitionOf(type)!.shared;
    for (const letter of ['c', 'r', 'u', 'd', 's']) {
      assert.ok(canOpen(`user/${type}.${letter}`) && canOpen(`system/${type}.${letter}`), type);
      const expected = type === 'Patient' ? letter !== 'c' : !shared || letter === 'r' || letter === 's';
      assert.equal(canOpen(`patient/${type}.${letter}`), expected, `${type}.${letter}`);
    }
    const useless = ['c', 'u', 'd'].filter((letter) => !canOpen(`patient/${type}.${letter}`)).join('');
    if (useless === '') continue;
    const { body } = await endpoint.get(`/${type}?_count=1`, token('system/*.rs'));
    const [{ resource }] = body.entry;
    const bearer = patientToken(`patient/${type}.${useless}`);
    const path = `/${type}/${resource.id}`;
    if (useless.includes('c')) assertForbidden(await endpoint.send('POST', `/${type}`, bearer, resource), type);
    if (useless.includes('u')) assertForbidden(await endpoint.send('PUT', path, bearer, resource), type);
    if (useless.includes('d')) assertForbidden(await endpoint.send('DELETE', path, bearer), type);
  }
});
