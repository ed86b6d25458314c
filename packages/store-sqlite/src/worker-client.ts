import { Worker } from 'node:worker_threads';
import { StoreUnavailable } from '@lockstep/store';
import type { BackupReport } from './backup.ts';
import { Lanes } from './lanes.ts';
import {
  type Answers,
  type BackupAnswer,
  type BackupRequest,
  CLOSE,
  type Opened,
  type OperationFailure,
  type OperationName,
  type Operations,
  type Request,
} from './operations.ts';
import { UnusableDatabase } from './unusable-database.ts';
import type { WorkerOptions } from './worker.ts';

/**
 * ms from one batch to the next while operations come faster than batches are done, after a batch of one and after one of
 * several. A flush and the wake-ups of two threads cost some 150 µs of CPU, whether for one operation or for many.
 */
const SPACING = { one: 1, several: 3 };

/** Operations that share that cost well enough not to wait for more. */
const PLENTY = 32;

/** MB for what the thread holds briefly: a batch, and a session that is read. */
const YOUNG_MB = 8;

interface Waiting {
  readonly request: Request;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The calling side of the worker. One batch is under way at a time; all that is asked meanwhile becomes the next one, so
 * that the busier the store is, the more operations share a message and a flush.
 */
export class WorkerClient {
  /** What the server's operator is to know about the file, in words. */
  readonly warnings: readonly string[];
  readonly #worker: Worker;
  readonly #waiting = new Lanes<Waiting>();
  #underWay: Waiting[] | undefined;
  #copying: { readonly resolve: (report: BackupReport) => void; readonly reject: (error: Error) => void } | undefined;
  #sentAt = 0;
  #spacing = SPACING.one;
  #scheduled = false;
  #pause: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  #ended: StoreUnavailable | undefined;

  /** @throws UnusableDatabase */
  static open(options: WorkerOptions): Promise<WorkerClient> {
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    const worker = new Worker(new URL(file, import.meta.url), {
      workerData: options,
      name: 'store',
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    return new Promise((resolve, reject) => {
      const failed = (why: string): void =>
        reject(new UnusableDatabase(options.path, 'unreadable', `${options.path} cannot be opened: ${why}`));
      const threw = (error: Error): void => failed(error.message);
      // A thread may end without a word; nothing else would end the wait.
      const exited = (): void => failed("the store's thread ended");
      worker.once('error', threw);
      worker.once('exit', exited);
      worker.once('message', (first: Opened) => {
        worker.off('error', threw).off('exit', exited);
        if (first.opened) resolve(new WorkerClient(worker, first.warnings));
        else reject(new UnusableDatabase(options.path, first.failure.reason, first.failure.message));
      });
    });
  }

  private constructor(worker: Worker, warnings: readonly string[]) {
    this.#worker = worker;
    this.warnings = warnings;
    worker.on('message', (answers: Answers | BackupAnswer) => {
      if ('backup' in answers) this.#copied(answers.backup);
      else this.#answered(answers);
    });
    worker.on('error', (error) => this.#end(`the store's thread failed: ${error.message}`));
    worker.on('exit', () => this.#end('the store is closed'));
  }

  /**
   * @throws StoreUnavailable when the file cannot be read or written, or the store is closed
   * @throws RangeError when the caller asks for what cannot be
   */
  call<K extends OperationName>(name: K, ...args: Parameters<Operations[K]>): Promise<ReturnType<Operations[K]>> {
    return new Promise((resolve, reject) => {
      this.requireOpen();
      const request = [name, ...args] as unknown as Request;
      if (this.#waiting.add({ request, resolve: resolve as (value: unknown) => void, reject })) this.#schedule();
      else reject(new StoreUnavailable('the store cannot keep up', 1));
    });
  }

  /** @throws StoreUnavailable when the store is closed or its thread has ended */
  requireOpen(): void {
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#closing !== undefined) throw new StoreUnavailable('the store is closed');
  }

  /**
   * Copies the file into a new one while it is in use.
   * @throws RangeError when that cannot be
   */
  backup(path: string): Promise<BackupReport> {
    this.requireOpen();
    return new Promise((resolve, reject) => {
      if (this.#copying !== undefined) {
        reject(new RangeError('a copy is being made already'));
        return;
      }
      this.#copying = { resolve, reject };
      this.#worker.postMessage({ backup: path } satisfies BackupRequest);
    });
  }

  #copied(result: BackupReport | OperationFailure): void {
    const copying = this.#copying;
    this.#copying = undefined;
    if ('kind' in result) copying?.reject(errorOf(result));
    else copying?.resolve(result);
  }

  /** Finishes what was asked before, then closes the file and ends the thread. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = this.#exited();
      if (this.#underWay === undefined && !this.#scheduled) this.#send();
    }
    return this.#closing;
  }

  #exited(): Promise<void> {
    if (this.#ended !== undefined) return Promise.resolve();
    return new Promise((resolve) => this.#worker.once('exit', () => resolve()));
  }

  #schedule(): void {
    if (this.#pause !== undefined && this.#waiting.length >= PLENTY) this.#send();
    if (this.#underWay !== undefined || this.#pause !== undefined || this.#scheduled) return;
    // Not at once: what the event loop has at hand now, of other sockets too, then goes along.
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  /** After a batch: goes on at once, or gives others that are on their way the time to come along. */
  #next(): void {
    const waited = performance.now() - this.#sentAt;
    const few = this.#waiting.length > 0 && this.#waiting.length < PLENTY;
    if (few && waited < this.#spacing && this.#closing === undefined) {
      this.#pause = setTimeout(() => this.#send(), this.#spacing - waited);
    } else {
      this.#send();
    }
  }

  #send(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    if (this.#ended !== undefined) return;
    if (this.#waiting.length === 0) {
      if (this.#closing !== undefined) this.#worker.postMessage(CLOSE);
      return;
    }
    const batch = this.#waiting.take();
    this.#underWay = batch;
    this.#spacing = batch.length === 1 ? SPACING.one : SPACING.several;
    this.#sentAt = performance.now();
    this.#worker.postMessage(batch.map((waiting) => waiting.request));
  }

  #answered(answers: Answers): void {
    const batch = this.#underWay ?? [];
    this.#underWay = undefined;
    const failures = new Map(answers.failures);
    for (let i = 0; i < batch.length; i++) {
      const failure = failures.get(i);
      if (failure === undefined) batch[i]!.resolve(answers.values[i]);
      else batch[i]!.reject(errorOf(failure));
    }
    this.#next();
  }

  #end(message: string): void {
    this.#ended ??= new StoreUnavailable(message);
    const left = [...(this.#underWay ?? []), ...this.#waiting.clear()];
    this.#underWay = undefined;
    for (const waiting of left) waiting.reject(this.#ended);
    this.#copying?.reject(this.#ended);
  }
}

function errorOf(failure: OperationFailure): Error {
  if (failure.kind === 'unavailable') return new StoreUnavailable(failure.message);
  return failure.kind === 'refused' ? new RangeError(failure.message) : new Error(failure.message);
}
