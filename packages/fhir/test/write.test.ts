import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BASE, type Endpoint, matches, startEndpoint } from './harness.ts';

let endpoint: Endpoint;
let all: string;
before(async () => {
  endpoint = await startEndpoint();
  all = endpoint.token({ scope: 'system/*.cruds' });
});
after(() => endpoint.close());

const observation = (over: object = {}) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'Length' },
  subject: { reference: 'Patient/p1' },
  ...over,
});

test('FHR-3 create gives 201, an id of the server, Location, ETag and the resource', async () => {
  const sent = observation({
    id: 'mine',
    meta: { versionId: '9', lastUpdated: '2001-01-01T00:00:00Z', tag: [{ code: 'kept' }] },
  });
  const { status, headers, body } = await endpoint.send('POST', '/Observation', all, sent);
  assert.equal(status, 201);
  assert.notEqual(body.id, 'mine');
  assert.equal(headers.get('location'), `${BASE}/Observation/${body.id}/_history/1`);
  assert.equal(headers.get('etag'), 'W/"1"');
  assert.ok(headers.get('last-modified'));
  assert.deepEqual(body.meta, { versionId: '1', lastUpdated: '2026-06-01T08:00:00.000Z', tag: [{ code: 'kept' }] });
  for (const name of ['etag', 'location']) {
    assert.ok(headers.get('access-control-expose-headers')?.toLowerCase().includes(name));
  }
  assert.deepEqual((await endpoint.get(`/Observation/${body.id}`, all)).body, body);
});

test('FHR-3 update replaces, counts the version up and keeps the old one', async () => {
  const { body: made } = await endpoint.send('POST', '/Observation', all, observation());
  const { status, headers, body } = await endpoint.send(
    'PUT',
    `/Observation/${made.id}`,
    all,
    observation({ id: made.id, status: 'amended' }),
  );
  assert.equal(status, 200);
  assert.equal(headers.get('etag'), 'W/"2"');
  assert.equal(headers.get('content-location'), `${BASE}/Observation/${made.id}/_history/2`);
  assert.equal(body.status, 'amended');
  assert.equal((await endpoint.get(`/Observation/${made.id}/_history/1`, all)).body.status, 'final');
});

test('FHR-3 PUT to a new id creates under it', async () => {
  const { status, headers } = await endpoint.send('PUT', '/Patient/client-made.1', all, {
    resourceType: 'Patient',
    id: 'client-made.1',
  });
  assert.equal(status, 201);
  assert.equal(headers.get('location'), `${BASE}/Patient/client-made.1/_history/1`);
});

test('FHR-3 If-Match guards an update: 412 for another version, 200 for the right one, as weak or strong tag', async () => {
  const path = '/Observation/guarded';
  const body = observation({ id: 'guarded' });
  const put = (headers: Record<string, string>) => endpoint.send('PUT', path, all, body, headers);
  assert.equal((await put({ 'if-match': 'W/"1"' })).status, 412);
  assert.equal((await put({ 'if-match': '*' })).status, 412);
  assert.equal((await endpoint.get(path, all)).status, 404);
  assert.equal((await put({ 'if-none-match': '*' })).status, 201);
  assert.equal((await put({ 'if-none-match': '*' })).status, 412);
  assert.equal((await put({ 'if-match': 'W/"2"' })).status, 412);
  assert.equal((await put({ 'if-match': 'W/"1"' })).status, 200);
  assert.equal((await put({ 'if-match': '"2"' })).status, 200);
  assert.equal((await put({ 'if-match': '*' })).status, 200);
  assert.equal((await put({ 'if-match': 'W/"x"' })).status, 412);
  for (const tag of ['1', 'W/1', '"1", "2"', '']) assert.equal((await put({ 'if-match': tag })).status, 400, tag);
  assert.equal((await put({ 'if-none-match': 'W/"1"' })).status, 400);
  const { body: last, headers } = await endpoint.get(path, all);
  assert.deepEqual([last.meta.versionId, headers.get('etag')], ['4', 'W/"4"']);
});

test('FHR-3 of parallel updates with one If-Match exactly one wins; without it none is lost', async () => {
  const path = '/Observation/raced';
  const put = (status: string, headers: Record<string, string> = {}) =>
    endpoint.send('PUT', path, all, observation({ id: 'raced', status }), headers);
  await put('final');
  const guarded = await Promise.all(Array.from({ length: 6 }, () => put('amended', { 'if-match': 'W/"1"' })));
  const statuses = guarded.map(({ status }) => status).toSorted();
  assert.deepEqual(statuses, [200, 412, 412, 412, 412, 412]);
  const free = await Promise.all(Array.from({ length: 4 }, () => put('corrected')));
  const won = free.filter(({ status }) => status === 200).length;
  assert.ok(won >= 1 && free.every(({ status }) => status === 200 || status === 409));
  const { body } = await endpoint.get(`${path}/_history`, all);
  assert.equal(body.total, 2 + won);
});

test('FHR-3 delete answers 204; reads say 410, searches forget, versions stay, PUT brings back', async () => {
  const path = '/Observation/gone';
  const put = () => endpoint.send('PUT', path, all, observation({ id: 'gone', code: { text: 'Gone' } }));
  await put();
  assert.equal((await endpoint.send('DELETE', path, all, undefined, { 'if-match': 'W/"7"' })).status, 412);
  const { status, headers } = await endpoint.send('DELETE', path, all);
  assert.deepEqual([status, headers.get('etag')], [204, 'W/"2"']);
  const read = await endpoint.get(path, all);
  assert.deepEqual([read.status, read.body.issue[0].code], [410, 'deleted']);
  assert.equal((await endpoint.send('DELETE', path, all)).status, 204);
  assert.ok(!matches((await endpoint.get('/Observation?_count=500', all)).body).some(({ id }) => id === 'gone'));
  assert.equal((await endpoint.get('/Observation?_id=gone', all)).body.total, 0);
  assert.equal((await endpoint.get('/Observation?patient=p1&_id=gone', all)).body.total, 0);
  assert.equal((await endpoint.get(`${path}/_history/1`, all)).status, 200);
  assert.equal((await endpoint.get(`${path}/_history/2`, all)).status, 410);
  const back = await put();
  assert.deepEqual([back.status, back.body.meta.versionId], [201, '3']);
  const methods = (await endpoint.get(`${path}/_history`, all)).body.entry.map(
    ({ request }: { request: { method: string } }) => request.method,
  );
  assert.deepEqual(methods, ['PUT', 'DELETE', 'PUT']);
  assert.equal((await endpoint.send('DELETE', '/Observation/never', all)).status, 204);
  assert.equal(
    (await endpoint.send('DELETE', '/Observation/never', all, undefined, { 'if-match': 'W/"1"' })).status,
    412,
  );
  assert.equal((await endpoint.get('/Observation/never', all)).status, 404);
});

test('FHR-3 Prefer chooses the body of a write', async () => {
  const minimal = await endpoint.send('POST', '/Observation', all, observation(), { prefer: 'return=minimal' });
  assert.deepEqual([minimal.status, minimal.text], [201, '']);
  assert.ok(minimal.headers.get('location'));
  const outcome = await endpoint.send('POST', '/Observation', all, observation(), {
    prefer: 'return=OperationOutcome',
  });
  assert.equal(outcome.body.resourceType, 'OperationOutcome');
  const whole = await endpoint.send('POST', '/Observation', all, observation(), { prefer: 'return=representation' });
  assert.equal(whole.body.resourceType, 'Observation');
});

test('FHR-3 script in a string is stored as it is and comes back as data', async () => {
  const family = '<script>alert(1)</script>';
  const { body, headers } = await endpoint.send('POST', '/Patient', all, {
    resourceType: 'Patient',
    name: [{ family }],
  });
  assert.equal(body.name[0].family, family);
  assert.match(headers.get('content-type') ?? '', /^application\/fhir\+json/);
  const found = await endpoint.get(`/Patient?family=${encodeURIComponent(family)}`, all);
  assert.equal(found.body.total, 1);
});

test('FHR-3 writes survive in the search of what they changed', async () => {
  const path = '/Observation/moved';
  await endpoint.send('PUT', path, all, observation({ id: 'moved', identifier: [{ value: 'old' }] }));
  await endpoint.send(
    'PUT',
    path,
    all,
    observation({ id: 'moved', identifier: [{ value: 'new' }], subject: { reference: 'Patient/p2' } }),
  );
  const total = async (query: string) => (await endpoint.get(`/Observation?${query}`, all)).body.total;
  assert.equal(await total('identifier=old'), 0);
  assert.equal(await total('identifier=new'), 1);
  assert.equal(await total('patient=p2&_id=moved'), 1);
  assert.equal(await total('patient=p2'), 1);
});

test('FHR-3 numbers come back as they were written: read, searched, in history, with _elements and from a batch', async () => {
  const text = (value: string, id: string) =>
    `{"resourceType":"Observation","id":"${id}","status":"final","code":{"text":"x"},"valueQuantity":{"value":${value},"unit":"mm"}}`;
  for (const [index, value] of ['7.10', '1e-7', '12345678901234567890.12345', '0.500'].entries()) {
    const id = `exact-${index}`;
    const put = await endpoint.send('PUT', `/Observation/${id}`, all, text(value, id));
    assert.equal(put.status, 201, put.text);
    const entry = `{"request":{"method":"PUT","url":"Observation/${id}"},"resource":${text(value, id)}}`;
    const batch = await endpoint.send('POST', '', all, `{"resourceType":"Bundle","type":"batch","entry":[${entry}]}`);
    for (const answer of [
      put,
      batch,
      await endpoint.get(`/Observation/${id}`, all),
      await endpoint.get(`/Observation/${id}/_history`, all),
      await endpoint.get(`/Observation?_id=${id}`, all),
      await endpoint.get(`/Observation?_id=${id}&_elements=valueQuantity`, all),
      await endpoint.get(`/Observation?value-quantity=${index === 0 ? '7.1' : 'ge0'}&_sort=value-quantity`, all),
    ]) {
      assert.ok(answer.text.includes(`"value":${value},`), answer.text.slice(0, 400));
    }
  }
});
