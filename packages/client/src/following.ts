import { type NotFollowing, readNotFollowing } from '@lockstep/fhircast';
import type { Core } from './core.ts';
import type { HubEvent } from './events.ts';

/**
 * A Hub that does not tell who follows reports who does not by SyncErrors alone. Who raised none for this long after a newer
 * context is taken to follow it: a Hub waits ten seconds for an answer (2.5), and its report must arrive.
 */
const NO_OBJECTION = 12_000;

/**
 * The other applications that do not follow (ERR-8): what the Hub tells, and the SyncErrors of those that it does not name. An
 * application that has answered 202 and cannot decide, or refuses late, says so by a SyncError of its own (2.5), and the Hub
 * takes its 202 for following.
 */
export class Following {
  readonly #core: Core;
  #told: readonly NotFollowing[] = [];
  #objections: readonly NotFollowing[] = [];
  /** Those that do not follow. The same list until it changes. */
  list: readonly NotFollowing[] = [];
  /** Who has not answered the current context yet, and may follow still: the first of them; undefined where there is none. */
  waitingFor: string | undefined;
  #cancel: (() => void) | undefined;
  /** The Hub tells who follows, as Lockstep does. */
  tells = false;
  /** It has said so over this connection. */
  #isTold = false;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Why the list may not be the Hub's; '' when it is, as far as is known. */
  get uncertainty(): string {
    return this.tells && !this.#isTold ? 'the Hub has not told yet who follows' : '';
  }

  /** A new connection: the Hub says it again. */
  reconnected(): void {
    this.#isTold = false;
  }

  #set(told: readonly NotFollowing[], objections: readonly NotFollowing[]): void {
    this.#told = told;
    // The Hub will take back what it says of an answer; who comes back after a loss is where it was before.
    this.#objections = objections.filter(({ name }) => (this.#named(name)?.why ?? 'lost') === 'lost');
    this.list = [...told, ...this.#objections.filter(({ name }) => !this.#named(name))];
    this.#core.settle();
  }

  #named(name: string): NotFollowing | undefined {
    return this.#told.find((one) => one.name === name);
  }

  /** The Hub has said who does not follow. */
  told({ elements }: HubEvent): void {
    this.tells = true;
    this.#isTold = true;
    const told = readNotFollowing(elements);
    const isLate = ({ why }: NotFollowing) => why === 'waiting';
    this.waitingFor = told.find(isLate)?.name;
    this.#set(
      told.filter((one) => !isLate(one)),
      this.#objections,
    );
  }

  /** A SyncError says that an application does not follow. */
  objected(name: string, event: HubEvent, reason: string, eventId: string): void {
    // Then the SyncError is the Hub's own.
    if (this.#named(name)) return;
    const before = this.#objections.find((one) => one.name === name);
    const since = before?.since ?? (Number.isNaN(event.time) ? this.#core.ports.clock.now() : event.time);
    const shows = before?.shows ?? this.#core.contexts.before;
    const mark = { name, why: 'refused' as const, since, reason, eventId, ...(shows !== undefined && { shows }) };
    this.#set(this.#told, [...this.#objections.filter((one) => one !== before), mark]);
  }

  #withdraw(which: (objection: NotFollowing) => boolean): void {
    this.#set(
      this.#told,
      this.#objections.filter((one) => !which(one)),
    );
  }

  /** Who raised no objection when an event was sent again is as good as following (4.2.1). */
  follows(name: string): void {
    this.#withdraw((one) => one.name === name);
  }

  /** A newer context came: who objected to an older one may follow this one. */
  moved(): void {
    this.#cancel?.();
    const before = this.#objections;
    if (before.length === 0) return;
    this.#cancel = this.#core.ports.clock.after(NO_OBJECTION, () => {
      // Who objected again has another mark.
      this.#withdraw((one) => before.includes(one));
    });
  }

  close(): void {
    this.#cancel?.();
    this.waitingFor = undefined;
    this.#told = [];
    this.#objections = [];
    this.list = [];
  }
}
