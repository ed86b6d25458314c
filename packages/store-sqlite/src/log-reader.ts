import type { DatabaseSync } from 'node:sqlite';
import { findSession, prepare, type SessionColumns, type Statement } from './rows.ts';

/** A page of a log with its bodies in one piece. */
export interface FlatLogBytes {
  /** number, id, at, bytes of the body, number … */
  readonly heads: readonly (string | number)[];
  readonly memory: ArrayBuffer;
}

/** The bodies in one piece. What they were read into is given back at once. */
function joined(bodies: readonly Uint8Array<ArrayBuffer>[], length: number): ArrayBuffer {
  const [first] = bodies;
  if (bodies.length === 1 && first && first.byteLength === first.buffer.byteLength) return first.buffer;
  const all = new Uint8Array(length);
  let offset = 0;
  for (const body of bodies) {
    all.set(body, offset);
    offset += body.length;
    body.buffer.transfer(0);
  }
  return all.buffer;
}

/** Reads logs on a connection of its own, while another one commits. */
export class LogReader {
  readonly #begin: () => void;
  readonly #end: () => void;
  readonly #find: Statement<SessionColumns>;
  readonly #epochOf: Statement<readonly [epoch: string]>;
  readonly #entries: Statement<readonly [number: number, id: string, at: number, body: string]>;
  readonly #bytes: Statement<readonly [number: number, id: string, at: number, body: Uint8Array<ArrayBuffer>]>;

  constructor(db: DatabaseSync) {
    const begin = prepare(db, 'BEGIN');
    const end = prepare(db, 'COMMIT');
    this.#begin = () => void begin.run();
    this.#end = () => {
      if (db.isTransaction) end.run();
    };
    this.#find = findSession(db);
    this.#epochOf = prepare(db, 'SELECT epoch FROM log WHERE key = (?1 << 32) | ?2');
    const entries = (body: string): string =>
      `SELECT key & 0xffffffff, id, at, ${body} FROM log
       WHERE key > ((?1 << 32) | ?2) AND key < ((?1 + 1) << 32) ORDER BY key LIMIT ?3`;
    this.#entries = prepare(db, entries('body'));
    this.#bytes = prepare(db, entries('CAST(body AS BLOB)'));
  }

  /**
   * @param epoch null where any will do
   * @param limit entries read at most
   * @param bytes of bodies after which no further entry is read
   * @returns number, id, at, body, number …; undefined where the log does not have what came after that number
   */
  readLog(
    topic: string,
    after: number,
    epoch: string | null,
    limit: number,
    bytes: number,
  ): readonly (string | number)[] | undefined {
    return this.#inOneView(topic, after, epoch, (id) => {
      const read: (string | number)[] = [];
      let left = bytes;
      for (const entry of this.#entries.iterate(id, after, limit)) {
        read.push(...entry);
        left -= Buffer.byteLength(entry[3]);
        if (left <= 0) break;
      }
      return read;
    });
  }

  /**
   * The same, with the bodies as bytes.
   * @returns number, id, at, bytes of the body, number …; and the bodies one after the other, in memory that may be given away
   */
  readLogBytes(topic: string, after: number, limit: number, bytes: number): FlatLogBytes | undefined {
    return this.#inOneView(topic, after, null, (id) => {
      const heads: (string | number)[] = [];
      const bodies: Uint8Array<ArrayBuffer>[] = [];
      let length = 0;
      for (const [number, entryId, at, body] of this.#bytes.iterate(id, after, limit)) {
        heads.push(number, entryId, at, body.length);
        bodies.push(body);
        length += body.length;
        if (length >= bytes) break;
      }
      return { heads, memory: joined(bodies, length) };
    });
  }

  /**
   * Reads what came after a number, where the log has it. One view of the file: entries that are dropped between two statements would
   * look like a log that goes on later.
   */
  #inOneView<T>(topic: string, after: number, epoch: string | null, read: (session: number) => T): T | undefined {
    this.#begin();
    try {
      const session = this.#find.get(topic);
      if (session === undefined) return undefined;
      const [id, , first, last] = session;
      if (after > last || after < first - 1) return undefined;
      if (epoch !== null && this.#epochAt(session, after) !== epoch) return undefined;
      return read(id);
    } finally {
      this.#end();
    }
  }

  /** @param number from that before the oldest entry held to that of the newest */
  #epochAt([id, , first, last, , , lastEpoch, startEpoch]: SessionColumns, number: number): string | undefined {
    if (number === first - 1) return startEpoch;
    return number === last ? lastEpoch : this.#epochOf.get(id, number)?.[0];
  }
}
