import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { BASE, type Endpoint, matches, startEndpoint } from './harness.ts';

let endpoint: Endpoint;
let all: string;
beforeEach(async () => {
  endpoint = await startEndpoint();
  all = endpoint.token({ scope: 'system/*.cruds' });
});
afterEach(() => endpoint.close());

const PATCH = { 'content-type': 'application/json-patch+json' };
const code = { coding: [{ system: 'urn:oid:2.999.2', code: 'A' }] };

function put(type: string, id: string, elements: object, bearer = all) {
  return endpoint.send('PUT', `/${type}/${id}`, bearer, JSON.stringify({ resourceType: type, id, ...elements }));
}

test('FHR-3 If-None-Exist creates once: alone, repeated and in parallel', async () => {
  const patient = JSON.stringify({ resourceType: 'Patient', identifier: [{ system: 'urn:oid:2.999.1', value: 'A1' }] });
  const headers = { 'if-none-exist': 'identifier=urn:oid:2.999.1|A1' };
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => endpoint.send('POST', '/Patient', all, patient, headers)),
  );
  const found = await endpoint.get('/Patient?identifier=A1', all);
  assert.equal(found.body.total, 1);
  assert.equal(answers.filter(({ status }) => status === 201).length, 1);
  for (const { status } of answers) assert.ok([200, 201, 409].includes(status), String(status));
  const again = await endpoint.send('POST', '/Patient', all, patient, headers);
  assert.deepEqual([again.status, again.body.id], [200, matches(found.body)[0]?.id]);
  await endpoint.send('POST', '/Patient', all, patient);
  assert.equal((await endpoint.send('POST', '/Patient', all, patient, headers)).status, 412);
  for (const condition of ['', '_count=1', 'shoe-size=43', '_sort=name']) {
    assert.equal(
      (await endpoint.send('POST', '/Patient', all, patient, { 'if-none-exist': condition })).status,
      400,
      condition,
    );
  }
  const elsewhere = endpoint.token({ scope: 'patient/*.cruds', patient: 'nobody' });
  const body = JSON.stringify({
    resourceType: 'Observation',
    status: 'final',
    code,
    subject: { reference: 'Patient/nobody' },
  });
  assert.equal(
    (await endpoint.send('POST', '/Observation', elsewhere, body, { 'if-none-exist': 'code=A' })).status,
    201,
  );
});

test('FHR-3 a JSON Patch changes parts, with If-Match, and is refused whole', async () => {
  await put('Patient', 'p1', { name: [{ family: 'Moreau' }], active: true });
  const patch = (operations: unknown, headers = {}, bearer = all) =>
    endpoint.send('PATCH', '/Patient/p1', bearer, JSON.stringify(operations), { ...PATCH, ...headers });
  const done = await patch([
    { op: 'test', path: '/active', value: true },
    { op: 'add', path: '/name/0/given', value: ['Ida'] },
    { op: 'replace', path: '/active', value: false },
  ]);
  assert.deepEqual(
    [done.status, done.body.name, done.body.active],
    [200, [{ family: 'Moreau', given: ['Ida'] }], false],
  );
  assert.equal(done.headers.get('etag'), 'W/"2"');
  const before = (await endpoint.get('/Patient/p1', all)).text;
  for (const [operations, status] of [
    [[{ op: 'test', path: '/active', value: true }], 422],
    [[{ op: 'remove', path: '/nothing' }], 422],
    [[{ op: 'replace', path: '/active', value: 'no' }], 400],
    [[{ op: 'replace', path: '/id', value: 'p2' }], 400],
    [[{ op: 'replace', path: '/resourceType', value: 'Person' }], 400],
    [[{ op: 'remove', path: '' }], 400],
    [[{ op: 'add', path: '/__proto__/x', value: 1 }], 422],
    [[{ op: 'swap', path: '/active' }], 400],
    [[{ op: 'add', path: '/name/01', value: {} }], 422],
    [[{ op: 'add', path: '/name/1e0', value: {} }], 422],
    [[{ op: 'add', path: '/name/00/given', value: ['Eva'] }], 422],
    [[{ op: 'copy', from: '/name/00', path: '/name/-' }], 422],
    [[{ op: 'test', path: '/name/00/family', value: 'Moreau' }], 422],
    [[{ op: 'add', path: '/a~2b', value: 1 }], 400],
    [[{ op: 'add', path: '/a~', value: 1 }], 400],
    [[{ op: 'copy', from: '/na~me', path: '/name/-' }], 400],
    [[{ op: 'move', from: '/name/0', path: '/name/0/given' }], 422],
    [
      [
        { op: 'add', path: '/name/-', value: { family: 'Second' } },
        { op: 'move', from: '/name/0', path: '/name/0/family' },
      ],
      422,
    ],
    [[{ path: '/active' }], 400],
    [{ op: 'remove', path: '/active' }, 400],
    [['x'], 400],
    ['x', 400],
    [
      [
        { op: 'replace', path: '/active', value: true },
        { op: 'remove', path: '/nothing' },
      ],
      422,
    ],
    [Array.from({ length: 201 }, () => ({ op: 'test', path: '/active', value: false })), 400],
    [[{ op: 'add', path: '/extension', value: [{ url: 'urn:x', valueString: 'x'.repeat(1000) }] }, ...copies], 413],
  ] as const) {
    const answer = await patch(operations);
    assert.deepEqual(
      [answer.status, answer.body.resourceType],
      [status, 'OperationOutcome'],
      JSON.stringify(operations).slice(0, 90),
    );
  }
  assert.equal((await patch([{ op: 'remove', path: '/active' }], { 'if-match': 'W/"1"' })).status, 412);
  assert.equal((await patch([], { 'content-type': 'application/fhir+json' })).status, 415);
  assert.equal((await endpoint.get('/Patient/p1', all)).text, before);
  assert.equal((await endpoint.send('PATCH', '/Patient/p2', all, '[]', PATCH)).status, 404);
});

/** Each doubles the resource. */
const copies = Array.from({ length: 40 }, (_, n) => ({ op: 'copy', from: '/extension', path: `/extension/0/x${n}` }));

test('FHR-3 a patch leaves no narrative behind that says what the data said before', async () => {
  const narrative = (status: string, words: string) => ({
    status,
    div: `<div xmlns="http://www.w3.org/1999/xhtml">${words}</div>`,
  });
  const born = [{ op: 'replace', path: '/birthDate', value: '1980-03-04' }];
  const generated = narrative('generated', 'Born 1970');
  for (const [status, operations, answer, text] of [
    ['generated', born, 200, undefined],
    ['generated', [{ op: 'add', path: '/meta/tag', value: [{ code: 'x' }] }], 200, generated],
    ['generated', [{ op: 'test', path: '/birthDate', value: '1970-01-02' }], 200, generated],
    [
      'generated',
      [...born, { op: 'replace', path: '/text/div', value: narrative('', 'Born 1980').div }],
      200,
      narrative('generated', 'Born 1980'),
    ],
    ['empty', born, 200, narrative('empty', 'Born 1970')],
    ['additional', born, 422, narrative('additional', 'Born 1970')],
    ['extensions', born, 422, narrative('extensions', 'Born 1970')],
    ['additional', [...born, { op: 'remove', path: '/text' }], 200, undefined],
  ] as const) {
    await put('Patient', 'told', { birthDate: '1970-01-02', text: narrative(status, 'Born 1970') });
    const done = await endpoint.send('PATCH', '/Patient/told', all, JSON.stringify(operations), PATCH);
    const what = `${status} ${JSON.stringify(operations)}`;
    assert.equal(done.status, answer, what);
    assert.deepEqual((await endpoint.get('/Patient/told', all)).body.text, text, what);
  }
});

test('FHR-2 a patch moves nothing out of a compartment, and tells nothing to who may not read', async () => {
  await put('Patient', 'p1', { birthDate: '1970-01-02' });
  await put('Observation', 'o1', { status: 'final', code, subject: { reference: 'Patient/p1' } });
  const own = endpoint.token({ scope: 'patient/*.cruds', patient: 'p1' });
  const move = [{ op: 'replace', path: '/subject/reference', value: 'Patient/p2' }];
  assert.equal((await endpoint.send('PATCH', '/Observation/o1', own, JSON.stringify(move), PATCH)).status, 403);
  const other = endpoint.token({ scope: 'patient/*.cruds', patient: 'p2' });
  const final = JSON.stringify([{ op: 'replace', path: '/status', value: 'amended' }]);
  assert.equal((await endpoint.send('PATCH', '/Observation/o1', other, final, PATCH)).status, 403);
  const blind = endpoint.token({ scope: 'patient/Patient.u', patient: 'p1' });
  const guess = JSON.stringify([{ op: 'test', path: '/birthDate', value: '1970-01-02' }]);
  assert.equal((await endpoint.send('PATCH', '/Patient/p1', blind, guess, PATCH)).status, 403);
  const active = JSON.stringify([{ op: 'add', path: '/active', value: true }]);
  const done = await endpoint.send('PATCH', '/Patient/p1', blind, active, PATCH);
  assert.equal(done.status, 200);
  assert.ok(!done.text.includes('1970-01-02'));
});

const bundle = (type: string, ...entry: object[]) => JSON.stringify({ resourceType: 'Bundle', type, entry });
const observation = (subject: string) => ({
  resourceType: 'Observation',
  status: 'final',
  code,
  subject: { reference: subject },
});

test('FHR-6 small requests of one Bundle that ask for large resources again and again are answered until it is too much', async () => {
  const text = 'x'.repeat(800_000);
  await put('Patient', 'large', { contact: [{ name: { text } }] });
  const all = endpoint.token({ scope: 'system/*.cruds' });
  const blind = endpoint.token({ scope: 'system/*.u' });
  const patch = Buffer.from('[{"op":"add","path":"/active","value":true}]').toString('base64');
  const binary = { resourceType: 'Binary', contentType: 'application/json-patch+json', data: patch };
  const read = { request: { method: 'GET', url: 'Patient/large' } };
  const change = { request: { method: 'PATCH', url: 'Patient/large' }, resource: binary };
  for (const [bearer, entry, done] of [
    [all, read, '200'],
    [blind, change, '200'],
  ] as const) {
    const { status, body } = await endpoint.send(
      'POST',
      '',
      bearer,
      bundle('batch', ...Array.from({ length: 14 }, () => entry)),
    );
    assert.equal(status, 200);
    const statuses: string[] = body.entry.map(({ response }: { response: { status: string } }) => response.status);
    const enough = statuses.indexOf('413');
    assert.ok(enough >= 8 && enough < 14, statuses.join());
    assert.deepEqual(new Set(statuses.slice(0, enough)), new Set([done]));
    assert.deepEqual(new Set(statuses.slice(enough)), new Set(['413']));
  }
  const reads = await endpoint.send('POST', '', all, bundle('transaction', ...Array.from({ length: 14 }, () => read)));
  assert.equal(reads.status, 413);
});

test('FHR-3 a batch answers each entry for itself, with the rights of each', async () => {
  await put('Patient', 'p1', {});
  await put('Patient', 'p2', {});
  const own = endpoint.token({ scope: 'patient/*.cruds', patient: 'p1' });
  const { status, body } = await endpoint.send(
    'POST',
    '',
    own,
    bundle(
      'batch',
      { request: { method: 'GET', url: 'Patient/p1' } },
      { request: { method: 'GET', url: `${BASE}/Patient/p2` } },
      { request: { method: 'GET', url: 'Observation?code=A' } },
      { request: { method: 'POST', url: 'Observation' }, resource: observation('Patient/p1') },
      { request: { method: 'POST', url: 'Observation' }, resource: observation('Patient/p2') },
      { request: { method: 'PUT', url: 'Observation/o9' }, resource: { ...observation('Patient/p1'), id: 'o9' } },
      { request: { method: 'PUT', url: 'Observation/o8' }, resource: { ...observation('Patient/p1'), id: 'o9' } },
      { request: { method: 'DELETE', url: 'Observation/o9' } },
      { request: { method: 'GET', url: 'Patient/p1/_history' } },
      { request: { method: 'GET', url: 'Patient/p1/$everything' } },
      { request: { method: 'DELETE', url: 'Observation?code=A' } },
      { request: { method: 'TRACE', url: 'Patient/p1' } },
      { request: { method: 'GET', url: '../secrets' } },
      {},
    ),
  );
  assert.equal(status, 200);
  assert.equal(body.type, 'batch-response');
  assert.deepEqual(
    body.entry.map((entry: { response: { status: string } }) => entry.response.status),
    ['200', '403', '200', '201', '403', '201', '400', '204', '200', '200', '204', '400', '400', '400'],
  );
  assert.equal(body.entry[1].response.outcome.resourceType, 'OperationOutcome');
  assert.match(body.entry[3].response.location, /\/Observation\/made-\d+\/_history\/1$/);
});

test('FHR-3 a transaction is written whole, with its references, or not at all', async () => {
  const done = await endpoint.send(
    'POST',
    '',
    all,
    bundle(
      'transaction',
      { fullUrl: 'urn:uuid:1', request: { method: 'POST', url: 'Patient' }, resource: { resourceType: 'Patient' } },
      { request: { method: 'POST', url: 'Observation' }, resource: observation('urn:uuid:1') },
      {
        request: { method: 'PUT', url: 'Organization/lab' },
        resource: { resourceType: 'Organization', id: 'lab', name: 'x' },
      },
      { request: { method: 'GET', url: 'Organization/lab' } },
    ),
  );
  assert.equal(done.status, 200, done.text);
  const [patient, written, , read] = done.body.entry;
  assert.equal(written.resource.subject.reference, `Patient/${patient.resource.id}`);
  assert.equal(read.resource.name, 'x');
  const count = async (type: string) => (await endpoint.get(`/${type}?_summary=count`, all)).body.total;
  const before = [await count('Patient'), await count('Observation')];
  const good = { request: { method: 'POST', url: 'Patient' }, resource: { resourceType: 'Patient' } };
  for (const [bad, status] of [
    [{ request: { method: 'POST', url: 'Observation' }, resource: { resourceType: 'Observation' } }, 400],
    [{ request: { method: 'DELETE', url: 'Patient/nobody', ifMatch: 'W/"1"' } }, 412],
    [{ request: { method: 'GET', url: 'Patient/nobody' } }, 404],
    [{ request: { method: 'HEAD', url: 'Patient/nobody' } }, 404],
    [{ request: { method: 'GET', url: 'Patient?shoe-size=43' } }, 400],
    [{ request: { method: 'GET', url: 'Organization/lab?_elements=' } }, 400],
    [{ request: { method: 'GET', url: 'Organization/lab/_history/9' } }, 404],
    [
      {
        request: { method: 'PUT', url: 'Organization/lab', ifMatch: 'W/"9"' },
        resource: { resourceType: 'Organization', id: 'lab', name: 'y' },
      },
      412,
    ],
    [{ request: { method: 'POST', url: 'Nothing' }, resource: { resourceType: 'Nothing' } }, 400],
    [{ fullUrl: 7, request: { method: 'POST', url: 'Patient' }, resource: { resourceType: 'Patient' } }, 400],
  ] as const) {
    const answer = await endpoint.send('POST', '', all, bundle('transaction', good, bad));
    assert.equal(answer.status, status, JSON.stringify(bad));
    assert.match(answer.body.issue[0].diagnostics, /^Bundle\.entry\[1\]: /);
  }
  const same = {
    request: { method: 'PUT', url: 'Organization/lab' },
    resource: { resourceType: 'Organization', id: 'lab', name: 'z' },
  };
  assert.equal((await endpoint.send('POST', '', all, bundle('transaction', same, same))).status, 400);
  const own = endpoint.token({ scope: 'patient/*.cruds', patient: patient.resource.id });
  const mine = {
    request: { method: 'POST', url: 'Observation' },
    resource: observation(`Patient/${patient.resource.id}`),
  };
  const theirs = { request: { method: 'POST', url: 'Observation' }, resource: observation('Patient/other') };
  assert.equal((await endpoint.send('POST', '', own, bundle('transaction', mine, theirs))).status, 403);
  assert.deepEqual([await count('Patient'), await count('Observation')], before);
});

test('FHR-2 what a transaction writes it reads with the rights of a read, or nothing is written', async () => {
  await put('Organization', 'gone', { name: 'x' });
  const write = {
    request: { method: 'PUT', url: 'Organization/new' },
    resource: { resourceType: 'Organization', id: 'new', name: 'x' },
  };
  const get = (url: string) => ({ request: { method: 'GET', url } });
  const blind = endpoint.token({ scope: 'system/Organization.u' });
  assert.equal(
    (await endpoint.send('POST', '', blind, bundle('transaction', write, get('Organization/new')))).status,
    403,
  );
  const remove = { request: { method: 'DELETE', url: 'Organization/gone' } };
  const answer = await endpoint.send('POST', '', all, bundle('transaction', write, remove, get('Organization/gone')));
  assert.deepEqual([answer.status, answer.body.issue[0].code], [410, 'deleted']);
  assert.equal((await endpoint.get('/Organization/new', all)).status, 404);
  assert.equal((await endpoint.get('/Organization/gone', all)).status, 200);
  const done = await endpoint.send(
    'POST',
    '',
    all,
    bundle('transaction', get('Organization/new'), get('Organization?name=x'), write, remove),
  );
  assert.deepEqual(
    done.body.entry.map(({ response }: { response: { status: string } }) => response.status),
    ['200', '200', '201', '204'],
  );
  assert.equal(done.body.entry[1].resource.total, 1);
});

test('FHR-3 a transaction in which a read of a part of what it writes would be refused writes nothing', async () => {
  await put('Patient', 'parts', { gender: 'female' });
  await put('Patient', 'parts', { gender: 'male' });
  const write = (id: string) => ({
    request: { method: 'PUT', url: `Patient/${id}` },
    resource: { resourceType: 'Patient', id },
  });
  const remove = { request: { method: 'DELETE', url: 'Patient/parts' } };
  const get = (url: string) => ({ request: { method: 'GET', url } });
  const run = (change: object, url: string, bearer = all) =>
    endpoint.send('POST', '', bearer, bundle('transaction', change, get(url)));
  const version = async () => (await endpoint.get('/Patient/parts', all)).headers.get('etag');
  for (const [path, status] of [
    ['?_elements=shoeSize', 400],
    ['/_history/1?_summary=count', 400],
    ['/_history/9', 404],
    ['/_history/4', 404],
    ['/_history/03', 404],
    ['/_history/x', 404],
    ['/_history?shoe=x', 400],
    ['/_history/3/4', 400],
    ['/$everything?shoe=x', 400],
    ['/$everything/x', 400],
    ['/nothing', 400],
  ] as const) {
    const answer = await run(write('parts'), `Patient/parts${path}`);
    assert.deepEqual([answer.status, await version()], [status, 'W/"2"'], `${path} ${answer.text}`);
    assert.equal((await run(write('parts-new'), `Patient/parts-new${path}`)).status, status, path);
    assert.equal((await endpoint.get('/Patient/parts-new', all)).status, 404, path);
  }
  for (const path of ['', '/$everything', '/_history/3', '/_history/9', '/_history?shoe=x']) {
    const answer = await run(remove, `Patient/parts${path}`);
    assert.deepEqual([answer.status < 500 && answer.status >= 400, await version()], [true, 'W/"2"'], path);
  }
  const blind = endpoint.token({ scope: 'system/Patient.ud' });
  for (const change of [write('parts'), remove]) {
    for (const path of ['/_history', '/_history/1', '/_history/3', '/$everything']) {
      assert.deepEqual(
        [(await run(change, `Patient/parts${path}`, blind)).status, await version()],
        [403, 'W/"2"'],
        path,
      );
    }
  }
  const parts = ['', '/_history', '/_history/1', '/_history/3', '/$everything'].map((path) =>
    get(`Patient/parts${path}`),
  );
  const done = await endpoint.send('POST', '', all, bundle('transaction', write('parts'), ...parts));
  for (const { response } of done.body.entry) assert.equal(response.status, '200');
  const removed = await endpoint.send('POST', '', all, bundle('transaction', remove, ...parts.slice(1, 3)));
  for (const { response } of removed.body.entry.slice(1)) assert.equal(response.status, '200');
});

test('FHR-3 a transaction replaces the addresses of its resources wherever R4 has one, and no others', async () => {
  const [patient, practitioner, binary] = [1, 2, 3].map((n) => `urn:uuid:00000000-0000-4000-8000-00000000000${n}`);
  const elsewhere = 'https://other.example/r4';
  const div = (link: string) =>
    `<div xmlns="http://www.w3.org/1999/xhtml"><a href="${link}">${patient}</a><img alt="x" src='${link}'/></div>`;
  const post = (fullUrl: string | undefined, resource: { resourceType: string }) => ({
    ...(fullUrl !== undefined && { fullUrl }),
    request: { method: 'POST', url: resource.resourceType },
    resource,
  });
  const beside = (fullUrl: string | undefined, subject: string) =>
    post(fullUrl, { resourceType: 'Observation', status: 'final', code, subject: { reference: subject } } as never);
  const { status, body, text } = await endpoint.send(
    'POST',
    '',
    all,
    bundle(
      'transaction',
      post(patient, {
        resourceType: 'Patient',
        text: { status: 'generated', div: div(String(patient)) },
        photo: [{ contentType: 'image/png', url: binary }],
        identifier: [{ system: patient, value: patient }],
        generalPractitioner: [{ reference: practitioner }, { reference: `${practitioner}/_history/7` }],
        extension: [
          { url: 'urn:x:uri', valueUri: patient },
          { url: 'urn:x:canonical', valueCanonical: patient },
          { url: 'urn:x:uuid', valueUuid: patient },
          { url: 'urn:x:string', valueString: patient },
          { url: 'urn:x:decimal', valueDecimal: 'DECIMAL' },
        ],
      } as never),
      post(practitioner, { resourceType: 'Practitioner' }),
      post(binary, { resourceType: 'Organization', name: 'x' } as never),
      post(`${elsewhere}/Patient/77`, { resourceType: 'Patient' }),
      beside(`${elsewhere}/Observation/1`, 'Patient/77'),
      beside(undefined, 'Patient/77'),
      beside('https://third.example/r4/Observation/1', 'Patient/77'),
      beside(undefined, `${elsewhere}/Patient/77`),
      beside(undefined, `${elsewhere}/Patient/78`),
    ).replace('"DECIMAL"', '7.10'),
  );
  assert.equal(status, 200, text);
  const resources = body.entry.map(({ resource }: { resource: { resourceType: string; id: string } }) => resource);
  const [p, doctor, picture, other] = resources.map(
    ({ resourceType, id }: { resourceType: string; id: string }) => `${resourceType}/${id}`,
  );
  const [stored] = resources;
  const shown = `<a href="${p}">${patient}</a><img alt="x" src="${p}"/>`;
  assert.equal(stored.text.div, `<div xmlns="http://www.w3.org/1999/xhtml">${shown}</div>`);
  assert.equal(stored.photo[0].url, picture);
  assert.deepEqual(stored.identifier, [{ system: p, value: patient }]);
  assert.deepEqual(stored.generalPractitioner, [{ reference: doctor }, { reference: `${doctor}/_history/1` }]);
  assert.deepEqual(
    stored.extension.slice(0, 4).map((one: object) => Object.values(one)[1]),
    [p, patient, patient, patient],
  );
  assert.ok(text.includes('"valueDecimal":7.10'), text);
  assert.deepEqual(
    resources.slice(4).map(({ subject }: { subject: { reference: string } }) => subject.reference),
    [other, 'Patient/77', 'Patient/77', other, `${elsewhere}/Patient/78`],
  );
});

test('FHR-3 Bundles read by HEAD and by what the client has, show parts, and say of writes what the client prefers', async () => {
  await put('Patient', 'p1', { name: [{ family: 'Moreau' }], active: true });
  const entries = [
    { request: { method: 'HEAD', url: 'Patient/p1' } },
    { request: { method: 'GET', url: 'Patient/p1', ifNoneMatch: 'W/"1"' } },
    { request: { method: 'GET', url: 'Patient/p1', ifNoneMatch: 'W/"2"' } },
    { request: { method: 'GET', url: 'Patient/p1?_elements=active' } },
    { request: { method: 'POST', url: 'Patient' }, resource: { resourceType: 'Patient' } },
    { request: { method: 'DELETE', url: 'Patient/never' } },
  ];
  for (const type of ['batch', 'transaction']) {
    for (const [prefer, written, outcome] of [
      ['', true, undefined],
      ['return=minimal', false, undefined],
      ['return=OperationOutcome', false, 'OperationOutcome'],
    ] as const) {
      const { status, body, text } = await endpoint.send('POST', '', all, bundle(type, ...entries), { prefer });
      assert.equal(status, 200, text);
      const answers = body.entry as { resource?: object; response: Record<string, { resourceType: string }> }[];
      assert.deepEqual(
        answers.map(({ response }) => response.status),
        ['200', '304', '200', '200', '201', '204'],
      );
      assert.deepEqual(
        answers.map(({ resource }) => resource !== undefined),
        [false, false, true, true, written, false],
        `${type} ${prefer}`,
      );
      assert.equal(answers[0]?.response.etag, 'W/"1"');
      assert.deepEqual(Object.keys(answers[3]?.resource ?? {}), ['resourceType', 'id', 'meta', 'active']);
      assert.equal(answers[4]?.response.outcome?.resourceType, outcome);
    }
  }
});

test('FHR-3 in a transaction If-None-Exist points to what is there', async () => {
  await put('Patient', 'p1', { identifier: [{ value: 'A1' }] });
  const patient = { resourceType: 'Patient', identifier: [{ value: 'A1' }] };
  const conditional = {
    fullUrl: 'urn:uuid:1',
    request: { method: 'POST', url: 'Patient', ifNoneExist: 'identifier=A1' },
    resource: patient,
  };
  const about = { request: { method: 'POST', url: 'Observation' }, resource: observation('urn:uuid:1') };
  const { status, body } = await endpoint.send('POST', '', all, bundle('transaction', conditional, about));
  assert.equal(status, 200);
  assert.deepEqual([body.entry[0].response.status, body.entry[1].resource.subject.reference], ['200', 'Patient/p1']);
});

test('FHR-3 what is no batch or transaction is refused', async () => {
  for (const body of [
    '[]',
    '{}',
    bundle('collection'),
    bundle('history'),
    JSON.stringify({ resourceType: 'Bundle', type: 'batch', entry: {} }),
  ]) {
    assert.equal((await endpoint.send('POST', '', all, body)).status, 400, body);
  }
  const many = Array.from({ length: 201 }, () => ({ request: { method: 'GET', url: 'Patient/p1' } }));
  assert.equal((await endpoint.send('POST', '', all, bundle('batch', ...many))).status, 413);
  assert.equal((await endpoint.send('POST', '', undefined, bundle('batch'))).status, 401);
});

test('FHR-3 what is patched keeps its numbers as they were written, alone and in Bundles', async () => {
  const patch =
    '[{"op":"replace","path":"/status","value":"amended"},{"op":"add","path":"/referenceRange","value":[{"low":{"value":8.20}}]}]';
  const data = Buffer.from(patch).toString('base64');
  const binary = { resourceType: 'Binary', contentType: 'application/json-patch+json', data };
  for (const [id, type] of [
    ['exact-alone', undefined],
    ['exact-batch', 'batch'],
    ['exact-transaction', 'transaction'],
  ] as const) {
    await endpoint.send(
      'PUT',
      `/Observation/${id}`,
      all,
      `{"resourceType":"Observation","id":"${id}","status":"final","code":{"text":"x"},"valueQuantity":{"value":7.10}}`,
    );
    const entry = [{ resource: binary, request: { method: 'PATCH', url: `Observation/${id}` } }];
    const { status, text } = type
      ? await endpoint.send('POST', '', all, { resourceType: 'Bundle', type, entry })
      : await endpoint.send('PATCH', `/Observation/${id}`, all, patch, {
          'content-type': 'application/json-patch+json',
        });
    for (const shown of [text, (await endpoint.get(`/Observation/${id}`, all)).text]) {
      assert.deepEqual(
        [status, shown.includes('"value":7.10}'), shown.includes('"value":8.20}')],
        [200, true, true],
        text,
      );
    }
  }
});
