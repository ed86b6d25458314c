import type { Observation } from '@lockstep/hub';

/** Something that happened in a session, in the order it was seen. */
export interface Entry {
  /** Grows with every entry of this node; between nodes it is in the order of their clocks. */
  readonly seq: number;
  /** ms since the epoch. */
  readonly at: number;
  readonly observation: Observation;
}

/** Numbers of one entry: `seq`, `at`, then an event's number or an answer's ms, and an answer's status. */
const NUMBERS = 4;
/** Words of one entry: its kind, or the whole observation; subscription, subscriber or client, event id, event name. */
const WORDS = 5;
/** Entries that there is room for at first. */
const FIRST = 16;

type Word = Observation | string | undefined;

/**
 * The latest entries of one session, up to a number. What happens with every event is kept in columns: an object for each would
 * live just long enough to be moved by the garbage collector several times.
 */
export class EntryColumns {
  /** `seq` of the newest entry. */
  newest = 0;
  readonly #size: number;
  #numbers = new Float64Array(0);
  readonly #words: Word[] = [];
  #length = 0;
  /** Where the oldest entry is. */
  #start = 0;
  #latestId = '';

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
      this.#makeRoom();
      this.#write(this.#length, seq, at, observation);
      this.#length += 1;
      return 1;
    }
    this.#write(this.#start, seq, at, observation);
    this.#start = (this.#start + 1) % this.#size;
    return 0;
  }

  #makeRoom(): void {
    const room = this.#numbers.length / NUMBERS;
    if (this.#length < room) return;
    const numbers = new Float64Array(Math.min(this.#size, Math.max(FIRST, room * 2)) * NUMBERS);
    numbers.set(this.#numbers);
    this.#numbers = numbers;
  }

  #write(index: number, seq: number, at: number, one: Observation): void {
    switch (one.kind) {
      case 'published':
        this.#put(index, one.kind, undefined, one.clientId, one.eventId, one.event);
        this.#count(index, seq, at, one.number, 0);
        break;
      case 'delivered':
        this.#put(index, one.kind, one.subscription, one.subscriber, one.eventId, one.event);
        this.#count(index, seq, at, 0, 0);
        break;
      case 'answered':
        this.#put(index, one.kind, one.subscription, one.subscriber, one.eventId, undefined);
        this.#count(index, seq, at, one.ms, one.status);
        break;
      default:
        this.#put(index, one, undefined, undefined, undefined, undefined);
        this.#count(index, seq, at, 0, 0);
    }
  }

  #put(index: number, what: Word, subscription: Word, who: Word, eventId: string | undefined, event: Word): void {
    const words = this.#words;
    const from = index * WORDS;
    words[from] = what;
    words[from + 1] = subscription;
    words[from + 2] = who;
    // Every answer comes with a copy of the id: one is kept.
    if (eventId !== undefined && eventId !== this.#latestId) this.#latestId = eventId;
    words[from + 3] = eventId === undefined ? undefined : this.#latestId;
    words[from + 4] = event;
  }

  #count(index: number, seq: number, at: number, count: number, status: number): void {
    const numbers = this.#numbers;
    const from = index * NUMBERS;
    numbers[from] = seq;
    numbers[from + 1] = at;
    numbers[from + 2] = count;
    numbers[from + 3] = status;
  }

  /** The entries, oldest first. */
  list(): readonly Entry[] {
    return Array.from({ length: this.#length }, (_, place) => this.#entry((this.#start + place) % this.#length));
  }

  #entry(index: number): Entry {
    const [seq = 0, at = 0, count = 0, status = 0] = this.#numbers.subarray(index * NUMBERS, (index + 1) * NUMBERS);
    const [what, subscription, who, eventId, event] = this.#words.slice(index * WORDS, (index + 1) * WORDS) as [
      Observation | 'published' | 'delivered' | 'answered',
      string,
      string | undefined,
      string,
      string,
    ];
    if (typeof what === 'object') return { seq, at, observation: what };
    if (what === 'published') {
      const client = who === undefined ? undefined : { clientId: who };
      return { seq, at, observation: { kind: what, number: count, eventId, event, ...client } };
    }
    const subscriber = who ?? '';
    const observation: Observation =
      what === 'delivered'
        ? { kind: what, subscription, subscriber, eventId, event }
        : { kind: what, subscription, subscriber, eventId, status, ms: count };
    return { seq, at, observation };
  }
}
