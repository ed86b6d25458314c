import type { DatabaseSync } from 'node:sqlite';
import type { FlatRecord, FlatWrite } from './operations.ts';
import { flat, prepare, type Statement } from './rows.ts';

/** Columns of a record that decide about a write: row, revision, indexes. */
type Held = readonly [row: number, revision: number, indexes: string | null];

/** Records in their tables. Methods that write run inside the caller's transaction and check before they change. */
export class RecordTables {
  readonly #held: Statement<Held>;
  readonly #dropExpired: Statement<readonly [indexes: string | null]>;
  readonly #insert: Statement;
  readonly #update: Statement;
  readonly #consume: Statement;
  readonly #delete: Statement<readonly [indexes: string | null]>;
  readonly #addIndex: Statement;
  readonly #removeIndex: Statement;
  readonly #get: Statement<FlatRecord>;
  readonly #find: Statement<FlatRecord>;
  readonly #list: Statement<FlatRecord>;
  readonly #count: Statement<readonly [count: number]>;
  readonly #countBy: Statement<readonly [count: number]>;
  readonly #idsBy: Statement<readonly [id: string]>;
  readonly #expired: Statement<readonly [kind: string, id: string]>;

  constructor(db: DatabaseSync) {
    this.#held = prepare(
      db,
      `SELECT row, revision, indexes FROM record
       WHERE kind = ?1 AND id = ?2 AND (expires_at IS NULL OR expires_at > ?3)`,
    );
    this.#dropExpired = prepare(
      db,
      'DELETE FROM record WHERE kind = ?1 AND id = ?2 AND expires_at <= ?3 RETURNING indexes',
    );
    this.#insert = prepare(
      db,
      'INSERT INTO record (kind, id, revision, expires_at, indexes, body) VALUES (?, ?, 1, ?, ?, ?)',
    );
    this.#update = prepare(
      db,
      'UPDATE record SET revision = revision + 1, expires_at = ?2, indexes = ?3, body = ?4 WHERE row = ?1',
    );
    this.#consume = prepare(
      db,
      `UPDATE record SET revision = revision + 1, consumed_at = ?3
       WHERE kind = ?1 AND id = ?2 AND consumed_at IS NULL AND (expires_at IS NULL OR expires_at > ?3)`,
    );
    this.#delete = prepare(db, 'DELETE FROM record WHERE kind = ? AND id = ? RETURNING indexes');
    this.#addIndex = prepare(
      db,
      'INSERT INTO record_index (kind, name, value, id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#removeIndex = prepare(db, 'DELETE FROM record_index WHERE kind = ? AND name = ? AND value = ? AND id = ?');
    this.#get = prepare(
      db,
      `SELECT id, revision, body, consumed_at, expires_at FROM record
       WHERE kind = ?1 AND id = ?2 AND (expires_at IS NULL OR expires_at > ?3)`,
    );
    this.#find = prepare(
      db,
      `SELECT r.id, r.revision, r.body, r.consumed_at, r.expires_at FROM record_index i
       CROSS JOIN record r ON r.kind = i.kind AND r.id = i.id
       WHERE i.kind = ?1 AND i.name = ?2 AND i.value = ?3 AND i.id > ?5 AND (r.expires_at IS NULL OR r.expires_at > ?4)
       ORDER BY i.id LIMIT ?6`,
    );
    this.#list = prepare(
      db,
      `SELECT id, revision, body, consumed_at, expires_at FROM record
       WHERE kind = ?1 AND id > ?3 AND (expires_at IS NULL OR expires_at > ?2) ORDER BY id LIMIT ?4`,
    );
    this.#count = prepare(db, 'SELECT count(*) FROM (SELECT 1 FROM record WHERE kind = ? LIMIT ?)');
    this.#countBy = prepare(
      db,
      'SELECT count(*) FROM (SELECT 1 FROM record_index WHERE kind = ? AND name = ? AND value = ? LIMIT ?)',
    );
    this.#idsBy = prepare(db, 'SELECT id FROM record_index WHERE kind = ? AND name = ? AND value = ? ORDER BY id');
    this.#expired = prepare(db, 'SELECT kind, id FROM record WHERE expires_at <= ? LIMIT ?');
  }

  get(kind: string, id: string, now: number): FlatRecord | undefined {
    return this.#get.get(kind, id, now);
  }

  put(write: FlatWrite, now: number): number {
    const held = this.#held.get(write[0], write[1], now);
    return holds(write, held) ? this.#write(write, held, now) : 0;
  }

  putAll(writes: readonly FlatWrite[], now: number): boolean {
    const held = writes.map((write) => this.#held.get(write[0], write[1], now));
    if (!writes.every((write, i) => holds(write, held[i]))) return false;
    writes.forEach((write, i) => {
      this.#write(write, held[i], now);
    });
    return true;
  }

  consume(kind: string, id: string, now: number): boolean {
    return Number(this.#consume.run(kind, id, now).changes) > 0;
  }

  delete(kind: string, id: string): boolean {
    const gone = this.#delete.get(kind, id);
    if (gone === undefined) return false;
    this.#removeIndexes(kind, id, pairs(gone[0]));
    return true;
  }

  deleteBy(kind: string, index: string, value: string): readonly string[] {
    const ids = flat(this.#idsBy.all(kind, index, value));
    for (const id of ids) this.delete(kind, id);
    return ids;
  }

  find(kind: string, index: string, value: string, now: number, afterId: string, limit: number): readonly FlatRecord[] {
    return this.#find.all(kind, index, value, now, afterId, limit);
  }

  list(kind: string, now: number, afterId: string, limit: number): readonly FlatRecord[] {
    return this.#list.all(kind, now, afterId, limit);
  }

  count(kind: string, atMost: number): number {
    return this.#count.get(kind, atMost)?.[0] ?? 0;
  }

  countBy(kind: string, index: string, value: string, atMost: number): number {
    return this.#countBy.get(kind, index, value, atMost)?.[0] ?? 0;
  }

  sweep(now: number, limit: number): number {
    const expired = this.#expired.all(now, limit);
    for (const [kind, id] of expired) this.delete(kind, id);
    return expired.length;
  }

  #write(write: FlatWrite, held: Held | undefined, now: number): number {
    const [kind, id, body, expiresAt, , indexes] = write;
    const text = indexes.length === 0 ? null : JSON.stringify(indexes);
    if (held === undefined) {
      const expired = this.#dropExpired.get(kind, id, now);
      if (expired !== undefined) this.#removeIndexes(kind, id, pairs(expired[0]));
      this.#insert.run(kind, id, expiresAt, text, body);
      this.#addIndexes(kind, id, indexes);
      return 1;
    }
    this.#update.run(held[0], expiresAt, text, body);
    if (text !== held[2]) {
      this.#removeIndexes(kind, id, pairs(held[2]));
      this.#addIndexes(kind, id, indexes);
    }
    return held[1] + 1;
  }

  #addIndexes(kind: string, id: string, indexes: readonly string[]): void {
    for (let i = 0; i < indexes.length; i += 2) this.#addIndex.run(kind, indexes[i]!, indexes[i + 1]!, id);
  }

  #removeIndexes(kind: string, id: string, indexes: readonly string[]): void {
    for (let i = 0; i < indexes.length; i += 2) this.#removeIndex.run(kind, indexes[i]!, indexes[i + 1]!, id);
  }
}

function holds(write: FlatWrite, held: Held | undefined): boolean {
  const condition = write[4];
  if (condition === null) return true;
  return condition === (held?.[1] ?? 0);
}

/** The column `record.indexes`: name, value, name, value … */
function pairs(column: string | null): readonly string[] {
  return column === null ? [] : (JSON.parse(column) as string[]);
}
