import type { Channel } from '../ports.ts';
import type { Delivery } from './delivery.ts';

/** Bytes that may wait in a channel before more is sent to a subscriber that is catching up. */
const ROOM = 256 * 1024;

/**
 * Bytes sent in one go at most, but for one event that is larger: then others have their turn, also where the system takes whatever
 * it is given.
 */
export const SENT_AT_ONCE = 256 * 1024;

/** What a subscriber is sent before what happens next. */
export interface Missed {
  /** In this order. */
  readonly first: readonly Delivery[];
  /** Then everything that the log has after this number. */
  readonly after: number;
}

/** Deliveries that were read together. */
export interface DeliveryPage {
  readonly deliveries: readonly Delivery[];
  /** Gives their memory back: they are not sent any more. */
  release(): void;
}

/** The session that a subscriber catches up with. */
export interface CaughtUpSession {
  /** Number of the last event that went to everybody who is connected here. */
  readonly deliveredUpTo: number;
  /**
   * The next events after a number, as many as are read in one go.
   * @returns none, or undefined, where the log no longer has them
   */
  page(after: number): Promise<DeliveryPage | undefined>;
  /**
   * What came after a number is not in the log.
   * @returns the number after which the log goes on; undefined where what the subscriber has missed is not known: it was told so
   */
  lost(subscription: string, after: number): Promise<number | undefined>;
  /** A subscriber has been sent all that it missed. */
  caughtUp(subscription: string): void;
  /** Does the work, and does it again for as long as the store cannot be reached. */
  later(work: () => Promise<unknown>): void;
}

export interface CatchUpParts {
  /** The subscription's id. */
  readonly subscription: string;
  readonly channel: Channel;
  readonly session: CaughtUpSession;
  /** Sends one event. */
  readonly send: (delivery: Delivery) => void;
  /** Nothing is missing any more: from now on the subscriber is sent each event as it happens. */
  readonly done: () => void;
}

/**
 * Brings one subscriber up to date: as fast as it reads, and a page of the log at a time, so that little of it is held in memory
 * and other topics have their turns in between. Events that happen meanwhile are read from the log when their turn comes.
 */
export class CatchUp {
  readonly #parts: CatchUpParts;
  #first: readonly Delivery[];
  #sent = 0;
  /** Bytes sent since others had their turn. */
  #bytes = 0;
  #after: number;
  /** Pages of which everything was sent, and may wait in the channel. */
  readonly #spent: DeliveryPage[] = [];
  #ended = false;

  constructor({ first, after }: Missed, parts: CatchUpParts) {
    this.#first = first;
    this.#after = after;
    this.#parts = parts;
  }

  /** Number up to which the subscriber has been sent everything. */
  get after(): number {
    return this.#after;
  }

  /** Sends at once what there is room for, and the rest as there is. */
  start(): void {
    if (this.#sendFirst() && this.#finish()) return;
    this.#parts.session.later(() => this.#run());
  }

  /** Nothing more is sent. */
  end(): void {
    this.#ended = true;
    this.#first = [];
  }

  get #hasRoom(): boolean {
    return this.#parts.channel.buffered <= ROOM;
  }

  #send(delivery: Delivery): void {
    this.#bytes += delivery.size;
    this.#parts.send(delivery);
  }

  /** @returns whether all of it was sent */
  #sendFirst(): boolean {
    while (!this.#ended && this.#sent < this.#first.length) {
      if (!this.#hasRoom || this.#bytes >= SENT_AT_ONCE) return false;
      const next = this.#first[this.#sent];
      this.#sent += 1;
      if (next) this.#send(next);
    }
    this.#first = [];
    this.#sent = 0;
    return true;
  }

  /** @returns whether nothing is missing any more */
  #finish(): boolean {
    const { session, done } = this.#parts;
    if (this.#ended) return true;
    if (this.#after < session.deliveredUpTo) return false;
    this.#ended = true;
    done();
    return true;
  }

  /** Waits until the subscriber has read enough, and until others have had their turn where they are due one. */
  async #turn(): Promise<void> {
    if (this.#hasRoom && this.#bytes < SENT_AT_ONCE) return;
    do {
      await new Promise<void>((resolve) => this.#parts.channel.onDrain(resolve));
    } while (!this.#ended && !this.#hasRoom);
    this.#bytes = 0;
    this.#release();
  }

  /** Gives the memory of pages back that were passed on: the collector might leave many large ones where they are. */
  #release(): void {
    if (this.#parts.channel.buffered > 0) return;
    for (const page of this.#spent.splice(0)) page.release();
  }

  async #run(): Promise<void> {
    const { subscription, session } = this.#parts;
    while (!this.#sendFirst()) await this.#turn();
    while (!this.#finish()) {
      await this.#turn();
      const page = await session.page(this.#after);
      if (this.#ended) return;
      if (!page || page.deliveries.length === 0) {
        const from = await session.lost(subscription, this.#after);
        if (this.#ended || from === undefined) return;
        this.#after = from;
        continue;
      }
      for (const next of page.deliveries) {
        await this.#turn();
        if (this.#ended) return;
        this.#send(next);
        this.#after = next.number;
      }
      this.#spent.push(page);
    }
  }
}
