import type { LogHead } from '@lockstep/store';
import { originalIds } from '../rules/derived-opens.ts';
import { lastSeenOf } from '../rules/seen-ids.ts';

/** Characters of an id that is remembered as lost: whoever returns may say anything. */
const LONGEST = 512;

/** Where the events of one topic's log stand, by their ids: the log itself stays in the store. */
export class HeldLog {
  readonly #numbers = new Map<string, number>();
  readonly #most: number;
  /** Ids of events that were sent from here and are in no log any more: the store came back with an older copy. */
  #lost: Set<string> | undefined;
  /** The newest entry, while it is held. */
  #last: { readonly id: string; readonly number: number } | undefined;

  /** @param most how many ids are remembered: as many as the store's log keeps */
  constructor(most: number) {
    this.#most = most;
  }

  /** Number of the entry that holds the event; undefined where none does. */
  numberOf(eventId: string): number | undefined {
    return this.#numbers.get(eventId);
  }

  /** Id of the entry with a number; undefined where it is not held. */
  idOf(number: number): string | undefined {
    if (this.#last?.number === number) return this.#last.id;
    for (const [id, held] of this.#numbers) if (held === number) return id;
    return undefined;
  }

  /** Number of the entry that a derived event was made from, if it is held (DER-3). */
  numberOfOriginal(derivedId: string): number | undefined {
    for (const id of originalIds(derivedId)) {
      const number = this.numberOf(id);
      if (number !== undefined) return number;
    }
    return undefined;
  }

  /** Number of the last entry that a subscriber has seen, if it is held (SUB-11). */
  seenUpTo(eventId: string): number | undefined {
    const number = this.numberOf(eventId);
    if (number !== undefined) return number;
    const seen = lastSeenOf(eventId);
    if (seen !== undefined) return this.numberOf(seen);
    // Of several opens derived from one event it may have seen only this one: they are sent again.
    const original = this.numberOfOriginal(eventId);
    return original === undefined ? undefined : original - 1;
  }

  append(eventId: string, number: number): void {
    this.#numbers.set(eventId, number);
    this.#last = { id: eventId, number };
    if (this.#numbers.size > this.#most) this.#numbers.delete(this.#numbers.keys().next().value ?? '');
  }

  /** A logout has erased the entries before its own (PUB-10). */
  eraseBefore(number: number): void {
    for (const [id, held] of this.#numbers) if (held < number) this.#numbers.delete(id);
    if (this.#last && this.#last.number < number) this.#last = undefined;
  }

  /** Holds what was read of the log, in the place of an earlier one. */
  replace(log: readonly LogHead[]): void {
    this.clear();
    for (const { id, number } of log) this.#numbers.set(id, number);
    this.#last = log.at(-1);
  }

  /** Takes over what an earlier reading has found lost, and what it held and the log has no more where that is lost too. */
  keepLost(before: HeldLog, isUndone: boolean): void {
    if (before.#lost) this.#lost = (this.#lost ?? new Set()).union(before.#lost);
    if (isUndone) for (const id of before.#numbers.keys()) this.lose(id);
  }

  /** An event with this id was sent, as far as is known, and is in the log no more. */
  lose(eventId: string): void {
    if (eventId.length > LONGEST) return;
    this.#lost ??= new Set();
    const lost = this.#lost;
    for (const id of [eventId, lastSeenOf(eventId), ...originalIds(eventId)]) {
      if (id !== undefined && !this.#numbers.has(id)) lost.add(id);
    }
    while (lost.size > this.#most) lost.delete(lost.keys().next().value ?? '');
  }

  /**
   * Whether some of these events were sent before and lost, and are in the log once more: to those who were sent them they look like
   * repeats (SUB-11). What was asked about once is lost no more.
   */
  takeLost(events: readonly Pick<LogHead, 'id'>[]): boolean {
    const lost = this.#lost;
    return lost !== undefined && lost.size > 0 && events.filter(({ id }) => lost.delete(id)).length > 0;
  }

  clear(): void {
    this.#numbers.clear();
    this.#last = undefined;
  }

  /**
   * Number after which all of a log that was read is new to those who were sent what is held here: an event that comes a second
   * time under its id would be taken for a repeat (SUB-11), also where it has another number or version since.
   * @returns undefined where that is not known
   */
  newAfter(log: readonly LogHead[]): number | undefined {
    const known = log.findLast(({ id }) => this.#numbers.has(id));
    if (known) return known.number;
    const [first] = this.#numbers.values();
    return first === 1 ? 0 : undefined;
  }
}
