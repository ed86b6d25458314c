/** Transactions through the gateway: each entry is judged as if it came alone, and the server gets all of them or none. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { bearerCredentials } from '../src/index.ts';
import {
  type Answer,
  BASE,
  type FhirServer,
  type Gateway,
  type StandIn,
  startFhirServer,
  startGateway,
  startStandIn,
} from './harness.ts';

const PATIENT = 'amara-diallo';
const OTHER = 'kofi-mensah';
const PATCH = 'application/json-patch+json';

interface Asked {
  readonly method: string;
  /** Behind the base URL. */
  readonly url: string;
  readonly resource?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

let server: FhirServer;
let gateway: Gateway;
let all: string;
let own: string;
/** Every patient, and the observations of one. */
let mixed: string;
before(async () => {
  server = await startFhirServer();
  gateway = await startGateway(
    server.base,
    bearerCredentials(() => server.everything),
  );
  all = gateway.token({ scope: 'system/*.cruds' });
  own = gateway.token({ scope: 'patient/*.cruds', patient: PATIENT });
  mixed = gateway.token({ scope: 'patient/Observation.cruds system/Patient.cruds', patient: PATIENT });
});
after(async () => {
  await gateway.close();
  await server.close();
});

const observation = (subject: string, more: object = {}) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'x' },
  subject: { reference: subject },
  ...more,
});
const get = (url: string) => ({ request: { method: 'GET', url } });
const remove = (url: string) => ({ request: { method: 'DELETE', url } });
const post = (resource: { readonly resourceType: string }, fullUrl?: string, more: object = {}) => ({
  ...(fullUrl !== undefined && { fullUrl }),
  resource,
  request: { method: 'POST', url: resource.resourceType, ...more },
});
const put = (url: string, resource: object, fullUrl?: string) => ({
  ...(fullUrl !== undefined && { fullUrl }),
  resource,
  request: { method: 'PUT', url },
});

function transaction(bearer: string, entry: readonly object[], headers: Record<string, string> = {}): Promise<Answer> {
  return gateway.send('POST', '', bearer, { resourceType: 'Bundle', type: 'transaction', entry }, headers);
}

/** What the server was asked to change while this was done. */
async function changesDuring(run: () => Promise<unknown>): Promise<readonly string[]> {
  const before = server.asked.length;
  await run();
  return server.asked.slice(before).filter((one) => !/^GET |_search/.test(one));
}

const statuses = ({ body }: Answer): string[] =>
  body.entry.map(({ response }: { response: { status: string } }) => response.status);

test('FHR-3 a transaction goes to the server as one, and its answer has Lockstep’s addresses', async () => {
  let answer: Answer | undefined;
  const changes = await changesDuring(async () => {
    answer = await transaction(all, [
      get(`Patient/${PATIENT}`),
      post(observation('urn:uuid:2d1a6a4b-8f3e-4f8e-9a3f-0c5b7b3a6f10')),
      post(
        { resourceType: 'Patient', photo: [{ url: 'urn:uuid:2d1a6a4b-8f3e-4f8e-9a3f-0c5b7b3a6f10' }] } as never,
        'urn:uuid:2d1a6a4b-8f3e-4f8e-9a3f-0c5b7b3a6f10',
      ),
      remove('Observation/never-was'),
    ]);
  });
  assert.deepEqual(changes, ['POST /fhir']);
  const { status, body, text } = answer!;
  assert.deepEqual([status, body.type, statuses(answer!)], [200, 'transaction-response', ['200', '201', '201', '204']]);
  const [, observed, patient] = body.entry;
  assert.equal(observed.resource.subject.reference, `Patient/${patient.resource.id}`);
  assert.equal(patient.resource.photo[0].url, `Patient/${patient.resource.id}`);
  assert.equal(patient.response.location, `${BASE}/Patient/${patient.resource.id}/_history/1`);
  assert.ok(!text.includes(new URL(server.base).host));
  const short = await transaction(own, [post(observation(`Patient/${PATIENT}`))], { prefer: 'return=minimal' });
  assert.deepEqual(Object.keys(short.body.entry[0]), ['response']);
  assert.equal((await transaction(own, [])).body.entry, undefined);
});

test('FHR-2 a transaction with an entry that would be refused alone is refused as that is, and nothing is written', async () => {
  const made = await gateway.send('POST', '/Observation', all, observation(`Patient/${PATIENT}`));
  const mine = made.body.id as string;
  const theirs = (await server.service.search('Observation', { patient: OTHER, _count: '1' })).entry![0]!.resource.id;
  const amended = [{ op: 'replace', path: '/status', value: 'amended' }];
  const moved = [{ op: 'replace', path: '/subject/reference', value: `Patient/${OTHER}` }];
  const requests: readonly Asked[] = [
    { method: 'GET', url: `Observation/${theirs}` },
    { method: 'GET', url: `Observation/${mine}` },
    { method: 'GET', url: `Observation/${theirs}/_history` },
    { method: 'GET', url: `Observation/${mine}/_history/1` },
    { method: 'GET', url: `Observation/${mine}/_history/9` },
    { method: 'GET', url: 'Observation?shoe-size=4' },
    { method: 'GET', url: 'Observation?_count=1' },
    { method: 'GET', url: 'Condition?_count=1' },
    { method: 'GET', url: `Patient/${OTHER}/$everything` },
    { method: 'GET', url: `Patient/${PATIENT}/$everything?_count=2` },
    { method: 'POST', url: 'Observation', resource: observation(`Patient/${OTHER}`) },
    { method: 'POST', url: 'Observation', resource: { resourceType: 'Observation' } },
    { method: 'POST', url: 'Practitioner', resource: { resourceType: 'Practitioner' } },
    { method: 'POST', url: 'Basic', resource: { resourceType: 'Basic', code: { text: 'x' } } },
    {
      method: 'POST',
      url: 'Observation',
      resource: observation(`Patient/${PATIENT}`),
      headers: { 'if-none-exist': 'identifier=x' },
    },
    { method: 'PUT', url: `Observation/${theirs}`, resource: observation(`Patient/${PATIENT}`, { id: theirs }) },
    { method: 'PUT', url: `Observation/${mine}`, resource: observation(`Patient/${OTHER}`, { id: mine }) },
    { method: 'PUT', url: `Observation/${mine}`, resource: observation(`Patient/${PATIENT}`, { id: 'x' }) },
    {
      method: 'PUT',
      url: `Observation/${mine}`,
      resource: observation(`Patient/${PATIENT}`, { id: mine }),
      headers: { 'if-match': 'W/"7"' },
    },
    {
      method: 'PUT',
      url: `Observation/${mine}`,
      resource: observation(`Patient/${PATIENT}`, { id: mine }),
      headers: { 'if-none-match': '*' },
    },
    { method: 'PUT', url: 'Observation?code=zz', resource: observation(`Patient/${PATIENT}`) },
    { method: 'PATCH', url: `Observation/${theirs}`, resource: amended },
    { method: 'PATCH', url: `Observation/${mine}`, resource: moved },
    { method: 'PATCH', url: 'Observation/never-was', resource: amended },
    { method: 'DELETE', url: `Observation/${theirs}` },
    { method: 'DELETE', url: `Patient/${OTHER}` },
    { method: 'DELETE', url: 'Observation?code=zz' },
    { method: 'DELETE', url: `Observation/${mine}`, headers: { 'if-match': 'W/"7"' } },
  ];
  const tokens = {
    all,
    own,
    mixed,
    reader: gateway.token({ scope: 'patient/*.rs', patient: PATIENT }),
    granular: gateway.token({ scope: 'patient/Observation.cruds?category=vital-signs', patient: PATIENT }),
    nothing: gateway.token({ scope: 'patient/Encounter.r', patient: PATIENT }),
  };
  for (const [name, bearer] of Object.entries(tokens)) {
    for (const asked of requests) {
      const what = `${name} ${asked.method} ${asked.url} ${JSON.stringify(asked.headers ?? {})}`;
      const first = post({ resourceType: 'Patient' });
      const asEntries = [...(bearer === all || bearer === mixed ? [first] : []), asEntry(asked)];
      let whole: Answer | undefined;
      const changes = await changesDuring(async () => {
        whole = await transaction(bearer, asEntries);
      });
      // Alone afterwards: what is good would have changed what there is.
      if (whole!.status === 200) continue;
      const alone = await gateway.send(asked.method, `/${asked.url}`, bearer, asked.resource, {
        ...asked.headers,
        ...(asked.method === 'PATCH' && { 'content-type': PATCH }),
      });
      // Two refusals are the server's own, of which nothing was kept either.
      if (changes.length > 0) assert.deepEqual([changes, name], [['POST /fhir'], 'all'], what);
      assert.equal(whole!.status, alone.status, `${what}: ${whole!.text} ${alone.text}`);
      assert.equal(whole!.body.resourceType, 'OperationOutcome', what);
      if (changes.length > 0) continue;
      assert.ok(whole!.body.issue[0].diagnostics.startsWith(`Bundle.entry[${asEntries.length - 1}]: `), whole!.text);
    }
  }
  for (const bearer of [tokens.reader, tokens.granular, tokens.nothing]) {
    const changes = await changesDuring(async () => {
      for (const asked of requests) if (asked.method !== 'GET') await transaction(bearer, [asEntry(asked)]);
    });
    assert.deepEqual(changes, []);
  }
});

/** A request as the entry of a Bundle. */
function asEntry({ method, url, resource, headers = {} }: Asked): object {
  const data = Buffer.from(JSON.stringify(resource ?? null)).toString('base64');
  const binary = { resourceType: 'Binary', contentType: PATCH, data };
  return {
    ...(resource && { resource: method === 'PATCH' ? binary : resource }),
    request: {
      method,
      url,
      ...(headers['if-match'] !== undefined && { ifMatch: headers['if-match'] }),
      ...(headers['if-none-match'] !== undefined && { ifNoneMatch: headers['if-none-match'] }),
      ...(headers['if-none-exist'] !== undefined && { ifNoneExist: headers['if-none-exist'] }),
    },
  };
}

test('FHR-2 what an entry refers to is judged as the server will read it, whatever the entries are called', async () => {
  const patient = { resourceType: 'Patient' };
  for (const [subject, calledItself, called, resource] of [
    [`${BASE}/Patient/${PATIENT}`, undefined, `${BASE}/Patient/${PATIENT}`, patient],
    [`Patient/${PATIENT}`, 'http://x.example/Observation/1', `http://x.example/Patient/${PATIENT}`, patient],
    ['urn:uuid:1', undefined, 'urn:uuid:1', patient],
    ['urn:uuid:never', undefined, 'urn:uuid:1', patient],
    [`Patient/${PATIENT}`, undefined, undefined, { ...patient, id: PATIENT }],
  ] as const) {
    const second = resource === patient ? post(patient, called) : put('Patient?identifier=zz', resource, called);
    const changes = await changesDuring(async () => {
      const { status, body } = await transaction(mixed, [post(observation(subject), calledItself), second]);
      assert.equal(status, 403, subject);
      assert.match(body.issue[0].diagnostics, /^Bundle\.entry\[0\]: /);
    });
    assert.deepEqual(changes, []);
  }
  // By other names, what is there already.
  for (const [subject, called] of [
    ['urn:x:1', 'urn:x:1'],
    [`${BASE}/Patient/${PATIENT}`, `${BASE}/Patient/${PATIENT}`],
  ] as const) {
    const current = (await gateway.get(`/Patient/${PATIENT}`, all)).body;
    const done = await transaction(mixed, [
      post(observation(subject)),
      put(`Patient/${PATIENT}`, { ...current, active: true }, called),
    ]);
    assert.deepEqual([done.status, statuses(done)], [200, ['201', '200']], done.text);
    assert.equal(done.body.entry[0].resource.subject.reference.replace(`${BASE}/`, ''), `Patient/${PATIENT}`);
  }
  // The id of what is created is the server's.
  const named = await transaction(all, [post({ resourceType: 'Patient', id: PATIENT } as never)]);
  assert.notEqual(named.body.entry[0].resource.id, PATIENT);
});

test('FHR-2 no reference has the server search for, or name, what its writer may not', async () => {
  const made = await gateway.send('POST', '/Observation', own, observation(`Patient/${PATIENT}`));
  const id = made.body.id as string;
  const everySearch = gateway.token({
    scope: 'patient/*.cruds user/Patient.s',
    patient: PATIENT,
    user: 'Practitioner/1',
  });
  /** Each way to write a reference, alone and in Bundles. */
  const writes = (reference: string): readonly Asked[] => [
    { method: 'POST', url: 'Observation', resource: observation(`Patient/${PATIENT}`, { performer: [{ reference }] }) },
    {
      method: 'PUT',
      url: `Observation/${id}`,
      resource: observation(`Patient/${PATIENT}`, { id, extension: [{ url: 'urn:x', valueReference: { reference } }] }),
    },
    {
      method: 'PATCH',
      url: `Observation/${id}`,
      resource: [{ op: 'add', path: '/focus', value: [{ reference }] }],
    },
  ];
  const send = async (bearer: string, asked: Asked, as: 'alone' | 'batch' | 'transaction'): Promise<number> => {
    const { method, url, resource } = asked;
    const headers = method === 'PATCH' ? { 'content-type': PATCH } : {};
    if (as === 'alone') return (await gateway.send(method, `/${url}`, bearer, resource, headers)).status;
    const bundle = { resourceType: 'Bundle', type: as, entry: [asEntry(asked)] };
    const { status, body } = await gateway.send('POST', '', bearer, bundle);
    return as === 'batch' ? Number(body.entry[0].response.status) : status;
  };
  for (const reference of [
    'Patient?identifier=x',
    'Patient/?name=mensah',
    '/Patient?name=mensah',
    `${BASE}/Patient?name=mensah`,
    `${server.base}/Patient?name=mensah`,
    'https://x.example/Patient//?name=mensah',
    'https://x.example/?name=mensah',
    '#/Patient?name=mensah',
    '?name=mensah',
  ]) {
    for (const asked of writes(reference)) {
      for (const as of ['alone', 'batch', 'transaction'] as const) {
        const changes = await changesDuring(async () => {
          const status = await send(own, asked, as);
          // Some are no references to R4, and one is a search of a transaction's, which finds nothing.
          assert.ok([400, 403, 412].includes(status), `${as} ${asked.method} ${reference} ${status}`);
        });
        assert.deepEqual(changes, [], reference);
      }
    }
  }
  for (const asked of writes('https://x.example/Patient?name=mensah'))
    assert.ok((await send(everySearch, asked, 'alone')) < 300, asked.method);
  for (const target of [
    `${server.base}/Patient/${OTHER}`,
    `/Patient/${OTHER}`,
    `Patient/${OTHER}/`,
    `https://x.example/Patient/${OTHER}`,
    `Patient?_id=${OTHER}`,
  ]) {
    const provenance = {
      resourceType: 'Provenance',
      target: [{ reference: `Patient/${PATIENT}` }, { reference: target }],
      recorded: '2026-01-01T00:00:00Z',
      agent: [{ who: { display: 'x' } }],
    };
    const changes = await changesDuring(async () => {
      const { status } = await gateway.send('POST', '/Provenance', own, provenance);
      assert.ok([400, 403].includes(status), `${target} ${status}`);
    });
    assert.deepEqual(changes, [], target);
  }
});

test('FHR-3 a transaction finds by conditions what its caller may find', async () => {
  const identified = { resourceType: 'Patient', identifier: [{ system: 'urn:oid:2.999.8', value: 't1' }] };
  const once = { ifNoneExist: 'identifier=urn:oid:2.999.8|t1' };
  const entries = [post(identified, 'urn:uuid:1', once), post(observation('urn:uuid:1'))];
  const first = await transaction(all, entries);
  assert.deepEqual(statuses(first), ['201', '201']);
  const second = await transaction(all, entries);
  assert.deepEqual(statuses(second), ['200', '201']);
  const { id } = first.body.entry[0].resource;
  assert.equal(second.body.entry[1].resource.subject.reference, `Patient/${id}`);
  for (const [bearer, subject, status] of [
    [own, 'Patient?name=diallo', 200],
    [own, 'Patient?name=obrien', 412],
    [all, 'Patient?name=obrien', 200],
    [all, 'Patient?gender=female', 412],
    [all, 'Patient?shoe-size=4', 400],
  ] as const) {
    const { status: found } = await transaction(bearer, [post(observation(subject))]);
    assert.equal(found, status, subject);
  }
  const changed = await transaction(all, [put('Patient?identifier=T1', { ...identified, active: true }, 'urn:uuid:1')]);
  assert.deepEqual([statuses(changed), changed.body.entry[0].resource.id], [['200'], id]);
  assert.deepEqual(statuses(await transaction(all, [remove('Patient?identifier=t1')])), ['204']);
});

test('FHR-3 what an entry depends on holds in front of the server as at the server itself, alone or with others', async () => {
  const system = 'urn:oid:2.999.9';
  const changed = [{ op: 'add', path: '/active', value: true }];
  const here = (id: string, more: object = {}) => ({
    resourceType: 'Patient',
    identifier: [{ system, value: id }],
    ...more,
  });
  /** Of a patient of version 2, whose identifier no other has; two others share one. */
  const cases: readonly (readonly [name: string, asked: (id: string) => Asked])[] = [
    ...['W/"2"', 'W/"1"', '*'].flatMap((version) => {
      const headers = { 'if-match': version };
      return [
        [`PUT ${version}`, (id) => ({ method: 'PUT', url: `Patient/${id}`, resource: here(id, { id }), headers })],
        [
          `PUT ${version} of none`,
          (id) => ({ method: 'PUT', url: `Patient/${id}-no`, resource: { ...here(id), id: `${id}-no` }, headers }),
        ],
        [`PATCH ${version}`, (id) => ({ method: 'PATCH', url: `Patient/${id}`, resource: changed, headers })],
        [`DELETE ${version}`, (id) => ({ method: 'DELETE', url: `Patient/${id}`, headers })],
        [`DELETE ${version} of none`, (id) => ({ method: 'DELETE', url: `Patient/${id}-no`, headers })],
      ] as const satisfies readonly (readonly [string, (id: string) => Asked])[];
    }),
    ...(
      [
        ['one', ''],
        ['none', '-no'],
        ['several', '-many'],
      ] as const
    ).flatMap(([found, end]) => {
      const search = (id: string) => `identifier=${system}|${id}${end}`;
      const other = { system: 'urn:x', value: 'x' };
      return [
        [
          `POST unless ${found}`,
          (id) => ({
            method: 'POST',
            url: 'Patient',
            resource: { resourceType: 'Patient', identifier: [other] },
            headers: { 'if-none-exist': search(id) },
          }),
        ],
        [`PUT where ${found}`, (id) => ({ method: 'PUT', url: `Patient?${search(id)}`, resource: here(id) })],
        [`PATCH where ${found}`, (id) => ({ method: 'PATCH', url: `Patient?${search(id)}`, resource: changed })],
        [`DELETE where ${found}`, (id) => ({ method: 'DELETE', url: `Patient?${search(id)}` })],
      ] as const satisfies readonly (readonly [string, (id: string) => Asked])[];
    }),
    [
      'PUT if there is none',
      (id) => ({ method: 'PUT', url: `Patient/${id}`, resource: here(id, { id }), headers: { 'if-none-match': '*' } }),
    ],
    [
      'PUT of none if there is none',
      (id) => ({
        method: 'PUT',
        url: `Patient/${id}-no`,
        resource: { ...here(id), id: `${id}-no` },
        headers: { 'if-none-match': '*' },
      }),
    ],
  ];
  const direct: typeof gateway.send = async (method, path, bearer, body, headers = {}) => {
    const response = await fetch(server.base + path, {
      method,
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/fhir+json', ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: text === '' ? undefined : JSON.parse(text),
    };
  };
  const doors = [
    ['server', direct, server.everything],
    ['gateway', gateway.send, all],
  ] as const;
  const shapes = {
    alone: (asked: Asked, send: typeof direct, bearer: string) =>
      send(asked.method, `/${asked.url}`, bearer, asked.resource, {
        ...asked.headers,
        ...(asked.method === 'PATCH' && { 'content-type': PATCH }),
      }),
    batch: (asked: Asked, send: typeof direct, bearer: string) =>
      send('POST', '', bearer, { resourceType: 'Bundle', type: 'batch', entry: [asEntry(asked)] }),
    transaction: (asked: Asked, send: typeof direct, bearer: string) =>
      send('POST', '', bearer, { resourceType: 'Bundle', type: 'transaction', entry: [asEntry(asked)] }),
  };
  let number = 0;
  for (const [name, askedOf] of cases) {
    const outcomes: Record<string, unknown> = {};
    for (const [door, send, bearer] of doors) {
      for (const [shape, ask] of Object.entries(shapes)) {
        if (door === 'server' && shape !== 'alone') continue;
        number += 1;
        const id = `depends-${number}`;
        for (const turn of [0, 1])
          await direct('PUT', `/Patient/${id}`, server.everything, here(id, { id, active: turn === 1 }));
        for (const more of name.endsWith('several') ? ['a', 'b'] : []) {
          const twin = here(`${id}-many`, { id: `${id}-${more}` });
          await direct('PUT', `/Patient/${id}-${more}`, server.everything, twin);
        }
        const answer = await ask(askedOf(id), send, bearer);
        const [entry] = answer.body?.entry ?? [];
        const after = await direct('GET', `/Patient/${id}/_history`, server.everything);
        const status = Number(entry?.response.status.slice(0, 3) ?? answer.status);
        outcomes[`${door} ${shape}`] = [status, after.body.total];
      }
    }
    const [expected] = Object.values(outcomes);
    for (const [way, outcome] of Object.entries(outcomes)) assert.deepEqual(outcome, expected, `${name}, ${way}`);
  }
});

test('FHR-3 a transaction reads what it changed, with its numbers as they were written', async () => {
  const id = randomUUID();
  const bundle = { resourceType: 'Bundle', type: 'transaction' };
  const measured = observation(`Patient/${PATIENT}`, { id, valueQuantity: { value: 'here' } });
  const entry = [put(`Observation/${id}`, measured), get(`Observation/${id}`), get(`Observation/${id}/_history`)];
  const text = JSON.stringify({ ...bundle, entry }).replace('"here"', '7.10');
  const answer = await gateway.send('POST', '', own, text);
  assert.deepEqual(statuses(answer), ['201', '200', '200']);
  assert.equal(answer.text.split('"value":7.10}').length, 4);
  const batch = await gateway.send('POST', '', own, { ...bundle, type: 'batch', entry: [get(`Observation/${id}`)] });
  assert.ok(batch.text.includes('"value":7.10}'));
  assert.deepEqual(statuses(await transaction(own, [remove(`Observation/${id}`)])), ['204']);
  assert.equal((await gateway.get(`/Observation/${id}`, own)).status, 410);
});

test('FHR-2 whatever a server answers to a transaction, its caller sees nothing of others, and learns what went wrong', async (t) => {
  const liar = await startStandIn();
  t.after(() => liar.close());
  const front = await startGateway(liar.base);
  t.after(() => front.close());
  const bearer = front.token({ scope: 'patient/*.cruds', patient: 'p1' });
  const mine = observation('Patient/p1', { id: 'o1' });
  const theirs = observation('Patient/p2', { id: 'o1', note: [{ text: 'secret' }] });
  const done = (resource: object | undefined, response: object = { status: '201 Created' }) => ({
    resourceType: 'Bundle',
    type: 'transaction-response',
    entry: [{ ...(resource && { resource }), response }],
  });
  const located = { status: '201', location: 'Observation/o1/_history/1' };
  const failed = { resourceType: 'OperationOutcome', issue: [{ diagnostics: 'secret' }] };
  let stands = { transactions: true, status: 200, answer: {} as object, read: mine as object };
  liar.answer = ({ url, method }, response) => {
    const rest = {
      mode: 'server',
      resource: [{ type: 'Observation', interaction: [{ code: 'create' }, { code: 'read' }] }],
      interaction: stands.transactions ? [{ code: 'transaction' }] : [],
    };
    const metadata = { resourceType: 'CapabilityStatement', fhirVersion: '4.0.1', rest: [rest] };
    const body = url === '/r4/metadata' ? metadata : method === 'POST' ? stands.answer : stands.read;
    response.writeHead(url === '/r4' ? stands.status : 200, { 'content-type': 'application/fhir+json' });
    response.end(JSON.stringify(body));
  };
  for (const [what, given, expected] of [
    ['what was made', { answer: done(mine) }, 200],
    ['where it is', { answer: done(undefined, located) }, 200],
    [
      'that it is elsewhere',
      { answer: done(undefined, { ...located, location: 'https://x.example/Observation/1' }) },
      502,
    ],
    ['nothing of where it is', { answer: done(undefined) }, 502],
    ['another patient’s', { answer: done(theirs) }, 502],
    ['where another patient’s is', { answer: done(undefined, located), read: theirs }, 502],
    ['another type', { answer: done({ resourceType: 'Patient', id: 'p1' }) }, 502],
    ['too little', { answer: { ...done(mine), entry: [] } }, 502],
    ['too much', { answer: { ...done(mine), entry: [...done(mine).entry, ...done(theirs).entry] } }, 502],
    ['a batch', { answer: { ...done(mine), type: 'batch-response' } }, 502],
    ['a part that failed', { answer: done(mine, { status: '400', outcome: failed }) }, 502],
    ['no Bundle', { answer: failed }, 502],
    ['a conflict', { status: 409, answer: failed }, 409],
    ['a refusal', { status: 422, answer: failed }, 422],
    ['a fault', { status: 500, answer: failed }, 502],
  ] as const) {
    stands = { transactions: true, status: 200, read: mine, ...given };
    const bundle = { resourceType: 'Bundle', type: 'transaction', entry: [post(observation('Patient/p1'))] };
    const answer = await front.send('POST', '', bearer, bundle);
    assert.equal(answer.status, expected, `${what}: ${answer.text}`);
    assert.ok(!answer.text.includes('secret'), answer.text);
  }
});

test('FHR-3 a server without transactions gets none, and the refusal says so', async (t) => {
  const plain: StandIn = await startStandIn();
  t.after(() => plain.close());
  const front = await startGateway(plain.base);
  t.after(() => front.close());
  let asked = 0;
  plain.answer = ({ url }, response) => {
    if (url !== '/r4/metadata') asked += 1;
    const rest = { mode: 'server', resource: [{ type: 'Patient', interaction: [{ code: 'create' }] }] };
    response.writeHead(200, { 'content-type': 'application/fhir+json' });
    response.end(JSON.stringify({ resourceType: 'CapabilityStatement', fhirVersion: '4.0.1', rest: [rest] }));
  };
  const bearer = front.token({ scope: 'system/*.cruds' });
  const bundle = { resourceType: 'Bundle', type: 'transaction', entry: [post({ resourceType: 'Patient' })] };
  const { status, body } = await front.send('POST', '', bearer, bundle);
  assert.deepEqual([status, asked], [400, 0]);
  assert.match(body.issue[0].diagnostics, /no transactions/);
  assert.deepEqual((await front.get('/metadata')).body.rest[0].interaction, [{ code: 'batch' }]);
});
