/** Resources of some types in memory, so that a search for a person costs no reading of everybody (FHR-6). */
import { randomUUID } from 'node:crypto';
import type { RecordStore, StoredRecord } from '@lockstep/store';
import type { Resource } from './resource.ts';

/** What changed last in each type that is held: one record a type, written with every change. */
const CHANGED = 'fhir-changed';
/** Types that people search key by key. */
const TYPES: ReadonlySet<string> = new Set(['Patient', 'Practitioner']);
/** Characters of resources that are held of one type. */
const MOST_CHARACTERS = 8 * 1024 * 1024;
/** Changes that the record of changes knows; and ids that are read one by one, beyond which the type is read again. */
const MOST_CHANGES = 50;
const MOST_IDS = 50;
/** ms after which a type is read again beside a search: an older version of the server writes without saying what changed. */
const FRESH_MS = 60_000;
/** ms for which a type that is too large is not read again to see whether it still is. */
const TOO_LARGE_MS = 600_000;

/** A change: its name, and the ids that it wrote; null for too many. */
type Change = readonly [name: string, ids: readonly string[] | null];

/** A resource and how many characters it has. */
export interface ResourceInMemory {
  readonly id: string;
  readonly size: number;
  readonly resource: Resource;
}

/** How far the changes of a type had come. */
interface Mark {
  readonly revision: number;
  readonly last: string;
}

interface HeldType {
  readonly mark: Mark;
  /** Ordered by id. */
  readonly list: readonly ResourceInMemory[];
  /** When all of it was read, ms since the epoch. */
  readonly readAt: number;
}

/** Where the resources are. */
export interface HeldSource {
  /** All of a type, ordered by id. */
  all(type: string): AsyncIterable<StoredRecord>;
  one(type: string, id: string): Promise<StoredRecord | undefined>;
  /** Undefined for what was deleted. */
  resourceIn(record: StoredRecord): Resource | undefined;
}

interface Reading {
  readonly number: number;
  readonly done: Promise<readonly ResourceInMemory[] | undefined>;
}

/**
 * Whole types of resources as they are in the store. Each search asks the store, with one small record, what has changed since, by this
 * process or another, and reads that alone; where it cannot be known, the type is read again.
 */
export class HeldResources {
  readonly #records: RecordStore;
  readonly #now: () => number;
  readonly #most: number;
  readonly #source: HeldSource;
  readonly #held = new Map<string, HeldType>();
  readonly #readings = new Map<string, Reading>();
  readonly #tooLarge = new Map<string, number>();
  #begun = 0;

  /** @param most resources of a type that are held; a larger type is not */
  constructor(records: RecordStore, source: HeldSource, now: () => number, most: number) {
    this.#records = records;
    this.#now = now;
    this.#most = most;
    this.#source = source;
  }

  /**
   * The resources of a type, ordered by id, as they are now.
   * @param needsAll whether the caller would read all of them: only then they are read to be held
   * @returns undefined where they are not held
   */
  async all(type: string, needsAll: boolean): Promise<readonly ResourceInMemory[] | undefined> {
    if (!TYPES.has(type)) return undefined;
    const before = this.#begun;
    for (;;) {
      const record = await this.#records.get(CHANGED, type, this.#now());
      const held = this.#held.get(type);
      const changed = held && changedSince(held.mark, record);
      if (held && changed) {
        const list = changed.length === 0 ? held.list : await this.#changedList(type, held, changed, markOf(record));
        if (needsAll && this.#now() - held.readAt > FRESH_MS) this.#readAgain(type);
        return list;
      }
      if (!needsAll || this.#now() - (this.#tooLarge.get(type) ?? Number.NEGATIVE_INFINITY) < TOO_LARGE_MS)
        return undefined;
      const reading = this.#readings.get(type) ?? this.#read(type);
      const list = await reading.done;
      // What began to be read after the search began has all that the search must find.
      if (reading.number > before) return list;
    }
  }

  /** What to write together with other writes, so that whoever holds the types learns of it. */
  async writesFor(
    written: readonly { readonly type: string; readonly id: string }[],
  ): Promise<Parameters<RecordStore['putAll']>[0]> {
    const types = [...new Set(written.map(({ type }) => type))].filter((type) => TYPES.has(type));
    return Promise.all(
      types.map(async (type) => {
        const ids = written.filter((one) => one.type === type).map(({ id }) => id);
        const before = changesIn(await this.#records.get(CHANGED, type, this.#now()));
        const change: Change = [randomUUID(), ids.length > MOST_IDS ? null : ids];
        const body = JSON.stringify([...before, change].slice(-MOST_CHANGES));
        return { kind: CHANGED, id: type, record: { body } };
      }),
    );
  }

  #readAgain(type: string): void {
    // The search has its answer: where this fails, the next one that must read says so.
    if (!this.#readings.has(type)) this.#read(type).done.catch(() => undefined);
  }

  #read(type: string): Reading {
    const done = this.#readAll(type).finally(() => this.#readings.delete(type));
    const reading = { number: ++this.#begun, done };
    this.#readings.set(type, reading);
    return reading;
  }

  async #readAll(type: string): Promise<readonly ResourceInMemory[] | undefined> {
    const readAt = this.#now();
    const mark = markOf(await this.#records.get(CHANGED, type, readAt));
    const list: ResourceInMemory[] = [];
    let characters = 0;
    let count = 0;
    for await (const record of this.#source.all(type)) {
      count += 1;
      characters += record.body.length;
      if (count > this.#most || characters > MOST_CHARACTERS) {
        this.#tooLarge.set(type, readAt);
        this.#held.delete(type);
        return undefined;
      }
      const one = this.#heldOf(record);
      if (one) list.push(one);
    }
    this.#tooLarge.delete(type);
    this.#held.set(type, { mark, list, readAt });
    return list;
  }

  async #changedList(
    type: string,
    held: HeldType,
    ids: readonly string[],
    mark: Mark,
  ): Promise<readonly ResourceInMemory[]> {
    const found = await Promise.all(ids.map((id) => this.#source.one(type, id)));
    const changed = new Map(ids.map((id, index) => [id, found[index]]));
    const added = [...changed.values()].flatMap((record) => (record && this.#heldOf(record)) ?? []);
    const list = [...held.list.filter(({ id }) => !changed.has(id)), ...added].sort((a, b) => (a.id < b.id ? -1 : 1));
    // A list that was read since is newer, whatever this one knows.
    if (this.#held.get(type) === held) this.#held.set(type, { ...held, mark, list });
    return list;
  }

  #heldOf(record: StoredRecord): ResourceInMemory | undefined {
    const resource = this.#source.resourceIn(record);
    return resource && { id: resource.id, size: record.body.length, resource };
  }
}

function changesIn(record: StoredRecord | undefined): readonly Change[] {
  return record ? (JSON.parse(record.body) as readonly Change[]) : [];
}

function markOf(record: StoredRecord | undefined): Mark {
  return { revision: record?.revision ?? 0, last: changesIn(record).at(-1)?.[0] ?? '' };
}

/** Ids that were written since; undefined where that is not known. */
function changedSince(mark: Mark, record: StoredRecord | undefined): readonly string[] | undefined {
  const changes = changesIn(record);
  const at = changes.findIndex(([name]) => name === mark.last);
  if (at < 0 && mark.revision > 0) return undefined;
  const since = changes.slice(at + 1);
  // Of two writers at the same time one does not know the other’s change: then there are fewer changes than writes.
  if (since.length !== (record?.revision ?? 0) - mark.revision) return undefined;
  const ids = new Set<string>();
  for (const [, written] of since) {
    if (written === null) return undefined;
    for (const id of written) ids.add(id);
  }
  return ids.size > MOST_IDS ? undefined : [...ids];
}
