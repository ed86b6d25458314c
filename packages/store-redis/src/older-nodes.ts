import type { StoreNotice } from '@lockstep/store';
import { decode, encode, type Fields, fieldsForOlder } from './notice.ts';
import { Tally } from './tally.ts';

/** Signs of life that older nodes may miss, one a second, before nothing is published for them any more. */
const MAY_MISS = 60;

/** What follows the name of a newer node on the older nodes' channel, so that newer nodes do not hear everything twice. */
const NEWER = '\n2';

export interface OlderNodesOptions {
  /** The one channel that they have. */
  readonly channel: string;
  readonly node: string;
  /** Publishes there, numbered where they expect it. */
  readonly publish: (notice: string) => Promise<unknown>;
  /** Publishes a sign of life there, under the latest number. */
  readonly beat: (beat: string) => Promise<unknown>;
  /** Called when there are such nodes, and before there seemed to be none: they were not told what happened here. */
  readonly found: () => void;
}

/**
 * Nodes of the version before each topic had a channel, beside which this one runs while they are replaced. They publish every
 * notice on one channel and hear no other. Every node hears that channel, and publishes there too for as long as one of them
 * shows itself.
 */
export class OlderNodes {
  readonly #options: OlderNodesOptions;
  readonly #tally = new Tally();
  #published = 0;
  #beat = 0;
  #lastHeard = Number.NEGATIVE_INFINITY;

  constructor(options: OlderNodesOptions) {
    this.#options = options;
  }

  get channel(): string {
    return this.#options.channel;
  }

  get present(): boolean {
    return this.#beat - this.#lastHeard <= MAY_MISS;
  }

  /** @returns what an older node says, and whether something of it may have been missed */
  received(message: Buffer): { readonly notice?: StoreNotice; readonly missed: boolean } {
    const read = decode(message, this.#options.node);
    if (read.origin.endsWith(NEWER)) return { missed: false };
    const wasPresent = this.present;
    this.#lastHeard = this.#beat;
    if (!wasPresent) this.#options.found();
    if ('beat' in read) return { missed: this.#tally.misses(read.origin, read.published) };
    this.#tally.heard(read.origin);
    return { notice: read.notice, missed: false };
  }

  /** Tells them, if there are any. */
  async tell(fields: Fields): Promise<void> {
    if (!this.present) return;
    this.#published += 1;
    const [kind = '', , ...rest] = fieldsForOlder(fields);
    await this.#options.publish(encode([kind, this.#options.node + NEWER, ...rest]));
  }

  /** Once a second. */
  async pulse(): Promise<void> {
    this.#beat += 1;
    if (!this.present) return;
    await this.#options.beat(encode(['beat', this.#options.node + NEWER, this.#beat, this.#published]));
  }

  /** All may be missing from now on. */
  clear(): void {
    this.#tally.clear();
  }
}
