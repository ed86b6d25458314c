/** How much of the store a request reads: what a search returns, not what there is. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, type TestContext, test } from 'node:test';
import { Scopes } from '@lockstep/fhircast';
import { R4Validator } from '@lockstep/r4';
import type { RecordStore } from '@lockstep/store';
import { openSqlite } from '@lockstep/store-sqlite';
import fastify from 'fastify';
import { ResourceAccess } from '../src/access.ts';
import { Interactions } from '../src/interactions.ts';
import { ResourceRepository } from '../src/repository.ts';
import type { Json } from '../src/resource.ts';
import type { SearchBundle } from '../src/search.ts';
import { createFhir } from '../src/service.ts';
import { contentOf } from '../src/validate.ts';
import { BASE, NOW, SMART } from './harness.ts';

const PATIENTS = 50;
const EACH = 24;
const ALL = PATIENTS * EACH;
/** Conditions of one patient, who has nothing else; and versions of their doctor. */
const MANY = 1_000;
const VERSIONS = 120;

let folder: string;
let store: Awaited<ReturnType<typeof openSqlite>>;
let repository: ResourceRepository;
let interactions: Interactions;
let read = 0;

/** The store, counting the records it hands out. */
function counting(records: RecordStore): RecordStore {
  return new Proxy(records, {
    get(target, name) {
      const method = Reflect.get(target, name).bind(target);
      if (name !== 'get' && name !== 'find' && name !== 'list') return method;
      return async (...args: unknown[]) => {
        const found = await method(...args);
        read += Array.isArray(found) ? found.length : 1;
        return found;
      };
    },
  });
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-fhir-'));
  store = await openSqlite({ path: join(folder, 'store.db'), log: { count: 100, ageMs: 60_000 } });
  repository = new ResourceRepository(counting(store.records), BASE, () => NOW);
  interactions = new Interactions(repository, new R4Validator(), BASE, () => 'made');
  const observations = Array.from({ length: ALL }, (_, index) => ({
    resourceType: 'Observation',
    id: `o${String(index).padStart(5, '0')}`,
    status: 'final',
    identifier: [{ system: 'urn:oid:2.999.1', value: `n${index}` }],
    code: { text: 'Length' },
    subject: { reference: `Patient/p${index % PATIENTS}` },
    performer: [{ reference: 'Organization/hospital' }],
  }));
  const hospital = { resourceType: 'Organization', id: 'hospital', name: 'Hospital' };
  const conditions = Array.from({ length: MANY }, (_, index) => ({
    resourceType: 'Condition',
    id: `c${String(index).padStart(5, '0')}`,
    identifier: [{ value: 'shared' }],
    subject: { reference: 'Patient/many' },
    recorder: { reference: 'Practitioner/doctor' },
  }));
  const others = [
    { resourceType: 'Patient', id: 'many' },
    { resourceType: 'Practitioner', id: 'doctor' },
  ];
  assert.ok(await repository.createAll([...observations, hospital, ...conditions, ...others]));
  const key = { type: 'Practitioner', id: 'doctor' };
  for (let version = 1; version < VERSIONS; version += 1) {
    const previous = await repository.get(key);
    assert.ok(await repository.commit([repository.plan(key, { resourceType: 'Practitioner' }, previous)]));
  }
});
beforeEach(() => {
  read = 0;
});
after(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

const caller = (scope: string, patient?: string, tokenId = scope) =>
  new ResourceAccess(
    { tokenId, clientId: 'c', scopes: new Scopes(scope), expiresAt: NOW + 1, ...(patient && { patient }) },
    repository,
    BASE,
  );
const system = caller('system/*.rs');
const writer = caller('system/*.cruds');

async function searched(query: string, access = system): Promise<SearchBundle & { readonly read: number }> {
  read = 0;
  const bundle = await interactions.find('Observation', new URLSearchParams(query), access);
  return { ...bundle, read };
}

function next(bundle: SearchBundle): string | undefined {
  return bundle.link.find(({ relation }) => relation === 'next')?.url.split('?')[1];
}

test('FHR-3 a search by patient, subject, identifier or id reads what it finds, alternatives too', async () => {
  for (const [query, found] of [
    ['patient=p7', EACH],
    ['subject=Patient/p7', EACH],
    ['subject:Patient=p7', EACH],
    [`subject=${BASE}/Patient/p7`, EACH],
    ['patient=p7,Patient/p8', 2 * EACH],
    ['patient=p7&patient=p7', EACH],
    ['identifier=n77', 1],
    ['identifier=urn:oid:2.999.1|n77,urn:oid:2.999.1|n78', 2],
    ['_id=o00077,o00078', 2],
  ] as const) {
    const { total, read: took } = await searched(query);
    assert.deepEqual([total, took], [found, found], query);
  }
});

test('FHR-3 what no index holds is still found', async () => {
  assert.equal((await searched('subject=p7')).total, EACH, 'the subject may be of another type');
  assert.equal((await searched('identifier=urn:oid:2.999.1|')).total, ALL);
  assert.equal((await searched('patient=p7,https://other.example/fhir/Patient/p7')).total, EACH);
  assert.equal((await searched('subject:Group=p7')).total, 0);
  assert.equal((await searched('identifier:missing=false&_count=1')).total, ALL);
});

test('FHR-3 pages after the first read on from where they start, and keep the first page’s total', async () => {
  const first = await searched('_count=100');
  assert.equal(first.total, ALL);
  let pages = 1;
  for (let query = next(first); query !== undefined; pages++) {
    const page = await searched(query);
    assert.equal(page.total, ALL);
    assert.ok(page.read <= 400, `page ${pages} read ${page.read}`);
    query = next(page);
  }
  assert.equal(pages, ALL / 100);
  const untold = await searched('_count=10&_total=none');
  assert.ok(untold.read <= 400);
  assert.equal(untold.total, undefined);
});

test('FHR-2 a remembered total is given only to the token that it was counted for', async () => {
  const query = next(await searched('_count=10'))!;
  const own = await searched(query, caller('patient/*.rs', 'p3'));
  assert.equal(own.total, EACH);
});

test('FHR-2 whether a patient’s resources refer to an organization is found out from one of them', async () => {
  const access = caller('patient/*.rs', 'p3');
  await interactions.read({ type: 'Organization', id: 'hospital' }, access);
  assert.equal(read, 2);
});

test('FHR-6 a request reads a bounded part of the store where no index helps, and holds a page', async () => {
  const most = 500;
  const bounded = new ResourceRepository(counting(store.records), BASE, () => NOW, most);
  const asked = new Interactions(bounded, new R4Validator(), BASE, () => 'made');
  const search = async (type: string, query: string) => {
    read = 0;
    return asked.find(type, new URLSearchParams(query), system);
  };
  // A page of the store is read ahead.
  const limit = most + 200;

  // Pages of everything, and of what a filter finds nearly nowhere: each is short, none is forgotten, none is counted in vain.
  for (const [query, expected] of [
    ['_count=100', ALL],
    ['status=final&_count=100', ALL],
    ['status:not=final', 0],
    ['identifier=n3|,urn:oid:2.999.1|&_count=300&_total=accurate', ALL],
  ] as const) {
    const seen = new Set<string>();
    let pages = 0;
    for (let on: string | undefined = query; on !== undefined; pages += 1) {
      assert.ok(pages < 30, query);
      const page: SearchBundle = await search('Observation', on);
      assert.ok(read <= 2 * limit, `${query}: page ${pages} read ${read}`);
      assert.equal(page.total, undefined, query);
      for (const { resource } of page.entry ?? []) seen.add(String(resource.id));
      on = next(page);
    }
    assert.equal(seen.size, expected, query);
  }

  // What needs all of it is refused by name, after no more was read.
  for (const [type, query] of [
    ['Observation', '_count=0'],
    ['Observation', '_summary=count'],
    ['Organization', '_revinclude=Observation:performer'],
    ['Organization', '_has:Observation:performer:status=final'],
  ] as const) {
    await assert.rejects(search(type, query), { status: 400, issue: 'too-costly' }, `${type}?${query}`);
    assert.ok(read <= 2 * limit, `${type}?${query} read ${read}`);
  }
  // A condition that was not looked up whole is not one that finds nothing.
  await assert.rejects(asked.matching('Observation', 'status:not=final', system), { issue: 'too-costly' });

  // An index still finds what is there.
  assert.equal((await search('Observation', 'patient=p7&_sort=date')).total, EACH);
});

/** Bounds that what is stored exceeds many times, and what a request may read beside: a page of the store is read ahead. */
const MOST = 100;
const AHEAD = 200;

const bounded = (): Interactions => {
  const small = new ResourceRepository(counting(store.records), BASE, () => NOW, MOST);
  return new Interactions(small, new R4Validator(), BASE, () => 'made');
};

interface Read {
  readonly keys: readonly string[];
  readonly next: string | undefined;
}

const keysOf = (bundle: { readonly entry?: readonly unknown[] }): string[] =>
  (bundle.entry ?? []).flatMap((one) => {
    const { resource, search } = one as { resource: { resourceType: string; id: string }; search?: { mode: string } };
    return search?.mode === 'outcome' ? [] : [`${resource.resourceType}/${resource.id}`];
  });

/** What is read in pages: each page, by the query that the page before has named. */
const PAGED: Readonly<Record<string, { readonly query: string; readonly all: number; readonly read: string }>> = {
  'GET /:type, without an index': { query: '_count=40', all: MANY, read: 'Condition' },
  'GET /:type, of one patient': { query: 'patient=many&_count=400', all: MANY, read: 'Condition' },
  'GET /:type, of several patients': { query: 'patient=many,Patient/p1&_count=400', all: MANY, read: 'Condition' },
  'GET /:type, by an identifier': { query: 'identifier=shared&_count=400', all: MANY, read: 'Condition' },
  'GET /:type, what is found nearly nowhere': { query: 'patient=many&code:missing=false', all: 0, read: 'Condition' },
  'GET /Patient/:id/$everything': { query: '_count=400', all: MANY + 1, read: '$everything' },
  'GET /Patient/:id/$everything, some types': { query: '_type=Condition&_count=7', all: MANY, read: '$everything' },
  'GET /:type/:id/_history': { query: '_count=500', all: VERSIONS, read: '_history' },
  'GET /:type/:id/_history, short pages': { query: '_count=9', all: VERSIONS, read: '_history' },
};

async function paged(asked: Interactions, what: string, query: string): Promise<Read> {
  const params = new URLSearchParams(query);
  const run = {
    $everything: () => asked.everything('many', params, system),
    _history: () => asked.history({ type: 'Practitioner', id: 'doctor' }, params, system),
  }[what];
  const { text } = await (run ? run() : asked.search(what, params, system));
  const bundle = JSON.parse(text);
  return { keys: keysOf(bundle), next: next(bundle) };
}

test('FHR-6 whatever reads several resources reads a bounded number at a time, and pages bring each once', async () => {
  const asked = bounded();
  for (const [name, { query, all, read: what }] of Object.entries(PAGED)) {
    const keys: string[] = [];
    let pages = 0;
    for (let on: string | undefined = query; on !== undefined; pages += 1) {
      read = 0;
      assert.ok(pages < 200, name);
      const page = await paged(asked, what, on);
      assert.ok(read <= 2 * (MOST + AHEAD), `${name}: page ${pages} read ${read}`);
      assert.ok(page.keys.length <= MOST + 1, `${name}: page ${pages} holds ${page.keys.length}`);
      keys.push(...page.keys);
      on = page.next;
    }
    assert.equal(keys.length, all, name);
    if (what !== '_history') assert.equal(new Set(keys).size, all, name);
    if (all > 0) assert.ok(pages > 1, name);
  }
});

test('FHR-6 what cannot be answered in pages is refused by name after a bounded number was read', async () => {
  const asked = bounded();
  const condition = contentOf({ resourceType: 'Condition', subject: { reference: 'Patient/p1' } }, false);
  const none = { type: 'Condition', condition: 'patient=many&code:missing=false' };
  for (const [name, run] of Object.entries({
    'counted, of one patient': () => asked.find('Condition', new URLSearchParams('patient=many&_count=0'), system),
    'what refers to a page': () =>
      asked.find('Patient', new URLSearchParams('_id=many&_revinclude=Condition:patient'), system),
    'what others are found by': () =>
      asked.find('Patient', new URLSearchParams('_has:Condition:patient:code=x'), system),
    'a condition of a creation': () => asked.create('Condition', condition, 'patient=many&code:missing=false', writer),
    'a condition of an update': () => asked.update(none, condition, {}, writer),
    'a condition of a deletion': () => asked.remove(none, {}, writer),
  })) {
    read = 0;
    await assert.rejects(run, { status: 400, issue: 'too-costly' }, name);
    assert.ok(read <= 2 * (MOST + AHEAD), `${name} read ${read}`);
  }
});

test('FHR-6 sorted pages of more than a request may read bring each once, of all and of a patient, and read a bounded number', async () => {
  const asked = bounded();
  for (const [type, query, all] of [
    ['Condition', '_sort=-_id', MANY],
    ['Condition', 'patient=many&_sort=-_id', MANY],
    ['Condition', 'patient=many,p1&_sort=code,-_id&_count=30', MANY],
    ['Condition', 'patient=many&_sort=-_id&code:missing=false', 0],
    ['Observation', 'patient=many,p2&_sort=_lastUpdated', EACH],
    ['Observation', 'patient=p1,p2,p3,p4,p5&_sort=-identifier&_count=7', 5 * EACH],
  ] as const) {
    const keys: string[] = [];
    let first = true;
    for (let on: string | undefined = query; on !== undefined; first = false) {
      read = 0;
      const page = await paged(asked, type, on);
      // The order is read once; a page of the store is read ahead.
      assert.ok(first || read <= MOST + 1, `${query} read ${read}`);
      keys.push(...page.keys);
      on = page.next;
    }
    assert.equal(keys.length, all, query);
    assert.equal(new Set(keys).size, all, query);
    if (query.includes('-_id')) assert.deepEqual(keys, keys.toSorted().reverse(), query);
  }
  await assert.rejects(
    asked.find('Condition', new URLSearchParams('_sort=_id&_summary=count&code:missing=false'), system),
    {
      issue: 'too-costly',
    },
  );
});

test('FHR-6 an order of more places than are held is refused by name', async () => {
  const small = new ResourceRepository(store.records, BASE, () => NOW, 10);
  const asked = new Interactions(small, new R4Validator(), BASE, () => 'made');
  await assert.rejects(asked.find('Condition', new URLSearchParams('_sort=_id'), system), { issue: 'too-costly' });
});

test('FHR-2 a sorted page names nothing that the caller may not see, nor counts it', async () => {
  const asked = bounded();
  const granular = caller('system/Observation.rs?identifier=n0,n250');
  const first = await asked.find('Observation', new URLSearchParams('_sort=_id&_count=1'), granular);
  assert.deepEqual(
    first.entry?.map(({ resource }) => resource.id),
    ['o00000'],
  );
  assert.equal(first.total, undefined);
  // It went on from the last one that may be seen: beyond, a request reads no more that may.
  await assert.rejects(asked.find('Observation', new URLSearchParams(next(first)), granular), { issue: 'too-costly' });
  const seen = caller('system/Observation.rs?identifier=n0,n250,n1199');
  const last = await asked.find('Observation', new URLSearchParams('_sort=-_id&_count=1'), seen);
  assert.deepEqual(
    last.entry?.map(({ resource }) => resource.id),
    ['o01199'],
  );
});

/** Routes that read one resource, or none. */
const READ_ONE = [
  'GET /:type/:id',
  'GET /:type/:id/_history/:version',
  'GET /metadata',
  'PUT /:type/:id',
  'PATCH /:type/:id',
  'DELETE /:type/:id',
];
/** Routes that do what the tables above hold, and nothing more. */
const READ_MANY = [
  'GET /:type',
  'POST /:type/_search',
  'GET /Patient/:id/$everything',
  'POST /Patient/:id/$everything',
  'GET /:type/:id/_history',
  // Of several requests, one after the other; of conditions.
  'POST /',
  'POST /:type',
  'PUT /:type',
  'PATCH /:type',
  'DELETE /:type',
];

/** The endpoint with a store of many resources, over HTTP. */
async function endpoint(t: TestContext) {
  const app = fastify();
  const routes: string[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) routes.push(`${one} ${url.replace(/^\/fhir/, '') || '/'}`);
  });
  const tokenInfo = { tokenId: 't', clientId: 'c', scopes: new Scopes('system/*.cruds'), expiresAt: NOW + 1 };
  const { plugin } = await createFhir({
    records: store.records,
    validator: new R4Validator(),
    clock: { now: () => NOW },
    baseUrl: BASE,
    tokenOf: () => tokenInfo,
    smart: () => SMART,
    hubUrl: 'https://ehr.example/hub',
    ids: () => crypto.randomUUID(),
    version: '0.0.0-test',
  });
  await app.register(plugin, { prefix: '/fhir' });
  t.after(() => app.close());
  return { app, routes };
}

test('FHR-6 every route is known by whether it reads several resources', async (t) => {
  const { app, routes } = await endpoint(t);
  const refused: string[] = [];
  for (const route of routes) {
    if (READ_ONE.includes(route) || READ_MANY.includes(route) || /^(HEAD|OPTIONS) /.test(route)) continue;
    const [method = 'GET', path = ''] = route.split(' ');
    const { statusCode } = await app.inject({
      method: method as 'GET',
      url: `/fhir${path.replaceAll(':', '').replace('*', 'a/b/c/d/e')}`,
    });
    assert.ok([404, 405].includes(statusCode), `${route} answers ${statusCode}: say what it reads`);
    refused.push(route);
  }
  assert.ok(refused.length > 10);
  for (const route of [...READ_ONE, ...READ_MANY]) assert.ok(routes.includes(route), route);
});

test('FHR-6 in one turn of the event loop few resources are read of their text, whoever asks', async (t) => {
  const { app } = await endpoint(t);
  const parse = t.mock.method(JSON, 'parse');
  const urls = ['Observation?status=x', 'Condition?patient=many&_sort=code', 'Patient/many/$everything'];
  const entry = urls.map((url) => ({ request: { method: 'GET', url } }));
  const requests = Array.from({ length: 16 }, (_, n) => {
    const url = urls[n % 4];
    if (url !== undefined) return app.inject({ url: `/fhir/${url}` });
    return app.inject({ method: 'POST', url: '/fhir', payload: { resourceType: 'Bundle', type: 'batch', entry } });
  });
  let isDone = false;
  const all = Promise.all(requests).then((answers) => {
    isDone = true;
    return answers;
  });
  let most = 0;
  for (let before = 0; !isDone; before = parse.mock.callCount()) {
    await new Promise((resolve) => setImmediate(resolve));
    most = Math.max(most, parse.mock.callCount() - before);
  }
  assert.ok((await all).every(({ statusCode }) => statusCode === 200));
  assert.ok(parse.mock.callCount() > 5_000, `${parse.mock.callCount()} in all`);
  // A slice, and what the answer to one request needs beside it.
  assert.ok(most <= 150, `${most} in one turn`);
});

test('FHR-6 a large resource is not checked in the event loop, however it is written', async (t) => {
  const { app } = await endpoint(t);
  const here = t.mock.method(R4Validator.prototype, 'problem');
  const component = Array.from({ length: 300 }, () => ({ code: { text: 'a' }, valueString: 'b' }));
  const large = { resourceType: 'Observation', id: 'large', status: 'final', code: { text: 'x' }, component };
  const request = { method: 'POST', url: 'Observation' };
  const entry = [{ request, resource: large }];
  const patch = JSON.stringify([{ op: 'add', path: '/note', value: [{ text: 'x' }] }]);
  const json = { 'content-type': 'application/fhir+json' };
  for (const [method, url, payload, headers] of [
    ['PUT', 'Observation/large', large, json],
    ['PUT', 'Observation?_id=large', large, json],
    ['POST', 'Observation', large, json],
    ['POST', '', { resourceType: 'Bundle', type: 'batch', entry }, json],
    ['POST', '', { resourceType: 'Bundle', type: 'transaction', entry }, json],
    ['PATCH', 'Observation/large', patch, { 'content-type': 'application/json-patch+json' }],
  ] as const) {
    const answer = await app.inject({ method, url: `/fhir/${url}`, payload, headers });
    assert.ok([200, 201].includes(answer.statusCode), `${method} ${url} ${answer.body.slice(0, 300)}`);
    assert.doesNotMatch(answer.body, /"status":"4/);
  }
  assert.equal(here.mock.callCount(), 0);
});

/** A FHIR service of its own whose record holds these patients, with the reads of its store counted. */
async function serviceOf(t: TestContext, patients: readonly { readonly id: string; readonly [key: string]: Json }[]) {
  const path = join(folder, `picker-${crypto.randomUUID()}.db`);
  const own = await openSqlite({ path, log: { count: 100, ageMs: 60_000 } });
  t.after(() => own.close());
  const records = counting(own.records);
  const written = new ResourceRepository(records, BASE, () => NOW);
  assert.ok(await written.createAll(patients.map((one) => ({ resourceType: 'Patient', ...one }))));
  const { service } = await createFhir({
    records,
    validator: new R4Validator(),
    clock: { now: () => NOW },
    baseUrl: BASE,
    tokenOf: () => undefined,
    smart: () => SMART,
    hubUrl: `${BASE}/hub`,
    ids: () => 'made',
    version: '1',
  });
  return service;
}

const named = (index: number, family: string, more: Record<string, Json> = {}) => ({
  id: `p${String(index).padStart(4, '0')}`,
  name: [{ family, given: ['Ada'] }],
  identifier: [{ value: `MR-${index}` }],
  ...more,
});

test('FHR-6 a picker reads a page of patients, however many there are, and its pages bring each of them once', async (t) => {
  const service = await serviceOf(
    t,
    Array.from({ length: 900 }, (_, index) => named(index, index % 3 === 0 ? 'Third' : 'Other')),
  );
  for (const [query, all] of [
    ['', 900],
    ['thi ada', 300],
  ] as const) {
    const ids: string[] = [];
    for (let after: string | undefined = ''; after !== undefined; ) {
      read = 0;
      const page = await service.patients(query, { limit: 50, after });
      assert.ok(read <= 50 * 3 + 300, `${read} were read for a page`);
      assert.ok(page.patients.length > 0 || page.next === undefined, 'a page that goes on has somebody');
      ids.push(...page.patients.map(({ id }) => id));
      after = page.next;
    }
    assert.equal(ids.length, all, query);
    assert.equal(new Set(ids).size, all, query);
  }
  const { patients: numbered, next: rest } = await service.patients('mr-899');
  assert.deepEqual([numbered.map(({ id }) => id), rest], [['p0899'], undefined]);
  assert.deepEqual(await service.patients('nobody'), { patients: [] }, 'all of the record was searched');
});

test('FHR-6 a picker says that there is no patient only when the whole record was searched', async (t) => {
  const text = 'x'.repeat(1024 * 1024);
  const large = Array.from({ length: 18 }, (_, index) => named(index, 'Large', { implicitRules: text }));
  const service = await serviceOf(t, [...large, named(18, 'Last')]);
  const first = await service.patients('last');
  assert.deepEqual(first.patients, []);
  assert.ok(first.next !== undefined, 'not everybody was looked at');
  const second = await service.patients('last', { after: first.next });
  assert.deepEqual([second.patients.map(({ id }) => id), second.next], [['p0018'], undefined]);
  const numbered = await service.patients('MR-18');
  assert.deepEqual(
    numbered.patients.map(({ id }) => id),
    ['p0018'],
    'a whole number is found wherever it is',
  );
});
