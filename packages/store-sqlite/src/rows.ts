import type { DatabaseSync, SQLInputValue } from 'node:sqlite';

/** A statement whose rows come as arrays of column values, `R`. */
export interface Statement<R extends readonly unknown[] = never> {
  get(...values: SQLInputValue[]): R | undefined;
  all(...values: SQLInputValue[]): R[];
  iterate(...values: SQLInputValue[]): Iterable<R>;
  run(...values: SQLInputValue[]): { readonly changes: number | bigint; readonly lastInsertRowid: number | bigint };
}

/** @param sql selects columns of the types in `R`, in that order */
export function prepare<R extends readonly unknown[] = never>(db: DatabaseSync, sql: string): Statement<R> {
  const statement = db.prepare(sql);
  statement.setReturnArrays(true);
  return statement as unknown as Statement<R>;
}

/** Columns of a session's row: id, revision, first, last, oldest_at, epoch, last_epoch, start_epoch, log_bytes. */
export type SessionColumns = readonly [number, number, number, number, number | null, string, string, string, number];

/** Finds a session's row by its topic. */
export function findSession(db: DatabaseSync): Statement<SessionColumns> {
  return prepare(
    db,
    'SELECT id, revision, first, last, oldest_at, epoch, last_epoch, start_epoch, log_bytes FROM session WHERE topic = ?',
  );
}

/** The columns of all rows, one after the other. */
export function flat<T>(rows: readonly (readonly T[])[]): T[] {
  const all: T[] = [];
  for (const row of rows) for (const value of row) all.push(value);
  return all;
}
