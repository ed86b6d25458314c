import type { DatabaseSync } from 'node:sqlite';
import { entryChecksum } from './entry-checksum.ts';

/** One step of the schema, run once, in its own transaction. */
export interface Migration {
  /** The schema's version afterwards: 1, 2, 3 … as `PRAGMA user_version` holds it. */
  readonly version: number;
  readonly sql: string;
}

/**
 * The schema's history. A released step is never changed; what changes is a new step.
 *
 * Texts that can be large sit in rowid tables, whose inner nodes hold no bodies. Entries of all logs follow each other as they are
 * written; an index finds them by their key, `session << 32 | number`. In one tree by that key, each entry would be written into the
 * middle of it: with its neighbours moved, that is three pages for an entry of a third of a page.
 */
export const migrations: readonly Migration[] = [
  {
    version: 1,
    sql: `
      CREATE TABLE session (
        id INTEGER PRIMARY KEY,
        topic TEXT NOT NULL UNIQUE,
        revision INTEGER NOT NULL,
        first INTEGER NOT NULL,  -- number of the oldest entry held; last + 1 when none is
        last INTEGER NOT NULL,   -- number of the newest entry ever appended
        oldest_at INTEGER        -- time of the oldest entry held
      ) STRICT;
      CREATE TABLE part (
        id INTEGER PRIMARY KEY,
        session INTEGER NOT NULL,
        name TEXT NOT NULL,
        body TEXT NOT NULL,
        UNIQUE (session, name)
      ) STRICT;
      CREATE TABLE log (
        key INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        id TEXT NOT NULL,
        body TEXT NOT NULL
      ) STRICT;
      CREATE TABLE session_key (
        key TEXT NOT NULL,
        session INTEGER NOT NULL,
        PRIMARY KEY (key, session)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX session_key_of ON session_key (session);

      CREATE TABLE record (
        row INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        revision INTEGER NOT NULL,
        consumed_at INTEGER,
        expires_at INTEGER,
        indexes TEXT,            -- JSON: [name, value, name, value, …], what record_index holds of this record
        body TEXT NOT NULL,
        UNIQUE (kind, id)
      ) STRICT;
      CREATE INDEX record_expiry ON record (expires_at) WHERE expires_at IS NOT NULL;
      CREATE TABLE record_index (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        id TEXT NOT NULL,
        PRIMARY KEY (kind, name, value, id)
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE pulse (id INTEGER PRIMARY KEY CHECK (id = 1), beats INTEGER NOT NULL) STRICT;
      INSERT INTO pulse VALUES (1, 0);
    `,
  },
  {
    version: 2,
    sql: `
      DROP TABLE pulse;
      CREATE TABLE store (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        name TEXT NOT NULL,        -- of this database and of every copy of it
        sequence INTEGER NOT NULL  -- transactions that changed it
      ) STRICT;
      INSERT INTO store VALUES (1, lower(hex(randomblob(8))), 0);
      ALTER TABLE session ADD COLUMN epoch TEXT NOT NULL DEFAULT '';        -- of the revision
      ALTER TABLE session ADD COLUMN last_epoch TEXT NOT NULL DEFAULT '';   -- of entry last
      ALTER TABLE session ADD COLUMN start_epoch TEXT NOT NULL DEFAULT '';  -- of entry first - 1
      UPDATE session SET epoch = name, last_epoch = name, start_epoch = name FROM store;
      ALTER TABLE log ADD COLUMN epoch TEXT NOT NULL DEFAULT '';
      ALTER TABLE log ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
      UPDATE log SET epoch = name, checksum = entry_checksum(log.id, at, name, body) FROM store;
    `,
  },
  {
    version: 3,
    sql: `
      ALTER TABLE session ADD COLUMN log_bytes INTEGER NOT NULL DEFAULT 0;  -- of the bodies in its log
      UPDATE session SET log_bytes = (
        SELECT coalesce(sum(octet_length(body)), 0) FROM log
        WHERE key >= (session.id << 32) AND key < ((session.id + 1) << 32)
      );
    `,
  },
  {
    version: 4,
    sql: `
      -- Nothing here: the versions of a session's contexts, where many are open, are parts of their own from its next event on.
      -- A program of an older version would not find them.
    `,
  },
  {
    version: 5,
    sql: `
      CREATE TABLE written_log (
        row INTEGER PRIMARY KEY,
        key INTEGER NOT NULL UNIQUE,
        at INTEGER NOT NULL,
        id TEXT NOT NULL,
        body TEXT NOT NULL,
        epoch TEXT NOT NULL,
        checksum INTEGER NOT NULL
      ) STRICT;
      INSERT INTO written_log (key, at, id, body, epoch, checksum)
        SELECT key, at, id, body, epoch, checksum FROM log ORDER BY key;
      DROP TABLE log;
      ALTER TABLE written_log RENAME TO log;
    `,
  },
];

/**
 * Brings the schema from its version to the newest one. A step that fails leaves the version before it.
 * @returns whether there was anything to do
 */
export function migrate(db: DatabaseSync, steps: readonly Migration[]): boolean {
  const version = schemaVersion(db);
  db.function('entry_checksum', { deterministic: true }, (id, at, epoch, body) =>
    entryChecksum(String(id), Number(at), String(epoch), String(body)),
  );
  for (const step of steps) {
    if (step.version <= version) continue;
    db.exec('BEGIN IMMEDIATE');
    try {
      db.exec(step.sql);
      db.exec(`PRAGMA user_version = ${step.version}`);
      db.exec('COMMIT');
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  }
  return schemaVersion(db) > version;
}

export function schemaVersion(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.user_version);
}
