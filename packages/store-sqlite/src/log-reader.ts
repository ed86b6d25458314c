import type { DatabaseSync } from 'node:sqlite';
import { findSession, prepare, type SessionColumns, type Statement } from './rows.ts';

/** Reads logs on a connection of its own, while another one commits. */
export class LogReader {
  readonly #begin: () => void;
  readonly #end: () => void;
  readonly #find: Statement<SessionColumns>;
  readonly #epochOf: Statement<readonly [epoch: string]>;
  readonly #entries: Statement<readonly [number: number, id: string, at: number, body: string]>;

  constructor(db: DatabaseSync) {
    const begin = prepare(db, 'BEGIN');
    const end = prepare(db, 'COMMIT');
    this.#begin = () => void begin.run();
    this.#end = () => {
      if (db.isTransaction) end.run();
    };
    this.#find = findSession(db);
    this.#epochOf = prepare(db, 'SELECT epoch FROM log WHERE key = (?1 << 32) | ?2');
    this.#entries = prepare(
      db,
      `SELECT key & 0xffffffff, id, at, body FROM log
       WHERE key > ((?1 << 32) | ?2) AND key < ((?1 + 1) << 32) ORDER BY key LIMIT ?3`,
    );
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
    // One view of the file: entries that are dropped between two statements would look like a log that goes on later.
    this.#begin();
    try {
      const session = this.#find.get(topic);
      if (session === undefined) return undefined;
      const [id, , first, last] = session;
      if (after > last || after < first - 1) return undefined;
      if (epoch !== null && this.#epochAt(session, after) !== epoch) return undefined;
      if (after === last) return [];
      const read: (string | number)[] = [];
      let left = bytes;
      for (const entry of this.#entries.iterate(id, after, limit)) {
        read.push(...entry);
        left -= Buffer.byteLength(entry[3]);
        if (left <= 0) break;
      }
      return read;
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
