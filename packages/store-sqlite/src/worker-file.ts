import type { Worker } from 'node:worker_threads';

/** The script of a thread: beside this one, and built like it. */
export function workerFile(name: string): URL {
  return new URL(`./${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
}

/**
 * Waits for the first message of a thread.
 * @throws Error that says why where the thread fails or ends before
 */
export function started<First>(worker: Worker): Promise<First> {
  return new Promise((resolve, reject) => {
    // A thread may end without a word; nothing else would end the wait.
    const exited = (): void => reject(new Error("the store's thread ended"));
    worker.once('error', reject);
    worker.once('exit', exited);
    worker.once('message', (first: First) => {
      worker.off('error', reject).off('exit', exited);
      resolve(first);
    });
  });
}
