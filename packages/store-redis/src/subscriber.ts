import type { Listening, StoreNotice } from '@lockstep/store';
import type { Redis } from 'ioredis';
import { decode } from './notice.ts';
import type { OlderNodes } from './older-nodes.ts';
import type { Shards } from './shards.ts';

/** ms between beats, and between attempts to connect. */
const BEAT = 1000;
const RETRY = 200;

export interface NoticeSubscriberOptions {
  readonly shards: Shards;
  readonly older: OlderNodes;
  readonly prefix: string;
  readonly node: string;
  /** ms that a beat may take. */
  readonly timeoutMs: number;
  /** The channel of a topic. */
  readonly channelOf: (topic: string) => string;
  /** The channel that names each session that changes. */
  readonly changes: string;
  /** Publishes a beat through the connection that commits go through. */
  readonly beat: (channel: string, text: string) => Promise<unknown>;
}

/** A connection to one of the servers that publish. */
interface Link {
  readonly redis: Redis;
  /** Only this node listens to it. */
  readonly beatChannel: string;
  /** The same as it comes with a beat. */
  readonly beatBytes: Buffer;
  /** The last beat that came back. */
  heard: number;
}

type Links = ReadonlyMap<string, Link>;

interface Topic {
  listening: number;
  readonly ready: Promise<void>;
}

/**
 * Brings a node what is published in the topics that it listens to. Publishing is at most once: whatever may have been
 * missed — a connection that broke, beats that do not come back, a channel that went to another server — is reported as a gap.
 */
export class NoticeSubscriber {
  readonly #options: NoticeSubscriberOptions;
  readonly #listeners = new Set<(notice: StoreNotice) => void>();
  readonly #changeListeners = new Set<(topic: string | undefined) => void>();
  readonly #topics = new Map<string, Topic>();
  /** The connections of this attempt, or of the one that succeeded. */
  #current: Links = new Map();
  /** Whether they are connected, so that they can be asked to subscribe. */
  #connected = false;
  #beat = 0;
  #hears = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: NoticeSubscriberOptions) {
    this.#options = options;
  }

  /** Whether what is published arrives. */
  get hears(): boolean {
    return this.#hears;
  }

  /** The topics that are listened to. */
  get topics(): Iterable<string> {
    return this.#topics.keys();
  }

  /** Subscribes. @throws when that is not possible now */
  async open(): Promise<void> {
    await this.#connect();
    this.#timer = setInterval(() => this.#pulse(), BEAT);
  }

  listen(topic: string): Listening {
    let entry = this.#topics.get(topic);
    if (entry) entry.listening += 1;
    else {
      entry = { listening: 1, ready: this.#subscribed(topic) };
      this.#topics.set(topic, entry);
    }
    const { ready } = entry;
    let ended = false;
    const end = (): void => {
      const held = this.#topics.get(topic);
      if (ended || !held) return;
      ended = true;
      held.listening -= 1;
      if (held.listening > 0) return;
      this.#topics.delete(topic);
      const link = this.#connected ? this.#linkOf(topic) : undefined;
      // What is told without need does no harm.
      link?.redis.sunsubscribe(this.#options.channelOf(topic)).catch(() => undefined);
    };
    return { ready, end };
  }

  watch(listener: (notice: StoreNotice) => void): () => void {
    // Of its own, so that one function watching twice is called twice and ends each watch by itself.
    const watcher = (notice: StoreNotice) => listener(notice);
    this.#listeners.add(watcher);
    return () => this.#listeners.delete(watcher);
  }

  watchChanges(listener: (topic: string | undefined) => void): Listening {
    const watcher = (topic: string | undefined) => listener(topic);
    this.#changeListeners.add(watcher);
    const ready = this.#surely(async () => void (await this.#anyLink()?.redis.subscribe(this.#options.changes)));
    const end = (): void => {
      this.#changeListeners.delete(watcher);
      if (this.#changeListeners.size > 0 || !this.#connected) return;
      this.#anyLink()
        ?.redis.unsubscribe(this.#options.changes)
        .catch(() => undefined);
    };
    return { ready, end };
  }

  /** The other connection has broken: what was read through it may not be so any more. */
  doubt(): void {
    if (!this.#closed) this.#tell({ kind: 'gap' });
  }

  #linkOf(topic: string): Link | undefined {
    const { shards, channelOf } = this.#options;
    const name = shards.of(channelOf(topic));
    return name === undefined ? undefined : this.#current.get(name);
  }

  #anyLink(): Link | undefined {
    const [first] = this.#current.values();
    return first;
  }

  /** While there is no connection there is nothing to wait for: the next one is followed by a gap. */
  async #surely(work: () => Promise<void>): Promise<void> {
    if (!this.#connected) return;
    const links = this.#current;
    try {
      await work();
    } catch {
      this.#lost(links);
    }
  }

  #subscribed(topic: string): Promise<void> {
    return this.#surely(() => this.#subscribe(topic));
  }

  async #subscribe(topic: string): Promise<void> {
    const link = this.#linkOf(topic);
    if (!link) throw new Error('No server is known to have the channel');
    await link.redis.ssubscribe(this.#options.channelOf(topic));
  }

  async #connect(): Promise<void> {
    const { shards, changes, older } = this.#options;
    const links = new Map<string, Link>();
    this.#current = links;
    try {
      await shards.refresh();
      if (this.#closed || this.#current !== links) throw new Error('It took too long');
      await Promise.all([...shards.names].map((name) => this.#open(name, links)));
      if (this.#current !== links) throw new Error('It took too long');
      this.#connected = true;
      const general = this.#anyLink()?.redis;
      if (!general) throw new Error('There is no server');
      older.clear();
      await Promise.all([
        general.subscribe(older.channel, ...(this.#changeListeners.size > 0 ? [changes] : [])),
        ...[...links.values()].map(({ redis, beatChannel }) => redis.ssubscribe(beatChannel)),
        ...[...this.#topics.keys()].map((topic) => this.#subscribe(topic)),
      ]);
    } catch (error) {
      this.#lost(links);
      throw error;
    }
    if (this.#current !== links) throw new Error('It took too long');
    for (const link of links.values()) link.heard = this.#beat;
    this.#hears = true;
  }

  async #open(name: string, links: Map<string, Link>): Promise<void> {
    const redis = this.#options.shards.open(name);
    const beatChannel = this.#beatChannel(name);
    const link = { redis, beatChannel, beatBytes: Buffer.from(beatChannel), heard: this.#beat };
    links.set(name, link);
    redis.on('error', () => undefined);
    redis.on('smessageBuffer', (channel: Buffer, message: Buffer) => this.#received(link, channel, message));
    redis.on('messageBuffer', (channel: Buffer, message: Buffer) => this.#receivedGeneral(channel, message));
    // Another server has taken over a channel.
    redis.on('moved', () => this.#lost(links));
    redis.once('end', () => this.#lost(links));
    await redis.connect();
  }

  /** A channel that the server has. */
  #beatChannel(name: string): string {
    const { shards, prefix, node } = this.#options;
    for (let n = 0; ; n++) {
      const channel = `${prefix}:{beat.${n}}:${node}`;
      if (shards.of(channel) === name || n > 10_000_000) return channel;
    }
  }

  #lost(links: Links): void {
    if (this.#closed || this.#current !== links) return;
    this.#current = new Map();
    this.#connected = false;
    for (const { redis } of links.values()) redis.disconnect();
    // What is cached is not known to be current from now on.
    if (this.#hears) this.#tell({ kind: 'gap' });
    this.#hears = false;
    this.#retry = setTimeout(() => this.#reconnect(), RETRY);
  }

  #reconnect(): void {
    if (this.#closed) return;
    this.#connect().then(
      () => this.#tell({ kind: 'gap' }),
      // What went wrong has brought the next attempt.
      () => undefined,
    );
  }

  #pulse(): void {
    const { beat, timeoutMs, older } = this.#options;
    const links = this.#current;
    if (links.size === 0) return;
    const silent = [...links.values()].some(({ heard }) => (this.#beat - heard) * BEAT > timeoutMs);
    this.#beat += 1;
    if (silent) this.#lost(links);
    if (!this.#hears) return;
    for (const { beatChannel } of links.values()) beat(beatChannel, String(this.#beat)).catch(() => undefined);
    older.pulse().catch(() => undefined);
  }

  #received(link: Link, channel: Buffer, bytes: Buffer): void {
    if (channel.equals(link.beatBytes)) {
      link.heard = Number(bytes);
      return;
    }
    const message = decode(bytes, this.#options.node);
    if ('notice' in message) this.#tell(message.notice);
  }

  #receivedGeneral(channel: Buffer, bytes: Buffer): void {
    const { changes, older } = this.#options;
    if (channel.toString() === changes) {
      this.#tellChange(bytes.toString());
      return;
    }
    const { notice, missed } = older.received(bytes);
    if (missed) this.#tell({ kind: 'gap' });
    if (!notice) return;
    this.#tell(notice);
    if (notice.kind === 'commit' || notice.kind === 'erased') this.#tellChange(notice.topic);
  }

  #tell(notice: StoreNotice): void {
    for (const listener of [...this.#listeners]) this.#call(() => listener(notice));
    if (notice.kind === 'gap') this.#tellChange(notice.topic);
  }

  #tellChange(topic: string | undefined): void {
    for (const listener of [...this.#changeListeners]) this.#call(() => listener(topic));
  }

  #call(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      // The listener's defect must show, but not keep the notice from the others.
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    clearTimeout(this.#retry);
    for (const { redis } of this.#current.values()) redis.disconnect();
  }
}
