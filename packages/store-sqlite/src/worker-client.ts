import { Worker } from 'node:worker_threads';
import { StoreUnavailable } from '@lockstep/store';
import type { BackupReport } from './backup.ts';
import type { BackupWorkerOptions } from './backup-worker.ts';
import { Lanes } from './lanes.ts';
import {
  type Answers,
  type BackupAnswer,
  CLOSE,
  COPIED,
  COPY,
  errorOf,
  type Opened,
  type OperationName,
  type Operations,
  type Reads,
  type Request,
} from './operations.ts';
import { takeFile } from './own-files.ts';
import { ReadingClient } from './reading-client.ts';
import type { ReadingWorkerOptions } from './reading-worker.ts';
import { ThreadSignals } from './thread-signals.ts';
import { UnusableDatabase } from './unusable-database.ts';
import type { WorkerOptions } from './worker.ts';
import { started, workerFile } from './worker-file.ts';

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
  readonly #logs: ReadingClient;
  readonly #opened: ReadingWorkerOptions;
  readonly #waiting = new Lanes<Waiting>();
  #underWay: Waiting[] | undefined;
  #copying: Promise<BackupAnswer> | undefined;
  #sentAt = 0;
  #spacing = SPACING.one;
  #scheduled = false;
  #pause: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  /** All that was asked is asked of the store's thread alone. */
  #mayEnd = false;
  #ended: StoreUnavailable | undefined;

  /** @throws UnusableDatabase */
  static async open(options: Omit<WorkerOptions, 'signals'>): Promise<WorkerClient> {
    const release = takeFile(options.path);
    try {
      return await WorkerClient.#start(options, release);
    } catch (error) {
      release();
      if (error instanceof UnusableDatabase) throw error;
      const why = (error as Error).message;
      throw new UnusableDatabase(options.path, 'unreadable', `${options.path} cannot be opened: ${why}`);
    }
  }

  static async #start(options: Omit<WorkerOptions, 'signals'>, release: () => void): Promise<WorkerClient> {
    const { shared: signals } = new ThreadSignals();
    const worker = new Worker(workerFile('worker'), {
      workerData: { ...options, signals } satisfies WorkerOptions,
      name: 'store',
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    const first = await started<Opened>(worker);
    if (!first.opened) throw new UnusableDatabase(options.path, first.failure.reason, first.failure.message);
    const { file, descriptor, warnings } = first;
    return new WorkerClient(worker, { path: options.path, file, descriptor, signals }, warnings, release);
  }

  private constructor(worker: Worker, opened: ReadingWorkerOptions, warnings: readonly string[], release: () => void) {
    this.#worker = worker;
    this.#opened = opened;
    const logs = new ReadingClient(opened);
    this.#logs = logs;
    this.warnings = warnings;
    worker.on('message', (answers: Answers | typeof COPY) => {
      if (answers === COPY) void logs.copyLog().then(() => worker.postMessage(COPIED));
      else this.#answered(answers);
    });
    worker.on('error', (error) => this.#end(`the store's thread failed: ${error.message}`));
    worker.on('exit', () => {
      this.#end('the store is closed');
      void logs.end();
      release();
    });
  }

  /**
   * @throws StoreUnavailable when the file cannot be read or written, or the store is closed
   * @throws RangeError when the caller asks for what cannot be
   */
  call<K extends OperationName>(name: K, ...args: Parameters<Operations[K]>): Promise<ReturnType<Operations[K]>> {
    return new Promise((resolve, reject) => this.ask([name, ...args], resolve, reject));
  }

  /**
   * The same for who makes its own promise of the answer. Either function is called later, never at once.
   * @param request the operation's name and what it is given
   * @throws StoreUnavailable when the store is closed, its thread has ended, or too much waits already
   */
  ask<K extends OperationName>(
    request: readonly [name: K, ...args: Parameters<Operations[K]>],
    answered: (answer: ReturnType<Operations[K]>) => void,
    failed: (error: Error) => void,
  ): void {
    this.requireOpen();
    const resolve = answered as (value: unknown) => void;
    if (this.#waiting.add({ request: request as unknown as Request, resolve, reject: failed })) this.#schedule();
    else throw new StoreUnavailable('the store cannot keep up', 1);
  }

  /** @throws StoreUnavailable when the store is closed or its thread has ended */
  requireOpen(): void {
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#closing !== undefined) throw new StoreUnavailable('the store is closed');
  }

  /**
   * Reads a page of a log. It waits for no commit, and no commit waits for it.
   * @throws StoreUnavailable when the file cannot be read, or the store is closed
   */
  async read<K extends keyof Reads>(name: K, ...of: Parameters<Reads[K]>): Promise<ReturnType<Reads[K]>> {
    this.requireOpen();
    return this.#logs.read(name, ...of);
  }

  /**
   * Copies the file into a new one while it is in use.
   * @throws RangeError when that cannot be
   */
  async backup(path: string): Promise<BackupReport> {
    this.requireOpen();
    if (this.#copying !== undefined) throw new RangeError('a copy is being made already');
    const { path: from, file } = this.#opened;
    const worker = new Worker(workerFile('backup-worker'), {
      workerData: { from, file, to: path } satisfies BackupWorkerOptions,
      name: 'store: backup',
    });
    this.#copying = started<BackupAnswer>(worker).finally(() => {
      this.#copying = undefined;
    });
    const answer = await this.#copying.catch((error: Error) => ({ refusal: error.message }));
    if ('refusal' in answer) throw new RangeError(answer.refusal);
    return answer.report;
  }

  /** Finishes what was asked before, then closes the file and ends the threads. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#ended !== undefined) return;
    const exited = new Promise<void>((resolve) => this.#worker.once('exit', () => resolve()));
    // The last to close the file brings everything into it.
    await Promise.all([this.#logs.close(), this.#copying?.catch(() => undefined)]);
    this.#mayEnd = true;
    if (this.#underWay === undefined && !this.#scheduled) this.#send();
    await exited;
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
      if (this.#mayEnd) this.#worker.postMessage(CLOSE);
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
    // First: who is told below may ask for more at once.
    this.#next();
    const failures = answers.failures.length > 0 ? new Map(answers.failures) : undefined;
    for (let i = 0; i < batch.length; i++) {
      const failure = failures?.get(i);
      if (failure === undefined) batch[i]!.resolve(answers.values[i]);
      else batch[i]!.reject(errorOf(failure));
    }
  }

  #end(message: string): void {
    this.#ended ??= new StoreUnavailable(message);
    const left = [...(this.#underWay ?? []), ...this.#waiting.clear()];
    this.#underWay = undefined;
    for (const waiting of left) waiting.reject(this.#ended);
  }
}
