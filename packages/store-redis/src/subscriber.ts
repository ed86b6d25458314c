import type { StoreNotice } from '@lockstep/store';
import type { Redis } from 'ioredis';
import { type ConnectionOptions, openSubscriber } from './connection.ts';
import { decode } from './notice.ts';
import { Tally } from './tally.ts';

/** ms between beats, and between attempts to connect. */
const BEAT = 1000;
const RETRY = 200;

export interface NoticeSubscriberOptions extends ConnectionOptions {
  readonly channel: string;
  readonly node: string;
  /** Publishes a beat through the other connection. */
  readonly beat: (number: number) => Promise<unknown>;
}

/**
 * The one connection that brings a node what every node publishes. Publishing is at most once: whatever may have been
 * missed — numbers that are missing, a connection that broke, beats that do not come back — is reported as a gap.
 */
export class NoticeSubscriber {
  readonly #options: NoticeSubscriberOptions;
  readonly #listeners = new Set<(notice: StoreNotice) => void>();
  #redis: Redis | undefined;
  #attempt = 0;
  /** Number of the last notice, where notices are numbered. */
  #last: number | undefined;
  /** For where they are not. */
  readonly #tally = new Tally();
  #beat = 0;
  #heard = 0;
  #hears = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: NoticeSubscriberOptions) {
    this.#options = options;
  }

  /** Whether what is published arrives. */
  get hears(): boolean {
    return this.#hears;
  }

  /** Subscribes. @throws when that is not possible now */
  async open(): Promise<void> {
    await this.#connect();
    this.#timer = setInterval(() => this.#pulse(), BEAT);
  }

  watch(listener: (notice: StoreNotice) => void): () => void {
    // Of its own, so that one function watching twice is called twice and ends each watch by itself.
    const watcher = (notice: StoreNotice) => listener(notice);
    this.#listeners.add(watcher);
    return () => this.#listeners.delete(watcher);
  }

  /** The other connection has broken: what was read through it may not be so any more. */
  doubt(): void {
    if (!this.#closed) this.#tell({ kind: 'gap' });
  }

  async #connect(): Promise<void> {
    const redis = openSubscriber(this.#options, this.#attempt++);
    this.#redis = redis;
    this.#heard = this.#beat;
    redis.on('error', () => undefined);
    redis.on('messageBuffer', (_channel: Buffer, message: Buffer) => this.#received(message));
    redis.once('end', () => this.#lost(redis));
    try {
      await redis.connect();
      await redis.subscribe(this.#options.channel);
    } catch (error) {
      this.#lost(redis);
      throw error;
    }
    if (this.#redis !== redis) throw new Error('It took too long');
    this.#last = undefined;
    this.#tally.clear();
    this.#heard = this.#beat;
    this.#hears = true;
  }

  #lost(redis: Redis): void {
    if (this.#closed || this.#redis !== redis) return;
    this.#redis = undefined;
    redis.disconnect();
    // What is cached is not known to be current from now on.
    if (this.#hears) this.#tell({ kind: 'gap' });
    this.#hears = false;
    this.#retry = setTimeout(() => this.#reconnect(), RETRY);
  }

  #reconnect(): void {
    if (this.#closed) return;
    this.#connect().then(
      () => this.#tell({ kind: 'gap' }),
      // What went wrong has brought the next attempt.
      () => undefined,
    );
  }

  #pulse(): void {
    const redis = this.#redis;
    if (!redis) return;
    const silence = (this.#beat - this.#heard) * BEAT;
    this.#beat += 1;
    if (silence > this.#options.timeoutMs) this.#lost(redis);
    else if (this.#hears) this.#options.beat(this.#beat).catch(() => undefined);
  }

  #received(bytes: Buffer): void {
    const message = decode(bytes, this.#options.node);
    const { number } = message;
    const isBeat = 'beat' in message;
    if (number !== undefined) {
      const missed = this.#last !== undefined && number !== this.#last + (isBeat ? 0 : 1);
      this.#last = number;
      if (missed) this.#tell({ kind: 'gap' });
    } else if (!isBeat) this.#tally.heard(message.origin);
    else if (this.#tally.misses(message.origin, message.published)) this.#tell({ kind: 'gap' });
    if (!isBeat) this.#tell(message.notice);
    else if (message.local) this.#heard = message.beat;
  }

  #tell(notice: StoreNotice): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(notice);
      } catch (error) {
        // The listener's defect must show, but not keep the notice from the others.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    clearTimeout(this.#retry);
    this.#redis?.disconnect();
  }
}
