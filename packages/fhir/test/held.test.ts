/** Searches for people, of whom the server holds what it read before: they find what the store has now. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { R4Validator } from '@lockstep/r4';
import type { RecordStore } from '@lockstep/store';
import { openSqlite } from '@lockstep/store-sqlite';
import fc from 'fast-check';
import { ResourceAccess } from '../src/access.ts';
import { definitionOf } from '../src/definitions.ts';
import { Interactions } from '../src/interactions.ts';
import { ResourceRepository } from '../src/repository.ts';
import type { JsonObject, Resource } from '../src/resource.ts';
import { BASE, NOW } from './harness.ts';

const MINUTE = 60_000;

let folder: string;
let store: Awaited<ReturnType<typeof openSqlite>>;
const validator = new R4Validator();

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-fhir-'));
  store = await openSqlite({ path: join(folder, 'store.db'), log: { count: 100, ageMs: 60_000 } });
});
after(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

/** A server's part that searches, and what it has read. */
class Server {
  readonly repository: ResourceRepository;
  readonly #interactions: Interactions;
  readonly #access: ResourceAccess;
  read = 0;
  /** Pages of everybody. */
  pages = 0;
  now = NOW;
  /** Until then no page of the store arrives. */
  held: Promise<unknown> = Promise.resolve();

  constructor(records: RecordStore, most?: number) {
    const counted = new Proxy(records, {
      get: (target, name) => {
        const method = Reflect.get(target, name).bind(target);
        if (name !== 'get' && name !== 'find' && name !== 'list') return method;
        return async (...args: unknown[]) => {
          const found = await method(...args);
          if (name === 'list') {
            this.pages += 1;
            await this.held;
          }
          this.read += Array.isArray(found) ? found.length : 1;
          return found;
        };
      },
    });
    this.repository = new ResourceRepository(counted, BASE, () => this.now, most);
    this.#interactions = new Interactions(this.repository, validator, BASE, () => 'made');
    this.#access = new ResourceAccess('trusted', this.repository, BASE);
  }

  /** @returns ids, in the order of the answer */
  async find(query: string): Promise<readonly string[]> {
    return (await this.page(query)).ids;
  }

  /** @returns ids of all pages, in their order */
  async findAll(query: string): Promise<readonly string[]> {
    const found: string[] = [];
    for (let on: string | undefined = query; on !== undefined; ) {
      const { ids, next } = await this.page(on);
      found.push(...ids);
      on = next;
    }
    return found;
  }

  async page(query: string) {
    const params = new URLSearchParams(query);
    const { entry = [], link, total } = await this.#interactions.find('Patient', params, this.#access);
    const next = link.find(({ relation }) => relation === 'next')?.url.split('?', 2)[1];
    return { ids: entry.map(({ resource }) => String(resource.id)), next, total };
  }

  /** Writes or deletes, as a request does. @returns whether nobody else had written the same meanwhile */
  async write(contents: readonly { readonly id: string; readonly family: string | undefined }[]): Promise<boolean> {
    const planned = contents.map(async ({ id, family }) => {
      const key = { type: 'Patient', id };
      const previous = await this.repository.get(key);
      if (family !== undefined) return this.repository.plan(key, patient(id, family), previous);
      return previous && !previous.deleted ? this.repository.planRemoval(key, previous) : undefined;
    });
    return this.repository.commit((await Promise.all(planned)).flatMap((one) => one ?? []));
  }
}

const patient = (id: string, family: string): JsonObject & { resourceType: string; id: string } => ({
  resourceType: 'Patient',
  id,
  name: [{ family, given: ['Ada'] }],
  birthDate: '1970-05-01',
  identifier: [{ value: `MR-${id}` }],
});

/** A store of its own, in the one file: its kinds have other names. */
function ownRecords(): RecordStore {
  const name = crypto.randomUUID();
  const own = (kind: string) => `${name} ${kind}`;
  const records: Partial<RecordStore> = {
    get: (kind, ...rest) => store.records.get(own(kind), ...rest),
    put: (kind, ...rest) => store.records.put(own(kind), ...rest),
    delete: (kind, ...rest) => store.records.delete(own(kind), ...rest),
    find: (kind, ...rest) => store.records.find(own(kind), ...rest),
    list: (kind, ...rest) => store.records.list(own(kind), ...rest),
    putAll: (writes, now) =>
      store.records.putAll(
        writes.map((write) => ({ ...write, kind: own(write.kind) })),
        now,
      ),
  };
  return records as RecordStore;
}

const id = fc.constantFrom('a', 'b', 'c', 'd');
const content = fc.record({ id, family: fc.constantFrom('Müller', 'Muller', 'Quispe', undefined) });
const step = fc.record({
  server: fc.constantFrom(0, 1),
  /** What is written at the same time, each as one change; nothing of it: a search. */
  writes: fc.array(fc.uniqueArray(content, { selector: (one) => one.id, minLength: 1, maxLength: 3 }), {
    maxLength: 3,
  }),
});

test('FHR-5 people are found as whichever server wrote them last, one by one, together or at the same time', async () => {
  const QUERIES = ['name=muller&_sort=family', 'name:contains=uis', '_sort=-family', 'birthdate=1970-05&_count=2', ''];
  // Of few people all are held; of more than a request may read, the order of a sorted search.
  const most = fc.constantFrom(undefined, 1);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), most, async (steps, most) => {
      const records = ownRecords();
      const servers = [new Server(records, most), new Server(records, most)] as const;
      for (const { server, writes } of steps) {
        // A search begins before what is written, and ends after it or before.
        const meanwhile = servers[1 - server]!.find('name=ada');
        await Promise.all(writes.map((one) => servers[server]!.write(one)));
        await meanwhile;
        for (const query of QUERIES) {
          const expected = await new Server(records).findAll(query);
          for (const one of servers) assert.deepEqual(await one.findAll(query), expected, query);
        }
      }
    }),
    { numRuns: 40 },
  );
});

test('FHR-5 a search that begins while another one reads everybody finds what was written before it began', async () => {
  const records = ownRecords();
  const [server, other] = [new Server(records), new Server(records)];
  await other.write([{ id: 'a', family: 'Quispe' }]);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.held = promise;
  const first = server.find('name=ada');
  while (server.pages === 0) await new Promise((turn) => setImmediate(turn));
  await other.write([{ id: 'b', family: 'Quispe' }]);
  const before = server.read;
  const second = server.find('name=ada');
  // It knows of the change, and that somebody reads.
  while (server.read === before) await new Promise((turn) => setImmediate(turn));
  await new Promise((turn) => setImmediate(turn));
  resolve();
  assert.ok((await first).includes('a'));
  assert.deepEqual(await second, ['a', 'b']);
});

test('FHR-5 every parameter counts, whichever way those are read among whom it searches', async () => {
  const server = new Server(ownRecords());
  await server.write([
    { id: 'a', family: 'Quispe' },
    { id: 'b', family: 'Müller' },
  ]);
  for (const [query, found] of [
    ['_id=a,b&name=muller', ['b']],
    ['_id=a&name=muller', []],
    ['_id=a,b&_sort=-family&birthdate=1970', ['a', 'b']],
    ['_id=a,b&birthdate=1971', []],
    ['identifier=MR-a,MR-b&name=quispe', ['a']],
    ['identifier=MR-a,MR-b&birthdate=1971', []],
    ['name=muller', ['b']],
    ['name=muller&birthdate=1971', []],
  ] as const) {
    assert.deepEqual(await server.find(query), found, query);
  }
});

const MANY = 1_000;
const manyPatients = (): readonly (JsonObject & { resourceType: string; id: string })[] =>
  Array.from({ length: MANY }, (_, index) => patient(`p${index}`, index % 50 === 0 ? 'Ní Bhriain' : 'Other'));

test('FHR-6 a search for a person reads what has changed since the last one, not everybody', async () => {
  const records = ownRecords();
  const [server, other] = [new Server(records), new Server(records)];
  assert.ok(await other.repository.createAll(manyPatients()));
  const readBy = async (query: string, found: number): Promise<number> => {
    server.read = 0;
    assert.equal((await server.find(`_count=100&_sort=family&${query}`)).length, found, query);
    return server.read;
  };
  assert.ok((await readBy('', 100)) >= MANY);
  for (const [query, found] of [
    ['name=n', 20],
    ['name=bhriain', 20],
    ['name=ni bhriain&name=ada', 20],
    ['birthdate=1970-05-01', 100],
    ['name=ada&birthdate=1971', 0],
    ['name=xylophone', 0],
  ] as const) {
    assert.ok((await readBy(query, found)) <= 1, query);
  }
  for (let n = 0; n < 20; n += 1) assert.ok(await other.write([{ id: `new${n}`, family: 'Xylophone' }]));
  assert.ok((await readBy('name=xylophone', 20)) <= 21);
  assert.ok((await readBy('name=xylophone', 20)) <= 1);
});

/** Several of each value, and some without one. */
const various = (index: number): JsonObject & { resourceType: string; id: string } => ({
  ...patient(`p${index}`, `Family ${(index * 7919) % 101}`),
  birthDate: index % 3 > 0 ? `19${10 + (index % 89)}-0${1 + (index % 9)}-11` : null,
  gender: index % 2 === 0 ? 'female' : 'male',
  active: index % 5 > 0,
  deceasedDateTime: `2020-01-${10 + (index % 19)}`,
  generalPractitioner: [{ reference: `Practitioner/${index % 7}` }],
  managingOrganization: { reference: `Organization/${index % 3}` },
  link: [{ other: { reference: `Patient/p${index % 11}` }, type: 'seealso' }],
  telecom: [{ system: index % 2 === 0 ? 'phone' : 'email', value: `${index % 13}` }],
  address: [
    { city: `City ${index % 17}`, state: `S${index % 4}`, postalCode: `${index % 23}`, country: `C${index % 6}` },
  ],
  communication: [{ language: { coding: [{ code: index % 2 === 0 ? 'de' : 'en' }] } }],
});

test('FHR-6 of more people than a request may read none are held, and every sort pages through all, a bounded number a page', async () => {
  const records = ownRecords();
  const [ALL, MOST] = [260, 100];
  const server = new Server(records, MOST);
  const whole = new Server(records);
  assert.ok(await server.repository.createAll(Array.from({ length: ALL }, (_, index) => various(index))));
  const names = [...definitionOf('Patient')!.searchParameters.keys()];
  const sorts = [...names.flatMap((name) => [name, `-${name}`]), 'gender,-birthdate,family'];
  for (const sort of sorts) {
    const query = `_sort=${sort}&_count=97`;
    const expected = await whole.findAll(query);
    assert.equal(expected.length, ALL);
    assert.deepEqual(await server.findAll(query), expected, sort);
  }
  // The last order is known: a page costs its people, and what a filter passes over is bounded.
  const order = '_sort=gender,-birthdate,family';
  server.read = 0;
  assert.equal((await server.page(`${order}&_count=20`)).total, ALL);
  assert.ok(server.read <= 51, `${server.read} were read for a page of 20`);
  for (const [filter, most] of [
    ['name=ada&_count=20', ALL],
    ['family=family 7', 40],
    ['family=nobody', 0],
    ['birthdate:missing=true', 90],
  ] as const) {
    const query = `${order}&${filter}`;
    const expected = await whole.findAll(query);
    assert.ok(expected.length <= most && (most === 0 || expected.length > 0), query);
    const ids: string[] = [];
    for (let on: string | undefined = query; on !== undefined; ) {
      server.read = 0;
      const page: Awaited<ReturnType<Server['page']>> = await server.page(on);
      assert.ok(server.read <= MOST + 1, `${query} read ${server.read}`);
      assert.equal(page.total, undefined);
      ids.push(...page.ids);
      on = page.next;
    }
    assert.deepEqual(ids, expected, query);
  }
});

test('FHR-5 what a server of an older version writes, which does not say so, is found within a minute of searching', async () => {
  const records = ownRecords();
  const server = new Server(records);
  await server.write([{ id: 'a', family: 'Quispe' }]);
  assert.deepEqual(await server.find('name=ada'), ['a']);
  const body: Resource = {
    ...patient('b', 'Older'),
    meta: { versionId: '1', lastUpdated: new Date(NOW).toISOString() },
  };
  await records.putAll([{ kind: 'fhir', id: 'Patient/b', record: { body: JSON.stringify(body) } }], NOW);
  server.now += MINUTE + 1;
  // The search after a minute reads all again beside its answer.
  await server.find('name=ada');
  for (let turn = 0; (await server.find('name=ada')).length < 2; turn += 1) {
    assert.ok(turn < 10_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(await server.find('name=older'), ['b']);
});

test('FHR-5 where the store was put back to an older copy, people are found as they are in it', async () => {
  const records = ownRecords();
  const server = new Server(records);
  await server.write([{ id: 'a', family: 'Quispe' }]);
  const kinds = ['fhir', 'fhir-changed'] as const;
  const copy = await Promise.all(
    kinds.map((kind) => records.get(kind, kind === 'fhir' ? 'Patient/a' : 'Patient', NOW)),
  );
  await server.write([{ id: 'a', family: 'Müller' }]);
  assert.deepEqual(await server.find('name=müller'), ['a']);
  for (const [index, kind] of kinds.entries()) {
    const key = kind === 'fhir' ? 'Patient/a' : 'Patient';
    await records.delete(kind, key);
    await records.put(kind, key, { body: copy[index]?.body ?? '' }, NOW);
  }
  // As many changes as the server knows, of which one is another.
  await new Server(records).write([{ id: 'b', family: 'Müller' }]);
  assert.deepEqual(await server.find('name=müller'), ['b']);
  assert.deepEqual(await server.find('name=quispe'), ['a']);
});
