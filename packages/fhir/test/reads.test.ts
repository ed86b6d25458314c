/** How much of the store a request reads: what a search returns, not what there is. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { Scopes } from '@lockstep/fhircast';
import { R4Validator } from '@lockstep/r4';
import type { RecordStore } from '@lockstep/store';
import { openSqlite } from '@lockstep/store-sqlite';
import { ResourceAccess } from '../src/access.ts';
import { Interactions } from '../src/interactions.ts';
import { ResourceRepository } from '../src/repository.ts';
import type { SearchBundle } from '../src/search.ts';
import { BASE, NOW } from './harness.ts';

const PATIENTS = 50;
const EACH = 24;
const ALL = PATIENTS * EACH;

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
  assert.ok(await repository.createAll([...observations, hospital]));
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

test('FHR-2 a remembered total is told to the token that it was counted for, nobody else', async () => {
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
    ['Observation', '_sort=date'],
    ['Observation', '_count=0'],
    ['Observation', '_summary=count'],
    ['Observation', 'status=final&_sort=-date&_count=1'],
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
