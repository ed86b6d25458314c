import type { Clock } from '@lockstep/hub';
import { StoreUnavailable } from '@lockstep/store';
import { UnusableDatabase } from '@lockstep/store-sqlite';

/** ms between two attempts. */
const AGAIN = 2_000;

/** What a system says of a disk that cannot be written. */
const NO_ROOM: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO']);

/** What a system says of a disk that has no room for a new file. */
const FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT']);

export function isFull(error: unknown): boolean {
  if (error instanceof UnusableDatabase) return error.reason === 'full';
  return FULL.has((error as NodeJS.ErrnoException).code);
}

function isForNow(error: unknown): boolean {
  return error instanceof StoreUnavailable || isFull(error) || NO_ROOM.has((error as NodeJS.ErrnoException).code);
}

/**
 * What a server writes when it starts. Where the disk is full, it starts all the same, and reads; what could not be written is written
 * once there is room.
 */
export class WorkAtStart {
  readonly #clock: Clock;
  readonly #log: { warn(message: string): void; error(details: object, message: string): void };
  readonly #waits: () => () => void;
  readonly #signal: AbortSignal | undefined;
  readonly #cancels = new Set<() => void>();
  #isStopped = false;

  /**
   * @param waits told when the start waits for something that cannot be written; what it gives is called when that is over
   * @param signal ends that wait
   */
  constructor(
    clock: Clock,
    log: { warn(message: string): void; error(details: object, message: string): void },
    waits: () => () => void,
    signal?: AbortSignal,
  ) {
    this.#clock = clock;
    this.#log = log;
    this.#waits = waits;
    this.#signal = signal;
  }

  /**
   * Does the work, or leaves it for later where nothing can be written now.
   * @param what it is, for the log
   * @throws what the work throws other than that
   */
  async do(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isForNow(error)) throw error;
      this.#log.warn(`${what} is left for later: ${(error as Error).message}`);
      this.#again(what, work);
    }
  }

  /**
   * Does work that nothing can begin without, and does it again for as long as nothing can be written.
   * @throws what the work throws other than that, and the signal's reason where it ended the wait
   */
  async first<T>(work: () => Promise<T>): Promise<T> {
    let isOver: (() => void) | undefined;
    try {
      for (;;) {
        try {
          return await work();
        } catch (error) {
          if (!isForNow(error)) throw error;
          if (!isOver) this.#log.error({ err: error }, 'Nothing can be written yet: the server begins once it can');
          isOver ??= this.#waits();
          await this.#pause();
          this.#signal?.throwIfAborted();
        }
      }
    } finally {
      isOver?.();
    }
  }

  /** Waits until the next attempt, or until the signal. */
  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const over = (): void => {
        cancel();
        this.#signal?.removeEventListener('abort', over);
        resolve();
      };
      const cancel = this.#clock.after(AGAIN, over);
      this.#signal?.addEventListener('abort', over);
      if (this.#signal?.aborted) over();
    });
  }

  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#cancels) cancel();
  }

  #again(what: string, work: () => Promise<unknown>): void {
    const cancel = this.#clock.after(AGAIN, () => {
      this.#cancels.delete(cancel);
      work().then(
        () => this.#log.warn(`${what} is done now`),
        (error: unknown) => {
          if (!isForNow(error)) this.#log.error({ err: error }, `${what} failed`);
          else if (!this.#isStopped) this.#again(what, work);
        },
      );
    });
    this.#cancels.add(cancel);
  }
}
