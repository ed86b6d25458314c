import type { Clock, Cursors } from '@lockstep/hub';
import type { RecordStore } from '@lockstep/store';

const KIND = 'webhook-cursor';
/** ms that a cursor may wait to be written: a crash sends the events of that time again. */
const SAVE_AFTER = 250;

/** ms after which a cursor that has not moved is forgotten: no lease is that long. */
const KEEP = 366 * 86_400_000;

/** Cursors of webhook subscribers as records, written in batches (WEB-3). */
export class RecordCursors implements Cursors {
  readonly #records: RecordStore;
  readonly #clock: Clock;
  readonly #changed = new Map<string, number | undefined>();
  #cancel: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(records: RecordStore, clock: Clock) {
    this.#records = records;
    this.#clock = clock;
  }

  async load(topic: string, subscription: string): Promise<number | undefined> {
    const id = `${topic} ${subscription}`;
    if (this.#changed.has(id)) return this.#changed.get(id);
    const record = await this.#records.get(KIND, id, this.#clock.now());
    return record && (JSON.parse(record.body) as number);
  }

  save(topic: string, subscription: string, number: number): void {
    this.#set(`${topic} ${subscription}`, number);
  }

  forget(topic: string, subscription: string): void {
    this.#set(`${topic} ${subscription}`, undefined);
  }

  #set(id: string, number: number | undefined): void {
    this.#changed.set(id, number);
    this.#cancel ??= this.#clock.after(SAVE_AFTER, () => void this.flush());
  }

  /** Writes what has changed. */
  flush(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    const changed = [...this.#changed];
    this.#changed.clear();
    this.#writing = this.#writing.then(() => this.#write(changed));
    return this.#writing;
  }

  async #write(changed: readonly (readonly [string, number | undefined])[]): Promise<void> {
    const now = this.#clock.now();
    const expiresAt = now + KEEP;
    try {
      const writes = changed.flatMap(([id, number]) =>
        number === undefined ? [] : [{ kind: KIND, id, record: { body: JSON.stringify(number), expiresAt } }],
      );
      if (writes.length > 0) await this.#records.putAll(writes, now);
      for (const [id, number] of changed) if (number === undefined) await this.#records.delete(KIND, id);
    } catch {
      // The store cannot be reached: they are written with the next change; until then events may be sent twice.
      for (const [id, number] of changed) if (!this.#changed.has(id)) this.#changed.set(id, number);
    }
  }
}
