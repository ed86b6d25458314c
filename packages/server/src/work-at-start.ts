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
  return error instanceof StoreUnavailable || NO_ROOM.has((error as NodeJS.ErrnoException).code);
}

/**
 * What a server writes when it starts. Where the disk is full, it starts all the same, and reads; what could not be written is written
 * once there is room.
 */
export class WorkAtStart {
  readonly #clock: Clock;
  readonly #log: { warn(message: string): void; error(details: object, message: string): void };
  readonly #cancels = new Set<() => void>();
  #isStopped = false;

  constructor(clock: Clock, log: { warn(message: string): void; error(details: object, message: string): void }) {
    this.#clock = clock;
    this.#log = log;
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
   * Does work that nothing can begin without, and does it again for as long as the disk has no room for it.
   * @param waits is told once that it waits; what it gives is called when that is over
   * @param signal ends the wait
   * @throws what the work throws other than that, and the signal's reason where it ended the wait
   */
  async first<T>(work: () => Promise<T>, waits: () => () => void, signal?: AbortSignal): Promise<T> {
    let isOver: (() => void) | undefined;
    try {
      for (;;) {
        try {
          return await work();
        } catch (error) {
          if (!isFull(error)) throw error;
          if (!isOver) this.#log.error({ err: error }, 'The disk is full: the server begins once there is room');
          isOver ??= waits();
          await this.#pause(signal);
          signal?.throwIfAborted();
        }
      }
    } finally {
      isOver?.();
    }
  }

  /** Waits until the next attempt, or until the signal. */
  #pause(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const over = (): void => {
        cancel();
        signal?.removeEventListener('abort', over);
        resolve();
      };
      const cancel = this.#clock.after(AGAIN, over);
      signal?.addEventListener('abort', over);
      if (signal?.aborted) over();
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
