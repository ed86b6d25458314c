import {
  differences,
  type Fold,
  firstWhere,
  folded,
  found,
  inserted,
  type KeyDifference,
  lastOf,
  removed,
  type Tree,
  valuesFrom,
  valuesOf,
} from './tree.ts';

type Entry<Value> = readonly [key: string, value: Value];

interface Placed<Value> {
  readonly place: number;
  readonly entry: Entry<Value>;
}

/** A map with many entries. */
interface Trees<Value> {
  readonly size: number;
  readonly nextPlace: number;
  readonly byKey: Tree<string, Placed<Value>> | undefined;
  readonly byPlace: Tree<number, Entry<Value>> | undefined;
}

/** Entries up to which a list of them is copied and searched faster than trees. */
export const FEW = 16;

const NO_TREES: Trees<never> = { size: 0, nextPlace: 0, byKey: undefined, byPlace: undefined };

function withEntry<Value>(trees: Trees<Value>, key: string, value: Value): Trees<Value> {
  const held = found(trees.byKey, key)?.place;
  const place = held ?? trees.nextPlace;
  const entry: Entry<Value> = [key, value];
  return {
    size: trees.size + (held === undefined ? 1 : 0),
    nextPlace: Math.max(trees.nextPlace, place + 1),
    byKey: inserted(trees.byKey, key, { place, entry }),
    byPlace: inserted(trees.byPlace, place, entry),
  };
}

function withoutEntry<Value>(trees: Trees<Value>, key: string, { place }: Placed<Value>): Trees<Value> {
  return {
    size: trees.size - 1,
    nextPlace: trees.nextPlace,
    byKey: removed(trees.byKey, key),
    byPlace: removed(trees.byPlace, place),
  };
}

function planted<Value>(list: readonly Entry<Value>[]): Trees<Value> {
  return list.reduce<Trees<Value>>((trees, [key, value]) => withEntry(trees, key, value), NO_TREES);
}

function placeOf(list: readonly Entry<unknown>[], key: string): number {
  for (let place = 0; place < list.length; place += 1) if (list[place]?.[0] === key) return place;
  return -1;
}

/**
 * A map whose copy costs nothing, however large it is: copies share what they have in common. Otherwise like a `Map`, in whose order it
 * is read: that in which its keys came. A change costs some steps more in a large map than in a small one, and does not grow with it.
 */
export class PersistentMap<Value> implements ReadonlyMap<string, Value> {
  /** Its entries in order, while they are few: never changed, but replaced. */
  #few: readonly Entry<Value>[] = [];
  /** The entries once they were more than a few. */
  #trees: Trees<Value> | undefined;

  /** @param from its entries; another of these is copied at once */
  constructor(from?: Iterable<Entry<Value>>) {
    if (from !== undefined) this.take(from);
  }

  /** Makes this empty map the copy of another. */
  protected take(from: Iterable<Entry<Value>>): void {
    if (from instanceof PersistentMap) {
      this.#few = from.#few;
      this.#trees = from.#trees;
    } else for (const [key, value] of from) this.set(key, value);
  }

  /** Whether its entries are a list: then going through it costs no more than a search in trees. */
  protected get isList(): boolean {
    return this.#trees === undefined;
  }

  get size(): number {
    return this.#trees?.size ?? this.#few.length;
  }

  get(key: string): Value | undefined {
    if (this.#trees) return found(this.#trees.byKey, key)?.entry[1];
    const place = placeOf(this.#few, key);
    return place < 0 ? undefined : this.#few[place]?.[1];
  }

  has(key: string): boolean {
    return this.#trees ? found(this.#trees.byKey, key) !== undefined : placeOf(this.#few, key) >= 0;
  }

  /** Puts a value in: at the end, or in the place that its key has. */
  set(key: string, value: Value): this {
    if (!this.#trees) {
      const place = placeOf(this.#few, key);
      const list = this.#few.slice();
      list[place < 0 ? list.length : place] = [key, value];
      this.#few = list;
      if (list.length <= FEW) return this;
      this.#trees = planted(list);
      this.#few = [];
      return this;
    }
    this.#trees = withEntry(this.#trees, key, value);
    return this;
  }

  /** @returns whether there was such a key */
  delete(key: string): boolean {
    if (!this.#trees) {
      const place = placeOf(this.#few, key);
      if (place >= 0) this.#few = this.#few.toSpliced(place, 1);
      return place >= 0;
    }
    const held = found(this.#trees.byKey, key);
    if (!held) return false;
    this.#trees = withoutEntry(this.#trees, key, held);
    // Fewer than what makes trees of a list: one entry that comes and goes does not change the form each time.
    if (this.#trees.size > FEW / 2) return true;
    this.#few = [...valuesOf(this.#trees.byPlace)];
    this.#trees = undefined;
    return true;
  }

  /** The value that came last. */
  get last(): Value | undefined {
    return this.#trees ? lastOf(this.#trees.byPlace)?.value[1] : this.#few.at(-1)?.[1];
  }

  /** The first value of which something is true that is true of all that came after it as well. */
  firstWhere(holds: (value: Value) => boolean): Value | undefined {
    if (this.#trees) return firstWhere(this.#trees.byPlace, ([, value]) => holds(value))?.[1];
    return this.#few.find(([, value]) => holds(value))?.[1];
  }

  /** The last key of a list whose value is such. */
  protected lastKey(isSuch: (value: Value) => boolean): string | undefined {
    return this.#few.findLast(([, value]) => isSuch(value))?.[0];
  }

  /** All values as one, in their order; undefined of none. See `Fold`. */
  folded<Sum>({ one, both, known }: Fold<Value, Sum>): Sum | undefined {
    const ofEntry = ([, value]: Entry<Value>): Sum => one(value);
    if (this.#trees) return this.#trees.byPlace && folded(this.#trees.byPlace, { one: ofEntry, both, known });
    const [first, ...others] = this.#few;
    return first && others.reduce((sum, entry) => both(sum, ofEntry(entry)), ofEntry(first));
  }

  /** All values, the last one first. */
  *latestFirst(): Generator<Value, undefined> {
    const latest = this.#trees ? valuesOf(this.#trees.byPlace, true) : this.#few.toReversed();
    for (const [, value] of latest) yield value;
  }

  /** The values whose keys begin so, in the order of keys. */
  under(prefix: string): Iterable<Value> {
    if (this.#trees) return valuesUnder(this.#trees, prefix);
    const under = this.#few.filter(([key]) => key.startsWith(prefix));
    if (under.length > 1) under.sort(([a], [b]) => (a < b ? -1 : 1));
    return under.map(([, value]) => value);
  }

  /** What this map has differently from one before it, in the order of keys. */
  differences(before: PersistentMap<Value>): Iterable<KeyDifference<string, Value>> {
    if (this.#trees || before.#trees) {
      return treeDifferences(before.#trees ?? planted(before.#few), this.#trees ?? planted(this.#few));
    }
    return this.#few === before.#few ? [] : listDifferences(before.#few, this.#few);
  }

  entries(): MapIterator<[string, Value]> {
    // Nobody changes an entry.
    return this.#each((entry) => entry as [string, Value]);
  }

  keys(): MapIterator<string> {
    return this.#each(([key]) => key);
  }

  values(): MapIterator<Value> {
    return this.#each(([, value]) => value);
  }

  /** Something of all entries in order. */
  #each<Part>(of: (entry: Entry<Value>) => Part): MapIterator<Part> {
    return this.#trees ? valuesOf(this.#trees.byPlace).map(of) : this.#few.map(of).values();
  }

  [Symbol.iterator](): MapIterator<[string, Value]> {
    return this.entries();
  }

  forEach(visit: (value: Value, key: string, map: ReadonlyMap<string, Value>) => void): void {
    for (const [key, value] of this) visit(value, key, this);
  }
}

function* valuesUnder<Value>(trees: Trees<Value>, prefix: string): Generator<Value, undefined> {
  for (const { entry } of valuesFrom(trees.byKey, prefix)) {
    if (!entry[0].startsWith(prefix)) return;
    yield entry[1];
  }
}

function* treeDifferences<Value>(
  old: Trees<Value>,
  current: Trees<Value>,
): Generator<KeyDifference<string, Value>, undefined> {
  for (const { key, before: was, after: is } of differences(old.byKey, current.byKey)) {
    if (was?.entry[1] !== is?.entry[1]) yield { key, before: was?.entry[1], after: is?.entry[1] };
  }
}

/** Two lists, which are never changed, and what the second has differently. */
interface Compared {
  readonly old: readonly Entry<unknown>[];
  readonly current: readonly Entry<unknown>[];
  readonly found: readonly KeyDifference<string, unknown>[];
}

/** Several rules ask in a row what one event has changed. */
let compared: Compared = { old: [], current: [], found: [] };

function listDifferences<Value>(
  old: readonly Entry<Value>[],
  current: readonly Entry<Value>[],
): readonly KeyDifference<string, Value>[] {
  if (compared.old !== old || compared.current !== current) {
    compared = { old, current, found: differencesOf(old, current) };
  }
  return compared.found as readonly KeyDifference<string, Value>[];
}

function differencesOf<Value>(
  old: readonly Entry<Value>[],
  current: readonly Entry<Value>[],
): readonly KeyDifference<string, Value>[] {
  const found: KeyDifference<string, Value>[] = [];
  for (const entry of current) {
    // What did not change is the same entry in both.
    if (old.includes(entry)) continue;
    const key = entry[0];
    const before = old[placeOf(old, key)]?.[1];
    if (before !== entry[1]) found.push({ key, before, after: entry[1] });
  }
  for (const entry of old) {
    if (placeOf(current, entry[0]) < 0) found.push({ key: entry[0], before: entry[1], after: undefined });
  }
  const isInOrder = found.every(({ key }, at) => at === 0 || found[at - 1]!.key < key);
  return isInOrder ? found : found.sort((a, b) => (a.key < b.key ? -1 : 1));
}
