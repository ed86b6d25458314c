/**
 * JSON read together with its text, so that what a publisher wrote can be sent, stored and answered in its own words: numbers
 * such as `7.10` or `1e-7`, unknown members, the order of members (PUB-13).
 */
import { isObject, type Objection, objection } from './messages.ts';

/** Why a text is not read. */
export type JsonReason = 'malformed-json' | 'nested-too-deep' | 'name-repeated' | 'name-unsafe';

/** Which objects and arrays of a JSON text keep their text. */
export interface TextShape {
  /** Whether this value keeps its text. */
  readonly keep?: true;
  /** Of an object: the shapes of its members by name. */
  readonly members?: ReadonlyMap<string, TextShape>;
  /** Of an array: the shape of its items. */
  readonly items?: TextShape;
}

const KEPT: TextShape = { keep: true };

function members(shapes: Readonly<Record<string, TextShape>>): ReadonlyMap<string, TextShape> {
  return new Map(Object.entries(shapes));
}

/** A resource, and the resources in its `entry` elements where it is a Bundle. */
const RESOURCE: TextShape = {
  keep: true,
  members: members({ entry: { keep: true, items: { keep: true, members: members({ resource: KEPT }) } } }),
};

/** The context of an event: the array itself, its elements, their resources and references, and what an update puts. */
export const CONTEXT_TEXT: TextShape = {
  keep: true,
  items: { keep: true, members: members({ resource: RESOURCE, reference: KEPT }) },
};

/** A published event (2.6). */
export const EVENT_TEXT: TextShape = {
  members: members({ event: { members: members({ context: CONTEXT_TEXT }) } }),
};

/** A value, and the text of those of its parts that keep it. */
export interface ExactJson {
  readonly value: unknown;
  /**
   * The text that an object or array of `value` was written with; undefined where it was not kept. It is a slice of the whole
   * text, and keeps that in memory.
   */
  textOf(part: object): string | undefined;
  /** `value` as JSON: what keeps its text in its own words, everything else as `JSON.stringify` writes it. */
  write(value: unknown): string;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const SPACE = 0x20;

type Spans = Map<object, readonly [start: number, end: number]>;

/** Walks over a text that is known to be JSON. */
class Scanner {
  readonly #text: string;
  readonly #spans: Spans;
  #at = 0;
  /** Members of all objects so far. */
  members = 0;
  deepest = 0;

  constructor(text: string, spans: Spans) {
    this.#text = text;
    this.#spans = spans;
  }

  /**
   * @param value what the text at this place was parsed to
   * @param depth levels of nesting around it
   */
  read(value: unknown, shape: TextShape, depth: number): void {
    this.#space();
    const start = this.#at;
    const first = this.#text.charCodeAt(start);
    const nested = first === OPEN_BRACE ? shape.members : first === OPEN_BRACKET ? shape.items : undefined;
    if (!nested) this.#skip(depth);
    else {
      this.#at++;
      if (depth + 1 > this.deepest) this.deepest = depth + 1;
      if (first === OPEN_BRACE) this.#object(value, shape.members, depth + 1);
      else this.#array(value, shape.items, depth + 1);
    }
    if (shape.keep && typeof value === 'object' && value !== null) this.#spans.set(value, [start, this.#at]);
  }

  #object(value: unknown, shapes: TextShape['members'], depth: number): void {
    while (this.#more(CLOSE_BRACE)) {
      const start = this.#at;
      this.#string();
      const written = this.#text.slice(start + 1, this.#at - 1);
      const name = written.includes('\\') ? String(JSON.parse(`"${written}"`)) : written;
      this.#space();
      // The colon.
      this.#at++;
      this.members++;
      const shape = shapes?.get(name);
      if (shape) this.read(isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined, shape, depth);
      else {
        this.#space();
        this.#skip(depth);
      }
    }
  }

  #array(value: unknown, shape: TextShape | undefined, depth: number): void {
    for (let index = 0; this.#more(CLOSE_BRACKET); index++) {
      if (shape) this.read(Array.isArray(value) ? value[index] : undefined, shape, depth);
      else this.#skip(depth);
    }
  }

  /** Whether an object or array goes on; behind it otherwise. */
  #more(end: number): boolean {
    this.#space();
    const code = this.#text.charCodeAt(this.#at);
    if (code === end) {
      this.#at++;
      return false;
    }
    if (code === COMMA) {
      this.#at++;
      this.#space();
    }
    return true;
  }

  #space(): void {
    while (this.#text.charCodeAt(this.#at) <= SPACE) this.#at++;
  }

  #string(): void {
    this.#at = stringEnd(this.#text, this.#at);
  }

  /** Goes behind one value. */
  #skip(around: number): void {
    const text = this.#text;
    let depth = around;
    let at = this.#at;
    do {
      const code = text.charCodeAt(at);
      if (code === QUOTE) at = stringEnd(text, at);
      else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
        depth++;
        if (depth > this.deepest) this.deepest = depth;
        at++;
      } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
        depth--;
        at++;
      } else if (depth > around) {
        if (code === COLON) this.members++;
        at++;
      } else at = scalarEnd(text, at);
    } while (depth > around);
    this.#at = at;
  }
}

/** Behind the string that begins at `start`. */
function stringEnd(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  for (;;) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before--;
    if ((end - before) % 2 === 1) return end + 1;
    end = text.indexOf('"', end + 1);
  }
}

/** Behind the number, `true`, `false` or `null` that begins at `start`. */
function scalarEnd(text: string, start: number): number {
  for (let at = start; ; at++) {
    const code = text.charCodeAt(at);
    // Not a number: the end of the text.
    if (!(code > SPACE) || code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET) return at;
  }
}

/** How many members the objects of a value have in all; -1 where one is named `__proto__`, an attack on JavaScript receivers. */
function countMembers(value: object): number {
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) {
      if (typeof item !== 'object' || item === null) continue;
      const inside = countMembers(item);
      if (inside < 0) return inside;
      count += inside;
    }
    return count;
  }
  // What JSON.parse made has no keys but its own.
  for (const name in value) {
    if (name === '__proto__') return -1;
    count++;
    const item = (value as Record<string, unknown>)[name];
    if (typeof item !== 'object' || item === null) continue;
    const inside = countMembers(item);
    if (inside < 0) return inside;
    count += inside;
  }
  return count;
}

/** The first name that an object of the text has twice. Slow: for texts that are refused anyway. */
function repeatedName(text: string): string {
  const names: Set<string>[] = [];
  for (const [token, string] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|[{}]/gs)) {
    if (token === '{') names.push(new Set());
    else if (token === '}') names.pop();
    else if (string !== undefined) {
      const name = String(JSON.parse(token.slice(0, token.lastIndexOf('"') + 1)));
      const known = names.at(-1);
      if (known?.has(name)) return name;
      known?.add(name);
    }
  }
  return '';
}

class Exact implements ExactJson {
  readonly value: unknown;
  readonly #text: string;
  readonly #spans: Spans;

  constructor(value: unknown, text: string, spans: Spans) {
    this.value = value;
    this.#text = text;
    this.#spans = spans;
  }

  textOf(part: object): string | undefined {
    const span = this.#spans.get(part);
    return span && this.#text.slice(span[0], span[1]);
  }

  write(value: unknown): string {
    return writeExact(value, (part) => this.textOf(part));
  }
}

function writeExact(value: unknown, textOf: (part: object) => string | undefined): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const text = textOf(value);
  if (text !== undefined) return text;
  if (Array.isArray(value)) return `[${value.map((item) => writeExact(item, textOf)).join(',')}]`;
  const written = Object.entries(value).flatMap(([name, item]) =>
    item === undefined ? [] : [`${JSON.stringify(name)}:${writeExact(item, textOf)}`],
  );
  return `{${written.join(',')}}`;
}

/** A value that was made of parts of others, each of which keeps its text. */
export function madeOf(value: unknown, sources: readonly Pick<ExactJson, 'textOf'>[]): ExactJson {
  const textOf = (part: object): string | undefined => {
    for (const source of sources) {
      const text = source.textOf(part);
      if (text !== undefined) return text;
    }
    return undefined;
  };
  return { value, textOf, write: (of) => writeExact(of, textOf) };
}

/**
 * Reads JSON and keeps the text of parts of it. A name that an object has twice is refused wherever it is, since receivers
 * disagree about which of the two counts; so is the name `__proto__`.
 * @param text its length is for the caller to bound (PUB-6)
 * @param shape which parts keep their text
 * @param maxDepth levels of nesting
 */
export function readExact(
  text: string,
  shape: TextShape = EVENT_TEXT,
  maxDepth = 64,
): { readonly ok: true; readonly value: ExactJson } | Objection<JsonReason> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return objection('malformed-json', 'The body is not JSON');
  }
  const spans: Spans = new Map();
  const scanner = new Scanner(text, spans);
  scanner.read(value, shape, 0);
  if (scanner.deepest > maxDepth) {
    return objection('nested-too-deep', `The body is nested more than ${maxDepth} levels deep`);
  }
  const count = typeof value === 'object' && value !== null ? countMembers(value) : 0;
  if (count < 0) return objection('name-unsafe', 'The body has a key named __proto__');
  if (count !== scanner.members) {
    const name = JSON.stringify(repeatedName(text).slice(0, 80));
    return objection('name-repeated', `The body has an object that has the key ${name} twice`);
  }
  return { ok: true, value: new Exact(value, text, spans) };
}
