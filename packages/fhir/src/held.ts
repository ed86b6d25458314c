/** Lists of what is in the store, held in memory, so that a search costs no reading of all of it again (FHR-6). */
import { randomUUID } from 'node:crypto';
import type { RecordStore, StoredRecord } from '@lockstep/store';

/** What changed last in each type: one record a type, written with every change. */
const CHANGED = 'fhir-changed';
/** Changes that the record of changes knows; and ids that are read one by one, beyond which the list is read again. */
const MOST_CHANGES = 50;
const MOST_IDS = 50;
/** ms after which a list is read again beside a search: an older version of the server writes without saying what changed. */
const FRESH_MS = 60_000;
/** Times that reading a list may take before it is read again so: it costs a hundredth of the time. */
const FRESH_TIMES = 100;
/** ms for which a list that is too large is not read again to see whether it still is. */
const TOO_LARGE_MS = 600_000;
/** Items that are looked at in one slice of work, and those that are compared with each other. */
const SLICE = 10_000;
const COMPARED = 1_000;

/** A change: its name, and the ids that it wrote; null for too many. */
type Change = readonly [name: string, ids: readonly string[] | null];

/** How far the changes of a type had come. */
interface Mark {
  readonly revision: number;
  readonly last: string;
}

interface HeldList<T> {
  readonly mark: Mark;
  readonly list: readonly T[];
  /** When it was read, ms since the epoch, and for how long. */
  readonly readAt: number;
  readonly tookMs: number;
}

/** A list that can be held: of resources of one type. */
export interface ListSource<T> {
  readonly type: string;
  /** Names the list among all that are held. */
  readonly name: string;
  /** All that may be of the list. */
  all(): AsyncIterable<StoredRecord>;
  one(id: string): Promise<StoredRecord | undefined>;
  /** Undefined for what is no part of the list, such as what was deleted. */
  itemOf(record: StoredRecord): T | undefined;
  compare(a: T, b: T): number;
}

/** How much is held. */
export interface HeldLimits<T> {
  /** Items of one list, and of all lists together. */
  readonly items: number;
  readonly itemsOverall: number;
  /** Characters of one list. */
  readonly characters: number;
  charactersOf(item: T, record: StoredRecord): number;
}

interface Reading<T> {
  readonly number: number;
  readonly done: Promise<readonly T[] | undefined>;
}

/**
 * Lists as they are in the store. Each search asks the store, with one small record, what has changed since, by this process or
 * another, and reads that alone; where it cannot be known, the list is read again.
 */
export class HeldLists<T extends { readonly id: string }> {
  readonly #records: RecordStore;
  readonly #now: () => number;
  readonly #limits: HeldLimits<T>;
  readonly #slice: () => Promise<void>;
  /** By name; what was used last comes last. */
  readonly #held = new Map<string, HeldList<T>>();
  readonly #readings = new Map<string, Reading<T>>();
  readonly #tooLarge = new Map<string, number>();
  #begun = 0;

  /** @param slice waits for the turn of the next slice of work (see `WorkTurns`) */
  constructor(records: RecordStore, limits: HeldLimits<T>, now: () => number, slice = () => Promise.resolve()) {
    this.#records = records;
    this.#limits = limits;
    this.#now = now;
    this.#slice = slice;
  }

  /**
   * The list as it is now, in its order.
   * @param mayRead whether it is read to be held where it is not
   * @returns undefined where it is not held
   */
  async of(source: ListSource<T>, mayRead: boolean): Promise<readonly T[] | undefined> {
    const { type, name } = source;
    const before = this.#begun;
    for (;;) {
      if (!mayRead && !this.#held.has(name)) return undefined;
      const record = await this.#records.get(CHANGED, type, this.#now());
      const held = this.#held.get(name);
      const changed = held && changedSince(held.mark, record);
      if (held && changed) {
        const list = changed.length === 0 ? held.list : await this.#changedList(source, held, changed, markOf(record));
        const fresh = Math.max(FRESH_MS, FRESH_TIMES * held.tookMs);
        if (this.#now() - held.readAt > fresh) this.#readAgain(source);
        this.#touch(name);
        return list;
      }
      if (!mayRead || this.#now() - (this.#tooLarge.get(name) ?? Number.NEGATIVE_INFINITY) < TOO_LARGE_MS)
        return undefined;
      const reading = this.#readings.get(name) ?? this.#read(source);
      const list = await reading.done;
      // What began to be read after the search began has all that the search must find.
      if (reading.number > before) return list;
    }
  }

  #touch(name: string): void {
    const held = this.#held.get(name);
    if (!held) return;
    this.#held.delete(name);
    this.#held.set(name, held);
  }

  #readAgain(source: ListSource<T>): void {
    // The search has its answer: where this fails, the next one that must read says so.
    if (!this.#readings.has(source.name)) this.#read(source).done.catch(() => undefined);
  }

  #read(source: ListSource<T>): Reading<T> {
    const done = this.#readAll(source).finally(() => this.#readings.delete(source.name));
    const reading = { number: ++this.#begun, done };
    this.#readings.set(source.name, reading);
    return reading;
  }

  async #readAll(source: ListSource<T>): Promise<readonly T[] | undefined> {
    const { type, name } = source;
    const { items, characters, charactersOf } = this.#limits;
    const readAt = this.#now();
    const mark = markOf(await this.#records.get(CHANGED, type, readAt));
    const list: T[] = [];
    let size = 0;
    let count = 0;
    for await (const record of source.all()) {
      const item = source.itemOf(record);
      count += 1;
      if (item) size += charactersOf(item, record);
      if (count > items || size > characters) {
        this.#tooLarge.set(name, readAt);
        this.#held.delete(name);
        return undefined;
      }
      if (item) list.push(item);
    }
    const sorted = await sortedInSlices(list, source.compare, this.#slice);
    this.#tooLarge.delete(name);
    this.#held.delete(name);
    this.#held.set(name, { mark, list: sorted, readAt, tookMs: this.#now() - readAt });
    this.#dropOldest();
    return sorted;
  }

  #dropOldest(): void {
    let items = 0;
    for (const { list } of this.#held.values()) items += list.length;
    for (const [name, { list }] of this.#held) {
      if (items <= this.#limits.itemsOverall) return;
      this.#held.delete(name);
      items -= list.length;
    }
  }

  async #changedList(
    source: ListSource<T>,
    held: HeldList<T>,
    ids: readonly string[],
    mark: Mark,
  ): Promise<readonly T[]> {
    const found = await Promise.all(ids.map((id) => source.one(id)));
    const added = found.flatMap((record) => (record && source.itemOf(record)) ?? []);
    const changed = new Set(ids);
    const kept: T[] = [];
    for (let at = 0; at < held.list.length; at += SLICE) {
      if (at > 0) await this.#slice();
      for (const item of held.list.slice(at, at + SLICE)) if (!changed.has(item.id)) kept.push(item);
    }
    const list = await merged(kept, added.sort(source.compare), source.compare, this.#slice);
    // A list that was read since is newer, whatever this one knows.
    if (this.#held.get(source.name) === held) this.#held.set(source.name, { ...held, mark, list });
    return list;
  }
}

/** What to write together with other writes, so that whoever holds the types learns of it. */
export async function changesToWrite(
  records: RecordStore,
  written: readonly { readonly type: string; readonly id: string }[],
  now: number,
): Promise<Parameters<RecordStore['putAll']>[0]> {
  const types = [...new Set(written.map(({ type }) => type))];
  return Promise.all(
    types.map(async (type) => {
      const ids = written.filter((one) => one.type === type).map(({ id }) => id);
      const before = changesIn(await records.get(CHANGED, type, now));
      const change: Change = [randomUUID(), ids.length > MOST_IDS ? null : ids];
      const body = JSON.stringify([...before, change].slice(-MOST_CHANGES));
      return { kind: CHANGED, id: type, record: { body } };
    }),
  );
}

/** Sorts, giving way to other work between pieces of a millisecond or two. */
async function sortedInSlices<T>(
  list: readonly T[],
  compare: (a: T, b: T) => number,
  slice: () => Promise<void>,
): Promise<readonly T[]> {
  let runs: (readonly T[])[] = [];
  for (let at = 0; at < list.length; at += COMPARED) {
    if (at > 0) await slice();
    runs.push(list.slice(at, at + COMPARED).sort(compare));
  }
  while (runs.length > 1) {
    const longer: (readonly T[])[] = [];
    for (let at = 0; at < runs.length; at += 2)
      longer.push(await merged(runs[at]!, runs[at + 1] ?? [], compare, slice));
    runs = longer;
  }
  return runs[0] ?? [];
}

/** Two sorted lists as one. */
async function merged<T>(
  a: readonly T[],
  b: readonly T[],
  compare: (a: T, b: T) => number,
  slice: () => Promise<void>,
): Promise<readonly T[]> {
  if (b.length === 0) return a;
  const list: T[] = [];
  let [left, right] = [0, 0];
  while (left < a.length || right < b.length) {
    if (list.length % COMPARED === 0) await slice();
    const isLeft = right >= b.length || (left < a.length && compare(a[left]!, b[right]!) <= 0);
    list.push(isLeft ? a[left++]! : b[right++]!);
  }
  return list;
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
