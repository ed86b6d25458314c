import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type Answer, BASE, type Gateway, keys, type StandIn, startGateway, startStandIn } from './harness.ts';

const SECRET = 'Moreau';
/** 50 KB that unpack to 50 MB. */
const BOMB = gzipSync(Buffer.alloc(50_000_000, 'x'));
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
/** Waits a short time only: for servers that do not answer. All others have the time that a slow machine needs. */
let hurried: Gateway;
let own: string;
let ownHurried: string;
let all: string;
/** What is answered to anything but the question what the server can do. */
let answer: (response: ServerResponse, url: string, method: string, body: string) => void;
before(async () => {
  standIn = await startStandIn();
  gateway = await startGateway(standIn.base, undefined, { timeoutMs: 30_000, maxBytes: 200_000 });
  hurried = await startGateway(standIn.base, undefined, { timeoutMs: 400, maxBytes: 200_000 });
  own = gateway.token({ scope: 'patient/*.cruds', patient: 'p1' });
  ownHurried = hurried.token({ scope: 'patient/*.cruds', patient: 'p1' });
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
  await hurried.close();
  await standIn.close();
});

function fhir(response: ServerResponse, body: unknown, status = 200, type = 'application/fhir+json'): void {
  response.writeHead(status, { 'content-type': type }).end(typeof body === 'string' ? body : JSON.stringify(body));
}

/** A patient in UTF-16. @param mark what stands before it */
function fhir16(response: ServerResponse, mark: string): void {
  const body = Buffer.from(mark + JSON.stringify(patient('p1')), 'utf16le');
  response.writeHead(200, { 'content-type': 'application/fhir+json' }).end(body);
}

const outcome = (diagnostics: string) => ({
  resourceType: 'OperationOutcome',
  issue: [{ severity: 'error', code: 'invalid', diagnostics }],
});
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
  const faults: [string, (response: ServerResponse) => unknown, number][] = [
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
    [
      'headers drop by drop',
      ({ socket }) => {
        socket?.write('HTTP/1.1 200 OK\r\n');
        const drops = setInterval(() => socket?.write('x: y\r\n'), 20);
        socket?.on('close', () => clearInterval(drops));
      },
      504,
    ],
    ['dead', (response) => void response.destroy(), 502],
    ['dead in the middle', ({ socket }) => socket?.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{'), 502],
    ['no HTTP', ({ socket }) => socket?.end(`+OK ${SECRET}\r\n`), 502],
    ['headers without end', ({ socket }) => socket?.write(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(100_000)}\r\n`), 502],
    [
      'a length that is too long',
      (response) =>
        response
          .writeHead(200, { 'content-type': 'application/fhir+json', 'content-length': 5000 })
          .write(JSON.stringify(patient('p1'))),
      504,
    ],
    [
      'a length that is too short',
      ({ socket }) =>
        socket?.write(
          `HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\ncontent-length: 20\r\n\r\n${JSON.stringify(patient('p1'))}`,
        ),
      502,
    ],
    [
      'packed',
      (response) =>
        void response
          .writeHead(200, { 'content-type': 'application/fhir+json', 'content-encoding': 'gzip' })
          .end(gzipSync(JSON.stringify(patient('p1')))),
      502,
    ],
    [
      'packed, and much of it',
      (response) =>
        void response.writeHead(200, { 'content-type': 'application/fhir+json', 'content-encoding': 'gzip' }).end(BOMB),
      502,
    ],
    [
      'said to be packed',
      (response) =>
        void response
          .writeHead(200, { 'content-type': 'application/fhir+json', 'content-encoding': 'br' })
          .end(JSON.stringify(patient('p1'))),
      502,
    ],
    ...[201, 202, 203, 205, 206, 226].map((status): (typeof faults)[number] => [
      `the status ${status}`,
      (response) => fhir(response, patient('p1'), status),
      502,
    ]),
    ['no content', (response) => void response.writeHead(204).end(), 502],
    ['nothing', (response) => fhir(response, ''), 502],
    [
      'packed on its way',
      ({ socket }) => {
        const body = JSON.stringify(patient('p1'));
        socket?.end(
          `HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\ntransfer-encoding: gzip, chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
        );
      },
      502,
    ],
    [
      'two lengths',
      ({ socket }) =>
        socket?.end(
          `HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\ncontent-length: 2\r\ncontent-length: 20\r\n\r\n${JSON.stringify(patient('p1'))}`,
        ),
      502,
    ],
    [
      'two types',
      (response) =>
        void response
          .writeHead(200, ['content-type', 'application/fhir+json', 'content-type', 'text/html'])
          .end(JSON.stringify(patient('p1'))),
      502,
    ],
    ['UTF-16 without a word of it', (response) => fhir16(response, '\ufeff'), 502],
    ['UTF-16 without a mark', (response) => fhir16(response, ''), 502],
    ['an OperationOutcome instead', (response) => fhir(response, outcome(SECRET)), 502],
    ['a Bundle instead', (response) => fhir(response, searchset([{ resource: patient('p1') }])), 502],
    ['a type that is an object', (response) => fhir(response, { resourceType: { toString: 1 }, id: 'p1' }), 502],
    ['an id that is an object', (response) => fhir(response, { resourceType: 'Patient', id: { toString: 1 } }), 502],
    ['XML', (response) => fhir(response, `<Patient>${SECRET}</Patient>`, 200, 'application/fhir+xml'), 502],
    ['UTF-16', (response) => fhir(response, patient('p1'), 200, 'application/json; charset="utf-16"'), 502],
    ['lists in lists', (response) => fhir(response, `${'['.repeat(90_000)}${']'.repeat(90_000)}`), 502],
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
    [
      'a name twice',
      (response) => fhir(response, '{"resourceType":"Patient","id":"p1","name":[{"family":"A"}],"name":[]}'),
      502,
    ],
    [
      'a name twice, once with an escape',
      (response) => fhir(response, '{"resourceType":"Patient","id":"p2","\\u0069d":"p1"}'),
      502,
    ],
    ['half a resource', (response) => fhir(response, '{"resourceType":"Patient","id":"p1",'), 502],
    ['a list', (response) => fhir(response, '[]'), 502],
    ['another resource', (response) => fhir(response, patient('p2')), 502],
    ['another type', (response) => fhir(response, observation('p1', 'Patient/p1')), 502],
    ['nothing', (response) => void response.writeHead(200).end(), 502],
    ...[300, 301, 302, 303, 304, 305, 307, 308].map((status): (typeof faults)[number] => [
      `a redirect, ${status}`,
      (response) => void response.writeHead(status, { location: 'http://127.0.0.1:9/x' }).end(),
      502,
    ]),
    ...[402, 407, 418, 421, 451, 499].map((status): (typeof faults)[number] => [
      `${status}`,
      (response) => fhir(response, outcome(SECRET), status),
      502,
    ]),
    ...[501, 502, 504, 599].map((status): (typeof faults)[number] => [
      `${status}`,
      (response) => fhir(response, `<html>${SECRET}</html>`, status, 'text/html'),
      502,
    ]),
    ['404 in HTML', (response) => fhir(response, `<html>${SECRET}</html>`, 404, 'text/html'), 502],
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
    const got = await (status === 504 ? hurried.get('/Patient/p1', ownHurried) : gateway.get('/Patient/p1', own));
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
  assert.deepEqual([status, body.total], [200, undefined]);
  assert.deepEqual(keys({ entry: body.entry.slice(0, -1) }), ['Observation/o1', 'Observation/o3']);
  assert.deepEqual(body.entry.at(-1).search, { mode: 'outcome' });
  assert.ok(!text.includes(SECRET) && !text.includes(standIn.base));
  assert.deepEqual(body.entry[0].search, { mode: 'match' });
  assert.equal(body.entry[1].resource.subject.reference, `${BASE}/Patient/p1`);
});

test('FHR-2 a page whose words can be read in two ways is refused: what is checked must be what clients read', async () => {
  const page = (resource: string, more = '') =>
    `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":${resource}${more}}]}`;
  const mine = JSON.stringify(observation('o1', 'Patient/p1'));
  const theirs = JSON.stringify(observation('o1', 'Patient/p2'));
  for (const text of [
    page(`${theirs.slice(0, -1)},"subject":{"reference":"Patient/p1"}}`),
    page(`${theirs.slice(0, -1)},"\\u0073ubject":{"reference":"Patient/p1"}}`),
    page(theirs, `,"resource":${mine}`),
    page(mine, `,"\\u0072esource":${theirs}`),
    `{"entry":[{"resource":${theirs}}],${page(mine).slice(1)}`,
    page(`${mine.slice(0, -1)},"__proto__":{"subject":{"reference":"Patient/p2"}}}`),
  ]) {
    answer = (response) => fhir(response, text);
    for (const bearer of [own, all]) {
      const got = await gateway.get('/Observation', bearer);
      assert.deepEqual([got.status, got.body.resourceType], [502, 'OperationOutcome'], text);
    }
  }
});

test('FHR-3 a page has the resources in the server’s own words, and nothing else that the server wrote', async () => {
  const words = ` {"resourceType" : "Observation","id":"o1",\n"status":"final","subject":{"reference":"${standIn.base}/Patient/p1"},
    "valueQuantity":{"value":7.10,"_value":{"id":"a"}},"note":[{"text":"7.10 \\u00b5\\/ \\" ]}, 😀"}],"code":{"coding":[{"code":"1e-7"}]},
    "component":[{"valueQuantity":{"value":1E2}},{"valueQuantity":{"value":-0.0}},{"valueQuantity":{"value":12345678901234567890.10}}]} `;
  answer = (response) =>
    fhir(
      response,
      `{"resourceType":"Bundle","meta":{"tag":[{"display":"${SECRET}"}]},"type":"searchset","total":1, "entry" : [ {"fullUrl":"${standIn.base}/Observation/o1","extension":[{"valueString":"${SECRET}"}],"resource":${words},"search":{"mode":"match","score":0.50}}]}`,
    );
  for (const bearer of [own, all]) {
    const { text, status, body } = await gateway.get('/Observation', bearer);
    assert.equal(status, 200);
    assert.ok(text.includes(words.trim().replace(standIn.base, BASE)), text);
    assert.ok(!text.includes(SECRET) && !text.includes(standIn.base));
    assert.deepEqual(body.entry[0].search, { mode: 'match' });
    assert.equal(body.entry[0].fullUrl, `${BASE}/Observation/o1`);
  }
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
  answer = (response) => fhir(response, outcome(`bad ${SECRET}`), 422);
  const body = observation('o1', 'Patient/p1');
  const { subject: _subject, ...rest } = body;
  assert.ok((await gateway.send('POST', '/Observation', all, { ...rest, id: undefined })).text.includes(SECRET));
  assert.ok(!(await gateway.send('POST', '/Observation', own, { ...body, id: undefined })).text.includes(SECRET));
});

test('FHR-3 the server’s words about its own code, files and addresses are not passed on', async () => {
  for (const words of [
    'java.lang.NullPointerException: boom',
    'TypeError: undefined is not a function',
    'Failed\n\tat ca.uhn.fhir.Server.handle(Server.java:77)',
    'Failed at handler (server.js:7)',
    'cannot open /var/lib/fhir/db',
    'cannot open C:\\fhir\\db',
    'jdbc:postgresql://db.internal/fhir refused',
    `see ${standIn.base}/Patient/p2`,
  ]) {
    answer = (response) => fhir(response, outcome(words), 422);
    const { status, text } = await gateway.send('POST', '/Patient', all, { resourceType: 'Patient' });
    assert.equal(status, 422);
    assert.ok(!/Exception|TypeError|Server\.|handler|\/var|fhir\\\\db|jdbc|127\.0\.0\.1/.test(text), text);
  }
});

test('FHR-3 what a busy server says of when to try again is passed on, as seconds', async () => {
  for (const [after, seconds] of [
    ['17', '17'],
    ['0', '0'],
    ['Wed, 21 Oct 2026 07:28:30 GMT', '30'],
    ['Wed, 21 Oct 2026 07:27:00 GMT', '5'],
    ['soon', '5'],
    ['-1', '5'],
    ['99999999', '5'],
    ['1, 2', '5'],
  ] as const) {
    for (const status of [429, 503]) {
      answer = (response) =>
        void response.writeHead(status, { 'retry-after': after, date: 'Wed, 21 Oct 2026 07:28:00 GMT' }).end();
      const got = await gateway.get('/Patient/p1', own);
      assert.deepEqual([got.status, got.headers.get('retry-after')], [status, seconds], after);
    }
  }
});

test('FHR-2 whatever the server answers instead, no operation shows another patient’s data', async () => {
  const theirs = [
    patient('p2'),
    { ...observation('o2', 'Patient/p2'), note: [{ text: SECRET }], meta: { versionId: '1' } },
    { ...observation('o1', 'Patient/p2'), note: [{ text: SECRET }], meta: { versionId: '1' } },
  ];
  const lies: unknown[] = [
    ...theirs,
    searchset(theirs.map((resource) => ({ resource, search: { mode: 'include' } }))),
    searchset(theirs.map((resource) => ({ resource, search: { mode: 'outcome' } }))),
    searchset([{ resource: { id: 'b', ...searchset(theirs.map((resource) => ({ resource }))) } }]),
    searchset([
      { resource: { resourceType: 'Parameters', id: 'x', parameter: theirs.map((resource) => ({ resource })) } },
    ]),
    { ...searchset(theirs.map((resource) => ({ resource }))), type: 'history' },
    { ...searchset([]), entry: { resource: theirs[0] } },
    { resourceType: 'Parameters', parameter: [{ resource: theirs[0] }] },
    outcome(SECRET),
    {
      ...outcome('x'),
      id: 'o1',
      text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${SECRET}</div>` },
    },
    theirs,
    SECRET,
    // Their words where a page has words of the server's own.
    {
      ...searchset([
        { id: SECRET, fullUrl: `https://${SECRET}.example/Observation/o1`, resource: observation('o1', 'Patient/p1') },
      ]),
      ...{
        id: SECRET,
        meta: { tag: [{ display: SECRET }] },
        identifier: { value: SECRET },
        total: SECRET,
        note: SECRET,
      },
      link: [{ relation: SECRET, url: `${standIn.base}/Observation?name=${SECRET}` }],
      signature: { who: { display: SECRET } },
    },
    searchset([
      {
        ...{ fullUrl: `${standIn.base}/Observation/o1`, resource: observation('o1', 'Patient/p1'), id: SECRET },
        ...{ search: { mode: 'match', extension: [{ url: SECRET }] }, link: [{ relation: 'next', url: SECRET }] },
        ...{ request: { method: 'PUT', url: `Observation/o1?${SECRET}`, ifMatch: SECRET } },
        response: { status: `200 ${SECRET}`, etag: SECRET, lastModified: SECRET, location: SECRET, outcome: theirs[0] },
      },
    ]),
    {
      ...searchset([
        {
          ...{ fullUrl: `${standIn.base}/Patient/p1`, resource: { ...patient('p1'), name: [] } },
          ...{ request: { method: 'PUT', url: `Patient?name=${SECRET}` } },
          response: {
            status: `200 ${SECRET}`,
            etag: `W/"${SECRET} Yilmaz"`,
            lastModified: `${SECRET}`,
            outcome: theirs[0],
          },
        },
        {
          request: { method: 'DELETE', url: `Patient/${SECRET}` },
          response: { status: `204 ${SECRET}`, etag: `W/"${SECRET} Yilmaz"`, lastModified: SECRET },
        },
      ]),
      type: 'history',
    },
    { ...observation('o1', 'Patient/p1'), contained: [theirs[1]] },
    { ...observation('o1', 'Patient/p1'), meta: { versionId: `${SECRET} Yilmaz` } },
    {
      ...observation('o1', 'Patient/p1'),
      meta: { versionId: '1', lastUpdated: SECRET },
      note: [{ text: SECRET }],
      subject: null,
    },
  ];
  const words = {
    ...{
      location: `${standIn.base}/Observation/${SECRET}/_history/1`,
      'content-location': SECRET,
      etag: `W/"${SECRET}"`,
    },
    ...{ 'last-modified': SECRET, warning: `199 - "${SECRET}"`, link: `<${SECRET}>; rel=next`, 'x-patient': SECRET },
  };
  const granular = gateway.token({ scope: 'patient/Observation.rs?code=y', patient: 'p1' });
  const change = observation('o1', 'Patient/p1');
  const { id: _id, ...creation } = change;
  const batch = (url: string) => ({
    resourceType: 'Bundle',
    type: 'batch',
    entry: [{ request: { method: 'GET', url } }],
  });
  const operations: (() => Promise<Answer>)[] = [
    ...[
      '/Patient/p1',
      '/Patient/p1/_history/1',
      '/Patient/p1/_history',
      '/Observation/o1',
      '/Observation?code=x&_include=Observation:subject',
      '/Patient?_revinclude=Observation:patient',
      '/Patient/p1/$everything',
    ].map((path) => () => gateway.get(path, own)),
    () =>
      gateway.send('POST', '/Observation/_search', own, 'code=x', {
        'content-type': 'application/x-www-form-urlencoded',
      }),
    () => gateway.get('/Observation?code=x', granular),
    () => gateway.get('/Observation/o1', granular),
    () => gateway.send('POST', '/Observation', own, creation),
    () => gateway.send('PUT', '/Observation/o1', own, change),
    () => gateway.send('DELETE', '/Observation/o1', own),
    () =>
      gateway.send('PATCH', '/Observation/o1', own, [{ op: 'replace', path: '/status', value: 'amended' }], {
        'content-type': 'application/json-patch+json',
      }),
    () => gateway.send('POST', '', own, batch('Patient/p1')),
    () => gateway.send('POST', '', own, batch('Observation?code=x')),
  ];
  const mine: Readonly<Record<string, object>> = {
    '/r4/Patient/p1': { ...patient('p1'), name: [] },
    '/r4/Observation/o1': { ...observation('o1', 'Patient/p1'), meta: { versionId: '1' } },
  };
  for (const lie of lies) {
    // Also by one who answers rightly what is asked first.
    for (const [status, isFirstRight] of [
      [200, false],
      [201, false],
      [400, false],
      [200, true],
    ] as const) {
      answer = (response, url, method) => {
        for (const [name, value] of Object.entries(words)) response.setHeader(name, value);
        fhir(response, (isFirstRight && method === 'GET' && mine[url]) || lie, status);
      };
      for (const operation of operations) {
        const { text, headers } = await operation();
        const what = `${operations.indexOf(operation)} ${status} ${isFirstRight} ${JSON.stringify(lie)} ${text}`;
        assert.ok(!text.includes(SECRET), what);
        assert.ok(![...headers.values()].join().includes(SECRET), what);
      }
    }
  }
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
  assert.ok(!lie.text.includes('Patient/p2'));
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

test('FHR-3 a server that sends only interim answers delays a request no longer than a silent one', async () => {
  for (const [status, expected] of [
    [102, 504],
    [103, 502],
  ] as const) {
    const line = `HTTP/1.1 ${status} Going on\r\n\r\n`;
    let stop = (): void => undefined;
    answer = (response) => {
      const { socket } = response;
      // One at a time as well as many at once.
      socket?.write(status === 103 ? line.repeat(1000) : line);
      const timer = setInterval(() => socket?.write(line), 50);
      stop = () => clearInterval(timer);
      socket?.once('close', stop);
    };
    const asked = expected === 504 ? hurried.get('/Patient/p1', ownHurried) : gateway.get('/Patient/p1', own);
    const { status: answered, body } = await asked;
    stop();
    assert.deepEqual([answered, body.resourceType], [expected, 'OperationOutcome'], String(status));
  }
});

test('FHR-2 a resource that contains another patient’s resources is not shown to who may see one patient’s', async () => {
  const theirs = (element: string, reference: string, type = 'Observation') => ({
    resourceType: type,
    id: 'inner',
    [element]: { reference },
  });
  const containing = (contained: unknown) => ({
    ...observation('o1', 'Patient/p1'),
    contained,
    meta: { versionId: '1' },
  });
  const other = theirs('subject', 'Patient/p2');
  const hidden = [
    [other],
    [theirs('subject', `${standIn.base}/Patient/p2`)],
    [theirs('patient', 'Patient/p2', 'AllergyIntolerance')],
    [theirs('beneficiary', 'Patient/p2/_history/1', 'Coverage')],
    [theirs('for', 'Patient/p2', 'Task')],
    [theirs('subject', 'Patient/p1'), other],
    [{ resourceType: 'Bundle', id: 'inner', type: 'collection', entry: [{ resource: other }] }],
    [{ resourceType: 'Basic', id: 'inner', contained: [other] }],
    other,
  ];
  const shown = [
    [theirs('subject', 'Patient/p1')],
    [theirs('subject', '#mother')],
    [{ resourceType: 'Patient', id: 'mother', name: [{ family: 'x' }] }],
    [{ resourceType: 'Practitioner', id: 'inner', name: [{ family: 'x' }] }],
  ];
  for (const [contained, isShown] of [
    ...hidden.map((one) => [one, false] as const),
    ...shown.map((one) => [one, true] as const),
  ]) {
    const resource = containing(contained);
    answer = (response, url) => fhir(response, url.includes('?') ? searchset([{ resource }]) : resource);
    const read = await gateway.get('/Observation/o1', own);
    const found = await gateway.get('/Observation?patient=p1', own);
    const what = JSON.stringify(contained);
    assert.equal(read.status === 200, isShown, what);
    assert.equal(found.status, 200, what);
    assert.equal(found.text.includes('"o1"'), isShown, what);
    assert.equal((await gateway.get('/Observation/o1', all)).status, 200, what);
  }
});
