import { parentPort, workerData } from 'node:worker_threads';
import type { LogBounds } from '@lockstep/store';
import { Batches } from './batch.ts';
import { Checkpoints } from './checkpoints.ts';
import { openDatabase } from './database.ts';
import { CLOSE, type Opened, type Operations, type Request } from './operations.ts';
import { RecordTables } from './record-tables.ts';
import { SessionTables } from './session-tables.ts';
import { UnusableDatabase } from './unusable-database.ts';

/** What the thread is started with. */
export interface WorkerOptions {
  readonly path: string;
  readonly log: LogBounds;
  /** ms from a deletion to the emptying of the write-ahead log. */
  readonly scrubAfterMs: number;
}

const port = parentPort!;
const options = workerData as WorkerOptions;

/** Opens the file, says how that went, and serves batches until it is asked to close. */
function serve(): void {
  const db = openDatabase(options.path);
  const sessions = new SessionTables(db, options.log);
  const records = new RecordTables(db);
  const checkpoints = new Checkpoints(db);
  const beat = db.prepare('UPDATE store SET sequence = sequence + 1');
  let scrub: NodeJS.Timeout | undefined;

  const handlers: Operations = {
    load: (...args) => sessions.load(...args),
    commit: (...args) => sessions.commit(...args),
    readLog: (...args) => sessions.readLog(...args),
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
      checkpoints: checkpoints.count,
      walPages: checkpoints.pages,
    }),
  };
  const batches = new Batches(db, handlers);

  /** After a deletion: soon the write-ahead log, too, must hold nothing of it. */
  function gone(deleted: boolean): boolean {
    if (deleted) scrub ??= setTimeout(empty, options.scrubAfterMs);
    return deleted;
  }

  /** Tries until it succeeds. */
  function empty(): void {
    scrub = checkpoints.empty() ? undefined : setTimeout(empty, options.scrubAfterMs);
  }

  port.on('message', (requests: readonly Request[] | typeof CLOSE) => {
    if (requests === CLOSE) {
      clearTimeout(scrub);
      checkpoints.close();
      db.close();
      port.close();
      return;
    }
    const before = batches.transactions;
    const answers = batches.run(requests);
    port.postMessage(answers);
    if (batches.transactions > before) checkpoints.afterTransaction();
  });
}

function open(): Opened {
  try {
    serve();
    return { opened: true };
  } catch (error) {
    if (!(error instanceof UnusableDatabase)) throw error;
    return { opened: false, failure: { reason: error.reason, message: error.message } };
  }
}

port.postMessage(open());
