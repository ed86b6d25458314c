import { type NotFollowing, readNotFollowing } from '@lockstep/fhircast';
import type { Core } from './core.ts';
import type { HubEvent } from './events.ts';

/**
 * A Hub that does not tell who follows reports who does not by SyncErrors alone. Who raised none for this long after a newer
 * context is taken to follow it: a Hub waits ten seconds for an answer (2.5), and its report must arrive.
 */
const NO_OBJECTION = 12_000;

/** The other applications that do not follow (ERR-8): told by the Hub, else derived from SyncErrors. */
export class Following {
  readonly #core: Core;
  #list: readonly NotFollowing[] = [];
  /** The Hub tells who follows. */
  #told = false;
  #cancel: (() => void) | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  /** The same list until it changes. */
  get list(): readonly NotFollowing[] {
    return this.#list;
  }

  #set(list: Iterable<NotFollowing>): void {
    this.#list = [...list];
    this.#core.settle();
  }

  #of(name: string): NotFollowing | undefined {
    return this.#list.find((one) => one.name === name);
  }

  /** The Hub told who does not follow. */
  told({ elements }: HubEvent): void {
    this.#told = true;
    this.#cancel?.();
    this.#set(readNotFollowing(elements));
  }

  /** A SyncError says that an application does not follow. */
  objected(name: string, event: HubEvent, reason: string, eventId: string): void {
    if (this.#told) return;
    const before = this.#of(name);
    const since = before?.since ?? (Number.isNaN(event.time) ? this.#core.ports.clock.now() : event.time);
    const shows = before?.shows ?? this.#core.contexts.before;
    const mark = { name, why: 'refused' as const, since, reason, eventId, ...(shows === undefined ? {} : { shows }) };
    this.#set([...this.#list.filter((one) => one !== before), mark]);
  }

  /** Who raised no objection when an event was sent again is as good as following (4.2.1). */
  follows(name: string): void {
    if (!this.#told && this.#of(name)) this.#set(this.#list.filter((one) => one.name !== name));
  }

  /** A newer context came: who objected to an older one may follow this one. */
  moved(): void {
    this.#cancel?.();
    const before = this.#list;
    if (this.#told || before.length === 0) return;
    this.#cancel = this.#core.ports.clock.after(NO_OBJECTION, () => {
      // Who objected again has another mark.
      this.#set(this.#list.filter((one) => !before.includes(one)));
    });
  }

  /** The connection is another one: the Hub will tell anew. */
  reconnected(): void {
    this.#told = false;
  }

  close(): void {
    this.#cancel?.();
    this.#told = false;
    this.#list = [];
  }
}
