import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { freshPath } from '../test/folder.ts';
import { Checkpoints } from './checkpoints.ts';
import { openBeside, openDatabase } from './database.ts';
import { LogCopier } from './log-copier.ts';
import { ThreadSignals } from './thread-signals.ts';

/** The two connections of a store, on one thread: what is committed while the other copies is committed where the test says so. */
function connections(t: TestContext): {
  readonly path: string;
  readonly db: DatabaseSync;
  readonly beside: DatabaseSync;
} {
  const path = freshPath(t);
  const db = openDatabase(path);
  t.after(() => db.close());
  db.exec('CREATE TABLE page (body BLOB)');
  const { dev, ino } = statSync(path);
  const beside = openBeside(path, { dev, ino });
  t.after(() => beside.close());
  return { path, db, beside };
}

/** Commits so many pages at least. */
function commitPages(db: DatabaseSync, count: number): void {
  db.exec(`
    BEGIN;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    INSERT INTO page SELECT randomblob(4000) FROM n;
    COMMIT;
  `);
}

interface Copied {
  /** Times that the copier copied. */
  readonly passes: number;
  /** Pages that it left to the thread that commits. */
  readonly left: number;
  /** Pages in the log that are not in the main file once that thread is done. */
  readonly after: number;
}

/** A copy of 16,000 pages, with so many committed during each pass. */
function copyBeside(t: TestContext, duringPass: (pass: number) => number): Copied {
  const { db, beside } = connections(t);
  const copier = new LogCopier(beside, { signals: new ThreadSignals(), sync: () => undefined });
  let asked = 0;
  const checkpoints = new Checkpoints(db, {
    copier: { copy: () => void asked++ },
    scrubAfterMs: 1,
    done: () => undefined,
  });
  t.after(() => checkpoints.close());
  commitPages(db, 16_000);
  for (let transaction = 0; transaction < 16; transaction++) checkpoints.afterTransaction();
  assert.equal(asked, 1, 'the thread that commits has not copied');
  let passes = 0;
  let left = checkpoints.pages;
  while (asked > passes) {
    passes = asked;
    copier.copy();
    const pages = duringPass(passes);
    if (pages > 0) commitPages(db, pages);
    left = checkpoints.pages;
    checkpoints.copied();
  }
  return { passes, left, after: checkpoints.pages };
}

test('what was committed during a copy is copied beside the commits too, until a few pages are left', (t) => {
  const { passes, left, after } = copyBeside(t, (pass) => [2_000, 300, 20][pass - 1] ?? 0);
  assert.equal(passes, 3);
  assert.ok(left >= 20 && left <= 50, `${left} pages left`);
  assert.equal(after, 0, 'the log begins again');
});

test('a copy ends after four passes where the commits do not become fewer', (t) => {
  const { passes, after } = copyBeside(t, () => 100);
  assert.equal(passes, 4);
  assert.equal(after, 0);
});

test('each copy brings the main file to the disk once its pages are written', (t) => {
  const { path, db, beside } = connections(t);
  commitPages(db, 200);
  const before = statSync(path).size;
  const sizes: number[] = [];
  const copier = new LogCopier(beside, {
    signals: new ThreadSignals(),
    sync: () => void sizes.push(statSync(path).size),
  });
  copier.copy();
  commitPages(db, 10);
  copier.copy();
  assert.equal(sizes.length, 2, 'once for each copy');
  assert.ok(sizes[0]! >= before + 200 * 4_096, 'after the pages were written');
});
