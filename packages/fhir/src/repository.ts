import { hash } from 'node:crypto';
import { keyText, type ResourceKey, textOf } from '@lockstep/fhircast';
import type { RecordInput, RecordStore, StoredRecord } from '@lockstep/store';
import { patientOf, sharedReferences } from './compartment.ts';
import { parseExact } from './exact-json.ts';
import { foldedToken } from './fold.ts';
import { changesToWrite, HeldLists, type ListSource } from './held.ts';
import { type OrderAsked, Orders, type Placed } from './orders.ts';
import { FhirRefusal } from './refusal.ts';
import { isObject, type Json, type JsonObject, type Resource, valuesAt } from './resource.ts';

/** Current versions, and tombstones of deleted resources: `Type/id`. */
const CURRENT = 'fhir';
/** Versions that were replaced: `Type/id/version`, the version padded so that ids sort by it. */
const REPLACED = 'fhir-version';
/** Conditional creations of a moment ago. */
const ONCE = 'fhir-once';
/** ms for which a creation under a condition is remembered: longer than a write takes. */
const ONCE_MS = 10_000;
/** Resources, and characters of them, that one request reads at most. */
export const MOST_READ = 10_000;
const MOST_CHARACTERS = 16 * 1024 * 1024;
/** Types that people search key by key; and characters of resources that are held of one. */
const HELD_TYPES: ReadonlySet<string> = new Set(['Patient', 'Practitioner']);
const MOST_HELD = 8 * 1024 * 1024;
/** Records read in one go, first and at most, and about how many characters: few enough that reading them does not delay other work. */
const FIRST_PAGE = 50;
const PAGE = 200;
const PAGE_CHARACTERS = 1024 * 1024;
/** Resources made of their text in one slice of work; and those that are made already. */
const SLICE = 50;
const HELD_SLICE = 500;

/** The current state of one id. */
export type StoredResource =
  | { readonly deleted: false; readonly version: number; readonly resource: Resource; readonly text: string }
  | { readonly deleted: true; readonly version: number; readonly at: string };

/** A version that was replaced, or the tombstone between two lives of an id. */
export type ResourceVersion =
  | { readonly version: number; readonly at: string; readonly resource: Resource }
  | { readonly version: number; readonly at: string; readonly resource: undefined };

/** Where a search looks: resources with one of these ids, or of these patients' compartments, or with these identifiers. */
export interface Within {
  readonly ids?: readonly string[];
  readonly patients?: readonly string[];
  /** Values without their systems. */
  readonly identifiers?: readonly string[];
}

/** What a caller takes of the candidates. */
interface Wanted {
  /** Whether all of them: then they may be kept in memory. */
  readonly needsAll?: boolean;
  /** Others are passed over. */
  readonly where?: (resource: Resource) => boolean;
}

/** How much a request may still read, and thus hold. */
export interface ReadAllowance {
  /** Resources. */
  left: number;
  /** Characters of them. */
  charactersLeft: number;
  /** What happens when nothing is left: the request is refused, or gets what was read until then. */
  readonly whenSpent: 'refuse' | 'stop';
  /** Id of the last one that was read; there where reading stopped before the end. */
  stoppedAt?: string;
}

/** A resource and how many characters it has. */
interface ResourceInMemory {
  readonly id: string;
  readonly size: number;
  readonly resource: Resource;
}

/** One of those among which a search looks. */
interface Candidate {
  readonly id: string;
  /** Characters. */
  readonly size: number;
  /** Undefined for what was deleted. */
  readonly resource: Resource | undefined;
}

/** Part of what a request writes. */
export interface Planned {
  readonly writes: Parameters<RecordStore['putAll']>[0];
}

interface Tombstone {
  readonly tombstone: string;
}

/**
 * Keeps resources in a RecordStore. A version's number is the record's revision; all writes compare revisions, so that of
 * two writers exactly one wins.
 */
export class ResourceRepository {
  readonly #records: RecordStore;
  readonly #baseUrl: string;
  readonly #now: () => number;
  readonly #mostRead: number;
  readonly #slice: () => Promise<void>;
  readonly #held: HeldLists<ResourceInMemory>;
  readonly #orders: Orders;

  /**
   * @param mostRead resources that one request reads at most
   * @param slice waits for the turn of the next slice of work (see `WorkTurns`)
   */
  constructor(
    records: RecordStore,
    baseUrl: string,
    now: () => number,
    mostRead = MOST_READ,
    slice = () => Promise.resolve(),
  ) {
    this.#mostRead = mostRead;
    this.#slice = slice;
    this.#records = records;
    this.#baseUrl = baseUrl;
    this.#now = now;
    const characters = { characters: MOST_HELD, charactersOf: ({ size }: ResourceInMemory) => size };
    const limits = { items: mostRead, itemsOverall: HELD_TYPES.size * mostRead, ...characters };
    this.#held = new HeldLists(records, limits, now, slice);
    this.#orders = new Orders(records, now, mostRead, slice);
  }

  /** @returns undefined when the id was never used */
  async get(key: ResourceKey): Promise<StoredResource | undefined> {
    const record = await this.#records.get(CURRENT, keyText(key), this.#now());
    return record && stored(record);
  }

  /** One version, the current one too. */
  async version(key: ResourceKey, version: number): Promise<ResourceVersion | undefined> {
    const current = await this.get(key);
    if (!current || version > current.version) return undefined;
    if (version === current.version) return asVersion(current);
    const record = await this.#records.get(REPLACED, versionId(key, version), this.#now());
    return record && replaced(record, version);
  }

  /**
   * The versions before one, newest first, read as they are taken; the current one is none of them.
   * @param allowance what may be read
   */
  async *versionsBefore(key: ResourceKey, before: number, allowance: ReadAllowance): AsyncGenerator<ResourceVersion> {
    const prefix = `${keyText(key)}/`;
    let last = before;
    let limit = FIRST_PAGE;
    for (let from = before; from > 1; ) {
      const first = Math.max(1, from - limit);
      const page = { afterId: versionId(key, first - 1), limit: from - first };
      const records = await this.#records.list(REPLACED, this.#now(), page);
      for await (const record of this.#inSlices(records.toReversed())) {
        const version = record.id.startsWith(prefix) ? Number(record.id.slice(prefix.length)) : from;
        // A version that is not there: the next that are may be those of another resource.
        if (version >= from) continue;
        if (isSpent(allowance, record.body.length, last === before)) {
          allowance.stoppedAt = String(last);
          return;
        }
        last = version;
        yield replaced(record, version);
      }
      from = first;
      limit = nextPage(records);
    }
  }

  /** The current state of one id as a version of it. */
  currentVersion(current: StoredResource): ResourceVersion {
    return asVersion(current);
  }

  /**
   * The resources of a type among which a search looks, ordered by id, read as they are taken.
   * @param within the narrowest index the caller knows to hold every result
   * @param afterId only what comes after this id
   * @param allowance what may be read, other than by ids
   * @param wanted what is passed over, and whether all of them are going to be taken
   * @throws FhirRefusal 400 when more would have to be read
   */
  async *candidates(
    type: string,
    within: Within = {},
    afterId = '',
    allowance = this.allowance('refuse'),
    { needsAll = false, where = () => true }: Wanted = {},
  ): AsyncGenerator<Resource> {
    const { ids } = within;
    if (ids) {
      const wanted = [...new Set(ids)].filter((id) => id > afterId).sort();
      for await (const resource of this.resources(wanted.map((id) => ({ type, id }))))
        if (where(resource)) yield resource;
      return;
    }
    let last = afterId;
    for await (const slice of this.#slices(type, within, afterId, needsAll)) {
      for (const { id, size, resource } of slice) {
        if (isSpent(allowance, size, last === afterId)) {
          if (allowance.whenSpent === 'refuse') throw this.tooCostly(type);
          allowance.stoppedAt = last;
          return;
        }
        last = id;
        if (resource && where(resource)) yield resource;
      }
    }
  }

  /** The same, as many as may be looked at in one slice of work. */
  async *#slices(
    type: string,
    { patients, identifiers }: Within,
    afterId: string,
    needsAll: boolean,
  ): AsyncGenerator<Iterable<Candidate>> {
    const isWhole = !patients && !identifiers;
    const held = isWhole && HELD_TYPES.has(type) ? await this.#held.of(this.#heldList(type), needsAll) : undefined;
    if (held) {
      const first = held.findIndex(({ id }) => id > afterId);
      for (let at = first < 0 ? held.length : first; at < held.length; at += HELD_SLICE) {
        await this.#slice();
        yield held.slice(at, at + HELD_SLICE);
      }
      return;
    }
    const prefix = `${type}/`;
    const after = prefix + afterId;
    const records = isWhole
      ? this.#scan(CURRENT, prefix, after)
      : this.#find(patients ? 'patient' : 'identifier', type, patients ?? spellings(identifiers ?? []), after);
    for await (const record of records) yield [candidate(record)];
  }

  /**
   * The resources with these keys, as far as there are any, in the order of the keys.
   * @param allowance how many characters of them may be read; one that is not refused when it is spent is left to the caller
   * @throws FhirRefusal 400 when they are too large together
   */
  async *resources(keys: readonly ResourceKey[], allowance = this.allowance('refuse')): AsyncGenerator<Resource> {
    for (let at = 0; at < keys.length; at += SLICE) {
      const part = await Promise.all(keys.slice(at, at + SLICE).map((key) => this.get(key)));
      await this.#slice();
      for (const one of part) {
        if (!one || one.deleted) continue;
        allowance.charactersLeft -= one.text.length;
        if (allowance.charactersLeft < 0 && allowance.whenSpent === 'refuse')
          throw this.tooCostly(one.resource.resourceType);
        yield one.resource;
      }
    }
  }

  #heldList(type: string): ListSource<ResourceInMemory> {
    return {
      type,
      name: type,
      all: () => this.#scan(CURRENT, `${type}/`, `${type}/`),
      one: (id) => this.#records.get(CURRENT, keyText({ type, id }), this.#now()),
      itemOf: (record) => {
        const { id, size, resource } = candidate(record);
        return resource && { id, size, resource };
      },
      compare: (a, b) => (a.id < b.id ? -1 : 1),
    };
  }

  /**
   * The places of all resources of a type, or of some patients, in an order: for a sorted search among more than one request may read.
   * @param mayRead whether they are all read for it, where that was not done yet
   * @returns undefined where the order is not known, or has too many places
   */
  order(asked: OrderAsked, mayRead: boolean): Promise<readonly Placed[] | undefined> {
    const { type, name, patients, placeOf, compare } = asked;
    const prefix = `${type}/`;
    const isIn = (resource: Resource) =>
      patients === undefined || patients.includes(patientOf(resource, this.#baseUrl) ?? '');
    const source: ListSource<Placed> = {
      type,
      name: JSON.stringify([type, name, patients]),
      all: () =>
        patients === undefined ? this.#scan(CURRENT, prefix, prefix) : this.#find('patient', type, patients, prefix),
      one: (id) => this.#records.get(CURRENT, keyText({ type, id }), this.#now()),
      itemOf: (record) => {
        const { resource } = candidate(record);
        return resource && isIn(resource) ? placeOf(resource) : undefined;
      },
      compare,
    };
    return this.#orders.of(source, mayRead);
  }

  /** What one request may read. */
  allowance(whenSpent: ReadAllowance['whenSpent']): ReadAllowance {
    return { left: this.#mostRead, charactersLeft: MOST_CHARACTERS, whenSpent };
  }

  tooCostly(type: string): FhirRefusal {
    const most = `${this.#mostRead} resources, or ${MOST_CHARACTERS / 2 ** 20} MB,`;
    const reason = `More than ${most} of ${type} would be read: name a patient, an identifier or an id, or ask without sorting.`;
    return new FhirRefusal(400, 'too-costly', reason);
  }

  /** Whether a resource of the patient's compartment refers to the shared resource. */
  async isLinked(patient: string, shared: ResourceKey): Promise<boolean> {
    const linking = await this.#records.find(CURRENT, 'link', `${patient}|${keyText(shared)}`, this.#now(), {
      limit: 1,
    });
    return linking.length > 0;
  }

  /** Whether there is no resource at all. */
  async isEmpty(): Promise<boolean> {
    return (await this.#records.list(CURRENT, this.#now(), { limit: 1 })).length === 0;
  }

  /**
   * The next version of a resource, to be written when what the caller saw under the id is still there.
   * @param previous what the caller saw
   */
  plan(
    key: ResourceKey,
    content: JsonObject,
    previous: StoredResource | undefined,
  ): Planned & { readonly resource: Resource } {
    const resource = this.#stamp(key, content, (previous?.version ?? 0) + 1);
    return { resource, writes: this.#writes(key, this.#record(resource), previous) };
  }

  /** The deletion of a resource, which leaves its versions and a tombstone. */
  planRemoval(key: ResourceKey, previous: StoredResource): Planned {
    const body: Tombstone = { tombstone: this.#instant() };
    return { writes: this.#writes(key, { body: JSON.stringify(body) }, previous) };
  }

  /**
   * That no other request creates a resource under the same condition at the same time: to be asked for before the search, and
   * written with the creation.
   * @param condition what both search for
   */
  async planOnce(condition: string): Promise<Planned> {
    const id = hash('sha256', condition, 'base64url');
    const last = await this.#records.get(ONCE, id, this.#now());
    const record = { body: '{}', expiresAt: this.#now() + ONCE_MS };
    return { writes: [{ kind: ONCE, id, record, condition: last?.revision ?? 'absent' }] };
  }

  /** @returns whether all of it was written; otherwise nothing was, as something had changed in between */
  commit(planned: readonly Planned[]): Promise<boolean> {
    return this.#write(planned.flatMap(({ writes }) => writes));
  }

  /** Creates all of them, or none when an id is in use. */
  createAll(resources: readonly (JsonObject & { readonly resourceType: string; readonly id: string })[]) {
    const writes = resources.map((content) => {
      const key = { type: content.resourceType, id: content.id };
      const record = this.#record(this.#stamp(key, content, 1));
      return { kind: CURRENT, id: keyText(key), record, condition: 'absent' as const };
    });
    return this.#write(writes);
  }

  async #write(writes: Planned['writes']): Promise<boolean> {
    const written = writes.flatMap(({ kind, id }) => {
      const [type = '', own = ''] = id.split('/');
      return kind === CURRENT ? [{ type, id: own }] : [];
    });
    const changes = await changesToWrite(this.#records, written, this.#now());
    return this.#records.putAll([...writes, ...changes], this.#now());
  }

  #writes(key: ResourceKey, record: RecordInput, previous: StoredResource | undefined): Planned['writes'] {
    const id = keyText(key);
    if (!previous) return [{ kind: CURRENT, id, record, condition: 'absent' }];
    const body = previous.deleted ? JSON.stringify({ tombstone: previous.at } satisfies Tombstone) : previous.text;
    return [
      { kind: CURRENT, id, record, condition: previous.version },
      { kind: REPLACED, id: versionId(key, previous.version), record: { body }, condition: 'absent' },
    ];
  }

  #stamp({ type, id }: ResourceKey, content: JsonObject, version: number): Resource {
    const meta = {
      ...(isObject(content.meta) && content.meta),
      versionId: String(version),
      lastUpdated: this.#instant(),
    };
    const { resourceType: _type, id: _id, meta: _meta, ...rest } = content;
    return { resourceType: type, id, meta, ...rest };
  }

  #record(resource: Resource): RecordInput {
    const patient = patientOf(resource, this.#baseUrl);
    const type = resource.resourceType;
    const identifiers = valuesAt(resource, 'identifier.value').map((value) => `${type}|${foldedToken(textOf(value))}`);
    const shared = patient === undefined ? [] : sharedReferences(resource, this.#baseUrl);
    return {
      body: JSON.stringify(resource),
      indexes: {
        identifier: [...new Set(identifiers)],
        ...(patient !== undefined && {
          patient: `${type}|${patient}`,
          link: shared.map((key) => `${patient}|${keyText(key)}`),
        }),
      },
    };
  }

  /** Records with any of these index values, once, ordered by id. @param after only those after this id */
  async *#find(index: string, type: string, of: readonly string[], after: string): AsyncGenerator<StoredRecord> {
    const values = [...new Set(of)].map((value) => `${type}|${value}`);
    let together = FIRST_PAGE;
    for (let afterId = after; ; ) {
      const now = this.#now();
      const limit = Math.max(1, Math.ceil(together / values.length));
      const pages = await Promise.all(
        values.map((value) => this.#records.find(CURRENT, index, value, now, { afterId, limit })),
      );
      together = nextPage(pages.flat());
      // Of a value whose page is full more may come: up to the least of these all are known.
      const ends = pages.filter(({ length }) => length === limit).map((page) => page.at(-1)!.id);
      const end = ends.length === 0 ? undefined : ends.reduce((least, id) => (id < least ? id : least));
      const found = new Map(pages.flat().map((record) => [record.id, record]));
      const known = [...found.values()].filter(({ id }) => end === undefined || id <= end);
      yield* this.#inSlices(values.length === 1 ? known : known.sort((a, b) => (a.id < b.id ? -1 : 1)));
      if (end === undefined) return;
      afterId = end;
    }
  }

  async *#scan(kind: string, prefix: string, after: string): AsyncGenerator<StoredRecord> {
    let limit = FIRST_PAGE;
    for (let afterId = after; ; ) {
      const page = await this.#records.list(kind, this.#now(), { afterId, limit });
      const found = page.filter(({ id }) => id.startsWith(prefix));
      yield* this.#inSlices(found);
      if (page.length < limit || found.length < page.length) return;
      afterId = page.at(-1)!.id;
      limit = nextPage(page);
    }
  }

  async *#inSlices(records: readonly StoredRecord[]): AsyncGenerator<StoredRecord> {
    for (const [index, record] of records.entries()) {
      if (index % SLICE === 0) await this.#slice();
      yield record;
    }
  }

  #instant(): string {
    return new Date(this.#now()).toISOString();
  }
}

/** Identifiers as the index holds them, and as earlier versions wrote it. */
function spellings(identifiers: readonly string[]): string[] {
  return identifiers.flatMap((value) => [foldedToken(value), value, value.toLowerCase(), value.toUpperCase()]);
}

/** Takes so many characters from what a request may read. @returns whether it may not be read; the first one may */
function isSpent(allowance: ReadAllowance, size: number, isFirst: boolean): boolean {
  if (!isFirst && (allowance.left <= 0 || allowance.charactersLeft < size)) return true;
  allowance.left -= 1;
  allowance.charactersLeft -= size;
  return false;
}

/** How many records are read next, by the size of those before. */
function nextPage(before: readonly StoredRecord[]): number {
  const characters = before.reduce((sum, { body }) => sum + body.length, 1);
  const fitting = Math.floor((PAGE_CHARACTERS * before.length) / characters);
  return Math.min(PAGE, Math.max(10, fitting));
}

function versionId(key: ResourceKey, version: number): string {
  return `${keyText(key)}/${String(version).padStart(10, '0')}`;
}

function read(body: string): Resource | Tombstone {
  return parseExact(body) as Resource | Tombstone;
}

function isTombstone(value: Resource | Tombstone): value is Tombstone {
  return (
    typeof (value as Tombstone).tombstone === 'string' && (value as { resourceType?: Json }).resourceType === undefined
  );
}

function stored(record: StoredRecord): StoredResource {
  const value = read(record.body);
  return isTombstone(value)
    ? { deleted: true, version: record.revision, at: value.tombstone }
    : { deleted: false, version: record.revision, resource: value, text: record.body };
}

function candidate(record: StoredRecord): Candidate {
  const one = stored(record);
  const id = record.id.slice(record.id.indexOf('/') + 1);
  return { id, size: record.body.length, resource: one.deleted ? undefined : one.resource };
}

function replaced(record: StoredRecord, version: number): ResourceVersion {
  const value = read(record.body);
  return isTombstone(value)
    ? { version, at: value.tombstone, resource: undefined }
    : { version, at: value.meta.lastUpdated, resource: value };
}

function asVersion(current: StoredResource): ResourceVersion {
  return current.deleted
    ? { version: current.version, at: current.at, resource: undefined }
    : { version: current.version, at: current.resource.meta.lastUpdated, resource: current.resource };
}
