import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { type Endpoint, matches, startEndpoint } from './harness.ts';

let endpoint: Endpoint;
let all: string;
beforeEach(async () => {
  endpoint = await startEndpoint();
  all = endpoint.token({ scope: 'system/*.cruds' });
});
afterEach(() => endpoint.close());

const PATCH = { 'content-type': 'application/json-patch+json' };
const SYSTEM = 'urn:oid:2.999.1';

interface Body {
  readonly resourceType: string;
  readonly id?: string;
  readonly [element: string]: unknown;
}

const patient = (value: string, rest: object = {}): Body => ({
  resourceType: 'Patient',
  identifier: [{ system: SYSTEM, value }],
  ...rest,
});
const study = (value: string, subject: string, rest: object = {}): Body => ({
  resourceType: 'ImagingStudy',
  status: 'available',
  identifier: [
    { type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'ACSN' }] }, value },
  ],
  subject: { reference: subject },
  ...rest,
});
const report = (code: string, rest: object = {}): Body => ({
  resourceType: 'DiagnosticReport',
  status: 'final',
  code: { coding: [{ system: 'urn:oid:2.999.2', code }] },
  subject: { reference: 'Patient/p1' },
  ...rest,
});

/** One resource by a condition, of several types and by several kinds of parameters. */
const CASES: readonly (readonly [condition: string, make: (rest?: object) => Body])[] = [
  ['identifier=urn:oid:2.999.1|A1', (rest) => patient('a1', rest)],
  ['accession=ACC-7&patient=p1', (rest) => study('acc-7', 'Patient/p1', rest)],
  ['code=urn:oid:2.999.2|R1&subject:Patient=p1&status:not=preliminary', (rest) => report('R1', rest)],
  ['patient.identifier=a9&code=R2', (rest) => report('R2', rest)],
];

async function put(body: Body): Promise<void> {
  const { status, text } = await endpoint.send('PUT', `/${body.resourceType}/${body.id}`, all, JSON.stringify(body));
  assert.ok(status === 201 || status === 200, text);
}

function write(method: string, type: string, query: string, body?: object, bearer = all, headers = {}) {
  return endpoint.send(method, `/${type}?${query}`, bearer, body && JSON.stringify(body), headers);
}

async function count(type: string): Promise<number> {
  return (await endpoint.get(`/${type}?_summary=count`, all)).body.total;
}

test('FHR-3 an update by a condition creates where nothing matches, updates the one that does, refuses where several do', async () => {
  for (const [condition, make] of CASES) {
    await put(patient('a9', { id: 'p1' }));
    const type = make().resourceType;
    const before = await count(type);
    const made = await write('PUT', type, condition, make());
    assert.equal(made.status, 201, `${condition} ${made.text}`);
    assert.match(made.headers.get('location') ?? '', new RegExp(`/${type}/${made.body.id}/_history/1$`));
    const changed = await write('PUT', type, condition, make({ language: 'en' }));
    assert.deepEqual([changed.status, changed.body.id, changed.body.language], [200, made.body.id, 'en'], condition);
    assert.equal(changed.headers.get('etag'), 'W/"2"');
    const same = await write('PUT', type, condition, make({ id: made.body.id }));
    assert.equal(same.status, 200);
    assert.equal((await write('PUT', type, condition, make({ id: 'other' }))).status, 400, condition);
    assert.equal(await count(type), before + 1, condition);
    await put(make({ id: 'twin' }));
    const several = await write('PUT', type, condition, make());
    assert.deepEqual([several.status, several.body.issue[0].code], [412, 'multiple-matches'], condition);
    assert.equal((await endpoint.get(`/${type}/${made.body.id}`, all)).headers.get('etag'), 'W/"3"');
    await endpoint.send('DELETE', `/${type}/twin`, all);
    await endpoint.send('DELETE', `/${type}/${made.body.id}`, all);
    const named = await write('PUT', type, condition, make({ id: `named-${type}` }));
    assert.deepEqual([named.status, named.body.id], [201, `named-${type}`], condition);
    await endpoint.send('DELETE', `/${type}/named-${type}`, all);
  }
});

test('FHR-3 a body whose id another resource has does not replace that one', async () => {
  await put(patient('a1', { id: 'p1', active: true }));
  const { status } = await write('PUT', 'Patient', 'identifier=b2', patient('b2', { id: 'p1' }));
  assert.equal(status, 409);
  assert.equal((await endpoint.get('/Patient/p1', all)).body.active, true);
});

test('FHR-3 a deletion by a condition deletes the one that matches, nothing where none or several do', async () => {
  for (const [condition, make] of CASES) {
    await put(patient('a9', { id: 'p1' }));
    const type = make().resourceType;
    assert.equal((await write('DELETE', type, condition)).status, 204, condition);
    await put(make({ id: 'one' }));
    await put(make({ id: 'two' }));
    const before = await count(type);
    assert.equal((await write('DELETE', type, condition)).status, 412, condition);
    assert.equal(await count(type), before);
    await endpoint.send('DELETE', `/${type}/two`, all);
    const done = await write('DELETE', type, condition);
    assert.equal(done.status, 204, done.text);
    assert.equal((await endpoint.get(`/${type}/one`, all)).status, 410, condition);
    assert.equal((await write('DELETE', type, condition)).status, 204, condition);
  }
});

test('FHR-3 a patch by a condition changes the one that matches', async () => {
  const patch = [{ op: 'add', path: '/active', value: true }];
  const send = (condition: string, headers = {}) =>
    write('PATCH', 'Patient', condition, patch, all, { ...PATCH, ...headers });
  assert.equal((await send('identifier=a1')).status, 404);
  await put(patient('a1', { id: 'p1' }));
  const done = await send('identifier=A1');
  assert.deepEqual([done.status, done.body.id, done.body.active], [200, 'p1', true]);
  assert.equal((await send('identifier=a1', { 'if-match': 'W/"1"' })).status, 412);
  await put(patient('a1', { id: 'p2' }));
  assert.equal((await send('identifier=a1')).status, 412);
});

test('FHR-3 conditions that say nothing, or nothing certain, are refused and change nothing', async () => {
  await put(patient('a1', { id: 'p1' }));
  for (const [status, query] of [
    [405, ''],
    [405, '_format=json'],
    [405, '_pretty=true'],
    [400, '_count=1'],
    [400, '_sort=name'],
    [400, '_summary=true&identifier=a1'],
    [400, '_include=Patient:organization&identifier=a1'],
    [400, '_elements=name&identifier=a1'],
    [400, 'shoe-size=43'],
    [400, 'identifier=a1&probability=1'],
    [400, 'identifier='],
    [400, 'identifier:above=a1'],
    [400, 'birthdate=tomorrow'],
  ] as const) {
    for (const [method, body, headers] of [
      ['PUT', patient('a1'), {}],
      ['DELETE', undefined, {}],
      ['PATCH', [{ op: 'remove', path: '/identifier' }], PATCH],
    ] as const) {
      const answer = await write(method, 'Patient', query, body, all, { ...headers, prefer: 'handling=lenient' });
      assert.equal(answer.status, status, `${method} ${query} ${answer.text}`);
      assert.equal(answer.body.resourceType, 'OperationOutcome');
    }
  }
  for (const [method, body, headers] of [
    ['PUT', patient('a1', { id: 'p1' }), {}],
    ['DELETE', undefined, {}],
    ['PATCH', [{ op: 'remove', path: '/identifier' }], PATCH],
  ] as const) {
    assert.equal((await write(method, 'Patient/p1', 'identifier=b2', body, all, headers)).status, 400, method);
  }
  assert.equal((await endpoint.get('/Patient/p1', all)).headers.get('etag'), 'W/"1"');
  assert.equal(await count('Patient'), 1);
  assert.equal(
    (await write('PUT', 'Patient/p1', '_format=json&_pretty=true', patient('a1', { id: 'p1' }))).status,
    200,
  );
});

test('FHR-3 preconditions hold for what a condition finds', async () => {
  const send = (headers: object) => write('PUT', 'Patient', 'identifier=a1', patient('a1'), all, headers);
  assert.equal((await send({ 'if-match': 'W/"1"' })).status, 412);
  assert.equal((await send({ 'if-none-match': '*' })).status, 201);
  assert.equal((await send({ 'if-none-match': '*' })).status, 412);
  assert.equal((await send({ 'if-match': 'W/"1"' })).status, 200);
  assert.equal((await send({ 'if-match': 'W/"1"' })).status, 412);
  assert.equal(
    (await write('DELETE', 'Patient', 'identifier=a1', undefined, all, { 'if-match': 'W/"1"' })).status,
    412,
  );
  assert.equal(
    (await write('DELETE', 'Patient', 'identifier=a1', undefined, all, { 'if-match': 'W/"2"' })).status,
    204,
  );
});

test('FHR-3 of parallel writes under one condition one creates, whichever kind they are', async () => {
  const body = patient('a1');
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      index % 2 === 0
        ? write('PUT', 'Patient', 'identifier=a1', body)
        : endpoint.send('POST', '/Patient', all, JSON.stringify(body), { 'if-none-exist': 'identifier=a1' }),
    ),
  );
  assert.equal(answers.filter(({ status }) => status === 201).length, 1);
  for (const { status, text } of answers) assert.ok([200, 201, 409].includes(status), text);
  assert.equal(await count('Patient'), 1);
});

test('FHR-3 what was deleted a moment ago can be created again under the same condition', async () => {
  const headers = { 'if-none-exist': 'identifier=a1' };
  for (let round = 0; round < 3; round++) {
    const made = await endpoint.send('POST', '/Patient', all, JSON.stringify(patient('a1')), headers);
    assert.equal(made.status, 201, made.text);
    assert.equal((await write('DELETE', 'Patient', 'identifier=a1')).status, 204);
    assert.equal((await write('PUT', 'Patient', 'identifier=a1', patient('a1'))).status, 201);
    assert.equal((await write('DELETE', 'Patient', 'identifier=a1')).status, 204);
  }
});

test('FHR-2 the audit record names what a condition found, and whose it was', async () => {
  await put(patient('a1', { id: 'p1' }));
  await put(report('R1', { id: 'r1' }));
  endpoint.audits.length = 0;
  await write('PUT', 'DiagnosticReport', 'code=R1', report('R1'));
  await write('PATCH', 'Patient', 'identifier=a1', [], all, PATCH);
  await write('DELETE', 'DiagnosticReport', 'code=R1');
  await write('DELETE', 'DiagnosticReport', 'code=R1');
  await endpoint.send('DELETE', '/Patient/p1', all);
  assert.deepEqual(
    endpoint.audits.map(({ method, type, id, patients }) => [method, type, id, ...patients]),
    [
      ['PUT', 'DiagnosticReport', 'r1', 'p1'],
      ['PATCH', 'Patient', 'p1', 'p1'],
      ['DELETE', 'DiagnosticReport', 'r1', 'p1'],
      ['DELETE', 'DiagnosticReport', undefined],
      ['DELETE', 'Patient', 'p1', 'p1'],
    ],
  );
});

test('FHR-2 a condition finds what its caller may search alone, and changes what the caller may change alone', async () => {
  await put(patient('a1', { id: 'p1' }));
  await put(patient('b2', { id: 'p2' }));
  await put(report('R1', { id: 'r1' }));
  await put(report('R1', { id: 'r2', subject: { reference: 'Patient/p2' } }));
  const own = endpoint.token({ scope: 'patient/*.cruds', patient: 'p1' });
  // Another patient's report does not count: the condition finds one.
  const changed = await write('PUT', 'DiagnosticReport', 'code=R1', report('R1', { language: 'en' }), own);
  assert.deepEqual([changed.status, changed.body.id], [200, 'r1'], changed.text);
  const theirs = report('R1', { subject: { reference: 'Patient/p2' } });
  assert.equal((await write('PUT', 'DiagnosticReport', 'code=R1', theirs, own)).status, 403);
  assert.equal((await write('PUT', 'DiagnosticReport', 'code=R9', theirs, own)).status, 403);
  assert.equal((await write('DELETE', 'DiagnosticReport', 'patient=p2', undefined, own)).status, 204);
  assert.equal((await endpoint.get('/DiagnosticReport/r2', all)).status, 200);
  for (const scope of ['patient/DiagnosticReport.r', 'patient/DiagnosticReport.ud', 'patient/Observation.cruds']) {
    const bearer = endpoint.token({ scope, patient: 'p1' });
    assert.equal((await write('PUT', 'DiagnosticReport', 'code=R1', report('R1'), bearer)).status, 403, scope);
    assert.equal((await write('DELETE', 'DiagnosticReport', 'code=R1', undefined, bearer)).status, 403, scope);
  }
  const finds = endpoint.token({ scope: 'patient/DiagnosticReport.rs', patient: 'p1' });
  assert.equal((await write('DELETE', 'DiagnosticReport', 'code=R1', undefined, finds)).status, 403);
  assert.equal((await endpoint.get('/DiagnosticReport/r1', all)).status, 200);
});

test('FHR-3 batches and transactions write by a condition, and refer by one', async () => {
  await put(patient('a1', { id: 'p1' }));
  await put(report('R8', { id: 'r8' }));
  const bundle = (type: string, ...entry: object[]) => JSON.stringify({ resourceType: 'Bundle', type, entry });
  const entries = (language: string) => [
    {
      fullUrl: 'urn:uuid:1',
      request: { method: 'PUT', url: 'Patient?identifier=b2' },
      resource: patient('b2', { language }),
    },
    {
      request: { method: 'POST', url: 'DiagnosticReport' },
      resource: report('R1', { subject: { reference: `Patient?identifier=${SYSTEM}|a1` } }),
    },
    { request: { method: 'DELETE', url: 'DiagnosticReport?code=R8' } },
    { request: { method: 'DELETE', url: 'DiagnosticReport?code=R9' } },
    {
      request: { method: 'PATCH', url: 'Patient?identifier=a1' },
      resource: {
        resourceType: 'Binary',
        contentType: 'application/json-patch+json',
        data: Buffer.from('[{"op":"add","path":"/active","value":true}]').toString('base64'),
      },
    },
  ];
  const about = {
    request: { method: 'POST', url: 'DiagnosticReport' },
    resource: report('R2', { subject: { reference: 'urn:uuid:1' } }),
  };
  const statuses = ({ body }: Awaited<ReturnType<typeof write>>) =>
    body.entry.map(({ response }: { response: { status: string } }) => response.status);
  const first = await endpoint.send('POST', '', all, bundle('transaction', ...entries('en'), about));
  assert.equal(first.status, 200, first.text);
  assert.deepEqual(statuses(first), ['201', '201', '204', '204', '200', '201']);
  const [made] = first.body.entry;
  assert.equal(first.body.entry[1].resource.subject.reference, 'Patient/p1');
  assert.equal(first.body.entry[5].resource.subject.reference, `Patient/${made.resource.id}`);
  assert.equal((await endpoint.get('/DiagnosticReport/r8', all)).status, 410);
  const again = await endpoint.send('POST', '', all, bundle('transaction', ...entries('de'), about));
  assert.deepEqual(statuses(again), ['200', '201', '204', '204', '200', '201'], again.text);
  assert.equal(again.body.entry[0].resource.id, made.resource.id);
  const batch = await endpoint.send('POST', '', all, bundle('batch', entries('fr')[0]!, entries('fr')[2]!));
  assert.deepEqual(statuses(batch), ['200', '204'], batch.text);

  const before = await count('DiagnosticReport');
  for (const [status, ...bad] of [
    [
      412,
      {
        request: { method: 'POST', url: 'DiagnosticReport' },
        resource: report('R3', { subject: { reference: 'Patient?identifier=z9' } }),
      },
    ],
    [412, { request: { method: 'DELETE', url: 'DiagnosticReport?code=R1,R2' } }],
    [400, { request: { method: 'PUT', url: 'Patient' }, resource: patient('c3') }],
    [400, { request: { method: 'DELETE', url: 'Patient' } }],
    [400, { request: { method: 'DELETE', url: 'Patient/p1?identifier=a1' } }],
    [400, { request: { method: 'DELETE', url: 'Patient?_count=1' } }],
    [400, { request: { method: 'POST', url: 'Patient?identifier=a1' }, resource: patient('a1') }],
    [
      400,
      { request: { method: 'PUT', url: 'Patient?identifier=c3' }, resource: patient('c3') },
      { request: { method: 'PUT', url: 'Patient?identifier=c3' }, resource: patient('c3') },
    ],
  ] as const) {
    const answer = await endpoint.send('POST', '', all, bundle('transaction', about, ...bad));
    assert.equal(answer.status, status, `${JSON.stringify(bad)} ${answer.text}`);
  }
  assert.equal(await count('DiagnosticReport'), before);
  const { body } = await endpoint.get('/Patient?identifier=c3', all);
  assert.deepEqual(matches(body), []);
});
