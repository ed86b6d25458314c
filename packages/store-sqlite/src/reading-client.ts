import { Worker } from 'node:worker_threads';
import { StoreUnavailable } from '@lockstep/store';
import { CLOSE, COPIED, COPY, errorOf, type LogAnswer, type LogRequest, type Read, type Reads } from './operations.ts';
import type { ReadingWorkerOptions } from './reading-worker.ts';
import { started, workerFile } from './worker-file.ts';

/** Pages of logs that may wait; beyond that the disk cannot keep up and new ones are refused. */
const MAX_WAITING = 20_000;

/** MB for what the thread holds briefly: a page of a log. */
const YOUNG_MB = 8;

interface Waiting {
  readonly resolve: (value: LogAnswer[1]) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The calling side of the thread that reads logs and copies the write-ahead log. The thread is started when it is needed first, and
 * again where it has failed.
 */
export class ReadingClient {
  readonly #options: ReadingWorkerOptions;
  readonly #waiting = new Map<number, Waiting>();
  readonly #copies: (() => void)[] = [];
  #worker: Promise<Worker> | undefined;
  #asked = 0;
  #isClosed = false;

  constructor(options: ReadingWorkerOptions) {
    this.#options = options;
  }

  /** @throws StoreUnavailable when the file cannot be read, or too much waits to be read */
  async read<K extends keyof Reads>(name: K, ...of: Parameters<Reads[K]>): Promise<ReturnType<Reads[K]>> {
    if (this.#waiting.size >= MAX_WAITING) throw new StoreUnavailable('the store cannot keep up', 1);
    const worker = await this.#started();
    return new Promise((resolve, reject) => {
      this.#asked += 1;
      this.#waiting.set(this.#asked, { resolve: resolve as Waiting['resolve'], reject });
      worker.postMessage([this.#asked, [name, ...of] as unknown as Read] satisfies LogRequest);
    });
  }

  /** Copies the write-ahead log into the main file. @returns once that was tried */
  async copyLog(): Promise<void> {
    const worker = await this.#started().catch(() => undefined);
    if (worker === undefined) return;
    await new Promise<void>((resolve) => {
      this.#copies.push(resolve);
      worker.postMessage(COPY);
    });
  }

  /** Finishes what was asked before, and ends the thread. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const worker = await this.#worker?.catch(() => undefined);
    if (worker === undefined) return;
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    worker.postMessage(CLOSE);
    await exited;
  }

  /** Ends the thread at once. */
  async end(): Promise<void> {
    this.#isClosed = true;
    await (await this.#worker?.catch(() => undefined))?.terminate();
  }

  async #started(): Promise<Worker> {
    if (this.#isClosed) throw new StoreUnavailable('the store is closed');
    this.#worker ??= this.#start();
    try {
      return await this.#worker;
    } catch (error) {
      this.#worker = undefined;
      throw new StoreUnavailable(`logs cannot be read: ${(error as Error).message}`);
    }
  }

  async #start(): Promise<Worker> {
    const worker = new Worker(workerFile('reading-worker'), {
      workerData: this.#options,
      name: 'store: logs',
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    await started(worker);
    worker.on('message', (answer: LogAnswer | typeof COPIED) => {
      if (answer === COPIED) this.#copies.shift()?.();
      else this.#answered(answer);
    });
    let why = 'its thread ended';
    worker.on('error', (error) => {
      why = error.message;
    });
    worker.on('exit', () => this.#failed(why));
    return worker;
  }

  #answered([id, value, failure]: LogAnswer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (failure) waiting?.reject(errorOf(failure));
    else waiting?.resolve(value);
  }

  #failed(why: string): void {
    this.#worker = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(new StoreUnavailable(`logs cannot be read: ${why}`));
    for (const done of this.#copies.splice(0)) done();
  }
}
