import { FOLLOWING_EVENT, type NotFollowing, readNotFollowing } from '@lockstep/fhircast';
import type { Core } from './core.ts';
import type { HubEvent } from './events.ts';

/**
 * A Hub that does not tell who follows reports who does not by SyncErrors alone. Who raised none for this long after a newer
 * context is taken to follow it: a Hub waits ten seconds for an answer (2.5), and its report must arrive.
 */
const NO_OBJECTION = 12_000;
/** A Hub that takes the subscription to who follows, and says nothing for this long after its confirmation, does not tell. */
const UNTOLD = 1000;
/** The Hub names who has not answered a newer context half a second later; until then that is unknown. */
const UNANSWERED = 750;

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
  #late: string | undefined;
  /** A newer context came so lately that the Hub has not yet named who has not answered it. */
  #isFresh = false;
  #cancelUntold = () => {};
  /** Cancels what a newer context started. */
  #cancelMoved = () => {};
  /** Whether the Hub tells who follows, as Lockstep does; undefined while that is not known. */
  tells: boolean | undefined;
  /** It has said so over this connection. */
  #isTold = false;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Why the list may not be the Hub's; '' when it is, as far as is known. */
  get uncertainty(): string {
    return this.#isTold || this.tells === false ? '' : 'who follows is not known yet';
  }

  /**
   * Who has not answered the current context yet, and may follow still: the first of them; '' while that is not known, undefined
   * where there is none.
   */
  get waitingFor(): string | undefined {
    return this.#late ?? (this.#isFresh ? '' : undefined);
  }

  /** A new connection: a Hub that tells says it again. */
  connected(): void {
    const { ports, receives, settle } = this.#core;
    this.#isTold = false;
    if (!receives(FOLLOWING_EVENT)) this.tells = false;
    // For a newcomer: a context may have changed, or ended, just before it came.
    else if (this.tells === undefined) this.moved();
    this.#cancelUntold();
    this.#cancelUntold = ports.clock.after(UNTOLD, () => {
      this.tells ??= false;
      settle();
    });
  }

  #set(objections: readonly NotFollowing[]): void {
    // The Hub will take back what it says of an answer; who comes back after a loss is where it was before.
    this.#objections = objections.filter(({ name }) => (this.#named(name)?.why ?? 'lost') === 'lost');
    this.list = [...this.#told, ...this.#objections.filter(({ name }) => !this.#named(name))];
    this.#core.settle();
  }

  #named(name: string): NotFollowing | undefined {
    return this.#told.find((one) => one.name === name);
  }

  /** The Hub has said who does not follow. */
  told({ elements }: HubEvent): void {
    this.tells = this.#isTold = true;
    const told = readNotFollowing(elements);
    this.#late = told.find(({ why }) => why === 'waiting')?.name;
    this.#told = told.filter(({ why }) => why !== 'waiting');
    this.#set(this.#objections);
  }

  /** A SyncError says that an application does not follow. */
  objected(name: string, event: HubEvent, reason: string, eventId: string): void {
    // Then the SyncError is the Hub's own. Of one that was missed, the Hub says next whether it still holds.
    if (this.#named(name) || (!this.#isTold && this.tells)) return;
    const before = this.#objections.find((one) => one.name === name);
    const since = before?.since ?? (event.time || this.#core.ports.clock.now());
    const shows = before?.shows ?? this.#core.contexts.before;
    const mark = { name, why: 'refused' as const, since, reason, eventId, ...(shows !== undefined && { shows }) };
    this.#set([...this.#objections.filter((one) => one !== before), mark]);
  }

  /** Who raised no objection when an event was sent again is as good as following (4.2.1). */
  follows(name: string): void {
    this.#set(this.#objections.filter((one) => one.name !== name));
  }

  /** A newer context came: who objected to an older one may follow this one. */
  moved(): void {
    const { clock } = this.#core.ports;
    this.#cancelMoved();
    this.#isFresh = this.tells !== false;
    const before = this.#objections;
    const timers = [
      clock.after(UNANSWERED, () => {
        this.#isFresh = false;
        this.#core.settle();
      }),
      // Who objected again has another mark.
      clock.after(NO_OBJECTION, () => this.#set(this.#objections.filter((one) => !before.includes(one)))),
    ];
    this.#cancelMoved = () => {
      for (const cancel of timers) cancel();
    };
  }

  close(): void {
    this.#cancelUntold();
    this.#cancelMoved();
    this.#isFresh = false;
    this.#late = undefined;
    this.#told = this.#objections = this.list = [];
  }
}
