/** Who is in the session, kept up to date by what the server tells. */
import { get, type SessionView, type TimelineEntry } from '../api.ts';
import { watchLive } from '../live.ts';
import { Store } from '../store.ts';
import { caughtUp, followEntries, type Roster, readBeside, withReason } from './roster.ts';

export interface MemberParts {
  readonly topic: string;
  /** Names of applications that did not follow. */
  readonly warned: () => readonly string[];
  /** One of those follows now. */
  readonly onCaughtUp: () => void;
}

export class Members {
  readonly roster = new Store<Roster>(new Map());
  /** Whether the live view of the session is open. */
  readonly live = new Store(false);
  /** Ends the live view. */
  readonly stop: () => void;
  #reading: Promise<void> | undefined;
  /** What was told since the reading began. */
  #told: TimelineEntry[] = [];

  constructor({ topic, warned, onCaughtUp }: MemberParts) {
    this.stop = watchLive(topic, {
      ready: () => this.live.set(true),
      lost: () => this.live.set(false),
      recent: (entries) => {
        this.roster.update((known) => followEntries(known, entries));
        void this.#read();
      },
      entries: (entries) => {
        if (this.#reading) this.#told.push(...entries);
        const before = this.roster.get();
        this.roster.update((known) => followEntries(known, entries));
        // Who did not follow and now does: opened anew, the context puts everybody's doubts to rest.
        if (caughtUp(before, this.roster.get(), warned())) onCaughtUp();
        this.#readUnknown();
      },
    });
  }

  /** What an application, or the Hub, said of why it does not follow. */
  noteReason(name: string, reason: string): void {
    this.roster.update((known) => withReason(known, name, reason));
  }

  #readUnknown(): void {
    if ([...this.roster.get().values()].some(({ clientId }) => clientId === '')) void this.#read();
  }

  #read(): Promise<void> {
    if (this.#reading) return this.#reading;
    this.#told = [];
    this.#reading = get<SessionView>('/api/console/session')
      .then(
        ({ subscriptions }) => this.roster.update((known) => readBeside(subscriptions, known, this.#told)),
        () => undefined,
      )
      .finally(() => {
        this.#reading = undefined;
        // Who came while it was read is not in the answer.
        if (this.#told.length > 0) this.#readUnknown();
      });
    return this.#reading;
  }
}
