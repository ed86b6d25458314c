import type { Counted, Page, RecordInput, RecordStore, StoredRecord, WriteCondition } from '@lockstep/store';
import type { RedisConnection } from './connection.ts';
import type { RecordKeys } from './keys.ts';
import { CONSUME, DELETE, DELETE_BY, PAGE, PUT, SWEEP } from './record-scripts.ts';
import type { Replicas } from './replicas.ts';
import type { Script } from './script.ts';

/** Records removed by one run of the sweep's script: others wait for it. */
const SWEEP_CHUNK = 500;

const LIST_LIMIT = 1_000;
const COUNT_LIMIT = 1_000;

/** @throws RangeError */
function positive(what: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new RangeError(`${what} is ${value}, not a positive whole number`);
  return value;
}

interface Write {
  readonly kind: string;
  readonly id: string;
  readonly record: RecordInput;
  readonly condition?: WriteCondition;
}

/** Records on Redis, in one slot, so that several are written as one. */
export class RedisRecordStore implements RecordStore {
  readonly #connection: RedisConnection;
  readonly #replicas: Replicas;
  readonly #keys: RecordKeys;

  constructor(connection: RedisConnection, replicas: Replicas, keys: RecordKeys) {
    this.#connection = connection;
    this.#replicas = replicas;
    this.#keys = keys;
  }

  #read(script: Script, ...args: (string | number)[]): Promise<unknown> {
    return this.#connection.run(script, [this.#keys.expiries], args);
  }

  #write(script: Script, ...args: (string | number)[]): Promise<unknown> {
    return this.#replicas.run(script, [this.#keys.expiries], args);
  }

  async get(kind: string, id: string, now: number): Promise<StoredRecord | undefined> {
    const key = this.#keys.record(kind, id);
    const [revision, expiresAt, body, consumedAt] = await this.#connection.call((client) =>
      client.hmget(key, 'v', 'e', 'b', 'c'),
    );
    if (typeof revision !== 'string' || typeof body !== 'string') return undefined;
    if (typeof expiresAt === 'string' && Number(expiresAt) <= now) return undefined;
    return recordOf([id, revision, expiresAt ?? '', body, consumedAt ?? '']);
  }

  async put(
    kind: string,
    id: string,
    record: RecordInput,
    now: number,
    condition?: WriteCondition,
  ): Promise<number | undefined> {
    const revisions = await this.#put([{ kind, id, record, condition }], now);
    return revisions?.[0];
  }

  async putAll(writes: readonly Write[], now: number): Promise<boolean> {
    const names = new Set(writes.map(({ kind, id }) => this.#keys.record(kind, id)));
    if (names.size < writes.length) throw new RangeError('one record is written twice');
    return writes.length === 0 || (await this.#put(writes, now)) !== undefined;
  }

  async #put(writes: readonly Write[], now: number): Promise<readonly number[] | undefined> {
    const args: (string | number)[] = [now, writes.length];
    for (const { kind, id, record, condition = '' } of writes) {
      const indexes = this.#indexes(kind, record);
      args.push(this.#keys.record(kind, id), this.#keys.kind(kind), id, condition, record.body);
      args.push(record.expiresAt ?? '', indexes.length, ...indexes);
    }
    return ((await this.#write(PUT, ...args)) as number[] | null) ?? undefined;
  }

  #indexes(kind: string, { indexes = {} }: RecordInput): readonly string[] {
    const keys = new Set<string>();
    for (const [index, values] of Object.entries(indexes)) {
      for (const value of typeof values === 'string' ? [values] : values)
        keys.add(this.#keys.index(kind, index, value));
    }
    return [...keys];
  }

  async consume(kind: string, id: string, now: number): Promise<boolean> {
    return (await this.#write(CONSUME, this.#keys.record(kind, id), now)) === 1;
  }

  async delete(kind: string, id: string): Promise<boolean> {
    return (await this.#write(DELETE, this.#keys.record(kind, id))) === 1;
  }

  async deleteBy(kind: string, index: string, value: string): Promise<readonly string[]> {
    const key = this.#keys.index(kind, index, value);
    return (await this.#write(DELETE_BY, key, this.#keys.records(kind))) as string[];
  }

  find(kind: string, index: string, value: string, now: number, page: Page = {}): Promise<readonly StoredRecord[]> {
    return this.#page(this.#keys.index(kind, index, value), kind, now, page);
  }

  list(kind: string, now: number, { limit = LIST_LIMIT, ...page }: Page = {}): Promise<readonly StoredRecord[]> {
    return this.#page(this.#keys.kind(kind), kind, now, { limit, ...page });
  }

  async #page(ids: string, kind: string, now: number, { afterId, limit }: Page): Promise<readonly StoredRecord[]> {
    const atMost = limit === undefined ? -1 : positive('limit', limit);
    const from = afterId === undefined ? '-' : `(${afterId}`;
    return ((await this.#read(PAGE, ids, this.#keys.records(kind), now, from, atMost)) as Row[]).map(recordOf);
  }

  async count(kind: string, { index, atMost = COUNT_LIMIT }: Counted = {}): Promise<number> {
    positive('atMost', atMost);
    const ids = index ? this.#keys.index(kind, index.name, index.value) : this.#keys.kind(kind);
    return Math.min(atMost, await this.#connection.call((client) => client.zcard(ids)));
  }

  async sweep(now: number): Promise<void> {
    let removed = SWEEP_CHUNK;
    while (removed === SWEEP_CHUNK) removed = Number(await this.#read(SWEEP, now, SWEEP_CHUNK));
  }
}

type Row = [id: string, revision: string, expiresAt: string, body: string, consumedAt: string];

function recordOf([id, revision, expiresAt, body, consumedAt]: Row): StoredRecord {
  return {
    id,
    revision: Number(revision),
    body,
    ...(consumedAt !== '' && { consumedAt: Number(consumedAt) }),
    ...(expiresAt !== '' && { expiresAt: Number(expiresAt) }),
  };
}
