import type { DatabaseSync } from 'node:sqlite';
import { entryChecksum } from './entry-checksum.ts';
import { type CommittedChange, readLastChange } from './last-change.ts';
import { prepare } from './rows.ts';

/** What a database lacks or holds in another form than it was written. */
export interface Damage {
  /** Changes that were made and are gone; where they are, what the last of them was. */
  readonly missing?: { readonly changes: number; readonly last: CommittedChange };
  /** Entries of logs that are not as they were written. */
  readonly entries: readonly { readonly session: number; readonly topic: string; readonly number: number }[];
}

/** Reads which database this is, and how often it was changed. */
export function identityOf(db: DatabaseSync): { readonly database: string; readonly sequence: number } {
  const [database, sequence] = prepare<readonly [string, number]>(db, 'SELECT name, sequence FROM store').get()!;
  return { database, sequence };
}

/** Compares an opened database with what was written down of it, and every entry of its logs with its checksum. */
export function findDamage(db: DatabaseSync, path: string): Damage | undefined {
  const { database, sequence } = identityOf(db);
  const last = readLastChange(path);
  // One that was never changed is new: the one that was here before is gone as a whole.
  const isGone = last !== undefined && (last.database === database ? last.sequence > sequence : sequence === 0);
  const missing = isGone
    ? { changes: last.database === database ? last.sequence - sequence : last.sequence, last }
    : undefined;
  const entries = damagedEntries(db);
  return missing || entries.length > 0 ? { ...(missing && { missing }), entries } : undefined;
}

function damagedEntries(db: DatabaseSync): Damage['entries'] {
  const all = prepare<
    readonly [session: number, number: number, id: string, at: number, epoch: string, body: string, checksum: number]
  >(db, 'SELECT key >> 32, key & 0xffffffff, id, at, epoch, body, checksum FROM log');
  const topicOf = prepare<readonly [topic: string]>(db, 'SELECT topic FROM session WHERE id = ?');
  const damaged: { session: number; topic: string; number: number }[] = [];
  for (const [session, number, id, at, epoch, body, checksum] of all.iterate()) {
    if (entryChecksum(id, at, epoch, body) === checksum) continue;
    damaged.push({ session, number, topic: topicOf.get(session)?.[0] ?? '' });
  }
  return damaged.sort((a, b) => a.session - b.session || a.number - b.number);
}

/** Says what is missing or damaged, in words for the operator. */
export function describeDamage(path: string, { missing, entries }: Damage): string {
  const parts: string[] = [];
  if (missing) {
    const { changes, last } = missing;
    const time = new Date(last.at).toISOString();
    parts.push(
      `the last ${changes} of ${last.sequence} changes are missing, the newest of ${time}: ` +
        `${path}-wal was cut short, damaged or removed, or an older copy was put in the place of ${path}`,
    );
  }
  if (entries.length > 0) {
    const named = entries.slice(0, 5).map(({ topic, number }) => `entry ${number} of session ${topic}`);
    const more = entries.length > named.length ? ` and ${entries.length - named.length} more` : '';
    parts.push(`${entries.length} entries of logs are damaged: ${named.join(', ')}${more}`);
  }
  return parts.join('; ');
}

/** Takes damaged entries, and what is before them, out of their logs: no one is sent what was never said. */
export function dropDamaged(db: DatabaseSync, { entries }: Damage): void {
  const epochOf = prepare<readonly [string]>(db, 'SELECT epoch FROM log WHERE key = (?1 << 32) | ?2');
  const trim = prepare(db, 'DELETE FROM log WHERE key >= (?1 << 32) AND key <= ((?1 << 32) | ?2)');
  const move = prepare(
    db,
    `UPDATE session SET first = ?2 + 1, start_epoch = ?3,
       oldest_at = (SELECT at FROM log WHERE key = (?1 << 32) | (?2 + 1)),
       log_bytes = (
         SELECT coalesce(sum(octet_length(body)), 0) FROM log WHERE key >= (?1 << 32) AND key < ((?1 + 1) << 32)
       )
     WHERE id = ?1`,
  );
  db.exec('BEGIN IMMEDIATE');
  for (const { session, number } of entries) {
    const epoch = epochOf.get(session, number)?.[0] ?? '';
    trim.run(session, number);
    move.run(session, number, epoch);
  }
  db.exec('COMMIT');
}
