import type { DatabaseSync } from 'node:sqlite';
import type { LogBounds } from '@lockstep/store';
import { entryChecksum } from './entry-checksum.ts';
import { type FlatSession, Refused } from './operations.ts';
import { findSession, flat, prepare, type SessionColumns, type Statement } from './rows.ts';

/** How far the log may exceed a bound before it is trimmed: one trim then serves many commits. */
const SLACK = 1.25;

/** Sessions in their tables. Methods that write run inside the caller's transaction and check before they change. */
export class SessionTables {
  readonly #bounds: LogBounds;
  readonly #find: Statement<SessionColumns>;
  readonly #create: Statement;
  readonly #update: Statement;
  readonly #putPart: Statement;
  readonly #removePart: Statement;
  readonly #append: Statement;
  readonly #entryAt: Statement<readonly [at: number]>;
  readonly #epochOf: Statement<readonly [epoch: string]>;
  readonly #firstSince: Statement<readonly [number: number]>;
  readonly #trim: Statement;
  readonly #sizes: Statement<readonly [number: number, bytes: number]>;
  readonly #addKey: Statement;
  readonly #removeKey: Statement;
  readonly #parts: Statement<readonly [name: string, body: string]>;
  readonly #heads: Statement<readonly [number: number, id: string, at: number, epoch: string]>;
  readonly #lookup: Statement<readonly [session: number, topic: string]>;
  readonly #count: Statement<readonly [sessions: number]>;
  readonly #listParts: Statement<readonly [session: number, topic: string, body: string | null]>;
  readonly #erase: readonly Statement[];

  constructor(db: DatabaseSync, bounds: LogBounds) {
    this.#bounds = bounds;
    const write = (sql: string) => prepare(db, sql);
    this.#find = findSession(db);
    this.#create = write(
      `INSERT INTO session (topic, revision, first, last, oldest_at, epoch, last_epoch, start_epoch, log_bytes)
       VALUES (?1, 1, ?2, ?3, ?4, ?5, ?5, ?5, ?6)`,
    );
    this.#update = write(
      `UPDATE session SET revision = ?2, first = ?3, last = ?4, oldest_at = ?5, epoch = ?6, last_epoch = ?7, start_epoch = ?8,
         log_bytes = ?9
       WHERE id = ?1`,
    );
    this.#putPart = write(
      'INSERT INTO part (session, name, body) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body',
    );
    this.#removePart = write('DELETE FROM part WHERE session = ? AND name = ?');
    this.#append = write(
      'INSERT INTO log (key, at, id, body, epoch, checksum) VALUES ((?1 << 32) | ?2, ?3, ?4, ?5, ?6, ?7)',
    );
    this.#epochOf = prepare(db, 'SELECT epoch FROM log WHERE key = (?1 << 32) | ?2');
    this.#entryAt = prepare(db, 'SELECT at FROM log WHERE key = (?1 << 32) | ?2');
    this.#firstSince = prepare(
      db,
      `SELECT key & 0xffffffff FROM log
       WHERE key >= ((?1 << 32) | ?2) AND key < ((?1 + 1) << 32) AND at > ?3 ORDER BY key LIMIT 1`,
    );
    this.#trim = write('DELETE FROM log WHERE key >= (?1 << 32) AND key < ((?1 << 32) | ?2)');
    this.#sizes = prepare(
      db,
      `SELECT key & 0xffffffff, octet_length(body) FROM log
       WHERE key >= ((?1 << 32) | ?2) AND key < ((?1 + 1) << 32) ORDER BY key`,
    );
    this.#addKey = write('INSERT INTO session_key (key, session) VALUES (?, ?) ON CONFLICT DO NOTHING');
    this.#removeKey = write('DELETE FROM session_key WHERE key = ? AND session = ?');
    this.#parts = prepare(db, 'SELECT name, body FROM part WHERE session = ?');
    this.#heads = prepare(
      db,
      'SELECT key & 0xffffffff, id, at, epoch FROM log WHERE key >= (?1 << 32) AND key < ((?1 + 1) << 32) ORDER BY key',
    );
    this.#lookup = prepare(
      db,
      `SELECT k.session, s.topic FROM session_key k JOIN session s ON s.id = k.session
       WHERE k.key = ?1 AND k.session > ?2 ORDER BY k.session LIMIT ?3`,
    );
    this.#count = prepare(db, 'SELECT count(*) FROM (SELECT 1 FROM session_key WHERE key = ?1 LIMIT ?2)');
    this.#listParts = prepare(
      db,
      `SELECT k.session, s.topic, p.body FROM session_key k
       CROSS JOIN session s ON s.id = k.session
       LEFT JOIN part p ON p.session = k.session AND p.name = ?2
       WHERE k.key = ?1 AND k.session > ?3 ORDER BY k.session LIMIT ?4`,
    );
    this.#erase = [
      write('DELETE FROM part WHERE session = ?'),
      write('DELETE FROM log WHERE key >= (?1 << 32) AND key < ((?1 + 1) << 32)'),
      write('DELETE FROM session_key WHERE session = ?'),
      write('DELETE FROM session WHERE id = ?'),
    ];
  }

  load(topic: string): FlatSession | undefined {
    const session = this.#session(topic);
    if (session === undefined) return undefined;
    const [, revision, first, last, , epoch, lastEpoch, startEpoch] = session;
    return {
      revision,
      epoch,
      start: { offset: first - 1, epoch: startEpoch },
      position: { offset: last, epoch: lastEpoch },
      parts: flat(this.#parts.all(session[0])),
      log: flat<string | number>(this.#heads.all(session[0])),
    };
  }

  /** @see Operations.commit. @throws Refused when the entries do not continue the log */
  commit(
    topic: string,
    expected: number,
    expectedEpoch: string | null,
    epoch: string,
    at: number,
    parts: readonly (string | null)[],
    log: readonly (string | number)[],
    addKeys: readonly string[],
    removeKeys: readonly string[],
    dropUpTo: number,
  ): number {
    const session = this.#session(topic);
    const current = session?.[1] ?? 0;
    if (current !== expected) return -current;
    if (session !== undefined && expectedEpoch !== null && session[5] !== expectedEpoch) return -current;
    let first = session?.[2] ?? 1;
    const before = session?.[3] ?? 0;
    let oldestAt = session?.[4] ?? null;
    let startEpoch = session?.[7] ?? epoch;
    const appended = log.length >> 2;
    const last = before + appended;
    const lastEpoch = appended > 0 ? epoch : (session?.[6] ?? epoch);
    if (appended > 0) {
      if (log[0] !== before + 1) throw new Refused(`entry ${log[0]} does not follow entry ${before} of the log`);
      if (first > before) oldestAt = log[2] as number;
    }
    let bytes = session?.[8] ?? 0;
    for (let i = 3; i < log.length; i += 4) bytes += Buffer.byteLength(log[i] as string);
    const id = session?.[0] ?? Number(this.#create.run(topic, first, last, oldestAt, epoch, bytes).lastInsertRowid);
    for (let i = 0; i < log.length; i += 4) {
      const [number, entryId, entryAt, body] = log.slice(i, i + 4) as [number, string, number, string];
      this.#append.run(id, number, entryAt, entryId, body, epoch, entryChecksum(entryId, entryAt, epoch, body));
    }
    let keepFrom = Math.max(this.#firstToKeep(id, first, last, oldestAt, at), Math.min(dropUpTo, last) + 1);
    const { bytes: most = Number.POSITIVE_INFINITY } = this.#bounds;
    if (keepFrom > first || bytes > most) {
      for (const [number, size] of this.#sizes.iterate(id, first)) {
        // What this commit appends stays, however much it is.
        if (number >= keepFrom && (bytes <= most || number > before)) break;
        bytes -= size;
        keepFrom = Math.max(keepFrom, number + 1);
      }
    }
    const trims = keepFrom > first;
    if (trims) {
      startEpoch = this.#epochOf.get(id, keepFrom - 1)?.[0] ?? '';
      this.#trim.run(id, keepFrom);
      first = keepFrom;
      oldestAt = first > last ? null : (this.#entryAt.get(id, first)?.[0] ?? null);
    }
    if (session !== undefined || trims) {
      this.#update.run(id, current + 1, first, last, oldestAt, epoch, lastEpoch, startEpoch, bytes);
    }
    for (let i = 0; i < parts.length; i += 2) {
      const body = parts[i + 1] as string | null;
      if (body === null) this.#removePart.run(id, parts[i] as string);
      else this.#putPart.run(id, parts[i] as string, body);
    }
    for (const key of removeKeys) this.#removeKey.run(key, id);
    for (const key of addKeys) this.#addKey.run(key, id);
    return current + 1;
  }

  lookup(indexKey: string, after: number, limit: number): readonly (string | number)[] {
    return flat<string | number>(this.#lookup.all(indexKey, after, limit));
  }

  countSessions(indexKey: string, atMost: number): number {
    return this.#count.get(indexKey, atMost)?.[0] ?? 0;
  }

  listParts(indexKey: string, part: string, after: number, limit: number): readonly (string | number | null)[] {
    return flat<string | number | null>(this.#listParts.all(indexKey, part, after, limit));
  }

  erase(topic: string, expected: readonly [revision: number, epoch: string] | null): boolean {
    const session = this.#session(topic);
    if (session === undefined) return false;
    if (expected !== null && (session[1] !== expected[0] || session[5] !== expected[1])) return false;
    for (const statement of this.#erase) statement.run(session[0]);
    return true;
  }

  #session(topic: string): SessionColumns | undefined {
    return this.#find.get(topic);
  }

  /** Number of the first entry to keep: `first` while the log exceeds its bounds by less than the slack. */
  #firstToKeep(id: number, first: number, last: number, oldestAt: number | null, at: number): number {
    if (oldestAt === null || first > last) return first;
    const { count, ageMs } = this.#bounds;
    const tooMany = last - first + 1 > count * SLACK;
    const tooOld = at - oldestAt > ageMs * SLACK;
    if (!tooMany && !tooOld) return first;
    const byCount = Math.max(first, last - count + 1);
    const young = this.#firstSince.get(id, byCount, at - ageMs);
    return young?.[0] ?? last + 1;
  }
}
