import type { Delivery } from './delivery.ts';

/** Events that wait in memory; more are read from the log when their turn comes. */
const MAX_WAITING = 16;

/** What the log holds for a subscriber that is done with everything up to some number. */
export interface Backlog {
  /**
   * Oldest first. Where the log no longer holds what was missed, what makes the subscriber's screen right instead: closes of what
   * it may believe open, then the standing opens (SUB-11).
   */
  readonly deliveries: readonly Delivery[];
  /** Number of the last event when some were missed for good: nothing up to it is to be read again. */
  readonly gapUpTo?: number;
  /** Whether the log may hold more after these. */
  readonly more: boolean;
}

/** @param limit events at most */
export type ReadBacklog = (after: number, limit: number) => Promise<Backlog>;

export interface CallbackQueueParts {
  readonly read: ReadBacklog;
  /** The log could not be read. @returns when it is to be tried again */
  readonly unreadable: (error: unknown) => Promise<void>;
  /** Everything up to this number has been dealt with. */
  readonly advanced: (number: number) => void;
}

/**
 * What a callback is to be sent, one after the other. A few events wait in memory, all others in the topic's log, so that a callback
 * that is down costs no memory (WEB-3).
 */
export class CallbackQueue {
  readonly #parts: CallbackQueueParts;
  /** Comes before what waits, whatever its number. */
  #standing: Delivery[] = [];
  #waiting: Delivery[] = [];
  /** What comes once everything up to a number was dealt with. */
  #afterwards: { readonly number: number; readonly deliveries: readonly Delivery[] } | undefined;
  /** What the subscriber is done with once the standing deliveries are: they stand for everything up to this number. */
  #gapUpTo: number | undefined;
  /** Whether the log may hold more than what waits in memory. */
  #behind = true;
  #cursor: number;
  /** Number of the event of the log that is being dealt with. */
  #serving: number | undefined;
  #ended = false;
  /** How often the log has lost something. */
  returns = 0;

  /** @param cursor number of the last event that is done with */
  constructor(cursor: number, parts: CallbackQueueParts) {
    this.#cursor = cursor;
    this.#parts = parts;
  }

  /** Number of the last event that is done with. */
  get doneUpTo(): number {
    return this.#cursor;
  }

  /** Whether something waits, or may wait in the log. */
  get hasMore(): boolean {
    return this.#standing.length > 0 || this.#waiting.length > 0 || this.#behind;
  }

  /** Puts deliveries before everything else that waits. */
  addFirst(deliveries: readonly Delivery[]): void {
    this.#standing.push(...deliveries);
  }

  /** Puts deliveries behind everything up to a number, in the place of others that were put so. */
  addAfter(number: number, deliveries: readonly Delivery[]): void {
    this.#afterwards = { number, deliveries };
    this.#takeAfterwards();
  }

  #takeAfterwards(): void {
    if (!this.#afterwards || this.#cursor < this.#afterwards.number) return;
    this.#standing.push(...this.#afterwards.deliveries);
    this.#afterwards = undefined;
  }

  /** Puts an event that was just accepted at the end. */
  add(delivery: Delivery): void {
    if (this.#waiting.length < MAX_WAITING && !this.#behind) this.#waiting.push(delivery);
    else this.#behind = true;
  }

  /** The log may hold events that were not added. */
  catchUp(): void {
    this.#behind = true;
  }

  /**
   * The log has lost something, and may have others there now (SUB-11).
   * @param lostAfter number after which what was sent may be lost
   * @param after number after which the log goes on
   * @param first what is sent before what the log has now, where the subscriber was sent something that is lost
   */
  goBack(lostAfter: number, after: number, first: readonly Delivery[]): void {
    this.returns += 1;
    this.#waiting = [];
    this.#afterwards = undefined;
    this.#behind = true;
    if (Math.max(this.#cursor, this.#serving ?? 0) <= lostAfter) return;
    this.#standing = [...first];
    this.#cursor = after;
    this.#gapUpTo = after;
  }

  /** Nothing is taken any more. */
  end(): void {
    this.#ended = true;
  }

  /** Takes the next delivery, which `done` is told of. @returns undefined where nothing is left */
  async next(): Promise<Delivery | undefined> {
    while (!this.#ended) {
      const standing = this.#standing.shift();
      if (standing) return standing;
      if (this.#gapUpTo !== undefined) {
        this.#advance(this.#gapUpTo);
        this.#gapUpTo = undefined;
        continue;
      }
      const first = this.#waiting.shift();
      // Another node's event may have been read from the log before it was added.
      if (first && first.number <= this.#cursor) continue;
      if (first) {
        this.#serving = first.number;
        return first;
      }
      if (!this.#behind) return undefined;
      await this.#readMore();
    }
    return undefined;
  }

  /** The delivery that was taken has been dealt with. @param returns how often the log had lost something when it was taken */
  done({ number }: Delivery, returns: number): void {
    const isOfLog = this.#serving === number;
    this.#serving = undefined;
    if (isOfLog && returns === this.returns) this.#advance(number);
  }

  #advance(number: number): void {
    this.#cursor = number;
    this.#takeAfterwards();
    this.#parts.advanced(number);
  }

  async #readMore(): Promise<void> {
    this.#behind = false;
    const { returns } = this;
    try {
      const backlog = await this.#parts.read(this.#cursor, MAX_WAITING);
      if (returns === this.returns) this.#take(backlog);
    } catch (error) {
      this.#behind = true;
      await this.#parts.unreadable(error);
    }
  }

  #take({ deliveries, gapUpTo, more }: Backlog): void {
    if (gapUpTo !== undefined) {
      this.#standing.push(...deliveries);
      this.#waiting = this.#waiting.filter(({ number }) => number > gapUpTo);
      this.#cursor = gapUpTo;
      this.#gapUpTo = gapUpTo;
      return;
    }
    const added = this.#waiting;
    this.#waiting = [...deliveries];
    const last = this.#waiting.at(-1)?.number ?? this.#cursor;
    if (more) this.#behind = true;
    else this.#waiting.push(...added.filter(({ number }) => number > last));
  }

  /**
   * Whether something that waits is such, in memory or in the log after a number. False where the log loses something meanwhile.
   * @throws what reading the log throws
   */
  async some(after: number, isSuch: (delivery: Delivery) => boolean): Promise<boolean> {
    if ([...this.#standing, ...this.#waiting].some(isSuch)) return true;
    const { returns } = this;
    let more = this.#behind;
    let from = Math.max(this.#cursor, after);
    while (more && !this.#ended) {
      const page = await this.#parts.read(from, MAX_WAITING);
      if (returns !== this.returns) return false;
      if (page.deliveries.some(isSuch)) return true;
      from = page.gapUpTo ?? page.deliveries.at(-1)?.number ?? from;
      ({ more } = page);
    }
    return false;
  }
}
