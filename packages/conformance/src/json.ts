export type JsonObject = { readonly [key: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Text of a JSON value that somebody else wrote; empty where it is no string, number or boolean. `String()` throws at an object with
 * a member `toString`, and JSON may have one.
 */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** Number that somebody else wrote, as a number or as text; NaN where there is none. */
export const numberOf = (value: unknown): number => Number(textOf(value) || Number.NaN);

/** Deepest nesting that is read: comparing and writing values recurse. */
const MAX_DEPTH = 500;

/** Parses JSON that somebody else wrote; undefined when it is none, or nested deeper than 500 levels. */
export function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return isTooDeep(value) ? undefined : value;
  } catch {
    return undefined;
  }
}

function isTooDeep(value: unknown): boolean {
  let level: readonly unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MAX_DEPTH) return true;
    level = level.flatMap((one) =>
      typeof one === 'object' && one !== null && !(one instanceof Numeral) ? Object.values(one) : [],
    );
  }
  return false;
}

/** Whether two JSON values are equal; the order of an object's members does not count. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((one, i) => sameJson(one, b[i]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && sameJson(a[key], b[key]));
}

/** An array of objects, whatever `value` is. */
export function objects(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** A JSON number as it was written: `7.10` is not `7.1`, since a FHIR decimal has a precision. */
export class Numeral {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Exact = {
  parse(text: string, reviver: (key: string, value: unknown, source: { source?: string }) => unknown): unknown;
  rawJSON(text: string): number;
};
const exact = JSON as unknown as Exact;

/** Parses JSON and keeps every number as {@link Numeral}; undefined when it is no JSON, or nested deeper than 500 levels. */
export function parseAsWritten(text: string): unknown {
  try {
    const value = exact.parse(text, (_key, one, { source }) =>
      typeof one === 'number' ? new Numeral(source ?? String(one)) : one,
    );
    return isTooDeep(value) ? undefined : value;
  } catch {
    return undefined;
  }
}

/** A number that `JSON.stringify` writes with exactly these characters. */
export const numeral = (text: string): number => exact.rawJSON(text);

/** Where two JSON values differ. */
export interface JsonDifference {
  /** Such as `context[0].resource.birthDate`. */
  readonly path: string;
  readonly sent: string;
  readonly came: string;
  /** Whether it is only the way in which a number is written. */
  readonly writtenOtherwise: boolean;
}

const shown = (value: unknown): string => {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value, (_key, one) => (one instanceof Numeral ? numeral(one.text) : one));
  return text.length > 200 ? `${text.slice(0, 200)}… (${text.length} characters)` : text;
};

/**
 * The first difference between two values of {@link parseAsWritten}; undefined when there is none. The order of an object's
 * members does not count.
 */
export function difference(sent: unknown, came: unknown, path = ''): JsonDifference | undefined {
  const differs = (writtenOtherwise = false): JsonDifference => ({
    path: path === '' ? 'the whole' : path,
    sent: shown(sent),
    came: shown(came),
    writtenOtherwise,
  });
  if (sent instanceof Numeral && came instanceof Numeral) {
    return sent.text === came.text ? undefined : differs(Number(sent.text) === Number(came.text));
  }
  if (sent instanceof Numeral || came instanceof Numeral) return differs();
  if (Array.isArray(sent) && Array.isArray(came)) {
    for (let index = 0; index < Math.max(sent.length, came.length); index++) {
      const found = difference(sent[index], came[index], `${path}[${index}]`);
      if (found) return found;
    }
    return undefined;
  }
  if (isObject(sent) && isObject(came)) {
    for (const key of new Set([...Object.keys(sent), ...Object.keys(came)])) {
      const found = difference(sent[key], came[key], path === '' ? key : `${path}.${key}`);
      if (found) return found;
    }
    return undefined;
  }
  return Object.is(sent, came) ? undefined : differs();
}

/** A string of JSON, or a brace; the name of a member is in the first group. */
const NAMES_AND_BRACES = /("[^"\\]*(?:\\.[^"\\]*)*")\s*:|"[^"\\]*(?:\\.[^"\\]*)*"|[{}]/g;

/** The name of a member that an object of a JSON text has twice; undefined where none has. Programs differ in which of the two they take. */
export function repeatedMember(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (const [token, quoted] of text.matchAll(NAMES_AND_BRACES)) {
    if (token === '{') open.push(new Set());
    else if (token === '}') open.pop();
    else if (quoted !== undefined) {
      const name = textOf(parseJson(quoted));
      const names = open.at(-1);
      if (names?.has(name)) return name;
      names?.add(name);
    }
  }
  return undefined;
}
