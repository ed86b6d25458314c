import { createHash } from 'node:crypto';

/** Safe inside a hash tag, and never equal to a digest. */
const PLAIN = /^[A-Za-z0-9_.:-]{1,64}$/;

/** The hash tag of a topic: itself where it is short and plain, else a digest. Everything of a topic shares one slot. */
export function slotOf(topic: string): string {
  return PLAIN.test(topic) ? topic : `#${createHash('sha256').update(topic).digest('base64url')}`;
}

/** The three keys of a session: its parts, its log, and the log's heads. */
export function sessionKeys(prefix: string, topic: string): [session: string, log: string, heads: string] {
  const base = `${prefix}:{${slotOf(topic)}}`;
  return [`${base}:session`, `${base}:log`, `${base}:heads`];
}

/**
 * The slot of a cluster that a key or sharded channel is in (Redis Cluster specification, "Key distribution model"): CRC16 of its
 * hash tag, or of all of it, modulo 16,384.
 */
export function hashSlot(key: string): number {
  const open = key.indexOf('{');
  const close = key.indexOf('}', open + 1);
  const hashed = open >= 0 && close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (const byte of Buffer.from(hashed)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc % 16_384;
}

/** The channel that tells what happens in a topic: of the same slot as its session, so that one script changes and tells. */
export function noticeChannel(prefix: string, topic: string, db: number): string {
  return `${prefix}:{${slotOf(topic)}}:notices:${db}`;
}

/** Hints under which sessions may be found; each index key is a slot of its own. */
export function indexKey(prefix: string, key: string): string {
  return `${prefix}:index:{${slotOf(key)}}`;
}

/** Any texts as one, distinct for distinct texts. */
function joined(...texts: readonly string[]): string {
  return texts.map((text) => `${text.length}:${text}`).join('');
}

/** Names of the keys that hold records. They share one slot, so that several are written as one. */
export class RecordKeys {
  readonly #base: string;
  /** Names the slot in calls that name no other key; when each record expires. */
  readonly expiries: string;

  constructor(prefix: string) {
    this.#base = `${prefix}:{records}`;
    this.expiries = `${this.#base}:expiries`;
  }

  record(kind: string, id: string): string {
    return `${this.#base}:record:${joined(kind)}${id}`;
  }

  /** Start of the keys of a kind's records: the id follows. */
  records(kind: string): string {
    return this.record(kind, '');
  }

  kind(kind: string): string {
    return `${this.#base}:kind:${kind}`;
  }

  index(kind: string, index: string, value: string): string {
    return `${this.#base}:index:${joined(kind, index)}${value}`;
  }
}
