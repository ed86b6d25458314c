/** Servers that are right about FHIR and unlike the usual one: other links, other search parameters, other ways to write addresses. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request, type ServerResponse } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { BASE, type Gateway, keys, type StandIn, startGateway, startStandIn } from './harness.ts';

const interaction = ['read', 'vread', 'search-type', 'create', 'update', 'delete', 'history-instance'].map((code) => ({
  code,
}));
const searching = (...names: string[]) => names.map((name) => ({ name }));
const CAPABILITIES = {
  resourceType: 'CapabilityStatement',
  status: 'active',
  fhirVersion: '4.0.1',
  rest: [
    { mode: 'client', resource: [{ type: 'Basic', interaction }] },
    {
      mode: 'server',
      searchParam: searching('_tag'),
      resource: [
        { type: 'Patient', interaction, searchParam: searching('name') },
        { type: 'Observation', interaction, searchParam: searching('subject', 'code') },
        { type: 'Coverage', interaction, searchParam: searching('beneficiary') },
        { type: 'Task', interaction, searchParam: searching('subject') },
        { type: 'AllergyIntolerance', interaction, searchParam: searching('code') },
      ],
    },
  ],
};
const observation = (id: string, patient = 'p1') => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { text: 'x' },
  subject: { reference: `Patient/${patient}` },
});
const page = (entry: object[], more: object = {}) => ({ resourceType: 'Bundle', type: 'searchset', entry, ...more });

let standIn: StandIn;
let gateway: Gateway;
let own: string;
let all: string;
interface Asked {
  readonly method: string;
  readonly url: string;
  readonly body: string;
  readonly prefer: string | undefined;
}
let asked: Asked[] = [];
let answer: (response: ServerResponse, request: Asked) => void;

before(async () => {
  standIn = await startStandIn();
  gateway = await startGateway(standIn.base);
  own = gateway.token({ scope: 'patient/*.cruds', patient: 'p1' });
  all = gateway.token({ scope: 'system/*.cruds' });
  standIn.answer = ({ url = '', method = '', headers }, response, body) => {
    if (url === '/r4/metadata') return fhir(response, CAPABILITIES);
    const request = { method, url, body, prefer: headers.prefer?.toString() };
    asked.push(request);
    answer(response, request);
  };
});
beforeEach(() => {
  asked = [];
  answer = (response) => fhir(response, page([]));
});
after(async () => {
  await gateway.close();
  await standIn.close();
});

function fhir(response: ServerResponse, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/fhir+json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

/** `fetch` would resolve the names of folders in an address itself. */
async function statusOf(method: string, path: string, bearer: string, body?: string): Promise<number | undefined> {
  const { hostname, port, pathname } = new URL(gateway.local);
  const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/fhir+json' };
  const sent = request({ hostname, port, method, path: pathname + path, headers }).end(body);
  const [response] = await once(sent, 'response');
  response.resume();
  return response.statusCode;
}

test('FHR-3 links to further pages may be written in every way that leads to the server', async () => {
  const origin = new URL(standIn.base).origin;
  for (const [path, url, wanted] of [
    ['/Observation', `${standIn.base}/Observation?page=2`, '/r4/Observation?page=2'],
    ['/Observation', `${origin.toUpperCase()}/r4/Observation?page=2`, '/r4/Observation?page=2'],
    ['/Observation', `${standIn.base}?_getpages=7&n=2`, '/r4?_getpages=7&n=2'],
    ['/Observation', 'Observation?page=2', '/r4/Observation?page=2'],
    ['/Observation', '/r4/Observation?page=2', '/r4/Observation?page=2'],
    ['/Observation', '?page=2', '/r4/Observation?page=2'],
    ['/Observation', './Observation/_page/2', '/r4/Observation/_page/2'],
    ['/Observation/o1/_history', 'Observation/o1/_history?page=2', '/r4/Observation/o1/_history?page=2'],
    ['/Observation/o1/_history', '?page=2', '/r4/Observation/o1/_history?page=2'],
  ] as const) {
    answer = (response, request) =>
      request.url === '/r4/Observation/o1'
        ? fhir(response, observation('o1'))
        : fhir(response, page([], { link: [{ relation: 'next', url }] }));
    const { body, status } = await gateway.get(path, all);
    assert.equal(status, 200, url);
    const next = body.link.find(({ relation }: { relation: string }) => relation === 'next');
    assert.ok(next.url.startsWith(`${BASE}${path}?_page=`), next.url);
    assert.equal((await gateway.get(next.url, all)).status, 200, url);
    assert.equal(asked.at(-1)?.url, wanted, url);
  }
  for (const url of [
    '',
    '//elsewhere.example/r4/Observation?page=2',
    '/r4x/Observation',
    '/admin',
    '../admin',
    '/r4/../admin',
    `http://user:secret@${new URL(standIn.base).host}/r4/Observation`,
    'https:',
    'urn:uuid:2d3c',
  ]) {
    answer = (response) => fhir(response, page([], { link: [{ relation: 'next', url }] }));
    assert.equal((await gateway.get('/Observation', all)).status, 502, url);
  }
});

test('FHR-3 an entry is known by its address however that is written; one of elsewhere is left out, and that is said', async () => {
  const here = `${standIn.base}/Observation/o1`;
  const entry = (fullUrl?: string) => ({ resource: observation('o1'), ...(fullUrl !== undefined && { fullUrl }) });
  for (const fullUrl of [
    undefined,
    here,
    here.replace('http:', 'HTTP:'),
    `${here}/_history/3`,
    'Observation/o1',
    'urn:uuid:1',
  ]) {
    answer = (response) => fhir(response, page([entry(fullUrl)], { total: 1 }));
    const { body } = await gateway.get('/Observation', own);
    assert.deepEqual([keys(body), body.total], [['Observation/o1'], 1], fullUrl);
  }
  for (const fullUrl of ['https://elsewhere.example/r4/Observation/o1', `${standIn.base}/Observation/o2`, 'o1', '']) {
    answer = (response) => fhir(response, page([entry(here), entry(fullUrl)], { total: 2 }));
    const { body, text } = await gateway.get('/Observation', own);
    assert.deepEqual([body.entry.length, body.total], [2, undefined], fullUrl);
    const { resource, search } = body.entry[1];
    assert.deepEqual(
      [resource.issue[0].code, resource.issue[0].severity, search.mode],
      ['incomplete', 'warning', 'outcome'],
    );
    assert.ok(!text.includes('elsewhere.example'));
  }
});

test('FHR-2 addresses with escaped slashes are the server’s too: Lockstep’s clients see its own', async () => {
  const escaped = standIn.base.replaceAll('/', '\\/');
  const text = JSON.stringify(observation('o1')).replace('"Patient/p1"', `"${escaped}\\/Patient\\/p1"`);
  assert.ok(text.includes(`"${escaped}\\/Patient`));
  answer = (response) => fhir(response, text);
  const found = await gateway.get('/Observation/o1', own);
  assert.deepEqual([found.status, found.body.subject.reference], [200, `${BASE}/Patient/p1`]);
  answer = (response) => fhir(response, `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":${text}}]}`);
  assert.deepEqual(keys((await gateway.get('/Observation', own)).body), ['Observation/o1']);
});

test('FHR-2 a patient’s resources are searched by the parameter that the server has; without any the search is refused', async () => {
  for (const [type, query] of [
    ['Observation', 'subject=Patient%2Fp1'],
    ['Coverage', 'beneficiary=Patient%2Fp1'],
    ['Task', 'subject=Patient%2Fp1'],
    ['Patient', '_id=p1'],
  ]) {
    assert.equal((await gateway.get(`/${type}`, own)).status, 200, type);
    assert.equal(asked.at(-1)?.url, `/r4/${type}?${query}`);
  }
  const before = asked.length;
  const { status, body } = await gateway.get('/AllergyIntolerance', own);
  assert.deepEqual([status, body.issue[0].code], [403, 'not-supported']);
  assert.equal(asked.length, before);
  assert.equal((await gateway.get('/AllergyIntolerance', all)).status, 200);
});

test('DIS-4 search parameters that the server has for all types count for each', async () => {
  assert.equal((await gateway.get('/Observation?_tag=x', own)).status, 200);
  assert.equal(asked.at(-1)?.url, '/r4/Observation?_tag=x&subject=Patient%2Fp1');
  assert.equal((await gateway.get('/Observation?_security=x', own)).status, 400);
  assert.equal((await gateway.get('/Basic/x', all)).status, 404, 'what it does as a client is nothing that it serves');
  const { body } = await gateway.get('/metadata');
  assert.deepEqual(body.rest[0].searchParam, [{ name: '_tag' }]);
});

test('FHR-5 the server is asked to refuse what it does not know, unless the client allows that it is left out', async () => {
  await gateway.get('/Observation?code=x', own);
  assert.equal(asked.at(-1)?.prefer, 'handling=strict');
  await gateway.get('/Observation?code=x', own, { prefer: 'handling=lenient' });
  assert.equal(asked.at(-1)?.prefer, 'handling=lenient');
});

test('FHR-3 a search that is too long for an address goes as a form, narrowed all the same', async () => {
  const ids = Array.from({ length: 200 }, (_, n) => `observation-${n}`.padEnd(30, '-'));
  answer = (response) => fhir(response, page([{ resource: observation('o1') }, { resource: observation('o2', 'p2') }]));
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const { status, body } = await gateway.send('POST', '/Observation/_search', own, `_id=${ids.join(',')}`, form);
  assert.deepEqual([status, keys(body)], [200, ['Observation/o1']]);
  const [{ method, url, body: sent } = assert.fail('it was not asked')] = asked;
  assert.deepEqual([method, url], ['POST', '/r4/Observation/_search']);
  const params = new URLSearchParams(sent);
  assert.deepEqual([params.get('_id'), params.get('subject')], [ids.join(','), 'Patient/p1']);
  answer = (response) => void response.writeHead(414).end();
  assert.equal((await gateway.get('/Observation', own)).status, 414);
});

test('FHR-3 answers may come in pieces, without a length, with a parameter behind their type', async () => {
  answer = (response) => {
    response.writeHead(200, { 'content-type': 'application/json;fhirVersion=4.0;charset="UTF-8"' });
    const text = JSON.stringify(page([{ resource: { ...observation('o1'), note: [{ text: 'ü😀' }] } }]));
    for (const byte of Buffer.from(text)) response.write(Buffer.of(byte));
    response.end();
  };
  const { body } = await gateway.get('/Observation', own);
  assert.equal(body.entry[0].resource.note[0].text, 'ü😀');
});

test('FHR-3 ids with dots go through; the names of folders are no ids', async () => {
  answer = (response) => fhir(response, observation('1.2.840..4'));
  assert.equal((await gateway.get('/Observation/1.2.840..4', own)).status, 200);
  const before = asked.length;
  const paths = [
    '/Observation/..',
    '/Observation/%2e%2E',
    '/Observation/%2e',
    '/Observation/o1/_history/%2e%2e',
    '/Observation/../_history',
  ];
  for (const path of paths) assert.equal(await statusOf('GET', path, all), 404, path);
  assert.equal(await statusOf('DELETE', '/Observation/%2e%2e', all), 404);
  assert.equal(await statusOf('PUT', '/Observation/..', all, JSON.stringify(observation('..'))), 404);
  assert.equal(asked.length, before);
});

test('FHR-3 the history of one resource tells of its own deletions, whatever address the server gives them', async () => {
  answer = (response, { url }) =>
    url.includes('_history')
      ? fhir(response, {
          ...page([
            { request: { method: 'DELETE', url: `${standIn.base}/Observation/o2` }, response: { status: '204' } },
            { request: { method: 'DELETE' } },
            { resource: observation('o1'), request: { method: 'PUT', url: 'Observation/o1' } },
          ]),
          type: 'history',
        })
      : fhir(response, observation('o1'));
  const { body } = await gateway.get('/Observation/o1/_history', own);
  const deletions = body.entry.slice(0, 2).map(({ request }: { request: object }) => request);
  assert.deepEqual(deletions, Array(2).fill({ method: 'DELETE', url: 'Observation/o1' }));
});

test('FHR-3 a created resource is found by where the server says that it is, whole or relative', async () => {
  for (const location of [
    `${standIn.base}/Observation/o7/_history/1`,
    'Observation/o7',
    '/r4/Observation/o7/_history/1',
  ]) {
    answer = (response, { method }) =>
      method === 'POST' ? void response.writeHead(201, { location }).end() : fhir(response, observation('o7'));
    const { id: _id, ...content } = observation('');
    const { status, body } = await gateway.send('POST', '/Observation', own, content);
    assert.deepEqual([status, body.id], [201, 'o7'], location);
  }
});
