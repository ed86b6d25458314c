import { placeOf } from '@lockstep/fhircast';
import type { LiveSessions } from '../live/live-sessions.ts';
import { JobQueue } from '../live/queue.ts';
import type { ResourceValidation } from '../ports.ts';
import type { Decision, Publish } from '../rules/commands.ts';
import { type Access, type AccessEnd, endedWith } from '../rules/permission.ts';
import { checkedResources, publishingRefusal } from '../rules/publish.ts';
import { type Rejection, refuse, UNKNOWN_TOPIC } from '../rules/reasons.ts';
import type { VersionRules } from '../rules/versions.ts';

/** How much may wait: events, and characters of their contexts. */
interface Share {
  readonly events: number;
  readonly size: number;
}

/** What waits at most, for checks of large events and behind them. */
export interface CheckLimits {
  /** Of one client in one session: the others there wait for no more than this. */
  readonly inSession: Share;
  readonly ofClient: Share;
  readonly overall: Share;
}

const MIB = 1024 * 1024;

/** A second of checking is about 1 MiB. */
export const CHECK_LIMITS: CheckLimits = {
  inSession: { events: 32, size: 2 * MIB },
  ofClient: { events: 256, size: 16 * MIB },
  overall: { events: 1024, size: 64 * MIB },
};

interface WaitingEvent {
  readonly topic: string;
  readonly access: Access;
  readonly size: number;
  /** Whether the access that it is published with has ended meanwhile (TOK-6). */
  ended: boolean;
}

/**
 * Large events: their resources are looked into elsewhere, while the event loop goes on (PUB-5, CWE-400). Later events of the same
 * session wait, so that what was said last stands; everything else goes on, in that session too.
 */
export class EventChecks {
  readonly #validation: ResourceValidation;
  readonly #profile: VersionRules;
  readonly #live: LiveSessions;
  readonly #limits: CheckLimits;
  /** Of the sessions where an event is looked into, by topic: its events, in their order. */
  readonly #lines = new Map<string, JobQueue>();
  readonly #waiting = new Set<WaitingEvent>();

  constructor(validation: ResourceValidation, profile: VersionRules, live: LiveSessions, limits = CHECK_LIMITS) {
    this.#validation = validation;
    this.#profile = profile;
    this.#live = live;
    this.#limits = limits;
  }

  /**
   * Decides a published event, once everything that was published in its session before is decided.
   * @param size characters of its context
   */
  decide(topic: string, command: Publish, size: number): Promise<Decision> {
    const isLarge = this.#isLarge(command);
    const line = this.#lines.get(topic);
    if (!isLarge && (!line || line.idle)) return this.#live.of(topic).execute(command);
    return this.#decideInLine(topic, command, size, isLarge, line ?? new JobQueue());
  }

  async #decideInLine(
    topic: string,
    command: Publish,
    size: number,
    isLarge: boolean,
    line: JobQueue,
  ): Promise<Decision> {
    const waiting: WaitingEvent = { topic, access: command.access, size, ended: false };
    if (this.#isFull(waiting)) {
      return refuse('too-many-waiting', 'Too many large events are being looked into: publish this one again later');
    }
    this.#waiting.add(waiting);
    this.#lines.set(topic, line);
    const check = isLarge ? this.#check(topic, command) : undefined;
    // It is waited for in the line: until then nobody would hear of its failure.
    check?.catch(() => undefined);
    const decide = async (): Promise<Decision> => {
      const found = await check;
      if (waiting.ended) return refuse('scope-missing', 'The access ended while the event was looked into');
      if (found && 'code' in found) return found;
      return this.#live.of(topic).execute(found ? { ...command, checked: found } : command);
    };
    try {
      return await line.run(decide);
    } finally {
      this.#waiting.delete(waiting);
      if (line.idle) this.#lines.delete(topic);
    }
  }

  /** What waits is not published with an access that has ended (TOK-6). */
  accessEnded(end: AccessEnd): void {
    for (const one of this.#waiting) one.ended ||= endedWith(end, one.access);
  }

  #isLarge({ request }: Publish): boolean {
    const { resources } = checkedResources(request, this.#profile);
    return this.#validation.isLarge(resources.map(({ resource }) => resource));
  }

  /** @returns a refusal where the caller may not publish this: no work is done for it, also where it may by the time of its turn */
  async #check(topic: string, command: Publish): Promise<NonNullable<Publish['checked']> | Rejection> {
    const session = this.#live.of(topic);
    const state = await session.run(() => session.current());
    const refusal = state ? publishingRefusal(state, command) : refuse('unknown-topic-of-event', UNKNOWN_TOPIC.reason);
    if (refusal) return refusal;
    const { resources, partial } = checkedResources(command.request, this.#profile);
    const { clientId } = command.access;
    const all = resources.map(({ resource }) => resource);
    const found = await this.#validation.problemAmong(all, partial, clientId);
    return found ? { problem: `${placeOf(resources[found.index]!)}: ${found.text}` } : {};
  }

  #isFull(next: WaitingEvent): boolean {
    const { inSession, ofClient, overall } = this.#limits;
    const all = [...this.#waiting];
    const own = all.filter(({ access }) => access.clientId === next.access.clientId);
    const here = own.filter(({ topic }) => topic === next.topic);
    return exceeds(here, next, inSession) || exceeds(own, next, ofClient) || exceeds(all, next, overall);
  }
}

/** Whether one more would be too much. One alone never is. */
function exceeds(waiting: readonly WaitingEvent[], next: WaitingEvent, { events, size }: Share): boolean {
  if (waiting.length === 0) return false;
  return waiting.length >= events || waiting.reduce((sum, one) => sum + one.size, next.size) > size;
}
