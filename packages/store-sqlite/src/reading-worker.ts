/** The thread that reads logs, and copies the write-ahead log into the main file, while the store's thread commits. */

import { fsyncSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { failureOf } from './batch.ts';
import { type FileIdentity, openBeside } from './database.ts';
import { LogCopier } from './log-copier.ts';
import { LogReader } from './log-reader.ts';
import { CLOSE, COPIED, COPY, type LogAnswer, type LogRequest, type Read } from './operations.ts';
import { ThreadSignals } from './thread-signals.ts';

/** What the thread is started with. */
export interface ReadingWorkerOptions {
  readonly path: string;
  readonly file: FileIdentity;
  /** Descriptor of the main file. Closing one ends the locks of the process on the file (POSIX): it stays open as long as the store. */
  readonly descriptor: number;
  /** See `ThreadSignals`. */
  readonly signals: SharedArrayBuffer;
}

const port = parentPort!;
const { path, file, descriptor, signals: shared } = workerData as ReadingWorkerOptions;
const signals = new ThreadSignals(shared);
const db = openBeside(path, file);
const logs = new LogReader(db);
const copier = new LogCopier(db, { signals, sync: () => fsyncSync(descriptor) });

function pageOf(read: Read): LogAnswer[1] {
  if (read[0] === 'readLog') {
    const [, ...of] = read;
    return logs.readLog(...of);
  }
  const [, ...of] = read;
  return logs.readLogBytes(...of);
}

function answer([id, read]: LogRequest): LogAnswer {
  if (signals.unusable) return [id, undefined, { kind: 'unavailable', message: 'the files of the store were changed' }];
  try {
    return [id, pageOf(read)];
  } catch (error) {
    return [id, undefined, failureOf(error)];
  }
}

/** Bodies are given to the other thread and not copied. */
function memoryOf([, page]: LogAnswer): ArrayBuffer[] {
  return page && 'memory' in page ? [page.memory] : [];
}

port.on('message', (request: LogRequest | typeof COPY | typeof CLOSE) => {
  if (request === CLOSE) {
    db.close();
    port.close();
  } else if (request === COPY) {
    copier.copy();
    port.postMessage(COPIED);
  } else {
    const page = answer(request);
    port.postMessage(page, memoryOf(page));
  }
});
port.postMessage(true);
