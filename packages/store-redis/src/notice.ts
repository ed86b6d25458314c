import type { Commit, LogEntry, StoreNotice } from '@lockstep/store';
import { type SharedText, sharedText } from './shared-text.ts';

/**
 * A notice on the wire: an empty line, where older nodes have its number, the byte lengths of its fields in the next, then the fields
 * themselves, so that the script that commits can publish its own arguments and nothing is escaped or sent twice. What publishes
 * it puts the first line before it.
 */
export type Fields = readonly (string | number)[];

export function encode(fields: Fields): string {
  const texts = fields.map(String);
  return `${texts.map((text) => Buffer.byteLength(text)).join(' ')}\n${texts.join('')}`;
}

/** A notice as it is published on a topic's channel. */
export function message(fields: Fields): string {
  return `\n${encode(fields)}`;
}

/**
 * With the topic alone: its session is to be read again. A commit in which no text stands twice has the same name, and more fields: nodes
 * that do not know it yet, as they know only `commit`, read the session.
 */
const DOUBT = 'doubt';

/** What the body of the first entry and another text have in common; undefined where there is no entry. */
function sharedWith(append: readonly LogEntry[], text: string): SharedText | undefined {
  const [entry] = append;
  return entry && sharedText(text, entry.body);
}

/**
 * The fields of a commit: the script takes them as its last arguments. What a part has in common with the first entry, such as the
 * context of an event that opens one, is sent and published once: such parts come last, each as name, text before, place and bytes in
 * the entry's body, and text after.
 * @param nonce epoch of the new revision
 * @param inFull whether older nodes are told as well
 */
export function commitFields(origin: string, commit: Commit, nonce: string, inFull: boolean): (string | number)[] {
  const { topic, expected, parts, append, index, note, at } = commit;
  const put: string[] = [];
  const removed: string[] = [];
  const shared: (string | number)[] = [];
  for (const [name, body] of parts) {
    if (body === null) {
      removed.push(name);
      continue;
    }
    const found = inFull ? undefined : sharedWith(append, body);
    if (found) shared.push(name, found.before, found.from, found.length, found.after);
    else put.push(name, body);
  }
  const add = [...new Set(index?.add)];
  const remove = index?.remove ?? [];
  const fields: (string | number)[] = [inFull ? 'commit' : DOUBT, origin, topic, expected, at, nonce];
  fields.push(put.length / 2, removed.length, append.length, add.length, remove.length, note === undefined ? 0 : 1);
  if (!inFull) fields.push(shared.length / 5);
  fields.push(...put, ...removed);
  for (const { number, id, at: acceptedAt, body } of append) fields.push(number, id, acceptedAt, body);
  fields.push(...add, ...remove);
  if (note !== undefined) fields.push(note);
  fields.push(...shared);
  return fields;
}

/** A notice that a session is to be read again. */
export function doubtFields(origin: string, topic: string): Fields {
  return [DOUBT, origin, topic];
}

/** Fields as older nodes are told: where texts stand once they are told to look for themselves. */
export function fieldsForOlder([kind = '', ...fields]: Fields): Fields {
  const [, topic = ''] = fields;
  return kind === DOUBT ? doubtFields('', String(topic)) : [kind, ...fields];
}

const [LINE_FEED, SPACE, ZERO] = [0x0a, 0x20, 0x30];

/** Reads the fields of a message one after the other: of most messages of its own node the first few are looked at. */
class Reader {
  readonly #message: Buffer;
  /** Where the length of the next field is. */
  #length: number;
  #offset: number;

  constructor(message: Buffer, start: number) {
    this.#message = message;
    this.#length = start;
    this.#offset = message.indexOf(LINE_FEED, start) + 1;
  }

  /** Where the next field begins, in bytes. */
  get offset(): number {
    return this.#offset;
  }

  /** Whether a field comes after those that were read. */
  get hasMore(): boolean {
    return this.#message[this.#length - 1] === SPACE;
  }

  text(): string {
    const start = this.#offset;
    this.#offset += this.#nextLength();
    return this.#message.toString('utf8', start, this.#offset);
  }

  /** Goes behind the length that comes next: digits, then a space or the end of the line. */
  #nextLength(): number {
    let length = 0;
    let digit = this.#message[this.#length++]! - ZERO;
    for (; digit >= 0; digit = this.#message[this.#length++]! - ZERO) length = length * 10 + digit;
    return length;
  }

  /** Text that was read already, or is part of it. */
  again(from: number, length: number): string {
    return this.#message.toString('utf8', from, from + length);
  }

  number(): number {
    return Number(this.text());
  }

  texts(count: number): string[] {
    return Array.from({ length: count }, () => this.text());
  }
}

/** @param once whether parts that share text with the first entry come last */
function readCommit(reader: Reader, once: boolean, topic: string, expected: number, at: number): Commit {
  const counts = reader.texts(once ? 7 : 6).map(Number);
  const [put = 0, removed = 0, appended = 0, added = 0, dropped = 0, noted = 0, shared = 0] = counts;
  const parts = new Map<string, string | null>();
  for (let i = 0; i < put; i++) parts.set(reader.text(), reader.text());
  for (const name of reader.texts(removed)) parts.set(name, null);
  const append: LogEntry[] = [];
  let firstBody = 0;
  for (let i = 0; i < appended; i++) {
    const entry = { number: reader.number(), id: reader.text(), at: reader.number() };
    if (i === 0) firstBody = reader.offset;
    append.push({ ...entry, body: reader.text() });
  }
  const index = { add: reader.texts(added), remove: reader.texts(dropped) };
  const note = noted === 1 ? { note: reader.text() } : undefined;
  for (let i = 0; i < shared; i++) {
    const [name, before] = [reader.text(), reader.text()];
    const common = reader.again(firstBody + reader.number(), reader.number());
    parts.set(name, `${before}${common}${reader.text()}`);
  }
  return {
    topic,
    expected,
    parts,
    append,
    at,
    ...(added + dropped > 0 && { index }),
    ...note,
  };
}

/** A commit's notice; what it changed is read when somebody asks for it. */
class CommitNotice {
  readonly kind = 'commit';
  readonly topic: string;
  readonly revision: number;
  readonly epoch: string;
  readonly local: boolean;
  readonly #at: number;
  readonly #reader: Reader;
  readonly #once: boolean;
  #commit: Commit | undefined;

  constructor(topic: string, local: boolean, reader: Reader, once: boolean) {
    this.topic = topic;
    this.revision = reader.number() + 1;
    this.local = local;
    this.#at = reader.number();
    this.epoch = reader.text();
    this.#reader = reader;
    this.#once = once;
  }

  get commit(): Commit {
    this.#commit ??= readCommit(this.#reader, this.#once, this.topic, this.revision - 1, this.#at);
    return this.#commit;
  }
}

/** A notice as it arrives; a beat is sent by older nodes only, and says how many notices its origin has published until then. */
export type Message = { readonly origin: string } & (
  | { readonly notice: StoreNotice }
  | { readonly beat: number; readonly published: number }
);

/** @param node whose own notices are local */
export function decode(message: Buffer, node: string): Message {
  const reader = new Reader(message, message.indexOf(10) + 1);
  const kind = reader.text();
  const origin = reader.text();
  const local = origin === node;
  if (kind === 'beat') return { origin, beat: reader.number(), published: reader.number() };
  const topic = reader.text();
  const isOnce = kind === DOUBT && reader.hasMore;
  if (kind === 'commit' || isOnce) return { origin, notice: new CommitNotice(topic, local, reader, isOnce) };
  if (kind === 'erased') return { origin, notice: { kind, topic, local } };
  if (kind === DOUBT) return { origin, notice: { kind: 'gap', topic } };
  return { origin, notice: { kind: 'announcement', topic, body: reader.text(), local } };
}
