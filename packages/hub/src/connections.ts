import { StoreUnavailable } from '@lockstep/store';
import type { Leases } from './leases.ts';
import type { Link, LinkEvents, Pending } from './link.ts';
import type { Channel } from './ports.ts';
import type { Runtime } from './runtime.ts';
import type { DenyOnly } from './session.ts';
import type { SyncErrors } from './sync-errors.ts';
import type { Topic } from './topic.ts';

/** A connected subscriber, for the side that holds its socket. */
export interface Connection {
  /** A text frame arrived. */
  received(text: string): void;
  /** An answer arrived some other way. */
  answered(eventId: string, status: number): void;
  /** The socket is gone, with the WebSocket close code. */
  closed(code: number): void;
}

const NOT_BACK = 'The subscriber did not come back';

/** The sockets of subscribers, from connecting to the end of their grace time (SUB-7 to SUB-11). */
export class Connections {
  readonly #runtime: Runtime;
  readonly #leases: Leases;
  readonly #errors: SyncErrors;
  /** Subscriptions whose socket dropped, each with what cancels the end of its grace time (SUB-11). */
  readonly #graces = new Map<string, () => void>();

  constructor(runtime: Runtime, leases: Leases, errors: SyncErrors) {
    this.#runtime = runtime;
    this.#leases = leases;
    this.#errors = errors;
  }

  /**
   * Whether the endpoint can be connected to; asked before a WebSocket upgrade is answered (SUB-7).
   * @throws StoreUnavailable while the Hub stops: that says nothing about the endpoint
   */
  async findEndpoint(id: string): Promise<{ readonly topic: string } | undefined> {
    if (this.#runtime.stopping) throw new StoreUnavailable('The Hub is stopping');
    const [topic] = await this.#runtime.ports.store.lookup(`endpoint:${id}`);
    if (topic === undefined) return undefined;
    const subscription = (await this.#runtime.topics.load(topic))?.subscriptions.get(id);
    return subscription && subscription.expiresAt > this.#runtime.ports.clock.now() ? { topic } : undefined;
  }

  /**
   * Connects a subscriber to its endpoint (SUB-7, SUB-8, SUB-11).
   * @param since id of the last event it has seen
   * @returns undefined when the endpoint ended meanwhile; the channel is closed then
   */
  async connect(
    endpoint: { readonly topic: string; readonly id: string },
    channel: Channel,
    since?: string,
  ): Promise<Connection | undefined> {
    const topic = this.#runtime.topics.of(endpoint.topic);
    this.#endGrace(endpoint.id);
    const link = await topic.run(() => topic.connect(endpoint.id, channel, this.#linkEvents(topic), since));
    if ('ok' in link) {
      channel.close(1008, link.reason);
      return undefined;
    }
    this.#runtime.counts.connected += 1;
    this.#leases.endUnconnected(endpoint.id);
    this.#leases.watch(topic, link);
    this.#runtime.observeSubscription(topic.name, 'connected', link.subscription);
    return {
      received: (text) => link.received(text),
      answered: (eventId, status) => link.answered(eventId, status),
      closed: (code) => this.#closed(topic, link, code),
    };
  }

  /** Made once a topic: thousands of subscribers may be connected. */
  #linkEvents(topic: Topic): LinkEvents {
    topic.linkEvents ??= this.#makeLinkEvents(topic);
    return topic.linkEvents;
  }

  #makeLinkEvents(topic: Topic): LinkEvents {
    return {
      delivered: (link, eventId, event) => {
        this.#runtime.counts.delivered += 1;
        this.#runtime.observeLink(topic, link, { kind: 'delivered', eventId, event });
      },
      answered: (link, pending, eventId, status, reason) => {
        this.#runtime.counts.answered += 1;
        const ms = pending ? this.#runtime.ports.clock.now() - pending.sentAt : 0;
        this.#runtime.observeLink(topic, link, { kind: 'answered', eventId, status, ms });
        const success = status >= 200 && status < 300;
        if (pending && !success)
          this.#runtime.later(() => this.#errors.refusedEvent(topic, link, pending, status, reason));
      },
      unanswered: (link, pending) => {
        this.#runtime.observeLink(topic, link, { kind: 'unanswered', eventId: pending.id });
        this.#runtime.later(() => this.#unanswered(topic, link, pending));
      },
      ended: (link) => {
        this.#runtime.counts.connected -= 1;
        this.#runtime.counts.ignoredFrames += link.ignored;
      },
      overflowed: (link) => {
        link.channel.close(1013, 'Too many events are waiting to be read');
        this.#closed(topic, link, 1013);
      },
    };
  }

  async #unanswered(topic: Topic, link: Link, pending: Pending): Promise<void> {
    const { id, subscriberName } = link.subscription;
    const { answerMs, maxMisses } = this.#runtime.options;
    const unresponsive = link.misses >= maxMisses;
    await this.#errors.report(topic, id, {
      eventId: pending.originalId,
      eventName: pending.originalName,
      subscriberName,
      diagnostics: `${subscriberName} did not answer ${pending.originalName} within ${answerMs / 1000} seconds.`,
    });
    if (unresponsive) {
      await this.#leases.deny(topic, [id], `${maxMisses} events in a row were not answered`);
    }
  }

  /** ERR-3; then the subscriber has a grace time to return in (SUB-11). */
  #closed(topic: Topic, link: Link, code: number): void {
    if (!topic.audience.detach(link) || this.#runtime.stopping) return;
    this.#runtime.observeLink(topic, link, { kind: 'dropped', code });
    const { id } = link.subscription;
    const here: DenyOnly = { node: this.#runtime.options.nodeId };
    if (code === 1000) {
      this.#runtime.later(() => this.#leases.deny(topic, [id], 'The subscriber closed its connection', here));
      return;
    }
    if (code !== 1001) {
      this.#runtime.later(() => this.#errors.reportLost(topic, link.subscription, `lost its connection (${code})`));
      if (this.#runtime.options.profile.lostConnectionEnds) {
        this.#runtime.later(() => this.#leases.deny(topic, [id], 'The connection was lost', here));
        return;
      }
    }
    this.#endGrace(id);
    const cancel = this.#runtime.after(this.#runtime.options.graceMs, () => {
      this.#graces.delete(id);
      this.#runtime.later(() => this.#leases.deny(topic, [id], NOT_BACK, here));
    });
    this.#graces.set(id, cancel);
  }

  #endGrace(id: string): void {
    this.#graces.get(id)?.();
    this.#graces.delete(id);
  }

  /** Ids of the subscriptions whose sockets dropped here and may come back. */
  dropped(): Iterable<string> {
    return this.#graces.keys();
  }

  /** Forgets subscribers of a node that have not returned since it ended; nobody has been told of them. */
  async dropMissing(topics: readonly string[], node: string): Promise<void> {
    for (const name of topics) {
      const topic = this.#runtime.topics.of(name);
      const state = await topic.run(() => topic.current());
      for (const subscription of state?.subscriptions.values() ?? []) {
        const { id, channel } = subscription;
        if (channel !== 'websocket' || subscription.node !== node) continue;
        if (!topic.audience.links.has(id) && !this.#graces.has(id))
          await this.#errors.drop(topic, subscription, node, NOT_BACK);
      }
    }
  }
}
