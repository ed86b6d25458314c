import { type ContextElement, type EventBody, type EventMessage, eventKey } from '@lockstep/fhircast';
import type { Context } from './context.ts';
import { parseTimestamp } from './event-names.ts';
import { HeldContexts } from './held-contexts.ts';
import { type Failure, HubApi } from './hub-api.ts';
import type { Link } from './link.ts';
import { HubError, type Settings, type SubscriberOptions, settingsOf } from './options.ts';
import { type Ports, systemPorts } from './ports.ts';

/** Recent events by id are kept, so that what comes twice is handled once. */
const MAX_SEEN = 1000;

/** The last time that a timestamp can hold: an event may claim to be of then. */
const LAST_TIME = 8.64e15;

/** Events that change which context is current. */
export const CHANGES = /-(open|close)$|UserLogout/i;

/** Drops the oldest of what is kept by id, where there are too many. */
export function bound(kept: Set<string> | Map<string, unknown>): void {
  const [oldest = ''] = kept.keys();
  if (kept.size > MAX_SEEN) kept.delete(oldest);
}

export function remember(ids: Set<string>, id: string): void {
  ids.add(id);
  bound(ids);
}

/** What a subscriber's parts share: its place in the session, and the way to the Hub. */
export class Core {
  readonly options: Settings;
  readonly ports: Ports;
  readonly api: HubApi;
  contexts = new HeldContexts();
  link: Link | undefined;
  /** Counts connections, so that what belongs to an old one is known. 0 while there is none. */
  session = 0;
  /** Lower-case names; undefined stands for every event. */
  granted: ReadonlySet<string> | undefined;
  /** Ids of events that were published here. */
  readonly mine = new Set<string>();
  /** When the newest context change was made that the Hub has taken from us. */
  #led = 0;
  /** Computes the state again. */
  readonly settle: () => void;
  /** Hands the context and its content to who watches them. */
  readonly show: () => void;

  constructor(options: SubscriberOptions, settle: () => void, show: () => void) {
    this.options = settingsOf(options);
    this.settle = settle;
    this.show = show;
    this.ports = systemPorts(options.ports ?? {});
    this.api = new HubApi(this.options, this.ports);
  }

  receives = (name: string): boolean => this.granted?.has(eventKey(name)) ?? true;

  report = (error: unknown): void => {
    const { onError = (failure) => console.error('Lockstep client:', failure) } = this.options;
    try {
      onError(error);
    } catch {
      // A broken error handler must not break the session too.
    }
  };

  /** The current context. @throws HubError when none is open */
  needContext(): Context {
    const { current } = this.contexts;
    if (!current) throw new HubError(409, 'no context is open');
    return current;
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.ports.clock.after(ms, resolve);
    });
  }

  /** Never earlier than what established the current context: subscribers ignore what is older (2.5), clocks differ. */
  stamp(): string {
    return new Date(Math.min(LAST_TIME, Math.max(this.ports.clock.now(), this.contexts.established + 1))).toISOString();
  }

  make(name: string, context: readonly ContextElement[], versionId?: string): EventMessage {
    const id = this.ports.newId();
    remember(this.mine, id);
    return { timestamp: this.stamp(), id, event: this.body(name, context, versionId) };
  }

  /** An event of this session. */
  body(name: string, context: readonly ContextElement[], versionId?: string): EventBody {
    return {
      'hub.topic': this.options.topic,
      'hub.event': name,
      ...(versionId !== undefined && { 'context.versionId': versionId }),
      context,
    };
  }

  /**
   * Sent again with the same id while the Hub is unavailable: a Hub takes it once (PUB-7). What a newer context has overtaken
   * meanwhile is not: it would take the others back.
   */
  async post(message: EventMessage): Promise<Failure | { ok: true }> {
    const time = parseTimestamp(message.timestamp);
    for (let attempt = 1; ; attempt++) {
      const answer = await this.api.publish(message);
      if (answer.ok && CHANGES.test(message.event['hub.event'])) this.#led = Math.max(this.#led, time);
      if (answer.ok || answer.kind !== 'unavailable' || attempt === 3) return answer;
      await this.pause(Math.max(answer.retryAfter, 200 * 2 ** attempt * (0.5 + this.ports.random() / 2)));
      if (time < Math.max(this.#led, this.contexts.established)) return answer;
    }
  }
}
