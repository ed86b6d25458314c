import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BASE, type Endpoint, included, matches, NOW, startEndpoint } from './harness.ts';

let endpoint: Endpoint;
let all: string;
before(async () => {
  endpoint = await startEndpoint();
  await endpoint.service.seedSampleData();
  all = endpoint.token({ scope: 'system/*.cruds' });
});
after(() => endpoint.close());

const ids = async (query: string): Promise<string[]> => {
  const { status, body } = await endpoint.get(query, all);
  assert.equal(status, 200, `${query}: ${JSON.stringify(body)}`);
  assert.equal(body.resourceType, 'Bundle');
  assert.equal(body.type, 'searchset');
  const found = matches(body).map(({ id }) => id);
  assert.equal(body.total, found.length, query);
  return found;
};

test('FHR-3 patients are found by name, birth date, identifier and gender', async () => {
  assert.deepEqual(await ids('/Patient?name=quis'), ['rosa-quispe']);
  assert.deepEqual(await ids('/Patient?family=fernandez'), ['mateo-fernandez']);
  assert.deepEqual(await ids('/Patient?given=james'), ['arthur-bellweather']);
  assert.deepEqual(await ids("/Patient?family=O'Brien"), ['liam-obrien']);
  assert.deepEqual(await ids('/Patient?birthdate=1944-12-19'), ['walter-pruitt']);
  assert.deepEqual(await ids('/Patient?birthdate=lt1945'), ['walter-pruitt']);
  assert.deepEqual(await ids('/Patient?birthdate=ge1983&birthdate=lt1990&gender=female'), [
    'priya-raman',
    'sofia-marchetti',
  ]);
  assert.deepEqual(await ids('/Patient?identifier=NF-204417'), ['amara-diallo']);
  assert.deepEqual(await ids('/Patient?identifier=http://northfield.example.org/ids/mrn|NF-204417'), ['amara-diallo']);
  assert.deepEqual(await ids('/Patient?identifier=http://other.example/mrn|NF-204417'), []);
  assert.equal((await ids('/Patient?identifier=http://northfield.example.org/ids/mrn|')).length, 13);
  assert.deepEqual(await ids('/Patient?_id=kofi-mensah,yuki-sato,nobody'), ['kofi-mensah', 'yuki-sato']);
});

test('FHR-3 patient and subject take an id, Type/id and the absolute URL', async () => {
  const expected = await ids('/DiagnosticReport?patient=amara-diallo');
  assert.equal(expected.length, 2);
  for (const name of ['patient', 'subject', 'subject:Patient']) {
    for (const value of ['amara-diallo', 'Patient/amara-diallo', `${BASE}/Patient/amara-diallo`]) {
      assert.deepEqual(await ids(`/DiagnosticReport?${name}=${value}`), expected, `${name}=${value}`);
    }
  }
  assert.deepEqual(await ids('/DiagnosticReport?patient=https://other.example/fhir/Patient/amara-diallo'), []);
  assert.deepEqual(await ids('/DiagnosticReport?patient=Group/amara-diallo'), []);
});

test('FHR-3 code, category, status, date, encounter, based-on, accession and started select', async () => {
  assert.deepEqual(await ids('/Observation?code=http://loinc.org|2857-1'), ['arthur-bellweather-2026-04-2857-1']);
  assert.equal((await ids('/Observation?patient=kofi-mensah&category=imaging')).length, 5);
  assert.equal((await ids('/DiagnosticReport?status=preliminary,registered')).length, 2);
  assert.deepEqual(await ids('/DiagnosticReport?patient=amara-diallo&date=ge2026-03'), [
    'amara-diallo-2026-05-ct-chest',
  ]);
  assert.deepEqual(await ids('/ImagingStudy?encounter=Encounter/walter-pruitt-2026-05'), [
    'walter-pruitt-2026-05-ct-head',
  ]);
  assert.deepEqual(await ids('/ImagingStudy?basedon=ServiceRequest/walter-pruitt-2026-05-ct-head'), [
    'walter-pruitt-2026-05-ct-head',
  ]);
  assert.deepEqual(await ids('/DiagnosticReport?based-on=walter-pruitt-2026-05-ct-head'), [
    'walter-pruitt-2026-05-ct-head',
  ]);
  assert.deepEqual(await ids('/ImagingStudy?accession=NF26-002052'), ['walter-pruitt-2026-05-ct-head']);
  assert.deepEqual(await ids('/ImagingStudy?identifier=NF26-002052'), ['walter-pruitt-2026-05-ct-head']);
  assert.deepEqual(await ids('/ImagingStudy?identifier=urn:dicom:uid|urn:oid:2.999.7.26.6.1'), [
    'walter-pruitt-2026-05-ct-head',
  ]);
  assert.deepEqual(await ids('/ImagingStudy?accession=urn:oid:2.999.7.26.6.1'), []);
  assert.deepEqual(await ids('/ImagingStudy?modality=PT&started=2026-04'), ['kofi-mensah-2026-04-pet-ct']);
  assert.equal((await ids('/Condition?clinical-status=resolved')).length, 1);
  assert.equal((await ids('/Encounter?status=in-progress')).length, 2);
  assert.equal((await ids('/Practitioner?name=okafor')).length, 1);
});

test('FHR-3 _lastUpdated takes prefixes', async () => {
  const path = '/Organization/late';
  endpoint.clock.time = NOW + 60_000;
  await endpoint.send('PUT', path, all, { resourceType: 'Organization', id: 'late', name: 'Late' });
  endpoint.clock.time = NOW;
  assert.deepEqual(await ids(`/Organization?_lastUpdated=gt${new Date(NOW).toISOString()}`), ['late']);
  assert.ok(!(await ids(`/Organization?_lastUpdated=le${new Date(NOW).toISOString()}`)).includes('late'));
  assert.ok((await ids('/Organization?_lastUpdated=2026-06-01')).includes('late'));
  for (const plus of ['+', '%2B']) {
    assert.deepEqual(await ids(`/Organization?_lastUpdated=gt2026-06-01T10:00:00${plus}02:00`), ['late'], plus);
  }
});

test('FHR-5 a reference is searched by a type that it can have, and by no other', async () => {
  for (const [query, status] of [
    ['patient:Patient=kofi-mensah', 200],
    ['subject:Patient=kofi-mensah', 200],
    ['patient:Device=x', 400],
    ['subject:Shoe=x', 400],
    ['subject:patient=x', 400],
    ['based-on:Observation=x', 400],
    ['based-on:ServiceRequest=x', 200],
  ] as const) {
    assert.equal((await endpoint.get(`/Observation?${query}`, all)).status, status, query);
  }
});

test('FHR-3 POST _search reads the form, and the query with it', async () => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const form = await endpoint.send(
    'POST',
    '/Observation/_search',
    all,
    'patient=kofi-mensah&category=laboratory',
    headers,
  );
  assert.equal(form.status, 200);
  assert.equal(form.body.total, 9);
  const both = await endpoint.send('POST', '/Observation/_search?patient=kofi-mensah', all, 'code=2532-0', headers);
  assert.equal(both.body.total, 2);
  const none = await endpoint.send('POST', '/Patient/_search', all, '', headers);
  assert.equal(none.body.total, 13);
  const json = await endpoint.send('POST', '/Patient/_search', all, {});
  assert.equal(json.status, 415);
});

test('FHR-3 pages hold _count resources, next leads through all of them once, first leads back', async () => {
  const { body: whole } = await endpoint.get('/Observation?_count=500', all);
  const seen: string[] = [];
  let link: string | undefined = `${BASE}/Observation?_count=25&_sort=-date`;
  let pages = 0;
  while (link) {
    const { body } = await endpoint.get(link, all);
    assert.ok(matches(body).length <= 25);
    assert.equal(body.total, whole.total);
    seen.push(...matches(body).map(({ id }) => id));
    const links = new Map<string, string>(
      body.link.map(({ relation, url }: { relation: string; url: string }) => [relation, url]),
    );
    assert.equal(links.get('self'), link);
    assert.equal(links.has('first'), pages > 0);
    link = links.get('next');
    pages += 1;
  }
  assert.equal(pages, Math.ceil(whole.total / 25));
  assert.equal(new Set(seen).size, seen.length);
  assert.deepEqual(
    seen.toSorted(),
    matches(whole).map(({ id }) => id),
  );
});

test('FHR-3 a page stays right when resources come and go in between', async () => {
  const first = await endpoint.get('/Condition?_count=5', all);
  const shown = matches(first.body).map(({ id }) => id);
  await endpoint.send('DELETE', `/Condition/${shown[0]}`, all);
  await endpoint.send('DELETE', `/Condition/${shown[4]}`, all);
  const next = first.body.link.find(({ relation }: { relation: string }) => relation === 'next').url;
  const second = matches((await endpoint.get(next, all)).body).map(({ id }) => id);
  assert.equal(second.length, 5);
  assert.ok(second[0]! > shown[4]!);
});

test('FHR-3 a page that no link held is refused', async () => {
  for (const page of ['x', '', btoa('[1]'), btoa('{}'), btoa('["a","b"]'), '5']) {
    assert.equal((await endpoint.get(`/Patient?_page=${encodeURIComponent(page)}`, all)).status, 400, page);
  }
});

test('FHR-3 _sort orders up and down, by several parameters, what lacks a value last', async () => {
  const byBirth = await ids('/Patient?_sort=birthdate');
  assert.equal(byBirth[0], 'walter-pruitt');
  assert.equal(byBirth.at(-1), 'yuki-sato');
  assert.deepEqual(await ids('/Patient?_sort=-birthdate'), byBirth.toReversed());
  const byGender = await ids('/Patient?_sort=gender,family');
  assert.deepEqual(byGender.slice(0, 2), ['amara-diallo', 'hannah-kowalczyk']);
  const issued = await ids('/DiagnosticReport?_sort=issued&_count=100');
  assert.equal(issued.at(-1), 'george-tan-2026-05-xr-chest-2');
  assert.equal((await ids('/DiagnosticReport?_sort=-issued')).at(-1), 'george-tan-2026-05-xr-chest-2');
  assert.equal((await endpoint.get('/Patient?_sort=shoe-size', all)).status, 400);
});

test('FHR-3 _include brings what results refer to, once, and does not count it', async () => {
  const query = '/DiagnosticReport?patient=amara-diallo';
  const names = ['subject', 'imaging-study', 'result', 'encounter', 'performer', 'results-interpreter', 'based-on'];
  const { body } = await endpoint.get(
    `${query}&${names.map((name) => `_include=DiagnosticReport:${name}`).join('&')}`,
    all,
  );
  assert.equal(body.total, 2);
  const types = included(body).map(({ resourceType }) => resourceType);
  const count = (type: string) => types.filter((one) => one === type).length;
  assert.deepEqual(
    ['Patient', 'ImagingStudy', 'Observation', 'Encounter', 'Organization', 'Practitioner', 'ServiceRequest'].map(
      count,
    ),
    [1, 2, 4, 2, 1, 1, 2],
  );
  const wild = await endpoint.get('/ImagingStudy?patient=amara-diallo&_include=ImagingStudy:*', all);
  assert.ok(included(wild.body).some(({ resourceType }) => resourceType === 'Endpoint'));
  const typed = await endpoint.get(`${query}&_include=DiagnosticReport:performer:Practitioner`, all);
  assert.equal(included(typed.body).length, 0);
});

test('FHR-3 _summary=count, _count=0, _total and _elements shape the answer', async () => {
  for (const query of ['/Patient?_summary=count', '/Patient?_count=0']) {
    const { body } = await endpoint.get(query, all);
    assert.deepEqual([body.total, body.entry], [13, undefined], query);
  }
  assert.equal('total' in (await endpoint.get('/Patient?_total=none', all)).body, false);
  const told = { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">Late</div>' };
  const place = { resourceType: 'Organization', id: 'told', text: told, name: 'Told', active: true };
  await endpoint.send('PUT', '/Organization/told', all, place);
  const shown = async (form: string) =>
    Object.keys(matches((await endpoint.get(`/Organization?_id=told&${form}`, all)).body)[0]!).toSorted();
  assert.deepEqual(await shown('_summary=text'), ['id', 'meta', 'resourceType', 'text']);
  assert.deepEqual(await shown('_summary=data'), ['active', 'id', 'meta', 'name', 'resourceType']);
  assert.deepEqual(await shown('_summary=false'), ['active', 'id', 'meta', 'name', 'resourceType', 'text']);
  await endpoint.send('DELETE', '/Organization/told', all);
  const { body } = await endpoint.get('/Patient?_id=kofi-mensah&_elements=birthDate,name', all);
  const [patient] = matches(body);
  assert.deepEqual(Object.keys(patient!).toSorted(), ['birthDate', 'id', 'meta', 'name', 'resourceType']);
  assert.equal((patient as unknown as { meta: { tag: { code: string }[] } }).meta.tag[0]?.code, 'SUBSETTED');
});

test('FHR-5 unknown parameters are refused by name, or left out and named where the client allows that', async () => {
  for (const name of [
    'shoe-size',
    'probability',
    'phonetic',
    '_text',
    '_content',
    '_filter',
    '_list',
    '_tag',
    'deceased',
  ]) {
    const strict = await endpoint.get(`/Patient?family=Sato&${name}=43`, all);
    assert.equal(strict.status, 400, name);
    assert.ok(strict.body.issue[0].diagnostics.includes(name), strict.text);
    const lenient = await endpoint.get(`/Patient?family=Sato&${name}=43`, all, { prefer: 'handling=lenient' });
    assert.equal(lenient.body.total, 1);
    assert.equal(lenient.body.link[0].url, `${BASE}/Patient?family=Sato`);
    const [, note] = lenient.body.entry;
    assert.equal(note.search.mode, 'outcome');
    assert.ok(note.resource.issue[0].diagnostics.includes(name));
  }
});

test('FHR-3 what would widen a search when ignored is refused', async () => {
  const queries = [
    'Observation?code:in=http://example.org/vs',
    'Observation?patient.organization.name=x',
    'Observation?patient.shoe-size=x',
    'Observation?code.text=x',
    'Observation?encounter:Patient.name=x',
    'Patient?_has:Observation:patient:_has:Provenance:target:agent=x',
    'Patient?_has:Observation:encounter:code=x',
    'Patient?_has:Nothing:patient:code=x',
    'Patient?_has:Observation:patient',
    'Patient?_revinclude=Observation:code',
    'Patient?_revinclude=Nothing:patient',
    'Patient?_revinclude:iterate=Observation:patient',
    'Patient?name=-',
    'Patient?identifier:of-type=x',
    'Observation?value-quantity=high',
    'Observation?value-quantity=1|x',
    `Patient?_sort=${'name,'.repeat(8)}name`,
    `Patient?_id=${'a,'.repeat(300)}a`,
    `Observation?${'_include=Observation:patient&'.repeat(21)}`,
    'Patient?_filter=name eq x',
    'Patient?_query=x',
    'Patient?_text=x',
    'Patient?_content=x',
    'Patient?_list=x',
    'Patient?_tag=x',
    'Patient?_profile=x',
    'Patient?_security=x',
    'Observation?_include=Patient:organization',
    'Observation?_include=Observation:nothing',
    'Observation?_include=*',
    'Observation?_include:iterate=Observation:patient',
    'Patient?birthdate=ap1980',
    'Patient?birthdate=tomorrow',
    'Patient?_lastUpdated=x',
    'Patient?_count=-1',
    'Patient?_count=many',
    'Patient?_count=1e3',
    'Patient?_total=guess',
    'Patient?name=',
    `Patient?${'name=a&'.repeat(61)}`,
  ];
  for (const query of queries) {
    const { status, body } = await endpoint.get(`/${query}`, all);
    assert.equal(status, 400, query);
    assert.equal(body.resourceType, 'OperationOutcome', query);
  }
});

test('FHR-3 the service finds patients and encounters for pickers', async () => {
  const { service } = endpoint;
  const { patients: everybody, next } = await service.patients('');
  assert.equal(next, undefined);
  assert.equal(everybody.length, 13);
  assert.deepEqual(
    everybody.slice(0, 2).map(({ name }) => name),
    ['Arthur James Bellweather', 'Amara Diallo'],
  );
  assert.equal((await service.patients('', { limit: 3 })).patients.length, 3);
  const [found] = (await service.patients('fern mat')).patients;
  assert.equal(found?.id, 'mateo-fernandez');
  assert.equal(found?.identifier, 'NF-267708');
  assert.equal((await service.patients('NF-2677')).patients[0]?.id, 'mateo-fernandez');
  assert.equal((await service.patients('1979-01-25')).patients[0]?.id, 'mateo-fernandez');
  assert.deepEqual(await service.patients('nobody at all'), { patients: [] });
  const visits = await service.encounters('amara-diallo');
  assert.deepEqual(
    visits.map(({ id }) => id),
    ['amara-diallo-2026-05', 'amara-diallo-2026-01'],
  );
  assert.equal(visits[0]?.label, 'Chest clinic follow-up');
  assert.equal((await service.read('Patient', 'amara-diallo'))?.birthDate, '1961-03-14');
  assert.equal(await service.read('Patient', 'nobody'), undefined);
  assert.equal((await service.search('ImagingStudy', { patient: 'kofi-mensah' })).total, 2);
  await assert.rejects(service.search('ImagingStudy', { shoe: '43' }), { status: 400 });
});
