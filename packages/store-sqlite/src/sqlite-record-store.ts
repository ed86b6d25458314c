import type { Counted, Page, RecordInput, RecordStore, StoredRecord, WriteCondition } from '@lockstep/store';
import type { FlatRecord, FlatWrite } from './operations.ts';
import { RecentRecords } from './recent-records.ts';
import type { WorkerClient } from './worker-client.ts';

/** Expired records deleted in one go, and rows read in one go: what is asked by others comes between. */
const SWEEP = 100;
const ROWS = 250;

const LIST_LIMIT = 1_000;
const COUNT_LIMIT = 1_000;

/** @throws RangeError */
function positive(what: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new RangeError(`${what} is ${value}, not a positive whole number`);
  return value;
}

/** Records on the worker, and those used lately in memory. */
export class SqliteRecordStore implements RecordStore {
  readonly #worker: WorkerClient;
  readonly #recent = new RecentRecords();

  constructor(worker: WorkerClient) {
    this.#worker = worker;
  }

  async get(kind: string, id: string, now: number): Promise<StoredRecord | undefined> {
    this.#worker.requireOpen();
    const held = this.#recent.get(kind, id, now);
    if (held) return held;
    return this.#recent.read(kind, async () => {
      const record = await this.#worker.call('get', kind, id, now);
      return record && stored(record);
    });
  }

  async put(
    kind: string,
    id: string,
    record: RecordInput,
    now: number,
    condition?: WriteCondition,
  ): Promise<number | undefined> {
    const write = flatWrite(kind, id, record, condition);
    const revision = await this.#recent.change(
      kind,
      id,
      () => this.#worker.call('put', write, now),
      (reached, before) => written(id, record, reached, before),
    );
    return revision === 0 ? undefined : revision;
  }

  async putAll(
    writes: readonly {
      readonly kind: string;
      readonly id: string;
      readonly record: RecordInput;
      readonly condition?: WriteCondition;
    }[],
    now: number,
  ): Promise<boolean> {
    const flat = writes.map(({ kind, id, record, condition }) => flatWrite(kind, id, record, condition));
    if (new Set(flat.map(([kind, id]) => JSON.stringify([kind, id]))).size < flat.length) {
      throw new RangeError('two writes of one record');
    }
    return this.#recent.changeEach(writes, () => this.#worker.call('putAll', flat, now));
  }

  consume(kind: string, id: string, now: number): Promise<boolean> {
    return this.#recent.change(kind, id, () => this.#worker.call('consume', kind, id, now));
  }

  delete(kind: string, id: string): Promise<boolean> {
    return this.#recent.change(kind, id, () => this.#worker.call('delete', kind, id));
  }

  deleteBy(kind: string, index: string, value: string): Promise<readonly string[]> {
    return this.#recent.changeKind(kind, () => this.#worker.call('deleteBy', kind, index, value));
  }

  async find(
    kind: string,
    index: string,
    value: string,
    now: number,
    { afterId = '', limit }: Page = {},
  ): Promise<readonly StoredRecord[]> {
    const atMost = limit === undefined ? Number.POSITIVE_INFINITY : positive('limit', limit);
    return this.#pages(afterId, atMost, (after, rows) =>
      this.#worker.call('find', kind, index, value, now, after, rows),
    );
  }

  async list(
    kind: string,
    now: number,
    { afterId = '', limit = LIST_LIMIT }: Page = {},
  ): Promise<readonly StoredRecord[]> {
    return this.#pages(afterId, positive('limit', limit), (after, rows) =>
      this.#worker.call('list', kind, now, after, rows),
    );
  }

  async #pages(
    afterId: string,
    limit: number,
    read: (afterId: string, rows: number) => Promise<readonly FlatRecord[]>,
  ): Promise<readonly StoredRecord[]> {
    const records: StoredRecord[] = [];
    for (let after = afterId; ; after = records.at(-1)!.id) {
      const rows = Math.min(ROWS, limit - records.length);
      const page = await read(after, rows);
      for (const record of page) records.push(stored(record));
      if (page.length < rows || records.length === limit) return records;
    }
  }

  async count(kind: string, { index, atMost = COUNT_LIMIT }: Counted = {}): Promise<number> {
    positive('atMost', atMost);
    if (index === undefined) return this.#worker.call('count', kind, atMost);
    return this.#worker.call('countBy', kind, index.name, index.value, atMost);
  }

  async sweep(now: number): Promise<void> {
    while ((await this.#worker.call('sweep', now, SWEEP)) === SWEEP);
  }
}

function stored([id, revision, body, consumedAt, expiresAt]: FlatRecord): StoredRecord {
  return {
    id,
    revision,
    body,
    ...(consumedAt !== null && { consumedAt }),
    ...(expiresAt !== null && { expiresAt }),
  };
}

/** The record as it is after a write, where that is known: what was consumed before stays consumed. */
function written(
  id: string,
  { body, expiresAt }: RecordInput,
  revision: number,
  before: StoredRecord | undefined,
): StoredRecord | undefined {
  const isNew = revision === 1;
  if (revision === 0 || !(isNew || before?.revision === revision - 1)) return undefined;
  const consumedAt = isNew ? undefined : before?.consumedAt;
  return {
    id,
    revision,
    body,
    ...(consumedAt !== undefined && { consumedAt }),
    ...(expiresAt !== undefined && { expiresAt }),
  };
}

function flatWrite(kind: string, id: string, record: RecordInput, condition: WriteCondition): FlatWrite {
  if (kind === '' || id === '') throw new RangeError('a record needs a kind and an id');
  const { body, expiresAt = null, indexes = {} } = record;
  if (expiresAt !== null && !Number.isSafeInteger(expiresAt))
    throw new RangeError(`expiresAt is ${expiresAt}, not whole ms`);
  if (typeof condition === 'number' && !(Number.isSafeInteger(condition) && condition > 0)) {
    throw new RangeError(`the revision ${condition} cannot be`);
  }
  const pairs: string[] = [];
  for (const [name, values] of Object.entries(indexes)) {
    for (const value of typeof values === 'string' ? [values] : values) pairs.push(name, value);
  }
  return [kind, id, body, expiresAt, condition === 'absent' ? 0 : (condition ?? null), pairs];
}
