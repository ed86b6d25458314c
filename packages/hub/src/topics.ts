import type { HubPorts, Settings } from './options.ts';
import { fromParts } from './parts.ts';
import type { SessionState } from './state.ts';
import { Topic, type TopicOptions } from './topic.ts';
import type { WebhookEvents } from './webhook.ts';
import type { Webhooks } from './webhooks.ts';

/** What topics need from parts of the Hub that themselves need topics. */
export interface TopicNeeds {
  /** Told of a topic that is to be read again. */
  readonly doubted: (topic: Topic) => void;
  readonly webhookEvents: (topic: Topic) => WebhookEvents;
}

/** The topics that this process holds in memory. */
export class Topics {
  readonly #ports: HubPorts;
  readonly #options: TopicOptions;
  readonly #live = new Map<string, Topic>();

  constructor(settings: Settings, ports: HubPorts, webhooks: Webhooks | undefined, needs: TopicNeeds) {
    const { profile, nodeId, answerMs, maxBufferedBytes, logCount } = settings;
    this.#ports = ports;
    this.#options = {
      profile,
      nodeId,
      answerMs,
      maxBufferedBytes,
      logCount,
      shared: ports.nodes !== undefined,
      derivesOpens: profile.derivesOpens,
      doubted: needs.doubted,
      ...(webhooks && {
        openWebhook: (topic, subscription, read) =>
          webhooks.open(topic.name, subscription, needs.webhookEvents(topic), read),
      }),
    };
  }

  /** The topic, held from now on. */
  of(name: string): Topic {
    let topic = this.#live.get(name);
    if (!topic) {
      topic = new Topic(name, this.#ports.store, this.#ports.clock, this.#options);
      this.#live.set(name, topic);
    }
    return topic;
  }

  /** The topic if it is held already. */
  live(name: string): Topic | undefined {
    return this.#live.get(name);
  }

  has(name: string): boolean {
    return this.#live.has(name);
  }

  all(): Iterable<Topic> {
    return this.#live.values();
  }

  delete(name: string): void {
    this.#live.delete(name);
  }

  /** The session's state, without holding a topic that nobody uses. */
  async load(topic: string): Promise<SessionState | undefined> {
    const live = this.#live.get(topic);
    if (live) return live.run(() => live.current());
    const stored = await this.#ports.store.load(topic);
    return stored && fromParts(topic, stored.parts);
  }

  /** Requests for topics that do not exist leave nothing behind. */
  dropUnknown(topic: Topic): void {
    if (topic.idle && topic.audience.links.size === 0) this.#live.delete(topic.name);
  }

  /** Memory is for sessions in use: others are read again when somebody comes back. */
  evict(): void {
    const longAgo = this.#ports.clock.now() - 60_000;
    for (const [name, topic] of this.#live) {
      if (topic.usedAt > longAgo || !topic.idle) continue;
      topic.forget();
      if (topic.audience.empty) this.#live.delete(name);
    }
  }

  /** Closes every socket with 1012: subscribers return, and nobody is reported (SUB-11). */
  async close(): Promise<void> {
    await Promise.all(
      [...this.#live.values()].map((topic) =>
        topic.run(async () => {
          for (const link of [...topic.audience.links.values()]) {
            topic.audience.detach(link);
            link.channel.close(1012, 'The Hub restarts');
          }
          for (const hook of topic.audience.hooks.values()) hook.end();
        }),
      ),
    );
  }
}
