/** A thread for one copy of a database: commits and reads do not wait for it. */
import { parentPort, workerData } from 'node:worker_threads';
import { backUp } from './backup.ts';
import type { FileIdentity } from './database.ts';
import type { BackupAnswer } from './operations.ts';

/** What the thread is started with. */
export interface BackupWorkerOptions {
  readonly from: string;
  readonly file: FileIdentity;
  readonly to: string;
}

const { from, file, to } = workerData as BackupWorkerOptions;

function copied(): BackupAnswer {
  try {
    return { report: backUp(from, file, to) };
  } catch (error) {
    return { refusal: (error as Error).message };
  }
}

parentPort!.postMessage(copied());
