import type { Observation } from '@lockstep/hub';

/** Something that happened in a session, in the order it was seen. */
export interface Entry {
  /** Grows with every entry of this node; between nodes it is in the order of their clocks. */
  readonly seq: number;
  /** ms since the epoch. */
  readonly at: number;
  readonly observation: Observation;
}

/**
 * Numbers of one entry: `seq`, `at`, then an event's number, an answer's ms or 1 for what keeps the current context, an answer's status,
 * and which event's id it has.
 */
const NUMBERS = 5;
/** Words of one entry: its kind, or the whole observation; subscription, subscriber or client, event name. */
const WORDS = 4;
/** Entries of one block: room is made for so many at a time, and never moved. */
const BLOCK = 64;

type Word = Observation | string | undefined;

/** The columns of some entries that follow each other. */
interface Block {
  readonly numbers: Float64Array;
  readonly words: Word[];
}

/**
 * The latest entries of one session, up to a number. What happens with every event is kept in columns: an object for each would
 * live just long enough to be moved by the garbage collector several times.
 */
export class EntryColumns {
  /** `seq` of the newest entry. */
  newest = 0;
  readonly #size: number;
  readonly #blocks: Block[] = [];
  /** Ids of events, in turn: each entry has the latest or a new one, so that no more than there are entries are in use. */
  readonly #ids: string[] = [];
  /** How many ids there have been. */
  #idCount = 0;
  #length = 0;
  /** Where the oldest entry is. */
  #start = 0;
  #latestId: string | undefined;
  #latestName = '';

  /** @param size entries at most, a positive whole number */
  constructor(size: number) {
    this.#size = size;
  }

  get length(): number {
    return this.#length;
  }

  /** @returns by how much it grew */
  push(seq: number, at: number, observation: Observation): 0 | 1 {
    this.newest = seq;
    if (this.#length < this.#size) {
      this.#write(this.#length, seq, at, observation);
      this.#length += 1;
      return 1;
    }
    this.#write(this.#start, seq, at, observation);
    this.#start = (this.#start + 1) % this.#size;
    return 0;
  }

  /** Where an entry is, whose room is made here if it is the first of its block. */
  #blockOf(index: number): Block {
    const at = Math.floor(index / BLOCK);
    let block = this.#blocks[at];
    if (!block) {
      block = { numbers: new Float64Array(BLOCK * NUMBERS), words: new Array(BLOCK * WORDS) };
      this.#blocks[at] = block;
    }
    return block;
  }

  #write(index: number, seq: number, at: number, one: Observation): void {
    switch (one.kind) {
      case 'published':
        this.#put(index, one.kind, undefined, one.clientId, this.#nameOf(one.event));
        this.#count(index, seq, at, one.number, 0, this.#idOf(one.eventId));
        break;
      case 'delivered':
        this.#put(index, one.kind, one.subscription, one.subscriber, this.#nameOf(one.event));
        this.#count(index, seq, at, one.keepsCurrent ? 1 : 0, 0, this.#idOf(one.eventId));
        break;
      case 'answered':
        this.#put(index, one.kind, one.subscription, one.subscriber, undefined);
        this.#count(index, seq, at, one.ms, one.status, this.#idOf(one.eventId));
        break;
      default:
        this.#put(index, one, undefined, undefined, undefined);
        this.#count(index, seq, at, 0, 0, 0);
    }
  }

  /** Every answer comes with a copy of the id, and every event with one of its name: one of each is kept. */
  #idOf(eventId: string): number {
    if (eventId !== this.#latestId) {
      this.#latestId = eventId;
      this.#ids[this.#idCount % this.#size] = eventId;
      this.#idCount += 1;
    }
    return this.#idCount - 1;
  }

  #nameOf(event: string): string {
    if (event !== this.#latestName) this.#latestName = event;
    return this.#latestName;
  }

  #put(index: number, what: Word, subscription: Word, who: Word, event: Word): void {
    const { words } = this.#blockOf(index);
    const from = (index % BLOCK) * WORDS;
    words[from] = what;
    words[from + 1] = subscription;
    words[from + 2] = who;
    words[from + 3] = event;
  }

  #count(index: number, seq: number, at: number, count: number, status: number, id: number): void {
    const { numbers } = this.#blockOf(index);
    const from = (index % BLOCK) * NUMBERS;
    numbers[from] = seq;
    numbers[from + 1] = at;
    numbers[from + 2] = count;
    numbers[from + 3] = status;
    numbers[from + 4] = id;
  }

  /** The entries, oldest first. */
  list(): readonly Entry[] {
    return Array.from({ length: this.#length }, (_, place) => this.#entry((this.#start + place) % this.#length));
  }

  #entry(index: number): Entry {
    const { numbers, words } = this.#blockOf(index);
    const place = index % BLOCK;
    const [seq = 0, at = 0, count = 0, status = 0, id = 0] = numbers.subarray(place * NUMBERS, (place + 1) * NUMBERS);
    const [what, subscription, who, event] = words.slice(place * WORDS, (place + 1) * WORDS) as [
      Observation | 'published' | 'delivered' | 'answered',
      string,
      string | undefined,
      string,
    ];
    const eventId = this.#ids[id % this.#size] ?? '';
    if (typeof what === 'object') return { seq, at, observation: what };
    if (what === 'published') {
      const client = who === undefined ? undefined : { clientId: who };
      return { seq, at, observation: { kind: what, number: count, eventId, event, ...client } };
    }
    const subscriber = who ?? '';
    const observation: Observation =
      what === 'delivered'
        ? { kind: what, subscription, subscriber, eventId, event, ...(count === 1 && { keepsCurrent: true }) }
        : { kind: what, subscription, subscriber, eventId, status, ms: count };
    return { seq, at, observation };
  }
}
