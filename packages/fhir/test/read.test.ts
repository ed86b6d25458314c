import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Endpoint, NOW, startEndpoint } from './harness.ts';

let endpoint: Endpoint;
let all: string;
before(async () => {
  endpoint = await startEndpoint();
  await endpoint.service.seedSampleData();
  all = endpoint.token({ scope: 'system/*.cruds' });
});
after(() => endpoint.close());

test('FHR-3 a resource is read with its version, ETag and Last-Modified', async () => {
  const { status, headers, body } = await endpoint.get('/Patient/amara-diallo', all);
  assert.equal(status, 200);
  assert.equal(body.id, 'amara-diallo');
  assert.deepEqual(body.meta, { versionId: '1', lastUpdated: new Date(NOW).toISOString() });
  assert.equal(headers.get('etag'), 'W/"1"');
  assert.equal(headers.get('last-modified'), new Date(NOW).toUTCString());
  assert.equal(headers.get('content-type'), 'application/fhir+json; charset=utf-8');
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(headers.get('x-content-type-options'), 'nosniff');
});

test('FHR-3 HEAD answers as GET without a body', async () => {
  const { status, headers, text } = await endpoint.send('HEAD', '/Patient/amara-diallo', all);
  assert.deepEqual([status, headers.get('etag'), text], [200, 'W/"1"', '']);
});

test('FHR-3 a client that holds the version gets 304', async () => {
  const { status, text } = await endpoint.get('/Patient/amara-diallo', all, { 'if-none-match': 'W/"1"' });
  assert.deepEqual([status, text], [304, '']);
  const statusFor = async (tags: string) =>
    (await endpoint.get('/Patient/amara-diallo', all, { 'if-none-match': tags })).status;
  for (const tags of ['"1"', 'W/"7", W/"1"', '*']) assert.equal(await statusFor(tags), 304, tags);
  for (const tags of ['W/"2"', '1', '"11"', '']) assert.equal(await statusFor(tags), 200, tags);
});

test('FHR-3 versions are read one by one and as history, newest first', async () => {
  const path = '/Observation/versioned';
  const observation = { resourceType: 'Observation', id: 'versioned', status: 'preliminary', code: { text: 'a' } };
  assert.equal((await endpoint.send('PUT', path, all, observation)).status, 201);
  assert.equal((await endpoint.send('PUT', path, all, { ...observation, status: 'final' })).status, 200);
  const first = await endpoint.get(`${path}/_history/1`, all);
  assert.deepEqual([first.status, first.body.status, first.headers.get('etag')], [200, 'preliminary', 'W/"1"']);
  assert.equal((await endpoint.get(`${path}/_history/2`, all)).body.status, 'final');
  for (const version of ['0', '3', '-1', 'x', '1e0']) {
    assert.equal((await endpoint.get(`${path}/_history/${version}`, all)).status, 404, version);
  }
  const { body } = await endpoint.get(`${path}/_history`, all);
  assert.equal(body.type, 'history');
  assert.equal(body.total, 2);
  assert.deepEqual(
    body.entry.map((entry: { request: { method: string }; resource: { status: string } }) => [
      entry.request.method,
      entry.resource.status,
    ]),
    [
      ['PUT', 'final'],
      ['PUT', 'preliminary'],
    ],
  );
});

test('FHR-4 _format and Accept take JSON in every spelling and refuse the rest', async () => {
  const path = '/Patient/amara-diallo';
  const fine = ['json', 'application/json', 'application/fhir%2Bjson', 'application/fhir+json', 'text/json'];
  for (const format of fine) assert.equal((await endpoint.get(`${path}?_format=${format}`, all)).status, 200, format);
  for (const format of ['xml', 'application/fhir%2Bxml', 'ttl', 'text/html', '']) {
    assert.equal((await endpoint.get(`${path}?_format=${format}`, all)).status, 406, format);
  }
  const accepted = [
    'application/fhir+json',
    'application/json',
    'application/json; q=0.5, application/fhir+xml',
    'application/fhir+json, */*; q=0.1',
    'text/html,application/xhtml+xml,*/*;q=0.8',
    'application/*',
  ];
  for (const accept of accepted) assert.equal((await endpoint.get(path, all, { accept })).status, 200, accept);
  for (const accept of ['application/fhir+xml', 'application/xml, text/html', 'application/json;q=0']) {
    const { status, body } = await endpoint.get(path, all, { accept });
    assert.equal(status, 406, accept);
    assert.equal(body.resourceType, 'OperationOutcome');
  }
  assert.equal((await endpoint.get(`${path}?_format=json`, all, { accept: 'application/fhir+xml' })).status, 200);
  // What asks for an older version of FHIR is not answered with R4.
  for (const version of ['1.0', '3.0', '"3.0"', '3.0.2', '0.5']) {
    for (const type of ['application/fhir+json', 'application/json']) {
      const older = `${type}; fhirVersion=${version}`;
      const { status, body } = await endpoint.get(path, all, { accept: older });
      assert.equal(status, 406, older);
      assert.match(JSON.stringify(body), /FHIR R4/);
      const format = `${path}?_format=${encodeURIComponent(older)}`;
      assert.equal((await endpoint.get(format, all)).status, 406, format);
      assert.equal((await endpoint.get(path, all, { accept: `${older}, ${type}; fhirVersion=4.0` })).status, 200);
      assert.equal((await endpoint.get(path, all, { accept: `${older}, */*; q=0.1` })).status, 200);
    }
  }
  for (const version of ['4.0', '4.0.1', '"4.0"', '5.0']) {
    const accept = `application/fhir+json; fhirVersion=${version}`;
    assert.equal((await endpoint.get(path, all, { accept })).status, 200, accept);
  }
  assert.match((await endpoint.get(`${path}?_pretty=true`, all)).text, /\n {2}"id": "amara-diallo"/);
});

test('FHR-4 what is not there answers 404, what is not supported 405, always with an OperationOutcome', async () => {
  const absent = ['/Patient/nobody', '/Substance/x', '/Substance', '/patient/amara-diallo', '/Patient/_history'];
  for (const path of [
    ...absent,
    '/Patient/a_b',
    '/Patient/amara-diallo/$nothing',
    '/Patient/nobody/$everything',
    '/Observation/x/$everything',
    '/a/b/c/d/e',
    `/Patient/${'x'.repeat(65)}`,
  ]) {
    const { status, body, headers } = await endpoint.get(path, all);
    assert.equal(status, 404, path);
    assert.equal(body.resourceType, 'OperationOutcome', path);
    assert.equal(headers.get('access-control-allow-origin'), '*');
  }
  const unsupported = [
    ['POST', '/Patient/amara-diallo'],
    ['PUT', '/Patient'],
    ['DELETE', '/Patient'],
    ['PUT', '/Patient/_search'],
    ['POST', '/Patient/amara-diallo/_history'],
    ['DELETE', '/Patient/amara-diallo/_history/1'],
    ['PUT', ''],
    ['GET', ''],
    ['PUT', '/Patient/amara-diallo/$everything'],
  ] as const;
  for (const [method, path] of unsupported) {
    const { status, headers, body } = await endpoint.send(method, path, all);
    assert.equal(status, 405, `${method} ${path}`);
    assert.ok(headers.get('allow')?.includes('OPTIONS'));
    assert.equal(body.issue[0].code, 'not-supported');
  }
});

test('FHR-2 without a valid token every address but the CapabilityStatement answers 401', async () => {
  const expired = endpoint.token({ scope: 'system/*.cruds', expiresAt: NOW });
  const revoked = endpoint.token({ scope: 'system/*.cruds' });
  endpoint.revoke(revoked);
  const requests = [
    ['GET', '/Patient/amara-diallo'],
    ['GET', '/Patient/amara-diallo/_history'],
    ['GET', '/Patient/amara-diallo/_history/1'],
    ['GET', '/Patient'],
    ['POST', '/Patient/_search'],
    ['POST', '/Patient'],
    ['PUT', '/Patient/amara-diallo'],
    ['DELETE', '/Patient/amara-diallo'],
    ['GET', '/nowhere/at/all'],
  ] as const;
  for (const [method, path] of requests) {
    for (const bearer of [undefined, 'unknown', expired, revoked]) {
      const { status, headers, body } = await endpoint.send(method, path, bearer);
      assert.equal(status, 401, `${method} ${path} ${bearer}`);
      assert.match(headers.get('www-authenticate') ?? '', /^Bearer /);
      assert.deepEqual([body.resourceType, body.issue[0].code], ['OperationOutcome', 'login']);
    }
  }
  const basic = await endpoint.send('GET', '/Patient', undefined, undefined, { authorization: 'Basic eDp5' });
  assert.equal(basic.status, 401);
  assert.equal((await endpoint.get(`/Patient?access_token=${all}`)).status, 401);
});

test('FHR-2 each request leaves an audit record with the patients it touched, who asked what from where', async () => {
  endpoint.audits.length = 0;
  const user = endpoint.token({ scope: 'user/*.rs', user: 'Practitioner/dr-lena-okafor' });
  await endpoint.get('/Patient/amara-diallo', user);
  await endpoint.get('/Observation?patient=kofi-mensah&_count=3', user);
  await endpoint.get('/Patient?family=Raman');
  const [read, searched, refused] = endpoint.audits;
  const { requestId, ...rest } = read!;
  assert.ok(requestId);
  assert.deepEqual(rest, {
    at: NOW,
    method: 'GET',
    route: '/fhir/:type/:id',
    status: 200,
    type: 'Patient',
    id: 'amara-diallo',
    tokenId: user,
    clientId: 'test-client',
    user: 'Practitioner/dr-lena-okafor',
    patients: ['amara-diallo'],
    address: '127.0.0.1',
  });
  assert.deepEqual(searched?.patients, ['kofi-mensah']);
  assert.deepEqual([refused?.status, refused?.patients, refused?.tokenId], [401, [], undefined]);
  assert.deepEqual([searched?.query, refused?.query], ['patient=kofi-mensah&_count=3', 'family=Raman']);
});
