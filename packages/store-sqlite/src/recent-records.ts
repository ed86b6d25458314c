import type { StoredRecord } from '@lockstep/store';

/** Records that are held, and characters of their bodies: beyond either all are forgotten. */
const MOST = 4_000;
const MOST_CHARACTERS = 4 * 1024 * 1024;
/** Characters of a body that is held. */
const LONGEST = 16 * 1024;

/** Changes of one record: those under way, and those that have begun since there were none. */
interface Changing {
  underWay: number;
  begun: number;
}

/** What is known of the records of one kind. */
class Kind {
  readonly records = new Map<string, StoredRecord>();
  /** Changes under way. */
  underWay = 0;
  /** Changes that have begun or ended. */
  changes = 0;
  /** Deletions of many records that have begun or ended. */
  clearings = 0;
  /** By record that is being changed. */
  readonly changing = new Map<string, Changing>();
}

/**
 * Records that were read or written lately. The file has one owner: what this process has read or written last is what there is. What
 * is being changed is not held, and no answer that was under way meanwhile is kept, so that no reader gets what a change that has
 * ended has replaced.
 */
export class RecentRecords {
  readonly #kinds = new Map<string, Kind>();
  #count = 0;
  #characters = 0;

  /** @param now ms since the epoch @returns undefined for a record that is not held, or has expired */
  get(kind: string, id: string, now: number): StoredRecord | undefined {
    const held = this.#kinds.get(kind)?.records.get(id);
    return held && (held.expiresAt === undefined || held.expiresAt > now) ? held : undefined;
  }

  /** Reads a record and holds it, unless its kind changes meanwhile. */
  async read(kind: string, ask: () => Promise<StoredRecord | undefined>): Promise<StoredRecord | undefined> {
    const known = this.#kind(kind);
    const { changes, underWay } = known;
    const record = await this.#failing(ask);
    if (record && underWay === 0 && changes === known.changes) this.#hold(known, record);
    return record;
  }

  /**
   * Changes one record.
   * @param after the record after the change, where that is known
   */
  async change<T>(
    kind: string,
    id: string,
    change: () => Promise<T>,
    after: (result: T, before: StoredRecord | undefined) => StoredRecord | undefined = () => undefined,
  ): Promise<T> {
    const known = this.#kind(kind);
    const before = known.records.get(id);
    const changing = this.#beginOne(known, id);
    const { clearings } = known;
    try {
      const result = await this.#failing(change);
      const record = after(result, before);
      // Of two changes at once it is not known here which was the last.
      if (record && changing.begun === 1 && clearings === known.clearings) this.#hold(known, record);
      return result;
    } finally {
      this.#endOne(known, id, changing);
    }
  }

  /** Changes several records as one. */
  async changeEach<T>(
    records: readonly { readonly kind: string; readonly id: string }[],
    change: () => Promise<T>,
  ): Promise<T> {
    const begun = records.map(({ kind, id }) => {
      const known = this.#kind(kind);
      return { known, id, changing: this.#beginOne(known, id) };
    });
    try {
      return await this.#failing(change);
    } finally {
      for (const { known, id, changing } of begun) this.#endOne(known, id, changing);
    }
  }

  /** Changes records of one kind that are not known one by one. */
  async changeKind<T>(kind: string, change: () => Promise<T>): Promise<T> {
    const known = this.#kind(kind);
    const clear = (): void => {
      known.clearings += 1;
      for (const id of known.records.keys()) this.#drop(known, id);
    };
    clear();
    this.#begin(known);
    try {
      return await this.#failing(change);
    } finally {
      clear();
      this.#end(known);
    }
  }

  #beginOne(kind: Kind, id: string): Changing {
    this.#drop(kind, id);
    const changing = kind.changing.get(id) ?? { underWay: 0, begun: 0 };
    kind.changing.set(id, changing);
    changing.underWay += 1;
    changing.begun += 1;
    this.#begin(kind);
    return changing;
  }

  #endOne(kind: Kind, id: string, changing: Changing): void {
    changing.underWay -= 1;
    if (changing.underWay === 0) kind.changing.delete(id);
    this.#end(kind);
  }

  #begin(kind: Kind): void {
    kind.underWay += 1;
    kind.changes += 1;
  }

  #end(kind: Kind): void {
    kind.underWay -= 1;
    kind.changes += 1;
  }

  #kind(name: string): Kind {
    let kind = this.#kinds.get(name);
    if (!kind) {
      kind = new Kind();
      this.#kinds.set(name, kind);
    }
    return kind;
  }

  #hold(kind: Kind, record: StoredRecord): void {
    this.#drop(kind, record.id);
    if (record.body.length > LONGEST) return;
    if (this.#count >= MOST || this.#characters + record.body.length > MOST_CHARACTERS) this.#clear();
    kind.records.set(record.id, record);
    this.#count += 1;
    this.#characters += record.body.length;
  }

  #drop(kind: Kind, id: string): void {
    const held = kind.records.get(id);
    if (!held) return;
    kind.records.delete(id);
    this.#count -= 1;
    this.#characters -= held.body.length;
  }

  #clear(): void {
    for (const { records } of this.#kinds.values()) records.clear();
    this.#count = 0;
    this.#characters = 0;
  }

  /** Where the file cannot be used, nothing is answered from memory. */
  async #failing<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      this.#clear();
      throw error;
    }
  }
}
