import type { RecordStore, WriteCondition } from '@lockstep/store';
import type { Clock } from './ports.ts';

export interface RecordEntry<T> {
  readonly id: string;
  readonly value: T;
  readonly revision: number;
  readonly consumedAt?: number;
  readonly expiresAt?: number;
}

export type Indexes = Readonly<Record<string, string | readonly string[]>>;

/** A write that is not done yet, to be done together with others. */
export type RecordWrite = Parameters<RecordStore['putAll']>[0][number];

/** Records of one kind, as typed values. */
export class RecordRepository<T extends object> {
  readonly kind: string;
  readonly #store: RecordStore;
  readonly #clock: Clock;
  readonly #indexes: (value: T) => Indexes;

  constructor(store: RecordStore, clock: Clock, kind: string, indexes: (value: T) => Indexes = () => ({})) {
    this.#store = store;
    this.#clock = clock;
    this.kind = kind;
    this.#indexes = indexes;
  }

  async find(id: string): Promise<RecordEntry<T> | undefined> {
    const record = await this.#store.get(this.kind, id, this.#clock.now());
    return record && { ...record, value: JSON.parse(record.body) as T };
  }

  async get(id: string): Promise<T | undefined> {
    return (await this.find(id))?.value;
  }

  /** @returns whether the condition held and the value was written */
  async put(id: string, value: T, options: { expiresAt?: number; condition?: WriteCondition } = {}): Promise<boolean> {
    const { record } = this.write(id, value, options);
    return (await this.#store.put(this.kind, id, record, this.#clock.now(), options.condition)) !== undefined;
  }

  write(id: string, value: T, options: { expiresAt?: number; condition?: WriteCondition } = {}): RecordWrite {
    const record = {
      body: JSON.stringify(value),
      indexes: this.#indexes(value),
      ...(options.expiresAt === undefined ? {} : { expiresAt: options.expiresAt }),
    };
    return {
      kind: this.kind,
      id,
      record,
      ...(options.condition === undefined ? {} : { condition: options.condition }),
    };
  }

  /** Does several writes as one, of other kinds too. @returns whether all conditions held */
  putAll(writes: readonly RecordWrite[]): Promise<boolean> {
    return this.#store.putAll(writes, this.#clock.now());
  }

  /**
   * Changes a value, again from the start when another writer came first.
   * @param options `keepsExpiry: false` makes the value stay for good
   * @returns undefined when there is none
   */
  async update(id: string, change: (value: T) => T, options = { keepsExpiry: true }): Promise<T | undefined> {
    for (;;) {
      const stored = await this.find(id);
      if (!stored) return undefined;
      const value = change(stored.value);
      const expiresAt = options.keepsExpiry ? stored.expiresAt : undefined;
      const written = { condition: stored.revision, ...(expiresAt === undefined ? {} : { expiresAt }) };
      if (await this.put(id, value, written)) return value;
    }
  }

  /** @returns true for exactly one caller */
  consume(id: string): Promise<boolean> {
    return this.#store.consume(this.kind, id, this.#clock.now());
  }

  delete(id: string): Promise<boolean> {
    return this.#store.delete(this.kind, id);
  }

  deleteBy(index: string, value: string): Promise<readonly string[]> {
    return this.#store.deleteBy(this.kind, index, value);
  }

  /** @returns how many have the index value, `atMost` at most, without reading them */
  countBy(index: string, value: string, atMost: number): Promise<number> {
    return this.#store.count(this.kind, { index: { name: index, value }, atMost });
  }

  /** @param page how many are read at most; all of them without it */
  async findBy(index: string, value: string, page?: { readonly limit: number }): Promise<readonly RecordEntry<T>[]> {
    const records = await this.#store.find(this.kind, index, value, this.#clock.now(), page);
    return records.map((record) => ({ ...record, value: JSON.parse(record.body) as T }));
  }

  /** Values in the order of their ids, from the first one after `after`. `next` is the `after` of the page that follows. */
  async page(options: {
    readonly after?: string | undefined;
    readonly limit: number;
  }): Promise<{ readonly items: readonly RecordEntry<T>[]; readonly next?: string }> {
    const { after, limit } = options;
    const found = await this.#store.list(this.kind, this.#clock.now(), {
      limit: limit + 1,
      ...(after === undefined ? {} : { afterId: after }),
    });
    const items = found.slice(0, limit).map((record) => ({ ...record, value: JSON.parse(record.body) as T }));
    const last = items.at(-1)?.id;
    return { items, ...(found.length > limit && last !== undefined ? { next: last } : {}) };
  }

  async list(): Promise<readonly RecordEntry<T>[]> {
    const all: RecordEntry<T>[] = [];
    const limit = 1000;
    for (let afterId: string | undefined; ; ) {
      const page = await this.#store.list(this.kind, this.#clock.now(), {
        limit,
        ...(afterId === undefined ? {} : { afterId }),
      });
      all.push(...page.map((record) => ({ ...record, value: JSON.parse(record.body) as T })));
      if (page.length < limit) return all;
      afterId = page.at(-1)?.id;
    }
  }
}
