/** Who is in the session, kept up to date by what the server sends. */
import { get, type SessionView, type TimelineEntry } from '../api.ts';
import { watchLive } from '../live.ts';
import { Watchable } from '../store.ts';
import { followEntries, type Roster, readBeside, undecided, withLate, withReason } from './roster.ts';

/** An application that has not decided about a change by then counts as not following (2.5), ms. */
const DECIDE_WITHIN = 10_000;
/** Until the members are read again after that failed, ms. */
const RETRY = 2000;
/** Numbers of entries that are remembered: more than a view sends when it opens. */
const MAX_SEEN = 1000;

export class Members {
  readonly roster = new Watchable<Roster>(new Map());
  /** Whether the live view of the session is open, and the members have been read. */
  readonly live = new Watchable(false);
  readonly #end: () => void;
  #reading: Promise<boolean> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** Numbers of the entries that came last. */
  readonly #seen = new Set<number>();
  /** What came since the reading began. */
  #told: TimelineEntry[] = [];
  /** What applications have not decided about: the event, and what ends the wait, by subscription. */
  readonly #waits = new Map<string, { readonly eventId: string; readonly timer: ReturnType<typeof setTimeout> }>();

  /** @param topic of the session */
  constructor(topic: string) {
    const unwatch = this.roster.watch(() => this.#wait());
    const stop = watchLive(topic, {
      ready: () => undefined,
      lost: () => {
        clearTimeout(this.#retry);
        this.live.set(false);
      },
      recent: (entries) => {
        this.roster.update((known) => followEntries(known, this.#unseen(entries)));
        void this.#readAll();
      },
      entries: (told) => {
        const entries = this.#unseen(told);
        if (this.#reading) this.#told.push(...entries);
        this.roster.update((known) => followEntries(known, entries));
        this.#readUnknown();
      },
    });
    this.#end = () => {
      stop();
      unwatch();
      clearTimeout(this.#retry);
      for (const { timer } of this.#waits.values()) clearTimeout(timer);
      this.#waits.clear();
    };
  }

  /** Ends the live view. */
  stop(): void {
    this.#end();
  }

  /** Names of the other applications that can be asked whether they would follow. @param own name of this window */
  surveyed(own: string): readonly string[] {
    return [...this.roster.get().values()].flatMap(({ name, connected, surveyed }) =>
      surveyed && connected && name !== own ? [name] : [],
    );
  }

  /** What an application, or the Hub, said of why it does not follow. */
  noteReason(name: string, reason: string): void {
    this.roster.update((known) => withReason(known, name, reason, Date.now()));
  }

  /** Gives everybody who has not decided the time to do so. */
  #wait(): void {
    const open = undecided(this.roster.get());
    for (const [id, { eventId, timer }] of this.#waits) {
      if (open.get(id) === eventId) continue;
      clearTimeout(timer);
      this.#waits.delete(id);
    }
    for (const [id, eventId] of open) {
      if (this.#waits.has(id)) continue;
      const late = (): void => this.roster.update((known) => withLate(known, id, eventId, Date.now()));
      this.#waits.set(id, { eventId, timer: setTimeout(late, DECIDE_WITHIN) });
    }
  }

  /** Entries that are new: a view that is opened again sends what was seen already. */
  #unseen(entries: readonly TimelineEntry[]): readonly TimelineEntry[] {
    const fresh = entries.filter(({ seq }) => !this.#seen.has(seq));
    for (const { seq } of fresh) this.#seen.add(seq);
    for (const seq of this.#seen) {
      if (this.#seen.size <= MAX_SEEN) break;
      this.#seen.delete(seq);
    }
    return fresh;
  }

  /** Reads who is in the session; until that worked, nothing is claimed of them. */
  async #readAll(): Promise<void> {
    if (await this.#read()) this.live.set(true);
    else this.#retry = setTimeout(() => void this.#readAll(), RETRY);
  }

  #readUnknown(): void {
    if ([...this.roster.get().values()].some(({ clientId }) => clientId === '')) void this.#read();
  }

  /** @returns false when it could not be read */
  #read(): Promise<boolean> {
    if (this.#reading) return this.#reading;
    this.#told = [];
    this.#reading = get<SessionView>('/api/console/session')
      .then(
        ({ subscriptions }) => {
          this.roster.update((known) => readBeside(subscriptions, known, this.#told));
          return true;
        },
        () => false,
      )
      .finally(() => {
        this.#reading = undefined;
        // Who came while it was read is not in the answer.
        if (this.#told.length > 0) this.#readUnknown();
      });
    return this.#reading;
  }
}
