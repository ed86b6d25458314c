/** The orders of sorted searches among more resources than one request may read (FHR-6). */
import type { RecordStore } from '@lockstep/store';
import { HeldLists, type ListSource } from './held.ts';
import type { Resource } from './resource.ts';

/** What a resource is sorted by: text, number, or nothing. */
export type SortKey = string | number | null;

/** A resource's place in an order. */
export interface Placed {
  readonly id: string;
  /** By which it is sorted; the last is the id. */
  readonly keys: readonly SortKey[];
}

export interface OrderAsked {
  readonly type: string;
  /** Names the order among those of the type. */
  readonly name: string;
  /** Whose resources; undefined for all of the type. */
  readonly patients?: readonly string[];
  placeOf(resource: Resource): Placed;
  compare(a: Placed, b: Placed): number;
}

/** As many times as many places as a request may read resources: of one order, and of all together. A place takes some 200 bytes. */
const PLACES_TIMES = 20;
const OVERALL_TIMES = 40;
/** Characters of the keys of one order. */
const MOST_CHARACTERS = 16 * 1024 * 1024;

/** Orders that are held. One is read at a time, whoever asks: only so many resources are in memory. */
export class Orders {
  readonly #lists: HeldLists<Placed>;
  #last: Promise<unknown> = Promise.resolve();

  /** @param mostRead resources that one request reads at most */
  constructor(records: RecordStore, now: () => number, mostRead: number, slice: () => Promise<void>) {
    const limits = {
      items: PLACES_TIMES * mostRead,
      itemsOverall: OVERALL_TIMES * mostRead,
      characters: MOST_CHARACTERS,
      charactersOf,
    };
    this.#lists = new HeldLists(records, limits, now, slice);
  }

  /**
   * @param mayRead whether the order is read where it is not held
   * @returns undefined where it is not held
   */
  async of(source: ListSource<Placed>, mayRead: boolean): Promise<readonly Placed[] | undefined> {
    const held = await this.#lists.of(source, false);
    if (held || !mayRead) return held;
    const reading = this.#last.then(() => this.#lists.of(source, true));
    this.#last = reading.catch(() => undefined);
    return reading;
  }
}

function charactersOf({ keys }: Placed): number {
  let characters = 0;
  for (const key of keys) if (typeof key === 'string') characters += key.length;
  return characters;
}

/** Index of the first place of which a condition holds, where it holds of all that come after. */
export function firstPlace(order: readonly Placed[], isAfter: (place: Placed) => boolean): number {
  let [low, high] = [0, order.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isAfter(order[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}
