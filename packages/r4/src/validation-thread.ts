import { Worker } from 'node:worker_threads';
import type { CheckAnswer, CheckRequest, ProblemAmong, ValidationOptions } from './problem.ts';

/** How long the thread is kept while nothing is to be checked, ms: it holds the definitions once more. */
const KEPT = 30_000;

interface Waiting {
  readonly resolve: (found: ProblemAmong | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** The calling side of the thread that checks large resources. It is started when it is needed, and does not keep a process alive. */
export class ValidationThread {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #asked = 0;

  /**
   * Checks one after the other, until one has something wrong.
   * @returns the first thing that is wrong; undefined when nothing is
   * @throws Error where the thread cannot be started, or ends before it has answered
   */
  check(resources: readonly unknown[], options: ValidationOptions): Promise<ProblemAmong | undefined> {
    clearTimeout(this.#idle);
    this.#worker ??= this.#start();
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      this.#asked += 1;
      this.#waiting.set(this.#asked, { resolve, reject });
      worker.ref();
      worker.postMessage([this.#asked, resources, options] satisfies CheckRequest);
    });
  }

  #start(): Worker {
    const file = `./validation-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`;
    const worker = new Worker(new URL(file, import.meta.url), { name: 'validation' });
    let failure: Error | undefined;
    worker.on('message', ([id, found]: CheckAnswer) => {
      this.#waiting.get(id)?.resolve(found);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) this.#rest(worker);
    });
    worker.on('error', (error) => {
      failure = error;
    });
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
      else return;
      const waiting = [...this.#waiting.values()];
      this.#waiting.clear();
      for (const { reject } of waiting) reject(failure ?? new Error('the thread that checks resources ended'));
    });
    return worker;
  }

  #rest(worker: Worker): void {
    worker.unref();
    this.#idle = setTimeout(() => {
      this.#worker = undefined;
      void worker.terminate();
    }, KEPT).unref();
  }
}
