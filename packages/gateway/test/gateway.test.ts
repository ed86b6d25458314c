import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { bearerCredentials } from '../src/index.ts';
import { BASE, type FhirServer, type Gateway, keys, startFhirServer, startGateway } from './harness.ts';

let server: FhirServer;
let gateway: Gateway;
let all: string;
let own: string;
const PATIENT = 'amara-diallo';
before(async () => {
  server = await startFhirServer();
  gateway = await startGateway(
    server.base,
    bearerCredentials(() => server.everything),
  );
  all = gateway.token({ scope: 'system/*.cruds' });
  own = gateway.token({ scope: 'patient/*.cruds', patient: PATIENT });
});
after(async () => {
  await gateway.close();
  await server.close();
});

const code = { text: 'x' };
const observation = (id: string | undefined, patient: string, more: object = {}) => ({
  resourceType: 'Observation',
  ...(id !== undefined && { id }),
  status: 'final',
  code,
  subject: { reference: `Patient/${patient}` },
  ...more,
});

test('FHR-3 the CapabilityStatement is the server’s as far as it is passed on, with where to get tokens and the Hub', async () => {
  const { status, body, text } = await gateway.get('/metadata');
  assert.equal(status, 200);
  const [rest] = body.rest;
  assert.equal(body.implementation.url, BASE);
  assert.equal(rest.security.service[0].coding[0].code, 'SMART-on-FHIR');
  assert.ok(rest.extension[0].extension[0].valueUrl.endsWith('/hub'));
  assert.ok(rest.resource.some(({ type }: { type: string }) => type === 'Observation'));
  assert.deepEqual(rest.interaction, [{ code: 'batch' }, { code: 'transaction' }]);
  assert.ok(!text.includes(server.base));
});

test('FHR-2 without a token every address but the CapabilityStatement answers 401, and the server is not asked', async () => {
  const before = server.asked.length;
  for (const path of ['/Patient', '/Patient/x', '/Patient/x/_history', '/nowhere', '/Patient/x/$everything']) {
    const { status, body } = await gateway.get(path);
    assert.deepEqual([status, body.resourceType], [401, 'OperationOutcome'], path);
  }
  assert.equal(server.asked.length, before);
});

test('FHR-3 reads, versions, ETags and conditional reads go through; addresses are Lockstep’s', async () => {
  const found = await gateway.get(`/Patient/${PATIENT}`, own);
  assert.deepEqual([found.status, found.body.id, found.headers.get('etag')], [200, PATIENT, 'W/"1"']);
  assert.equal((await gateway.get(`/Patient/${PATIENT}`, own, { 'if-none-match': 'W/"1"' })).status, 304);
  assert.equal((await gateway.get(`/Patient/${PATIENT}/_history/1`, own)).body.id, PATIENT);
  assert.equal((await gateway.get(`/Patient/${PATIENT}/_history`, own)).body.entry.length, 1);
  assert.equal((await gateway.get('/Patient/nobody', own)).status, 404);
  assert.equal((await gateway.get('/Patient/kofi-mensah', own)).status, 403);
  assert.equal((await gateway.get('/Patient/kofi-mensah/_history', own)).status, 403);
  assert.equal((await gateway.get('/Nothing/x', all)).status, 404);
  assert.equal((await gateway.get('/Basic/x', all)).status, 404);
});

test('FHR-2 searches are narrowed on the way out, and their answers checked on the way back', async () => {
  const { body } = await gateway.get('/Observation?_count=500', own);
  assert.ok(body.entry.length > 3);
  assert.equal(body.total, body.entry.length);
  for (const { resource, fullUrl } of body.entry) {
    assert.equal(resource.subject.reference, `Patient/${PATIENT}`);
    assert.equal(fullUrl, `${BASE}/Observation/${resource.id}`);
  }
  assert.match(server.asked.at(-1)!, /patient=amara-diallo/);
  assert.deepEqual(keys((await gateway.get('/Patient', own)).body), [`Patient/${PATIENT}`]);
  assert.deepEqual(keys((await gateway.get('/Patient?_id=kofi-mensah', own)).body), []);
  assert.deepEqual(keys((await gateway.get('/Observation?patient=kofi-mensah', own)).body), []);
  const granular = gateway.token({ scope: 'patient/Observation.rs?category=vital-signs', patient: PATIENT });
  const vital = await gateway.get('/Observation?_count=500', granular);
  assert.ok(vital.body.entry.length > 0 && vital.body.entry.length < body.entry.length);
  assert.match(server.asked.at(-1)!, /category=vital-signs/);
  const lab = body.entry.find(({ resource }: { resource: { category: { coding: { code: string }[] }[] } }) =>
    resource.category.every(({ coding }) => coding.every((one) => one.code !== 'vital-signs')),
  );
  assert.equal((await gateway.get(`/Observation/${lab.resource.id}`, granular)).status, 403);
  assert.equal((await gateway.get('/Condition', granular)).status, 403);
});

test('FHR-3 what the server lacks is refused by name', async () => {
  for (const query of ['shoe-size=43', 'phonetic=x', '_has:Observation:nothing:code=x', '_text=x', '_include=x']) {
    const { status, body } = await gateway.get(`/Patient?${query}`, all);
    assert.equal(status, 400, query);
    assert.ok(body.issue[0].diagnostics.includes(query.split('=')[0]!.split(':')[0]!), body.issue[0].diagnostics);
  }
  const lenient = await gateway.get('/Patient?family=Sato&shoe-size=43', all, { prefer: 'handling=lenient' });
  assert.deepEqual([lenient.body.entry.length, lenient.body.entry[1].search.mode], [2, 'outcome']);
  assert.equal((await gateway.get('/Patient/x/$summary', all)).status, 404);
  // Of a type that the server has not, there is no resource that need not be deleted.
  for (const method of ['GET', 'PUT', 'DELETE']) {
    const body = method === 'PUT' ? { resourceType: 'Account', id: 'x', status: 'active' } : undefined;
    const alone = await gateway.send(method, '/Account/x', all, body);
    assert.deepEqual([alone.status, alone.body.issue[0].code], [404, 'not-supported'], method);
    const entry = [{ request: { method, url: 'Account/x' }, ...(body && { resource: body }) }];
    const whole = await gateway.send('POST', '', all, { resourceType: 'Bundle', type: 'transaction', entry });
    assert.deepEqual([whole.status, whole.body.issue[0].code], [404, 'not-supported'], method);
  }
});

test('FHR-2 conditions on what the token may not see are refused', async () => {
  for (const query of [
    'Observation?performer.name=x',
    'Observation?performer:Practitioner.name=a',
    'Patient?_has:Observation:patient:code=x',
  ]) {
    assert.equal(
      (
        await gateway.get(
          `/${query}`,
          gateway.token({ scope: 'patient/Observation.rs patient/Patient.rs', patient: PATIENT }),
        )
      ).status,
      403,
      query,
    );
  }
  assert.equal((await gateway.get('/Observation?patient.name=diallo', all)).status, 200);
  assert.equal((await gateway.get('/Patient?_has:Observation:patient:status=final', all)).status, 200);
});

test('FHR-3 pages are reached by links that are sealed, and bound to the token’s rights', async () => {
  const seen: string[] = [];
  let { body } = await gateway.get('/Observation?_count=3', own);
  for (let page = 0; page < 100; page++) {
    seen.push(...keys(body));
    const next = body.link.find(({ relation }: { relation: string }) => relation === 'next');
    if (!next) break;
    assert.ok(next.url.startsWith(`${BASE}/Observation?_page=`) && !next.url.includes('patient'));
    const other = gateway.token({ scope: 'patient/*.cruds', patient: 'kofi-mensah' });
    assert.equal((await gateway.get(next.url, other)).status, 400);
    assert.equal((await gateway.get(next.url.replace('/Observation?', '/Condition?'), own)).status, 400);
    ({ body } = await gateway.get(next.url, own));
  }
  assert.equal(new Set(seen).size, seen.length);
  assert.deepEqual(seen.toSorted(), keys((await gateway.get('/Observation?_count=500', own)).body).toSorted());
  assert.equal((await gateway.get('/Observation?_page=x', own)).status, 400);
  assert.equal(
    (await gateway.get(`/Observation?_page=${Buffer.from('/Patient').toString('base64url')}`, own)).status,
    400,
  );
});

test('FHR-3 creates, updates, patches and deletions go through where scopes allow, with their preconditions', async () => {
  const created = await gateway.send('POST', '/Observation', own, observation(undefined, PATIENT));
  assert.equal(created.status, 201, created.text);
  const { id } = created.body;
  assert.equal(created.headers.get('location'), `${BASE}/Observation/${id}/_history/1`);
  const changed = { ...observation(id, PATIENT), note: [{ text: 'y' }] };
  const updated = await gateway.send('PUT', `/Observation/${id}`, own, changed, { 'if-match': 'W/"1"' });
  assert.deepEqual([updated.status, updated.headers.get('etag')], [200, 'W/"2"']);
  assert.equal((await gateway.send('PUT', `/Observation/${id}`, own, changed, { 'if-match': 'W/"1"' })).status, 412);
  const patch = { 'content-type': 'application/json-patch+json' };
  const amended = [{ op: 'replace', path: '/status', value: 'amended' }];
  const patched = await gateway.send('PATCH', `/Observation/${id}`, own, amended, patch);
  assert.deepEqual([patched.status, patched.body.status], [200, 'amended']);
  const unfit = [{ op: 'remove', path: '/nothing' }];
  for (const [headers, status] of [
    [{}, 422],
    [{ 'if-match': 'W/"1"' }, 412],
    [{ 'if-none-match': '*' }, 412],
  ] as const) {
    const answer = await gateway.send('PATCH', `/Observation/${id}`, own, unfit, { ...patch, ...headers });
    assert.equal(answer.status, status, JSON.stringify(headers));
  }
  const other = [{ op: 'replace', path: '/subject/reference', value: 'Patient/kofi-mensah' }];
  assert.equal((await gateway.send('PATCH', `/Observation/${id}`, own, other, patch)).status, 403);
  assert.equal((await gateway.send('PUT', `/Observation/${id}`, own, observation(id, 'kofi-mensah'))).status, 403);
  assert.equal((await gateway.send('POST', '/Observation', own, observation(undefined, 'kofi-mensah'))).status, 403);
  assert.equal((await gateway.send('POST', '/Observation', own, { resourceType: 'Observation' })).status, 400);
  assert.equal(
    (
      await gateway.send('PUT', '/Practitioner/dr-lena-okafor', own, {
        resourceType: 'Practitioner',
        id: 'dr-lena-okafor',
      })
    ).status,
    403,
  );
  const theirs = (await server.service.search('Observation', { patient: 'kofi-mensah', _count: '1' })).entry![0]!
    .resource.id;
  assert.equal(
    (await gateway.send('PUT', `/Observation/${theirs}`, own, observation(String(theirs), PATIENT))).status,
    403,
  );
  assert.equal((await gateway.send('DELETE', `/Observation/${theirs}`, own)).status, 403);
  for (const bearer of [own, all]) {
    assert.equal((await gateway.send('DELETE', '/Observation/never', bearer)).status, 204);
    const match = { 'if-match': 'W/"1"' };
    assert.equal((await gateway.send('DELETE', '/Observation/never', bearer, undefined, match)).status, 412);
  }
  assert.equal((await gateway.send('DELETE', `/Observation/${id}`, own)).status, 204);
  assert.equal((await gateway.get(`/Observation/${id}`, all)).status, 410);
  assert.equal((await gateway.send('PUT', '/Observation/new-one', own, observation('new-one', PATIENT))).status, 201);
  await gateway.send('DELETE', '/Observation/new-one', own);
});

test('FHR-3 writes by a condition go through for those who may find and write every resource of the type', async () => {
  const patient = (value: string, id?: string) => ({
    resourceType: 'Patient',
    ...(id !== undefined && { id }),
    identifier: [{ system: 'urn:oid:2.999.5', value }],
  });
  const put = (query: string, bearer: string, value: string, id?: string) =>
    gateway.send('PUT', `/Patient?${query}`, bearer, patient(value, id));
  const made = await put('identifier=urn:oid:2.999.5|c1', all, 'c1');
  assert.equal(made.status, 201, made.text);
  const changed = await put('identifier=urn:oid:2.999.5|c1', all, 'c1');
  assert.deepEqual([changed.status, changed.body.id, changed.headers.get('etag')], [200, made.body.id, 'W/"2"']);
  const once = { 'if-none-exist': 'identifier=C1' };
  const found = await gateway.send('POST', '/Patient', all, patient('c1'), once);
  assert.deepEqual([found.status, found.body.id], [200, made.body.id]);
  const asked = server.asked.length;
  for (const [status, query] of [
    [400, 'identifier='],
    [400, '_count=1'],
    [400, 'shoe-size=43'],
    [400, 'identifier=c1&_sort=name'],
    [405, ''],
    [405, '_format=json'],
  ] as const) {
    assert.equal((await put(query, all, 'c1')).status, status, query);
    assert.equal((await gateway.send('DELETE', `/Patient?${query}`, all)).status, status, query);
  }
  for (const bearer of [
    own,
    gateway.token({ scope: 'system/Patient.u' }),
    gateway.token({ scope: 'system/Patient.rs' }),
  ]) {
    assert.equal((await put('identifier=c1', bearer, 'c1')).status, 403);
    assert.equal((await gateway.send('DELETE', '/Patient?identifier=c1', bearer)).status, 403);
  }
  const observed = observation(undefined, PATIENT);
  assert.equal((await gateway.send('POST', '/Observation', own, observed, { 'if-none-exist': 'code=x' })).status, 403);
  assert.deepEqual(
    server.asked.slice(asked).filter((one) => !one.startsWith('GET') && !one.includes('identifier=')),
    [],
  );
  const patch = { 'content-type': 'application/json-patch+json' };
  const active = [{ op: 'add', path: '/active', value: true }];
  const patched = await gateway.send('PATCH', '/Patient?identifier=c1', all, active, patch);
  assert.deepEqual([patched.status, patched.body.id, patched.body.active], [200, made.body.id, true]);
  assert.equal((await gateway.send('PATCH', '/Patient?identifier=nobody', all, active, patch)).status, 404);
  assert.equal((await gateway.send('PATCH', '/Patient?gender=female', all, active, patch)).status, 412);
  assert.equal((await gateway.send('PATCH', '/Patient?identifier=c1', own, active, patch)).status, 403);
  assert.equal((await gateway.send('DELETE', '/Patient?identifier=c1', all)).status, 204);
  assert.equal((await gateway.get(`/Patient/${made.body.id}`, all)).status, 410);
});

test('FHR-3 a search by an absolute reference asks the server by its own address, and is shown by Lockstep’s', async () => {
  const query = `subject=${encodeURIComponent(`${BASE}/Patient/${PATIENT}`)}&_count=1`;
  const { body, text } = await gateway.get(`/Condition?${query}`, all);
  assert.equal(keys(body).length, 1, text);
  assert.ok(new URL(body.link[0].url).searchParams.get('subject')?.startsWith(BASE), text);
  assert.ok(!text.includes(new URL(server.base).host));
});

test('FHR-5 what the server cannot search at the other end of a reference is refused by name, and it is not asked', async () => {
  await gateway.get('/Patient?_count=1', all);
  const asked = server.asked.length;
  for (const query of [
    '_has:Observation:patient:shoe-size=43',
    '_has:Observation:shoe:code=x',
    '_has:Observation:patient:_has:Provenance:target:shoe=x',
    'general-practitioner:Practitioner.shoe-size=43',
    'general-practitioner:Shoe.name=x',
    'organization:Organization.partof:Organization.shoe=x',
    '_elements=',
    '_elements=name,,gender',
    '_elements=shoeSize',
  ]) {
    const { status, body } = await gateway.get(`/Patient?${query}`, all);
    assert.deepEqual([status, body.resourceType], [400, 'OperationOutcome'], query);
  }
  assert.equal(server.asked.length, asked);
  const { status } = await gateway.get(
    '/Patient?_has:Observation:patient:code=8867-4&organization:Organization.name=x',
    all,
  );
  assert.equal(status, 200);
});

test('FHR-2 where elements are asked for, the server is asked whose the resources are, and reads show parts', async () => {
  const asked = server.asked.length;
  const found = await gateway.get('/Observation?_elements=status&_count=2', all);
  assert.equal(found.status, 200, found.text);
  assert.ok(server.asked.slice(asked).some((one) => one.includes('_elements=status&_count=2&_elements=subject')));
  assert.ok(found.body.link[0].url.endsWith('/Observation?_elements=status&_count=2'), found.body.link[0].url);
  for (const [query, isAsked] of [
    ['Observation?_summary=text', /[?&]_elements=text%2C[^&]*status[^&]*&_elements=subject/],
    ['Observation?_summary=text&_elements=issued', /&?_elements=issued&_elements=text.*&_elements=subject/],
    ['Observation?_summary=true', /[?&]_summary=true/],
    ['Observation?_summary=data', /[?&]_summary=data/],
  ] as const) {
    const summary = await gateway.get(`/${query}`, all);
    assert.equal(summary.status, 200, summary.text);
    assert.match(server.asked.at(-1)!, isAsked);
    assert.ok(summary.body.link[0].url.endsWith(`/${query}`), summary.body.link[0].url);
    if (query !== 'Observation?_summary=text') continue;
    const [first] = summary.body.entry;
    assert.deepEqual(Object.keys(first.resource).toSorted(), [
      'code',
      'id',
      'meta',
      'resourceType',
      'status',
      'subject',
    ]);
  }
  for (const summary of ['', 'all', 'Text']) {
    assert.equal((await gateway.get(`/Observation?_summary=${summary}`, all)).status, 400, summary);
  }
  const { body } = await gateway.get(`/Patient/${PATIENT}?_elements=name`, own);
  assert.deepEqual(Object.keys(body), ['resourceType', 'id', 'meta', 'name']);
  assert.equal((await gateway.get(`/Patient/${PATIENT}?_elements=shoeSize`, own)).status, 400);
});

test('FHR-3 numbers come through as they were written', async () => {
  const text = JSON.stringify(observation('exact', PATIENT, { valueQuantity: { value: 'here' } })).replace(
    '"here"',
    '7.10',
  );
  assert.equal((await gateway.send('PUT', '/Observation/exact', own, text)).status, 201);
  for (const path of ['/Observation/exact', '/Observation?_id=exact']) {
    assert.ok((await gateway.get(path, own)).text.includes('"value":7.10'), path);
  }
  await gateway.send('DELETE', '/Observation/exact', own);
});

test('FHR-3 batches and $everything are answered with the rights of each part', async () => {
  const bundle = {
    resourceType: 'Bundle',
    type: 'batch',
    entry: [`Patient/${PATIENT}`, 'Patient/kofi-mensah', 'Condition', 'Practitioner/dr-lena-okafor'].map((url) => ({
      request: { method: 'GET', url },
    })),
  };
  const { body } = await gateway.send('POST', '', own, bundle);
  assert.deepEqual(
    body.entry.map(({ response }: { response: { status: string } }) => response.status),
    ['200', '403', '200', '200'],
  );
  const everything = await gateway.get(`/Patient/${PATIENT}/$everything?_count=500`, own);
  assert.ok(keys(everything.body).length > 10);
  const early = keys((await gateway.get(`/Patient/${PATIENT}/$everything?_count=500&end=1900`, own)).body);
  assert.ok(early.length > 0 && early.length < keys(everything.body).length, String(early.length));
  const narrow = gateway.token({ scope: 'patient/Patient.r patient/Condition.r', patient: PATIENT });
  const less = keys((await gateway.get(`/Patient/${PATIENT}/$everything?_count=500`, narrow)).body);
  assert.ok(less.length > 1 && less.every((key) => /^(Patient|Condition)\//.test(key)), less.join());
  assert.equal((await gateway.get('/Patient/kofi-mensah/$everything', own)).status, 403);
});

test('FHR-3 pickers and launches find the server’s patients', async () => {
  assert.deepEqual(
    (await gateway.service.patients('diallo')).patients.map(({ id }) => id),
    [PATIENT],
  );
  assert.ok((await gateway.service.patients('')).patients.length > 10);
  assert.ok((await gateway.service.encounters(PATIENT)).length > 0);
  const [first] = (await gateway.service.patients('obrien')).patients;
  assert.equal(first?.id, 'liam-obrien');
  assert.deepEqual(
    (await gateway.service.patients(first!.identifier!)).patients.map(({ id }) => id),
    ['liam-obrien'],
  );
  assert.equal((await gateway.service.read('Patient', PATIENT))?.id, PATIENT);
  assert.equal(await gateway.service.read('Patient', 'nobody'), undefined);
});

test('FHR-3 a picker goes on where the server’s page ends, and begins once more at a place that is none', async () => {
  const { patients: all } = await gateway.service.patients('', { limit: 200 });
  const ids: string[] = [];
  for (let after: string | undefined = ''; after !== undefined; ) {
    const page = await gateway.service.patients('', { limit: 4, after });
    assert.ok(page.patients.length > 0 && page.patients.length <= 4);
    ids.push(...page.patients.map(({ id }) => id));
    after = page.next;
  }
  assert.deepEqual(ids.sort(), all.map(({ id }) => id).sort());
  const whole = await gateway.service.patients('nobody-is-called-so');
  assert.deepEqual(whole, { patients: [] });
  const first = await gateway.service.patients('', { limit: 4 });
  for (const place of ['x', '/Patient?_count=900', 'https://other.example/Patient', '%zz'])
    assert.deepEqual((await gateway.service.patients('', { limit: 4, after: place })).patients, first.patients, place);
});

const TYPES = [
  'Patient',
  'Observation',
  'Condition',
  'ImagingStudy',
  'DiagnosticReport',
  'Encounter',
  'Provenance',
  'AllergyIntolerance',
];
const anyQuery = fc
  .array(
    fc.constantFrom(
      '_count=7',
      '_count=500',
      'patient=kofi-mensah',
      'subject=Patient/kofi-mensah',
      'status=final',
      'status:not=final',
      '_include=Observation:performer',
      '_include=DiagnosticReport:result',
      '_revinclude=Observation:patient',
      '_revinclude=Provenance:target',
      '_sort=-_lastUpdated',
      '_summary=count',
      '_elements=id',
      '_total=accurate',
      'performer:Patient.name=a',
      '_has:Observation:patient:code=x',
    ),
    { maxLength: 3 },
  )
  .map((parts) => parts.join('&'));

test('FHR-2 whatever is asked for, a token finds through the gateway nothing that it may not see', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(
        'patient/*.rs',
        'patient/*.cruds',
        'patient/Observation.rs?category=vital-signs patient/Patient.r',
        'patient/*.r patient/Condition.s',
      ),
      fc.constantFrom(...TYPES),
      anyQuery,
      async (scope, type, query) => {
        const bearer = gateway.token({ scope, patient: PATIENT });
        const answer = await gateway.get(`/${type}?${query}`, bearer);
        assert.ok([200, 400, 403].includes(answer.status), `${answer.status} ${type}?${query}`);
        for (const { resource } of answer.body.entry ?? []) {
          const owner =
            resource.subject ??
            resource.patient ??
            resource.target?.find(({ reference }: { reference: string }) => reference.startsWith('Patient/'));
          const shared = ['Practitioner', 'Organization', 'Endpoint', 'Medication'].includes(resource.resourceType);
          const isOwn =
            resource.resourceType === 'Patient' ? resource.id === PATIENT : owner?.reference === `Patient/${PATIENT}`;
          assert.ok(shared || isOwn, `${resource.resourceType}/${resource.id}: ${type}?${query}`);
          if (scope.includes('vital-signs') && resource.resourceType === 'Observation') {
            assert.ok(JSON.stringify(resource.category).includes('vital-signs'), `${resource.id}: ${type}?${query}`);
          }
        }
      },
    ),
    { numRuns: 150 },
  );
});
