/**
 * A page looked through in one pass over its bytes, without making an object of every value: what is checked of a resource are a few
 * members of it. It is sure of all that it says; what is odd in any way it leaves to the reader that reads everything.
 */

/** Levels of nesting. */
const MAX_DEPTH = 64;
/** Members of one object: more are for the reader that reads everything. */
const MAX_MEMBERS = 64;
/** Numbers that a member of a resource is known by: of its name, where that begins, where its value begins and ends. */
const PARTS = 4;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Names of members that are noted, by the numbers that they are known by. */
export class NotedNames {
  readonly #names: ReadonlySet<string>;
  readonly #numbers: ReadonlySet<number>;

  constructor(names: Iterable<string>) {
    this.#names = new Set(names);
    this.#numbers = new Set([...this.#names].map(numberOf));
  }

  /** These, and more. */
  with(names: readonly string[]): NotedNames {
    return names.every((name) => this.#names.has(name)) ? this : new NotedNames([...this.#names, ...names]);
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Whether a name with this number may be one of them. */
  mayHave(number: number): boolean {
    return this.#numbers.has(number);
  }
}

/** An object of the page, such as an entry or its resource: where it is, and where its members are. Places are offsets in bytes. */
export class ScannedObject {
  readonly start: number;
  readonly end: number;
  readonly #bytes: Buffer;
  readonly #members: readonly number[];
  /** The resource of an entry. */
  readonly resource: ScannedObject | undefined;

  constructor(bytes: Buffer, start: number, end: number, members: readonly number[], resource?: ScannedObject) {
    this.#bytes = bytes;
    this.start = start;
    this.end = end;
    this.#members = members;
    this.resource = resource;
  }

  /**
   * Where a member is.
   * @returns an index for `startOf` and `endOf`; -1 where there is none
   */
  indexOf(name: string): number {
    const members = this.#members;
    const wanted = numberOf(name);
    for (let at = 0; at < members.length; at += PARTS) {
      if (members[at] === wanted && isNameAt(this.#bytes, members[at + 1]!, name)) return at;
    }
    return -1;
  }

  startOf(index: number): number {
    return this.#members[index + 2]!;
  }

  endOf(index: number): number {
    return this.#members[index + 3]!;
  }
}

/** A Bundle that was looked through. */
export interface ScannedPage {
  readonly bundle: ScannedObject;
  readonly entries: readonly ScannedObject[];
}

/**
 * Looks a Bundle through.
 * @param bytes UTF-8
 * @param noted members of the resources that are noted; of the Bundle and its entries all are
 * @returns undefined for what is no Bundle, and whatever may be no JSON, have a name twice in one object, or be nested deeply
 */
export function scanPage(bytes: Buffer, noted: NotedNames): ScannedPage | undefined {
  return new Scan(bytes, noted).page();
}

/** Whether a name in ASCII, and no longer one, is written at this place. */
function isNameAt(bytes: Buffer, start: number, name: string): boolean {
  for (let at = 0; at < name.length; at++) if (bytes[start + at] !== name.charCodeAt(at)) return false;
  return bytes[start + name.length] === QUOTE;
}

/** A number for a name. Other names may have the same. */
function numberOf(name: string): number {
  let number = 0;
  for (let at = 0; at < name.length; at++) number = (Math.imul(number, 31) + name.charCodeAt(at)) | 0;
  return number;
}

const UNSAFE = numberOf('__proto__');
/** The member of an object that is looked into. */
const INNER = {
  bundle: { name: 'entry', number: numberOf('entry') },
  entry: { name: 'resource', number: numberOf('resource') },
  resource: undefined,
};

/** Bytes that stand for themselves in a string. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < 0x20 || byte === QUOTE || byte === BACKSLASH ? 0 : 1,
);

/** Bytes of the names that are read here. */
const NAME = PLAIN.map((isPlain, byte) => (byte < 0x7f ? isPlain : 0));

/** Thrown inside for what is left to the reader that reads everything. */
class Unsure extends Error {}
const UNSURE = new Unsure();

class Scan {
  readonly #bytes: Buffer;
  readonly #noted: NotedNames;
  #at = 0;
  /** The numbers of the names of all objects around this place. */
  readonly #names: number[] = [];
  readonly #entries: ScannedObject[] = [];

  constructor(bytes: Buffer, noted: NotedNames) {
    this.#bytes = bytes;
    this.#noted = noted;
  }

  page(): ScannedPage | undefined {
    try {
      this.#space();
      const bundle = this.#object(1, 'bundle');
      this.#space();
      return this.#at === this.#bytes.length ? { bundle, entries: this.#entries } : undefined;
    } catch (error) {
      if (error === UNSURE) return undefined;
      throw error;
    }
  }

  /** Reads an object whose members are noted. */
  #object(depth: number, kind: keyof typeof INNER): ScannedObject {
    const start = this.#at;
    const members: number[] = [];
    let resource: ScannedObject | undefined;
    if (this.#bytes[start] !== OPEN_BRACE) throw UNSURE;
    const first = this.#names.length;
    for (this.#at = start + 1; this.#more(CLOSE_BRACE, first === this.#names.length); ) {
      const name = this.#at + 1;
      const number = this.#name(first);
      const value = this.#at;
      const opens = this.#bytes[value];
      const inner = INNER[kind];
      const isInner = inner?.number === number;
      // Another name may have the same number.
      if (isInner && !isNameAt(this.#bytes, name, inner.name)) throw UNSURE;
      if (isInner && kind === 'bundle' && opens === OPEN_BRACKET) this.#pageEntries(depth + 1);
      else if (isInner && kind === 'entry' && opens === OPEN_BRACE) {
        resource = this.#object(depth + 1, 'resource');
      } else this.#value(depth);
      if (kind !== 'resource' || this.#noted.mayHave(number)) members.push(number, name, value, this.#at);
    }
    this.#names.length = first;
    return new ScannedObject(this.#bytes, start, this.#at, members, resource);
  }

  #pageEntries(depth: number): void {
    this.#at++;
    for (let first = true; this.#more(CLOSE_BRACKET, first); first = false)
      this.#entries.push(this.#object(depth + 1, 'entry'));
  }

  /** Whether an object or array goes on, at its next member or item; behind it otherwise. */
  #more(end: number, isFirst: boolean): boolean {
    this.#space();
    const byte = this.#bytes[this.#at];
    if (byte === end) {
      this.#at++;
      return false;
    }
    if (isFirst) return true;
    if (byte !== COMMA) throw UNSURE;
    this.#at++;
    this.#space();
    return true;
  }

  #space(): void {
    const bytes = this.#bytes;
    for (let byte = bytes[this.#at]!; byte <= 0x20; byte = bytes[++this.#at]!)
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) throw UNSURE;
  }

  /** Reads a name and its colon, up to the value. @param first where the names of its object begin @returns the name's number */
  #name(first: number): number {
    const bytes = this.#bytes;
    let at = this.#at;
    if (bytes[at] !== QUOTE) throw UNSURE;
    let number = 0;
    // Names are ASCII without escapes: others are left.
    for (let byte = bytes[++at]!; NAME[byte] === 1; byte = bytes[++at]!) number = (Math.imul(number, 31) + byte) | 0;
    if (bytes[at] !== QUOTE) throw UNSURE;
    const names = this.#names;
    for (let other = first; other < names.length; other++) if (names[other] === number) throw UNSURE;
    if (number === UNSAFE || names.length - first >= MAX_MEMBERS) throw UNSURE;
    names.push(number);
    this.#at = at + 1;
    this.#space();
    if (bytes[this.#at] !== COLON) throw UNSURE;
    this.#at++;
    this.#space();
    return number;
  }

  /** Goes behind one value. @param depth levels of nesting around it */
  #value(depth: number): void {
    const byte = this.#bytes[this.#at];
    if (byte === QUOTE) this.#string();
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (depth >= MAX_DEPTH) throw UNSURE;
      this.#at++;
      if (byte === OPEN_BRACE) {
        const first = this.#names.length;
        while (this.#more(CLOSE_BRACE, first === this.#names.length)) {
          this.#name(first);
          this.#value(depth + 1);
        }
        this.#names.length = first;
      } else for (let first = true; this.#more(CLOSE_BRACKET, first); first = false) this.#value(depth + 1);
    } else if (byte === 0x74) this.#word('true');
    else if (byte === 0x66) this.#word('false');
    else if (byte === 0x6e) this.#word('null');
    else this.#number();
  }

  #word(word: string): void {
    for (let index = 0; index < word.length; index++)
      if (this.#bytes[this.#at++] !== word.charCodeAt(index)) throw UNSURE;
  }

  #string(): void {
    const bytes = this.#bytes;
    let at = this.#at + 1;
    for (;;) {
      while (PLAIN[bytes[at]!] === 1) at++;
      const byte = bytes[at];
      if (byte === QUOTE) break;
      // A control character, or the end of the text.
      if (byte !== BACKSLASH) throw UNSURE;
      at = this.#escape(at + 1) + 1;
    }
    this.#at = at + 1;
  }

  /** @returns the last byte of an escape whose backslash is before `at` */
  #escape(at: number): number {
    switch (this.#bytes[at]) {
      case QUOTE:
      case BACKSLASH:
      // The others: / b f n r t
      case 0x2f:
      case 0x62:
      case 0x66:
      case 0x6e:
      case 0x72:
      case 0x74:
        return at;
      case 0x75:
        if (!/^[0-9A-Fa-f]{4}$/.test(this.#bytes.toString('latin1', at + 1, at + 5))) throw UNSURE;
        return at + 4;
      default:
        throw UNSURE;
    }
  }

  #number(): void {
    const bytes = this.#bytes;
    if (bytes[this.#at] === MINUS) this.#at++;
    if (bytes[this.#at] === ZERO) this.#at++;
    else this.#digits();
    if (bytes[this.#at] === POINT) {
      this.#at++;
      this.#digits();
    }
    if (bytes[this.#at] === 0x65 || bytes[this.#at] === 0x45) {
      this.#at++;
      const sign = bytes[this.#at];
      if (sign === 0x2b || sign === MINUS) this.#at++;
      this.#digits();
    }
  }

  /** One digit or more. */
  #digits(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    for (let byte = bytes[at]!; byte >= ZERO && byte <= NINE; byte = bytes[++at]!);
    if (at === this.#at) throw UNSURE;
    this.#at = at;
  }
}
