import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Endpoint, startEndpoint } from './harness.ts';

let endpoint: Endpoint;
let all: string;
before(async () => {
  endpoint = await startEndpoint();
  all = endpoint.token({ scope: 'system/*.cruds' });
});
after(() => endpoint.close());

async function refused(path: string, body: string, headers: Record<string, string> = {}): Promise<string> {
  const { status, body: outcome } = await endpoint.send('POST', path, all, body, headers);
  assert.equal(outcome?.resourceType, 'OperationOutcome', body.slice(0, 80));
  return `${status} ${outcome.issue[0].diagnostics}`;
}

async function nothingStored(): Promise<void> {
  for (const type of ['Patient', 'Observation', 'Organization', 'Endpoint', 'ImagingStudy']) {
    assert.equal((await endpoint.get(`/${type}`, all)).body.total, 0, type);
  }
}

test('FHR-4 malformed JSON and bodies that are no resource answer 400', async () => {
  for (const body of ['{', '', '[]', 'null', '"x"', '7', '{"resourceType":"Patient",}', '{"a":1}{"b":2}']) {
    assert.match(await refused('/Patient', body), /^400 /, body);
  }
  assert.match(
    await refused('/Patient', '{"resourceType":"Observation","status":"final","code":{"text":"x"}}'),
    /^400 /,
  );
  assert.match(
    await refused('/Patient', '{"resourceType":"Patient"}', { 'content-type': 'application/x-www-form-urlencoded' }),
    /^415 /,
  );
  assert.match(await refused('/Patient', '<Patient/>', { 'content-type': 'application/fhir+xml' }), /^415 /);
  for (const version of ['1.0', '3.0', '"3.0"', '3.0.2']) {
    const older = { 'content-type': `application/fhir+json; fhirVersion=${version}` };
    assert.match(await refused('/Patient', '{"resourceType":"Patient"}', older), /^415 .*FHIR R4/);
  }
  await nothingStored();
});

test('FHR-4 absurd nesting answers 400, a body over the limit 413', async () => {
  const deep = `{"resourceType":"Patient","extension":[${'{"extension":['.repeat(5000)}{"url":"x"}${']}'.repeat(5000)}]}`;
  assert.match(await refused('/Patient', deep), /^400 .*nested/);
  assert.match(await refused('/Patient', '['.repeat(100_000)), /^400 /);
  assert.match(await refused('/Patient', `"${'x'.repeat(2 * 1024 * 1024)}"`), /^413 /);
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  assert.match(await refused('/Patient/_search', `name=${'x'.repeat(2 * 1024 * 1024)}`, form), /^413 /);
  await nothingStored();
});

test('FHR-4 wrong elements, cardinalities, codes, dates and references answer 400 and name the element', async () => {
  const patient = (over: object) => JSON.stringify({ resourceType: 'Patient', ...over });
  const observation = (over: object) =>
    JSON.stringify({ resourceType: 'Observation', status: 'final', code: { text: 'x' }, ...over });
  const cases: [string, string, RegExp][] = [
    ['Patient', patient({ shoeSize: 43 }), /shoeSize/],
    ['Patient', patient({ name: { family: 'x' } }), /Patient\.name must be an array/],
    ['Patient', patient({ name: ['x'] }), /Patient\.name\[0\] must be an object/],
    ['Patient', patient({ birthDate: '1980-02-30' }), /Patient\.birthDate/],
    ['Patient', patient({ birthDate: '1980-02-03T10:00:00Z' }), /Patient\.birthDate/],
    ['Patient', patient({ birthDate: 1980 }), /Patient\.birthDate/],
    ['Patient', patient({ gender: 'm' }), /Patient\.gender/],
    ['Patient', patient({ active: 'true' }), /Patient\.active/],
    ['Patient', patient({ active: null }), /active must not be null/],
    ['Patient', patient({ name: [] }), /empty/],
    ['Patient', patient({ name: [{}] }), /empty/],
    ['Patient', patient({ name: [{ family: '' }] }), /family must not be empty/],
    ['Patient', patient({ meta: 'x' }), /Patient\.meta/],
    ['Patient', patient({ id: 'a b' }), /Patient\.id must be/],
    ['Patient', patient({ id: 7 }), /Patient\.id must be/],
    ['Patient', '{"resourceType":"Patient","__proto__":{"x":1}}', /whose name no FHIR element has/],
    ['Patient', patient({ name: [{ 'a b': 1 }] }), /whose name no FHIR element has/],
    ['Observation', JSON.stringify({ resourceType: 'Observation', status: 'final' }), /Observation\.code is required/],
    ['Observation', observation({ status: 'done' }), /Observation\.status/],
    ['Observation', observation({ effectiveDateTime: '2026-01-01T10:00' }), /Observation\.effective\[x\] must be/],
    ['Observation', observation({ subject: { reference: 'Patient' } }), /reference/],
    ['Observation', observation({ subject: { reference: 'Nothing/1' } }), /reference/],
    ['Observation', observation({ subject: { reference: 'Patient/1/2/3' } }), /reference/],
    ['Observation', observation({ subject: { reference: '../Patient/1' } }), /reference/],
    ['Observation', observation({ subject: { reference: 'javascript:alert(1)' } }), /reference/],
    ['Observation', observation({ subject: 'Patient/1' }), /Observation\.subject/],
    ['Organization', '{"resourceType":"Organization"}', /at least one of identifier and name/],
    ['Endpoint', '{"resourceType":"Endpoint","status":"active"}', /is required/],
    [
      'ImagingStudy',
      '{"resourceType":"ImagingStudy","status":"available","subject":{"reference":"Patient/1"},"numberOfSeries":-1}',
      /numberOfSeries/,
    ],
  ];
  for (const [type, body, reason] of cases) {
    const answer = await refused(`/${type}`, body);
    assert.match(answer, /^400 /, body);
    assert.match(answer, reason, body);
  }
  await nothingStored();
});

test('FHR-4 what is inside elements is checked too: datatypes, choices, numbers, characters', async () => {
  const cases: [string, RegExp][] = [
    ['{"resourceType":"Patient","name":[{"family":5}]}', /Patient\.name\[0\]\.family must be a string/],
    ['{"resourceType":"Patient","name":[{"given":"Ida"}]}', /Patient\.name\[0\]\.given must be an array/],
    ['{"resourceType":"Patient","name":[{"given":["Ida",""]}]}', /must not be empty/],
    ['{"resourceType":"Patient","name":[{"surname":"Moreau"}]}', /Patient\.name\[0\]\.surname is no element/],
    ['{"resourceType":"Patient","name":[{"use":"main"}]}', /Patient\.name\[0\]\.use must be one of/],
    ['{"resourceType":"Patient","name":[{"period":{"start":"2026-02-30"}}]}', /Patient\.name\[0\]\.period\.start/],
    ['{"resourceType":"Patient","maritalStatus":{"coding":"M"}}', /maritalStatus\.coding must be an array/],
    ['{"resourceType":"Patient","managingOrganization":{"reference":7}}', /managingOrganization\.reference/],
    ['{"resourceType":"Patient","link":[{"type":"seealso"}]}', /Patient\.link\[0\]\.other is required/],
    [
      '{"resourceType":"Patient","deceasedBoolean":true,"deceasedDateTime":"2020"}',
      /deceasedBoolean and deceasedDateTime/,
    ],
    ['{"resourceType":"Patient","multipleBirthInteger":1.5}', /multipleBirth\[x\] must be a whole number/],
    ['{"resourceType":"Patient","multipleBirthInteger":1e999}', /too large a number/],
    ['{"resourceType":"Patient","name":[{"text":"a\\u0000b"}]}', /control characters/],
    ['{"resourceType":"Patient","identifier":[{"value":"\\ud800"}]}', /surrogate/],
    ['{"resourceType":"Patient","text":{"status":"generated"}}', /Patient\.text\.div is required/],
  ];
  for (const [body, reason] of cases) assert.match(await refused('/Patient', body), reason, body);
  const study = (series: object) => ({
    resourceType: 'ImagingStudy',
    status: 'available',
    subject: { reference: 'Patient/1' },
    series: [series],
  });
  const modality = { code: 'CT' };
  for (const [series, reason] of [
    [{ modality }, /series\[0\]\.uid is required/],
    [{ uid: '2.999.1', modality: 'CT' }, /series\[0\]\.modality must be an object/],
    [
      { uid: '2.999.1', modality, instance: [{ uid: '2.999.1.1' }] },
      /series\[0\]\.instance\[0\]\.sopClass is required/,
    ],
  ] as const) {
    assert.match(await refused('/ImagingStudy', JSON.stringify(study(series))), reason);
  }
  await nothingStored();
});

test('FHR-4 an id in the body must be the one in the address', async () => {
  for (const id of [undefined, 'other']) {
    const { status } = await endpoint.send('PUT', '/Patient/mine', all, { resourceType: 'Patient', ...(id && { id }) });
    assert.equal(status, 400);
  }
  assert.equal((await endpoint.send('PUT', '/Patient/a_b', all, { resourceType: 'Patient', id: 'a_b' })).status, 400);
  await nothingStored();
});

test('FHR-4 strange addresses answer 4xx', async () => {
  for (const path of [
    '/Patient/..%2f..%2fetc',
    '/Patient/%00',
    '/Patient/%2e%2e',
    '/%2e%2e/metadata',
    '/Patient?%=1&=&&',
    "/Patient?name=';--",
    '/Patient/x/_history/%00',
  ]) {
    const { status } = await endpoint.get(path, all);
    assert.ok(status < 500, `${path} ${status}`);
  }
  assert.equal((await endpoint.get('/Patient?%=1&=&&', all)).status, 400);
});

test('FHR-4 an endpoint without its store answers 503 and says when to try again', async () => {
  const other = await startEndpoint();
  const bearer = other.token({ scope: 'system/*.cruds' });
  await other.closeStore();
  const { status, headers, body } = await other.get('/Patient/x', bearer);
  assert.equal(status, 503);
  assert.ok(Number(headers.get('retry-after')) > 0);
  assert.equal(body.issue[0].code, 'transient');
  await other.close();
});

test('FHR-4 members that JavaScript gives a meaning to are text like any other, wherever they stand', async () => {
  const odd = { toString: 1, valueOf: null, constructor: 'x', __proto__: 'y' };
  const text = JSON.stringify(odd).replace('{', '{"__proto__":{"a":1},');
  const patient = { resourceType: 'Patient', id: 'odd' };
  const observation = { resourceType: 'Observation', id: 'odd', status: 'final', code: { text: 'x' } };
  const bodies: readonly (readonly [string, object])[] = [
    ['/Patient/odd', { ...patient, resourceType: '@' }],
    ['/Patient/odd', { ...patient, contained: [{ resourceType: '@' }] }],
    ['/Patient/odd', { ...patient, contained: ['@'] }],
    ['/Patient/odd', { ...patient, identifier: [{ value: '@' }] }],
    ['/Patient/odd', { ...patient, name: [{ family: '@', given: ['@'] }] }],
    ['/Patient/odd', { ...patient, meta: '@' }],
    ['/Patient/odd', { ...patient, id: '@' }],
    ['/Observation/odd', { ...observation, subject: { reference: '@' } }],
    ['/Observation/odd', { ...observation, subject: '@' }],
    ['/Observation/odd', { ...observation, valueQuantity: { value: '@' } }],
  ];
  for (const [path, body] of bodies) {
    const sent = JSON.stringify(body).replaceAll('"@"', text);
    const { status, body: answer } = await endpoint.send('PUT', path, all, sent);
    assert.equal(status, 400, sent);
    assert.equal(answer.resourceType, 'OperationOutcome');
  }
  const entries = [
    { request: { method: '@', url: 'Patient/odd' } },
    { request: { method: 'GET', url: '@' } },
    { request: '@' },
    { request: { method: 'PATCH', url: 'Patient/odd' }, resource: { resourceType: 'Binary', contentType: '@' } },
    {
      request: { method: 'PATCH', url: 'Patient/odd' },
      resource: { resourceType: 'Binary', contentType: 'application/json-patch+json', data: '@' },
    },
    { fullUrl: '@', request: { method: 'POST', url: 'Patient' }, resource: '@' },
  ];
  for (const entry of entries) {
    const bundle = { resourceType: 'Bundle', type: 'batch', entry: [entry] };
    const sent = JSON.stringify(bundle).replaceAll('"@"', text);
    const { status, body } = await endpoint.send('POST', '', all, sent);
    assert.equal(status, 200, sent);
    assert.equal(body.entry[0].response.status, '400', sent);
  }
  const patch = JSON.stringify([{ op: '@' }, { op: 'add', path: '@', value: 1 }]).replaceAll('"@"', text);
  await endpoint.send('PUT', '/Patient/odd', all, JSON.stringify(patient));
  const headers = { 'content-type': 'application/json-patch+json' };
  assert.equal((await endpoint.send('PATCH', '/Patient/odd', all, patch, headers)).status, 400);
});
