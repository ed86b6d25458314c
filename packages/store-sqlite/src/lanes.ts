import type { OperationName, Request } from './operations.ts';

/** Operations that may wait in a lane; beyond that the disk cannot keep up and new ones are refused. */
const MAX_WAITING = { sessions: 50_000, others: 20_000 };

/** Operations of sessions sent at once, so that the first does not wait for thousands behind it. */
const MAX_BATCH = 512;

/** Work of others that goes along with operations of sessions, and by itself: `cost` says what it is counted in. */
const ROOM = { beside: 16, alone: 128 };

/** What an event waits for: it is done before anything else that waits. */
const SESSIONS: ReadonlySet<OperationName> = new Set(['commit', 'erase', 'load', 'lookup', 'countSessions']);

/** Operations that read or change many rows: one at a time beside sessions. */
const MANY_ROWS: ReadonlySet<OperationName> = new Set(['find', 'list', 'listParts', 'sweep', 'deleteBy']);

/** Characters of a record that are written at the cost of one more small operation. */
const CHARACTERS = 4_096;

/** What an operation costs, compared with a small one. */
function cost(request: Request): number {
  const [name] = request;
  if (MANY_ROWS.has(name)) return ROOM.beside;
  if (name === 'put') return 1 + request[1][2].length / CHARACTERS;
  if (name === 'putAll') return request[1].reduce((sum, [, , body]) => sum + 1 + body.length / CHARACTERS, 0);
  return 1;
}

/**
 * Operations that wait for the worker, in two lanes: those of sessions, and all others. Those of sessions go first, and what
 * goes along with them is little, so that neither registrations nor searches nor sweeps can keep an event waiting. The others
 * never stand still: some go with every batch.
 */
export class Lanes<T extends { readonly request: Request }> {
  #sessions: T[] = [];
  #others: T[] = [];

  get length(): number {
    return this.#sessions.length + this.#others.length;
  }

  /** @returns false when too many wait in its lane already */
  add(waiting: T): boolean {
    const isSessions = SESSIONS.has(waiting.request[0]);
    const lane = isSessions ? this.#sessions : this.#others;
    if (lane.length >= (isSessions ? MAX_WAITING.sessions : MAX_WAITING.others)) return false;
    lane.push(waiting);
    return true;
  }

  /** Removes what is to be done next. */
  take(): T[] {
    const batch = this.#sessions.slice(0, MAX_BATCH);
    this.#sessions = this.#sessions.slice(MAX_BATCH);
    let room = batch.length > 0 ? ROOM.beside : ROOM.alone;
    let taken = 0;
    for (const waiting of this.#others) {
      room -= cost(waiting.request);
      // The first goes in any case: none waits for ever.
      if (room < 0 && taken > 0) break;
      taken += 1;
    }
    batch.push(...this.#others.slice(0, taken));
    this.#others = this.#others.slice(taken);
    return batch;
  }

  /** Removes everything. */
  clear(): T[] {
    const all = [...this.#sessions, ...this.#others];
    this.#sessions = [];
    this.#others = [];
    return all;
  }
}
