import type { LogBytes, LogEntry, SessionStore } from '@lockstep/store';

/** What is read of a log in one go: entries, and bytes of bodies after which no further entry is read. */
const PAGE = { limit: 256, bytes: 256 * 1024 };

/** Pages read at the same time, of all sessions together. */
const AT_ONCE = 4;

/**
 * Reads the logs of all sessions a page at a time, and few pages at once: a commit waits for some pages at most, however many
 * subscribers return with however much to be sent.
 */
export class LogPages {
  readonly #store: Pick<SessionStore, 'readLog' | 'readLogBytes'>;
  readonly #waiting: (() => void)[] = [];
  #reading = 0;

  constructor(store: Pick<SessionStore, 'readLog' | 'readLogBytes'>) {
    this.#store = store;
  }

  /**
   * The next page of a log.
   * @param after number of the last entry that was read
   * @param limit entries at most
   * @returns at least one entry where there is one; undefined where the log no longer has what came after that number
   */
  read(topic: string, after: number, limit = PAGE.limit): Promise<readonly LogEntry[] | undefined> {
    return this.#inTurn(() => this.#store.readLog(topic, after, { ...PAGE, limit: Math.min(limit, PAGE.limit) }));
  }

  /** The same, as bytes. */
  readBytes(topic: string, after: number): Promise<LogBytes | undefined> {
    return this.#inTurn(() => this.#store.readLogBytes(topic, after, PAGE));
  }

  async #inTurn<T>(read: () => Promise<T>): Promise<T> {
    while (this.#reading >= AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#reading += 1;
    try {
      return await read();
    } finally {
      this.#reading -= 1;
      this.#waiting.shift()?.();
    }
  }
}
