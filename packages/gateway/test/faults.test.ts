import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { BASE, type Gateway, keys, type StandIn, startGateway, startStandIn } from './harness.ts';

const SECRET = 'Moreau';
const CAPABILITIES = {
  resourceType: 'CapabilityStatement',
  status: 'active',
  fhirVersion: '4.0.1',
  rest: [
    {
      mode: 'server',
      resource: ['Patient', 'Observation'].map((type) => ({
        type,
        interaction: ['read', 'vread', 'search-type', 'create', 'update', 'patch', 'delete', 'history-instance'].map(
          (code) => ({ code }),
        ),
        searchParam: [
          { name: 'patient', type: 'reference' },
          { name: 'name', type: 'string' },
          { name: 'code', type: 'token' },
        ],
      })),
    },
  ],
};

let standIn: StandIn;
let gateway: Gateway;
let own: string;
let all: string;
/** What is answered to anything but the question what the server can do. */
let answer: (response: ServerResponse, url: string, method: string, body: string) => void;
before(async () => {
  standIn = await startStandIn();
  gateway = await startGateway(standIn.base, undefined, { timeoutMs: 400, maxBytes: 200_000 });
  own = gateway.token({ scope: 'patient/*.cruds', patient: 'p1' });
  all = gateway.token({ scope: 'system/*.cruds' });
  standIn.answer = ({ url = '', method = '' }, response, body) => {
    if (url === '/r4/metadata') fhir(response, CAPABILITIES);
    else answer(response, url, method, body);
  };
});
beforeEach(() => {
  answer = (response) => response.writeHead(404).end();
});
after(async () => {
  await gateway.close();
  await standIn.close();
});

function fhir(response: ServerResponse, body: unknown, status = 200, type = 'application/fhir+json'): void {
  response.writeHead(status, { 'content-type': type }).end(typeof body === 'string' ? body : JSON.stringify(body));
}

const patient = (id: string) => ({ resourceType: 'Patient', id, name: [{ family: SECRET }], meta: { versionId: '1' } });
const observation = (id: string, subject: string) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { text: 'x' },
  subject: { reference: subject },
});
const searchset = (entry: object[], more: object = {}) => ({
  resourceType: 'Bundle',
  type: 'searchset',
  entry,
  ...more,
});

test('FHR-3 a server that is slow, dead, broken, busy or no FHIR server answers with an OperationOutcome, and nothing of its own', async () => {
  const endless = (response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'application/fhir+json' });
    const write = (): void => {
      while (!response.destroyed && response.write(`"${SECRET.repeat(1000)}",`));
      if (!response.destroyed) response.once('drain', write);
    };
    response.write('{"resourceType":"Patient","x":[');
    write();
  };
  const faults: [string, (response: ServerResponse) => void, number][] = [
    ['slow', () => undefined, 504],
    [
      'slow in the middle',
      (response) => void response.writeHead(200, { 'content-type': 'application/fhir+json' }).write('{'),
      504,
    ],
    [
      'drop by drop',
      (response) => {
        response.writeHead(200, { 'content-type': 'application/fhir+json' }).write('{"x":"');
        const drops = setInterval(() => response.write('x'), 20);
        response.on('close', () => clearInterval(drops));
      },
      504,
    ],
    ['dead', (response) => void response.destroy(), 502],
    ['endless', endless, 502],
    ['HTML', (response) => fhir(response, `<html>${SECRET}</html>`, 200, 'text/html'), 502],
    ['HTML that says it is FHIR', (response) => fhir(response, `<html>${SECRET}</html>`), 502],
    [
      'another charset',
      (response) => fhir(response, patient('p1'), 200, 'application/fhir+json; charset=iso-8859-1'),
      502,
    ],
    [
      'no UTF-8',
      (response) =>
        void response.writeHead(200, { 'content-type': 'application/fhir+json' }).end(Buffer.from([0x7b, 0xff, 0x7d])),
      502,
    ],
    ['half a resource', (response) => fhir(response, '{"resourceType":"Patient","id":"p1",'), 502],
    ['a list', (response) => fhir(response, '[]'), 502],
    ['another resource', (response) => fhir(response, patient('p2')), 502],
    ['another type', (response) => fhir(response, observation('p1', 'Patient/p1')), 502],
    ['nothing', (response) => void response.writeHead(200).end(), 502],
    ['a redirect', (response) => void response.writeHead(302, { location: 'http://127.0.0.1:9/x' }).end(), 502],
    ['401', (response) => fhir(response, SECRET, 401), 502],
    ['403', (response) => fhir(response, SECRET, 403), 502],
    [
      '500',
      (response) => fhir(response, { resourceType: 'OperationOutcome', issue: [{ diagnostics: SECRET }] }, 500),
      502,
    ],
    ['429', (response) => void response.writeHead(429, { 'retry-after': '17' }).end(SECRET), 429],
    ['503', (response) => void response.writeHead(503).end(SECRET), 503],
    [
      '400',
      (response) => fhir(response, { resourceType: 'OperationOutcome', issue: [{ diagnostics: SECRET }] }, 400),
      400,
    ],
  ];
  for (const [name, fault, status] of faults) {
    answer = fault;
    const got = await gateway.get('/Patient/p1', own);
    assert.equal(got.status, status, name);
    assert.equal(got.body.resourceType, 'OperationOutcome', name);
    assert.ok(!got.text.includes(SECRET) && !got.text.includes(standIn.base), `${name}: ${got.text}`);
    if (name === '429') assert.equal(got.headers.get('retry-after'), '17');
  }
  answer = (response) => fhir(response, patient('p1'));
  assert.equal((await gateway.get('/Patient/p1', own)).status, 200);
});

test('FHR-2 what a server answers that was not asked for, or is another patient’s, is left out with its count', async () => {
  const mine = observation('o1', 'Patient/p1');
  answer = (response) =>
    fhir(
      response,
      searchset(
        [
          // HAPI FHIR says how each came about.
          { fullUrl: `${standIn.base}/Observation/o1`, resource: mine, request: { method: 'POST', url: `x${SECRET}` } },
          {
            fullUrl: `${standIn.base}/Observation/o2`,
            resource: observation('o2', 'Patient/p2'),
            search: { mode: 'match' },
          },
          { resource: patient('p2'), search: { mode: 'include' } },
          { resource: observation('o3', `${standIn.base}/Patient/p1`), search: { mode: 'match' } },
          { resource: observation('o4', 'https://elsewhere.example/fhir/Patient/p1') },
          { fullUrl: 'https://elsewhere.example/fhir/Observation/o5', resource: observation('o5', 'Patient/p1') },
          { fullUrl: `${standIn.base}/Observation/other`, resource: observation('o6', 'Patient/p1') },
          {
            resource: { resourceType: 'OperationOutcome', issue: [{ diagnostics: SECRET }] },
            search: { mode: 'outcome' },
          },
          { resource: { resourceType: 'Nonsense', id: 'x' } },
          { resource: { ...observation('../x', 'Patient/p1') } },
          7,
        ] as object[],
        { total: 77 },
      ),
    );
  const { body, text, status } = await gateway.get('/Observation', own);
  assert.deepEqual([status, keys(body), body.total], [200, ['Observation/o1', 'Observation/o3'], undefined]);
  assert.ok(!text.includes(SECRET) && !text.includes(standIn.base));
  assert.deepEqual(body.entry[0].search, { mode: 'match' });
  assert.equal(body.entry[1].resource.subject.reference, `${BASE}/Patient/p1`);
});

test('FHR-3 links that lead to another server are refused; those to the server are sealed', async () => {
  for (const url of [
    'https://elsewhere.example/r4?page=2',
    `${standIn.base}.evil.example/r4?page=2`,
    'file:///etc/passwd',
    `${standIn.base}/../admin`,
  ]) {
    answer = (response) => fhir(response, searchset([], { link: [{ relation: 'next', url }] }));
    const { status, body, text } = await gateway.get('/Observation', own);
    assert.deepEqual([status, body.resourceType], [502, 'OperationOutcome'], url);
    assert.ok(!text.includes('elsewhere'));
  }
  answer = (response, url) =>
    url.includes('_getpages=77')
      ? fhir(
          response,
          searchset([{ resource: observation('o9', 'Patient/p1') }, { resource: observation('o8', 'Patient/p2') }]),
        )
      : fhir(
          response,
          searchset([], { link: [{ relation: 'next', url: `${standIn.base}?_getpages=77&name=${SECRET}` }] }),
        );
  const { body } = await gateway.get('/Observation', own);
  const { url } = body.link.find(({ relation }: { relation: string }) => relation === 'next');
  assert.ok(!url.includes(SECRET) && url.startsWith(`${BASE}/Observation?_page=`));
  assert.deepEqual(keys((await gateway.get(url, own)).body), ['Observation/o9']);
});

test('FHR-2 a change goes with the version that was checked, and none to a server that counts no versions', async () => {
  const sent: string[] = [];
  answer = (response, url, method, body) => {
    if (method === 'GET') return fhir(response, { ...observation('o1', 'Patient/p1'), meta: { versionId: '4' } });
    sent.push(`${method} ${url} ${body.length}`);
    response.writeHead(412, { 'content-type': 'application/fhir+json' }).end();
  };
  const put = (bearer: string) => gateway.send('PUT', '/Observation/o1', bearer, observation('o1', 'Patient/p1'));
  assert.equal((await put(own)).status, 412);
  assert.equal(sent.length, 1);
  answer = (response, _url, method) =>
    method === 'GET' ? fhir(response, observation('o1', 'Patient/p1')) : response.writeHead(500).end();
  assert.equal((await put(own)).status, 403);
});

test('FHR-3 the server’s words reach only who may see everything of the type', async () => {
  const outcome = {
    resourceType: 'OperationOutcome',
    issue: [{ severity: 'error', code: 'invalid', diagnostics: `bad ${SECRET}` }],
  };
  answer = (response) => fhir(response, outcome, 422);
  const body = observation('o1', 'Patient/p1');
  const { subject: _subject, ...rest } = body;
  assert.ok((await gateway.send('POST', '/Observation', all, { ...rest, id: undefined })).text.includes(SECRET));
  assert.ok(!(await gateway.send('POST', '/Observation', own, { ...body, id: undefined })).text.includes(SECRET));
});

test('FHR-3 a write that is answered without the resource is read again; a lying one is no success', async () => {
  answer = (response, _url, method) =>
    method === 'GET'
      ? fhir(response, { ...observation('made', 'Patient/p1'), meta: { versionId: '1' } })
      : void response.writeHead(201, { location: `${standIn.base}/Observation/made/_history/1` }).end();
  const { status, headers, body } = await gateway.send('POST', '/Observation', own, {
    ...observation('x', 'Patient/p1'),
    id: undefined,
  });
  assert.deepEqual([status, body.id, headers.get('location')], [201, 'made', `${BASE}/Observation/made/_history/1`]);
  answer = (response) => fhir(response, observation('o2', 'Patient/p2'), 201);
  const lie = await gateway.send('POST', '/Observation', own, { ...observation('x', 'Patient/p1'), id: undefined });
  assert.equal(lie.status, 502);
  assert.ok(!lie.text.includes('p2'));
});

test('FHR-3 a server that is not of R4, or says nothing of itself, is not asked for patients', async () => {
  for (const statement of [{ ...CAPABILITIES, fhirVersion: '3.0.2' }, { resourceType: 'Patient' }, SECRET]) {
    const other = await startStandIn();
    other.answer = (_request, response) => fhir(response, statement);
    const front = await startGateway(other.base);
    const bearer = front.token({ scope: 'system/*.cruds' });
    for (const path of ['/metadata', '/Patient/p1']) {
      const { status, body, text } = await front.get(path, bearer);
      assert.deepEqual([status, body.resourceType], [502, 'OperationOutcome']);
      assert.ok(!text.includes(SECRET));
    }
    await front.close();
    await other.close();
  }
});
