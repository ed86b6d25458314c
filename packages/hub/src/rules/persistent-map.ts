import {
  differences,
  firstWhere,
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

/**
 * A map whose copy costs nothing, however large it is: copies share what they have in common. Otherwise like a `Map`, in whose order it
 * is read: that in which its keys came. A change costs some steps more in a large map than in a small one, and does not grow with it.
 */
export class PersistentMap<Value> implements ReadonlyMap<string, Value> {
  #size = 0;
  #nextPlace = 0;
  #byKey: Tree<string, Placed<Value>> | undefined;
  #byPlace: Tree<number, Entry<Value>> | undefined;

  /** @param from its entries; another of these is copied at once */
  constructor(from: Iterable<Entry<Value>> = []) {
    this.take(from);
  }

  /** Makes this empty map the copy of another. */
  protected take(from: Iterable<Entry<Value>>): void {
    if (from instanceof PersistentMap) this.#copy(from);
    else for (const [key, value] of from) this.set(key, value);
  }

  #copy(other: PersistentMap<Value>): void {
    this.#size = other.#size;
    this.#nextPlace = other.#nextPlace;
    this.#byKey = other.#byKey;
    this.#byPlace = other.#byPlace;
  }

  get size(): number {
    return this.#size;
  }

  get(key: string): Value | undefined {
    return found(this.#byKey, key)?.entry[1];
  }

  has(key: string): boolean {
    return found(this.#byKey, key) !== undefined;
  }

  /** Puts a value in: at the end, or in the place that its key has. */
  set(key: string, value: Value): this {
    const place = found(this.#byKey, key)?.place ?? this.#nextPlace;
    if (place === this.#nextPlace) {
      this.#nextPlace += 1;
      this.#size += 1;
    }
    const entry: Entry<Value> = [key, value];
    this.#byKey = inserted(this.#byKey, key, { place, entry });
    this.#byPlace = inserted(this.#byPlace, place, entry);
    return this;
  }

  /** @returns whether there was such a key */
  delete(key: string): boolean {
    const held = found(this.#byKey, key);
    if (!held) return false;
    this.#byKey = removed(this.#byKey, key);
    this.#byPlace = removed(this.#byPlace, held.place);
    this.#size -= 1;
    return true;
  }

  /** The value that came last. */
  get last(): Value | undefined {
    return lastOf(this.#byPlace)?.value[1];
  }

  /** The first value of which something is true that is true of all that came after it as well. */
  firstWhere(holds: (value: Value) => boolean): Value | undefined {
    return firstWhere(this.#byPlace, ([, value]) => holds(value))?.[1];
  }

  /** All values, the last one first. */
  *latestFirst(): Generator<Value, undefined> {
    for (const [, value] of valuesOf(this.#byPlace, true)) yield value;
  }

  /** The values whose keys begin so, in the order of keys. */
  *under(prefix: string): Generator<Value, undefined> {
    for (const { entry } of valuesFrom(this.#byKey, prefix)) {
      if (!entry[0].startsWith(prefix)) return;
      yield entry[1];
    }
  }

  /** What this map has differently from one before it, in the order of keys. */
  *differences(before: PersistentMap<Value>): Generator<KeyDifference<string, Value>, undefined> {
    for (const { key, before: was, after: is } of differences(before.#byKey, this.#byKey)) {
      if (was?.entry[1] !== is?.entry[1]) yield { key, before: was?.entry[1], after: is?.entry[1] };
    }
  }

  *entries(): Generator<[string, Value], undefined> {
    for (const [key, value] of valuesOf(this.#byPlace)) yield [key, value];
  }

  *keys(): Generator<string, undefined> {
    for (const [key] of valuesOf(this.#byPlace)) yield key;
  }

  *values(): Generator<Value, undefined> {
    for (const [, value] of valuesOf(this.#byPlace)) yield value;
  }

  [Symbol.iterator](): Generator<[string, Value], undefined> {
    return this.entries();
  }

  forEach(visit: (value: Value, key: string, map: ReadonlyMap<string, Value>) => void): void {
    for (const [key, value] of this) visit(value, key, this);
  }
}
