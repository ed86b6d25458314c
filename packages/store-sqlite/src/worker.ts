import { closeSync, openSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type { LogBounds } from '@lockstep/store';
import { Batches } from './batch.ts';
import { Checkpoints } from './checkpoints.ts';
import { DataFiles } from './data-files.ts';
import { openDatabase } from './database.ts';
import { describeDamage, dropDamaged, findDamage, identityOf } from './integrity.ts';
import { LastChange } from './last-change.ts';
import { type Answers, CLOSE, COPIED, COPY, type Opened, type Operations, type Request } from './operations.ts';
import { RecordTables } from './record-tables.ts';
import { SessionTables } from './session-tables.ts';
import { ThreadSignals } from './thread-signals.ts';
import { UnusableDatabase } from './unusable-database.ts';

/** What the thread is started with. */
export interface WorkerOptions {
  readonly path: string;
  readonly log: LogBounds;
  /** ms from a deletion to the emptying of the write-ahead log. */
  readonly scrubAfterMs: number;
  /** What is done with a file that lacks changes or holds damaged entries. */
  readonly onDamage: 'refuse' | 'continue';
  /** See `ThreadSignals`. */
  readonly signals: SharedArrayBuffer;
}

/** ms that a checkpoint waits for somebody who reads: commits wait as long. */
const CHECKPOINT_WAIT = 20;

const port = parentPort!;
const options = workerData as WorkerOptions;

/** Refuses a damaged file, or makes the best of it. @returns what the operator is to know about it */
function settleDamage(db: DatabaseSync): readonly string[] {
  const { path, onDamage } = options;
  const damage = findDamage(db, path);
  if (damage === undefined) return [];
  const what = describeDamage(path, damage);
  if (onDamage === 'refuse') throw new UnusableDatabase(path, 'damaged', `${path} is damaged: ${what}`);
  dropDamaged(db, damage);
  return [`${path} is damaged: ${what}. It is used as it is`];
}

/** Opens the file and serves batches until it is asked to close. */
function serve(): Opened {
  const db = openDatabase(options.path);
  let warnings: readonly string[];
  try {
    warnings = settleDamage(db);
  } catch (error) {
    db.close();
    throw error;
  }
  db.exec(`PRAGMA busy_timeout = ${CHECKPOINT_WAIT}`);
  const signals = new ThreadSignals(options.signals);
  const sessions = new SessionTables(db, options.log);
  const records = new RecordTables(db);
  const files = new DataFiles(options.path, signals);
  const descriptor = openSync(options.path, 'r+');
  const checkpoints = new Checkpoints(db, {
    copier: { copy: () => port.postMessage(COPY) },
    scrubAfterMs: options.scrubAfterMs,
    done: () => files.checkpointed(),
  });
  const lastChange = new LastChange(options.path);
  const { database, sequence } = identityOf(db);
  lastChange.write({ database, sequence, at: Date.now() });
  /** Why nothing more is written: it would be lost. */
  let problem: string | undefined;
  const beat = db.prepare('UPDATE store SET sequence = sequence + 1');

  const handlers: Operations = {
    load: (...args) => sessions.load(...args),
    commit: (...args) => {
      const revision = sessions.commit(...args);
      const dropUpTo = args[9];
      gone(revision > 0 && dropUpTo > 0);
      return revision;
    },
    countSessions: (...args) => sessions.countSessions(...args),
    lookup: (...args) => sessions.lookup(...args),
    listParts: (...args) => sessions.listParts(...args),
    erase: (...args) => gone(sessions.erase(...args)),
    get: (...args) => records.get(...args),
    put: (...args) => records.put(...args),
    putAll: (...args) => records.putAll(...args),
    consume: (...args) => records.consume(...args),
    delete: (...args) => gone(records.delete(...args)),
    deleteBy: (...args) => {
      const ids = records.deleteBy(...args);
      gone(ids.length > 0);
      return ids;
    },
    find: (...args) => records.find(...args),
    list: (...args) => records.list(...args),
    count: (...args) => records.count(...args),
    countBy: (...args) => records.countBy(...args),
    sweep: (...args) => {
      const swept = records.sweep(...args);
      gone(swept > 0);
      return swept;
    },
    ping: () => void beat.run(),
    stats: () => ({
      transactions: batches.transactions,
      writes: batches.writes,
      operations: batches.operations,
      checkpoints: checkpoints.count,
      walPages: checkpoints.pages,
    }),
  };
  const batches = new Batches(db, handlers);

  /** After a deletion: soon the write-ahead log, too, must hold nothing of it. */
  function gone(deleted: boolean): boolean {
    if (deleted) checkpoints.scrubSoon();
    return deleted;
  }

  function refuse(requests: readonly Request[], why: string): void {
    signals.setUnusable();
    port.postMessage(refuseAll(requests, why));
  }

  port.on('message', (requests: readonly Request[] | typeof COPIED | typeof CLOSE) => {
    if (requests === COPIED) {
      checkpoints.copied();
      return;
    }
    if (requests === CLOSE) {
      checkpoints.close();
      db.close();
      closeSync(descriptor);
      lastChange.close();
      port.close();
      return;
    }
    problem ??= files.cut() ?? (requests.some(([name]) => name === 'stats') ? files.problem() : undefined);
    if (problem !== undefined) {
      refuse(requests, problem);
      return;
    }
    const [before, changes] = [batches.transactions, batches.sequence];
    const answers = batches.run(requests);
    if (batches.transactions > before) problem = files.problem();
    if (problem !== undefined) {
      refuse(requests, problem);
      return;
    }
    if (batches.sequence > changes) lastChange.write({ database, sequence: batches.sequence, at: Date.now() });
    port.postMessage(answers);
    if (batches.transactions > before) checkpoints.afterTransaction();
  });
  return { opened: true, file: files.file, descriptor, warnings };
}

function refuseAll(requests: readonly Request[], message: string): Answers {
  return { values: [], failures: requests.map((_, i) => [i, { kind: 'unavailable', message }]) };
}

function open(): Opened {
  try {
    return serve();
  } catch (error) {
    if (!(error instanceof UnusableDatabase)) throw error;
    return { opened: false, failure: { reason: error.reason, message: error.message } };
  }
}

port.postMessage(open());
