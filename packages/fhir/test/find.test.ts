import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BASE, type Endpoint, included, matches, startEndpoint } from './harness.ts';

let endpoint: Endpoint;
let all: string;
before(async () => {
  endpoint = await startEndpoint();
  all = endpoint.token({ scope: 'system/*.cruds' });
  const people = [
    ['obrien', { family: "O'Brien", given: ['Liam', 'Seán'] }],
    ['carreno', { family: 'Carreño Quiñones', given: ['María José'], suffix: ['PhD'] }],
    ['atkinson', { text: 'Jo Atkinson - Lloyd' }],
    ['yamada', { text: '山田 太郎', family: '山田', given: ['太郎'] }],
    ['yamada-wide', { text: '山田　花子' }],
  ] as const;
  for (const [id, name] of people) {
    await put('Patient', id, {
      name: [name],
      identifier: [
        { type: { coding: [{ system: V2, code: 'MR' }] }, system: 'urn:oid:2.999.1', value: `NF-${id}-Ab1` },
      ],
      telecom: [
        { system: 'phone', value: '+999 20 1' },
        { system: 'email', value: `${id}@Example.org` },
      ],
      address: [{ line: ['1 Rue de l’Église'], city: 'Genève', postalCode: '1201' }],
    });
  }
  await put('Organization', 'lab', { name: 'Laboratory' });
  for (const [id, patient, code, value] of [
    ['o1', 'obrien', 'A', 7.1],
    ['o2', 'obrien', 'B', 5],
    ['o3', 'carreno', 'A', 70],
  ] as const) {
    await put('Observation', id, {
      status: 'final',
      code: { coding: [{ system: 'urn:oid:2.999.2', code }] },
      subject: { reference: `Patient/${patient}` },
      performer: [{ reference: 'Organization/lab' }],
      valueQuantity: { value, unit: 'mm', system: 'http://unitsofmeasure.org', code: 'mm' },
      note: [{ text: 'Seen.' }],
    });
  }
  await put('ImagingStudy', 's1', {
    status: 'available',
    subject: { reference: 'Patient/obrien', identifier: { system: 'urn:oid:2.999.1', value: 'X1' } },
    identifier: [{ type: { coding: [{ system: V2, code: 'ACSN' }] }, value: 'Acc-77b' }],
  });
});
after(() => endpoint.close());

const V2 = 'http://terminology.hl7.org/CodeSystem/v2-0203';

async function put(type: string, id: string, elements: object): Promise<void> {
  const { status, text } = await endpoint.send(
    'PUT',
    `/${type}/${id}`,
    all,
    JSON.stringify({ resourceType: type, id, ...elements }),
  );
  assert.equal(status, 201, text);
}

async function ids(query: string, bearer = all): Promise<string[]> {
  const { status, body, text } = await endpoint.get(`/${query}`, bearer);
  assert.equal(status, 200, `${query} ${text}`);
  return matches(body).map(({ id }) => id);
}

test('FHR-5 names are found by every part, however they are written', async () => {
  for (const [query, ...found] of [
    ['name=obrien', 'obrien'],
    ['name=O’Brien', 'obrien'],
    ["family=o'brien", 'obrien'],
    ['given=sean', 'obrien'],
    ['name=Liam Seán O’Brien', 'obrien'],
    ["name=O'Brien Liam", 'obrien'],
    ['family=Quinones', 'carreno'],
    ['family=carreño', 'carreno'],
    ['name=jose', 'carreno'],
    ['name=phd', 'carreno'],
    ['name=Atkinson-Lloyd', 'atkinson'],
    ['name=lloyd', 'atkinson'],
    ['name=山田 太郎', 'yamada'],
    ['name=山田\u3000太郎', 'yamada'],
    ['name=山田 花子', 'yamada-wide'],
    ['name=山田', 'yamada', 'yamada-wide'],
    ['name:contains=brie', 'obrien'],
    ['name:exact=Jo Atkinson - Lloyd', 'atkinson'],
    ['name:exact=jo atkinson - lloyd'],
    ['name=brien'],
    ['name=山\u{e0100}田', 'yamada', 'yamada-wide'],
  ] as const) {
    assert.deepEqual(await ids(`Patient?${query}`), found, query);
  }
  const picked = (await endpoint.service.patients('quinones maria')).patients.map(({ id }) => id);
  assert.deepEqual(picked, ['carreno']);
  assert.deepEqual(
    (await endpoint.service.patients('nf-obrien-AB1')).patients.map(({ id }) => id),
    ['obrien'],
  );
});

test('FHR-5 identifiers, accession numbers, addresses and telecoms are found in any case', async () => {
  for (const [query, ...found] of [
    ['Patient?identifier=nf-OBRIEN-ab1', 'obrien'],
    ['Patient?identifier=urn:oid:2.999.1|NF-OBRIEN-AB1', 'obrien'],
    ['Patient?identifier=urn:oid:2.999.9|NF-obrien-Ab1'],
    [`Patient?identifier:of-type=${V2}|MR|nf-obrien-ab1`, 'obrien'],
    [`Patient?identifier:of-type=${V2}|VN|nf-obrien-ab1`],
    ['ImagingStudy?accession=ACC-77B', 's1'],
    ['ImagingStudy?identifier=acc-77b', 's1'],
    ['ImagingStudy?subject:identifier=urn:oid:2.999.1|x1', 's1'],
    ['Patient?email=OBRIEN@example.org', 'obrien'],
    ['Patient?phone=obrien@example.org'],
    ['Patient?address-city=geneve&name=obrien', 'obrien'],
    ['Patient?address=rue de L’EGLISE&name=obrien', 'obrien'],
  ] as const) {
    assert.deepEqual(await ids(query), found, query);
  }
});

test('FHR-5 quantities are compared with their precision and unit; :not and :missing turn the question', async () => {
  for (const [query, ...found] of [
    ['Observation?value-quantity=7.1', 'o1'],
    ['Observation?value-quantity=7', 'o1'],
    ['Observation?value-quantity=gt5', 'o1', 'o3'],
    ['Observation?value-quantity=le5', 'o2'],
    ['Observation?value-quantity=70|http://unitsofmeasure.org|mm', 'o3'],
    ['Observation?value-quantity=70||cm'],
    ['Observation?code:not=A', 'o2'],
    ['Observation?code:not=urn:oid:2.999.2|A,urn:oid:2.999.2|B'],
    ['Observation?value-concept:not=x', 'o1', 'o2', 'o3'],
    ['Observation?encounter:missing=true&code=A', 'o1', 'o3'],
  ] as const) {
    assert.deepEqual(await ids(query), found, query);
  }
});

test('FHR-3 chains and _has ask one step further, of what the caller may search alone', async () => {
  for (const [query, ...found] of [
    ['Observation?patient.name=obrien', 'o1', 'o2'],
    ['Observation?subject:Patient.identifier=NF-CARRENO-AB1', 'o3'],
    ['Observation?performer.name=lab&patient.name=carreno', 'o3'],
    ['Observation?patient.name:contains=brie&code=B', 'o2'],
    ['Patient?_has:Observation:patient:code=A', 'carreno', 'obrien'],
    ['Patient?_has:Observation:patient:code=B', 'obrien'],
    ['Patient?_has:Observation:subject:value-quantity=gt60&name=carreno', 'carreno'],
    ['Organization?_has:Observation:performer:code=B', 'lab'],
  ] as const) {
    assert.deepEqual(await ids(query), found, query);
  }
  const narrow = endpoint.token({ scope: 'user/Observation.rs', user: 'Practitioner/x' });
  assert.equal((await endpoint.get('/Observation?patient.name=obrien', narrow)).status, 403);
  const granular = endpoint.token({
    scope: 'user/Patient.rs user/Observation.rs?code=urn:oid:2.999.2|A',
    user: 'Practitioner/x',
  });
  assert.deepEqual(await ids('Patient?_has:Observation:patient:code=B', granular), []);
  assert.deepEqual(await ids('Patient?_has:Observation:patient:code=A', granular), ['carreno', 'obrien']);
});

test('FHR-3 _revinclude brings what refers to the results', async () => {
  const { body } = await endpoint.get(
    '/Patient?name=obrien&_revinclude=Observation:patient&_revinclude=ImagingStudy:subject',
    all,
  );
  assert.equal(body.total, 1);
  assert.deepEqual(
    included(body)
      .map(({ id }) => id)
      .toSorted(),
    ['o1', 'o2', 's1'],
  );
  const narrow = endpoint.token({
    scope: 'user/Patient.rs user/Observation.r?code=urn:oid:2.999.2|A',
    user: 'Practitioner/x',
  });
  const less = await endpoint.get(
    '/Patient?name=obrien&_revinclude=Observation:patient&_revinclude=ImagingStudy:subject',
    narrow,
  );
  assert.deepEqual(
    included(less.body).map(({ id }) => id),
    ['o1'],
  );
});

test('FHR-3 _summary=true and _elements show what FHIR says, and mark it', async () => {
  const shown = async (query: string) =>
    Object.keys(matches((await endpoint.get(`/Observation?_id=o1&${query}`, all)).body)[0]!);
  const whole = await shown('_summary=false');
  assert.ok(whole.includes('note') && whole.includes('performer'));
  const summary = await shown('_summary=true');
  assert.ok(!summary.includes('note') && summary.includes('valueQuantity') && summary.includes('performer'));
  assert.deepEqual((await shown('_elements=valueQuantity')).toSorted(), [
    'code',
    'id',
    'meta',
    'resourceType',
    'status',
    'valueQuantity',
  ]);
});

test('FHR-3 a read shows what _summary and _elements say, of a version too', async () => {
  const shown = async (query: string, path = '/Observation/o1') =>
    Object.keys((await endpoint.get(`${path}?${query}`, all)).body).filter((name) => name !== 'meta');
  const least = ['resourceType', 'id', 'status', 'code'];
  const whole = await shown('');
  assert.deepEqual((await shown('_elements=valueQuantity')).toSorted(), [...least, 'valueQuantity'].toSorted());
  assert.deepEqual((await shown('_elements=value[x],note')).toSorted(), [...least, 'valueQuantity', 'note'].toSorted());
  assert.deepEqual((await shown('_summary=text')).toSorted(), least.toSorted());
  assert.deepEqual(await shown('_summary=false'), whole);
  const version = await shown('_elements=note', '/Observation/o1/_history/1');
  assert.deepEqual(version.toSorted(), [...least, 'note'].toSorted());
  const { body } = await endpoint.get('/Observation/o1?_summary=true', all);
  assert.equal(body.meta.tag.at(-1).code, 'SUBSETTED');
});

test('FHR-5 elements that are none, or that the type lacks, are refused by name: in searches, reads, forms and Bundles', async () => {
  for (const elements of [
    '',
    ',',
    'status,',
    'status,,code',
    ' ',
    'shoeSize',
    'status,shoeSize',
    'code.coding',
    'Observation.code',
    'valueShoe',
  ]) {
    const query = new URLSearchParams({ _elements: elements }).toString();
    for (const path of [`/Observation?${query}`, `/Observation/o1?${query}`, `/Observation?_elements=code&${query}`]) {
      const { status, body } = await endpoint.get(path, all);
      assert.deepEqual([status, body.resourceType], [400, 'OperationOutcome'], path);
    }
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    assert.equal((await endpoint.send('POST', '/Observation/_search', all, query, form)).status, 400, query);
    const entry = [{ request: { method: 'GET', url: `Observation/o1?${query}` } }];
    const { body } = await endpoint.send('POST', '', all, { resourceType: 'Bundle', type: 'batch', entry });
    assert.equal(body.entry[0].response.status, '400', query);
  }
  for (const summary of ['', 'all', 'count']) {
    assert.equal((await endpoint.get(`/Observation/o1?_summary=${summary}`, all)).status, 400, summary);
  }
});

test('FHR-2 the audit record names whose data was read, however little of it is shown, in Bundles too', async () => {
  const last = () => endpoint.audits.at(-1)?.patients;
  for (const query of [
    '/Observation?_id=o1&_elements=status',
    '/Observation?_id=o1&_summary=text',
    '/Observation/o1?_elements=status',
  ]) {
    await endpoint.get(query, all);
    assert.deepEqual(last(), ['obrien'], query);
  }
  const observation = {
    resourceType: 'Observation',
    status: 'final',
    code: { text: 'x' },
    subject: { reference: 'Patient/obrien' },
  };
  for (const request of [
    { method: 'GET', url: 'Observation?_id=o1&_elements=status' },
    { method: 'GET', url: 'Observation/o1?_elements=status' },
    { method: 'HEAD', url: 'Observation/o1' },
    { method: 'POST', url: 'Observation' },
    { method: 'PUT', url: 'Observation/audited' },
    { method: 'DELETE', url: 'Observation/audited' },
  ]) {
    for (const type of ['batch', 'transaction']) {
      if (request.method === 'DELETE') await put('Observation', 'audited', observation);
      const id = request.method === 'PUT' && { id: 'audited' };
      const entry = [{ request, ...(/^P/.test(request.method) && { resource: { ...observation, ...id } }) }];
      const headers = { prefer: 'return=minimal' };
      const { status, text } = await endpoint.send('POST', '', all, { resourceType: 'Bundle', type, entry }, headers);
      assert.equal(status, 200, text);
      assert.deepEqual(last(), ['obrien'], `${type} ${request.method} ${request.url}`);
      if (request.method === 'PUT') await endpoint.send('DELETE', '/Observation/audited', all);
    }
  }
  for (const { id } of matches((await endpoint.get('/Observation?code:text=x&_elements=code', all)).body))
    await endpoint.send('DELETE', `/Observation/${id}`, all);
});

test('FHR-3 a history is paged by _count and begins at _since', async () => {
  for (const n of [2, 3, 4]) {
    endpoint.clock.time += 60_000;
    await endpoint.send('PUT', '/Organization/lab', all, {
      resourceType: 'Organization',
      id: 'lab',
      name: `Laboratory ${n}`,
    });
  }
  const versions = (body: { entry: { response: { etag: string } }[] }) =>
    body.entry.map(({ response }) => response.etag);
  const first = await endpoint.get('/Organization/lab/_history?_count=3', all);
  assert.deepEqual([first.body.total, versions(first.body)], [4, ['W/"4"', 'W/"3"', 'W/"2"']]);
  const next = first.body.link.find(({ relation }: { relation: string }) => relation === 'next').url;
  assert.deepEqual(versions((await endpoint.get(next, all)).body), ['W/"1"']);
  const since = new Date(endpoint.clock.time - 60_000).toISOString();
  assert.deepEqual(versions((await endpoint.get(`/Organization/lab/_history?_since=${since}`, all)).body), [
    'W/"4"',
    'W/"3"',
  ]);
  for (const query of ['_count=x', '_since=2026', '_since=now', '_at=2026', '_page=0', '_sort=x']) {
    assert.equal((await endpoint.get(`/Organization/lab/_history?${query}`, all)).status, 400, query);
  }
});

test('FHR-3 Patient/$everything holds the compartment and what it refers to, by page, type and time', async () => {
  const page = async (query: string, bearer = all) =>
    (await endpoint.get(`/Patient/obrien/$everything${query}`, bearer)).body;
  const keys = (body: { entry?: { fullUrl: string }[] }) =>
    (body.entry ?? []).map(({ fullUrl }) => fullUrl.slice(BASE.length + 1));
  const everything = ['Patient/obrien', 'Observation/o1', 'Observation/o2', 'ImagingStudy/s1', 'Organization/lab'];
  assert.deepEqual(keys(await page('')), everything);
  const seen: string[] = [];
  for (let body = await page('?_count=2'); ; ) {
    seen.push(...keys(body));
    const next = body.link.find(({ relation }: { relation: string }) => relation === 'next');
    if (!next) break;
    body = (await endpoint.get(next.url, all)).body;
  }
  assert.deepEqual(seen, everything);
  assert.deepEqual(keys(await page('?_type=Observation')), ['Observation/o1', 'Observation/o2']);
  assert.deepEqual(keys(await page(`?_since=${new Date(endpoint.clock.time).toISOString()}`)), ['Organization/lab']);
  const narrow = endpoint.token({
    scope: 'patient/Patient.r patient/Observation.r?code=urn:oid:2.999.2|A',
    patient: 'obrien',
  });
  assert.deepEqual(keys(await page('', narrow)), ['Patient/obrien', 'Observation/o1']);
  assert.equal((await endpoint.get('/Patient/carreno/$everything', narrow)).status, 403);
  assert.equal((await endpoint.get('/Patient/nobody/$everything', all)).status, 404);
  assert.equal((await endpoint.get('/Patient/obrien/$everything?start=soon', all)).status, 400);
  const asked = (parameter: object[]) =>
    endpoint.send('POST', '/Patient/obrien/$everything', all, { resourceType: 'Parameters', parameter } as never);
  const few = await asked([
    { name: '_type', valueCode: 'Observation' },
    { name: '_count', valueInteger: 1 },
  ]);
  assert.deepEqual(keys(few.body), ['Observation/o1']);
  assert.deepEqual(keys((await asked([])).body), everything);
  assert.deepEqual(keys((await endpoint.send('POST', '/Patient/obrien/$everything', all)).body), everything);
  for (const wrong of [
    [{ name: 'shoeSize', valueInteger: 43 }],
    [{ name: '_count' }],
    [{ name: '_count', valueInteger: 1, valueString: '1' }],
    [{ name: '_type', valueCoding: { code: 'Observation' } }],
    [{ valueInteger: 1 }],
    [{ name: '_count', resource: { resourceType: 'Patient' } }],
  ]) {
    assert.equal((await asked(wrong)).status, 400, JSON.stringify(wrong));
  }
});

test('FHR-3 Patient/$everything with a start or an end holds what tells of care in that time, and what has no time', async () => {
  await put('Patient', 'cared', { name: [{ family: 'Cared' }], birthDate: '1950-01-01' });
  const subject = { reference: 'Patient/cared' };
  const observed = { status: 'final', code: { text: 'x' }, subject };
  for (const [type, id, elements] of [
    ['Observation', 'day', { ...observed, effectiveDateTime: '2024-03-05T10:00:00Z', issued: '2026-01-01T00:00:00Z' }],
    ['Observation', 'month', { ...observed, effectiveDateTime: '2024-03' }],
    ['Observation', 'span', { ...observed, effectivePeriod: { start: '2023-01-01', end: '2024-03-10' } }],
    ['Observation', 'open', { ...observed, effectivePeriod: { start: '2025-01-01' } }],
    ['Observation', 'undated', observed],
    ['Condition', 'lasting', { subject, onsetDateTime: '2020', code: { text: 'x' }, recordedDate: '2026-01-01' }],
    [
      'Condition',
      'over',
      {
        ...{ subject, onsetDateTime: '2020', abatementDateTime: '2021-02', code: { text: 'x' } },
        clinicalStatus: {
          coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'resolved' }],
        },
      },
    ],
    ['ImagingStudy', 'imaged', { status: 'available', subject, started: '2024-03-20' }],
  ] as const) {
    await put(type, id, elements);
  }
  const always = ['cared', 'undated'];
  for (const [query, expected] of [
    ['', ['day', 'month', 'span', 'open', 'lasting', 'over', 'imaged']],
    ['start=2024-03-05&end=2024-03-05', ['day', 'month', 'span', 'lasting']],
    ['start=2024-03-11&end=2024-03-31', ['month', 'lasting', 'imaged']],
    ['start=2024-04', ['open', 'lasting']],
    ['end=2023', ['span', 'lasting', 'over']],
    ['end=2019', []],
    ['start=2021-02-28&end=2021-02-28', ['lasting', 'over']],
  ] as const) {
    const seen: string[] = [];
    for (let url = `/Patient/cared/$everything?_count=2&${query}`; ; ) {
      const { body } = await endpoint.get(url, all);
      seen.push(...(body.entry ?? []).map(({ resource }: { resource: { id: string } }) => resource.id));
      const next = body.link.find(({ relation }: { relation: string }) => relation === 'next');
      if (!next) break;
      url = next.url;
    }
    assert.deepEqual(seen.sort(), [...always, ...expected].sort(), query);
  }
  const parameter = [
    { name: 'start', valueDate: '2024-03-11' },
    { name: 'end', valueDate: '2024-03-31' },
  ];
  const asked = { resourceType: 'Parameters', parameter };
  const { body } = await endpoint.send('POST', '/Patient/cared/$everything', all, asked as never);
  assert.equal(body.entry.length, 5);
  for (const wrong of ['start=', 'start=2024-02-30', 'start=2026&end=2025', 'end=x', 'end=2024-01-01T00:00:00Z'])
    assert.equal((await endpoint.get(`/Patient/cared/$everything?${wrong}`, all)).status, 400, wrong);
});
