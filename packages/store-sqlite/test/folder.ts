import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { LogBounds } from '@lockstep/store';
import { openSqlite, type SqliteOptions, type SqliteStore } from '../src/index.ts';

export const WIDE: LogBounds = { count: 1_000_000, ageMs: 3_600_000 };

/** A path for a database in a folder that goes with the test. */
export function freshPath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-sqlite-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'store.db');
}

/** Opens a store that is closed with the test at the latest. */
export async function openIn(t: TestContext, path: string, options: Partial<SqliteOptions> = {}): Promise<SqliteStore> {
  const store = await openSqlite({ path, log: WIDE, ...options });
  t.after(() => store.close());
  return store;
}
