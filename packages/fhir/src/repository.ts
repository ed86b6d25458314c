import { hash } from 'node:crypto';
import { keyText, type ResourceKey, textOf } from '@lockstep/fhircast';
import type { RecordInput, RecordStore, StoredRecord } from '@lockstep/store';
import { patientOf, sharedReferences } from './compartment.ts';
import { parseExact } from './exact-json.ts';
import { foldedToken } from './fold.ts';
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
/** Resources that one request reads at most where no index helps. */
const MOST_READ = 10_000;
/** Records read in one go: few enough that reading them does not delay other work. */
const PAGE = 200;

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

/** How many resources a request may still read where no index helps. */
export interface ReadAllowance {
  left: number;
  /** What happens when nothing is left: the request is refused, or gets what was read until then. */
  readonly whenSpent: 'refuse' | 'stop';
  /** Id of the last one that was read; there where reading stopped before the end. */
  stoppedAt?: string;
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

  /** @param mostRead resources that one request reads at most where no index helps */
  constructor(records: RecordStore, baseUrl: string, now: () => number, mostRead = MOST_READ) {
    this.#mostRead = mostRead;
    this.#records = records;
    this.#baseUrl = baseUrl;
    this.#now = now;
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

  /** All versions, newest first. */
  async history(key: ResourceKey): Promise<readonly ResourceVersion[]> {
    const current = await this.get(key);
    if (!current) return [];
    const prefix = `${keyText(key)}/`;
    const versions: ResourceVersion[] = [];
    for await (const record of this.#scan(REPLACED, prefix)) {
      versions.push(replaced(record, Number(record.id.slice(prefix.length))));
    }
    versions.push(asVersion(current));
    return versions.reverse();
  }

  /**
   * The resources of a type among which a search looks, ordered by id; read as they are taken where no index helps.
   * @param within the narrowest index the caller knows to hold every result
   * @param afterId only what comes after this id
   * @param allowance what may be read where no index helps
   * @throws FhirRefusal 400 when more would have to be read
   */
  async *candidates(
    type: string,
    within: Within = {},
    afterId = '',
    allowance = this.allowance('refuse'),
  ): AsyncGenerator<Resource> {
    const { ids, patients, identifiers } = within;
    if (ids) {
      const wanted = [...new Set(ids)].filter((id) => id > afterId).sort();
      const found = await Promise.all(wanted.map((id) => this.get({ type, id })));
      for (const one of found) if (one && !one.deleted) yield one.resource;
    } else if (patients || identifiers) {
      const [index, values] = patients ? ['patient', patients] : ['identifier', spellings(identifiers ?? [])];
      const found = await this.#find(
        index,
        values.map((value) => `${type}|${value}`),
      );
      for (const resource of found) if (resource.id > afterId) yield resource;
    } else {
      let last = afterId;
      for await (const record of this.#scan(CURRENT, `${type}/`, afterId)) {
        if (allowance.left <= 0) {
          if (allowance.whenSpent === 'refuse') throw this.tooCostly(type);
          allowance.stoppedAt = last;
          return;
        }
        allowance.left -= 1;
        last = record.id.slice(type.length + 1);
        const one = stored(record);
        if (!one.deleted) yield one.resource;
      }
    }
  }

  /** What one request may read where no index helps. */
  allowance(whenSpent: ReadAllowance['whenSpent']): ReadAllowance {
    return { left: this.#mostRead, whenSpent };
  }

  tooCostly(type: string): FhirRefusal {
    const reason = `More than ${this.#mostRead} resources of ${type} would be read: name a patient, an identifier or an id.`;
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
    return this.#records.putAll(
      planned.flatMap(({ writes }) => writes),
      this.#now(),
    );
  }

  /** Creates all of them, or none when an id is in use. */
  createAll(resources: readonly (JsonObject & { readonly resourceType: string; readonly id: string })[]) {
    const writes = resources.map((content) => {
      const key = { type: content.resourceType, id: content.id };
      const record = this.#record(this.#stamp(key, content, 1));
      return { kind: CURRENT, id: keyText(key), record, condition: 'absent' as const };
    });
    return this.#records.putAll(writes, this.#now());
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

  /** Resources with any of these index values, once, ordered by id. */
  async #find(index: string, values: readonly string[]): Promise<readonly Resource[]> {
    const found = new Map<string, Resource>();
    for (const value of new Set(values)) {
      for (const record of await this.#records.find(CURRENT, index, value, this.#now())) {
        const one = stored(record);
        if (!one.deleted) found.set(one.resource.id, one.resource);
      }
    }
    const resources = [...found.values()];
    return values.length > 1 ? resources.sort((a, b) => (a.id < b.id ? -1 : 1)) : resources;
  }

  async *#scan(kind: string, prefix: string, after = ''): AsyncGenerator<StoredRecord> {
    let afterId = prefix + after;
    for (;;) {
      const page = await this.#records.list(kind, this.#now(), { afterId, limit: PAGE });
      for (const record of page) {
        if (!record.id.startsWith(prefix)) return;
        yield record;
      }
      if (page.length < PAGE) return;
      afterId = page.at(-1)!.id;
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
