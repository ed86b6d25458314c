import type { Cluster, Redis } from 'ioredis';
import { type ConnectionOptions, openSubscriber } from './connection.ts';
import { hashSlot } from './keys.ts';

/** The servers that publish, each for some of the channels: the primaries of a cluster, or one server. */
export interface Shards {
  /** Learns which there are now. @throws when that is not possible */
  refresh(): Promise<void>;
  readonly names: ReadonlySet<string>;
  /** Name of the one that has a channel; undefined where none is known to have it. */
  of(channel: string): string | undefined;
  /** A client of one of them, not yet connected. */
  open(name: string): Redis;
}

/** One server, or the one that the Sentinels name. */
export class OneShard implements Shards {
  readonly names: ReadonlySet<string> = new Set(['']);
  readonly #options: ConnectionOptions;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  async refresh(): Promise<void> {
    // It is the same one, or the Sentinels are asked by every new client.
  }

  of(): string {
    return '';
  }

  open(): Redis {
    return openSubscriber(this.#options);
  }
}

/** The primaries of a cluster, by `host:port`. */
export class ClusterShards implements Shards {
  readonly #client: Cluster;
  readonly #options: ConnectionOptions;

  /** @param client whose map of the cluster is used */
  constructor(client: Cluster, options: ConnectionOptions) {
    this.#client = client;
    this.#options = options;
  }

  refresh(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.refreshSlotsCache((error) => (error ? reject(error) : resolve()));
    });
  }

  get names(): ReadonlySet<string> {
    return new Set(this.#client.slots.flatMap(([primary]) => primary ?? []));
  }

  of(channel: string): string | undefined {
    return this.#client.slots[hashSlot(channel)]?.[0];
  }

  open(name: string): Redis {
    const colon = name.lastIndexOf(':');
    return openSubscriber(this.#options, { host: name.slice(0, colon), port: Number(name.slice(colon + 1)) });
  }
}
