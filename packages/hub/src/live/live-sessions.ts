import { StoreUnavailable } from '@lockstep/store';
import type { SessionState } from '../rules/session-state.ts';
import { fromParts } from '../stored/session-record.ts';
import { LiveSession } from './live-session.ts';
import type { LiveSessionOptions, LiveSessionParts } from './session-parts.ts';

/** Sessions read again at the same time after a gap. */
const RESYNCED_AT_ONCE = 64;

/** Unused sessions leave memory after this time, ms. */
const EVICTED_AFTER = 60_000;

/** The sessions that this process holds in memory. */
export class LiveSessions {
  readonly #parts: LiveSessionParts;
  readonly #options: LiveSessionOptions;
  readonly #live = new Map<string, LiveSession>();
  /** Sessions that are to be read again, since notices may have been missed. */
  readonly #uncertain = new Set<LiveSession>();
  #resyncing = false;

  constructor(parts: LiveSessionParts, options: LiveSessionOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** The session, held from now on. */
  of(topic: string): LiveSession {
    let session = this.#live.get(topic);
    if (!session) {
      session = new LiveSession(topic, this.#parts, this.#options, (one) => this.readAgain(one));
      this.#live.set(topic, session);
    }
    return session;
  }

  /** The session if it is held already. */
  live(topic: string): LiveSession | undefined {
    return this.#live.get(topic);
  }

  has(topic: string): boolean {
    return this.#live.has(topic);
  }

  /** The session's state, without holding a session that nothing uses. */
  async load(topic: string): Promise<SessionState | undefined> {
    const live = this.#live.get(topic);
    if (live) return live.run(() => live.current());
    const stored = await this.#parts.store.load(topic);
    return stored && fromParts(topic, stored.parts);
  }

  /** Requests for topics that do not exist leave nothing behind. */
  dropUnused(session: LiveSession): void {
    if (session.unused && session.known === undefined) this.#drop(session);
  }

  #drop(session: LiveSession): void {
    session.release();
    if (this.#live.get(session.topic) === session) this.#live.delete(session.topic);
  }

  /** Memory is for sessions in use: others are read again when somebody comes back. */
  evict(): void {
    const longAgo = this.#parts.clock.now() - EVICTED_AFTER;
    for (const session of this.#live.values()) {
      if (session.usedAt > longAgo || !session.idle) continue;
      session.forget();
      if (session.unused) this.#drop(session);
    }
  }

  /** Heartbeats, for subscribers that asked for them. */
  beat(): void {
    for (const session of this.#live.values()) session.beat();
  }

  readAllAgain(): void {
    for (const session of this.#live.values()) this.readAgain(session);
  }

  /** The session may have missed something: it is read again. */
  readAgain(session: LiveSession): void {
    session.markUncertain();
    if (session.unused) return;
    this.#uncertain.add(session);
    if (this.#resyncing) return;
    this.#resyncing = true;
    this.#parts.background.later(() => this.#resync());
  }

  /** Reads uncertain sessions again, some at a time, for as long as the store cannot be reached. */
  async #resync(): Promise<void> {
    while (this.#uncertain.size > 0 && !this.#parts.background.stopping) {
      const some = [...this.#uncertain].slice(0, RESYNCED_AT_ONCE);
      const results = await Promise.all(some.map((session) => this.#readNow(session)));
      const unavailable = results.find((error) => error !== undefined);
      if (unavailable) throw unavailable;
    }
    this.#resyncing = false;
  }

  /** @returns that the store cannot be reached, if so */
  async #readNow(session: LiveSession): Promise<StoreUnavailable | undefined> {
    try {
      await session.run(() => session.resync());
    } catch (error) {
      if (error instanceof StoreUnavailable) return error;
      this.#parts.background.failed(error);
    }
    this.#uncertain.delete(session);
    return undefined;
  }

  /** Closes every socket with 1012: subscribers return, and no loss is reported (SUB-11). */
  async close(): Promise<void> {
    await Promise.all([...this.#live.values()].map((session) => session.close()));
  }
}
