import { isObject, type Json, type JsonObject } from './resource.ts';

/**
 * Numbers that JavaScript would write otherwise than they were written: `7.10`, `1e-7`, `0.0000001`, 16 digits and more, `-0`. Where a string
 * looks like one, nothing is lost but time; times of day and OIDs do not.
 */
const INEXACT = /[[:,\s]-?(?:\d+\.\d*0|0\.0{6}\d+|[\d.]+[eE][-+]?\d+|[\d.]{16,})[\s,}\]]|-0[\s,}\]]/;

/** A number of which only the text is kept; `JSON.stringify` writes it as it was. */
interface RawNumber {
  readonly rawJSON: string;
}

/** V8's JSON with source text access (ECMAScript proposal, stage 3; Node 22 and later). */
const RawJson = JSON as typeof JSON & {
  rawJSON(text: string): RawNumber;
  isRawJSON(value: unknown): value is RawNumber;
};

/**
 * Reads JSON so that `JSON.stringify` writes every number as it was written: FHIR's decimals say how precise they are
 * (R4 2.24.0.1). Such numbers are objects: read them with `numberOf`.
 */
export function parseExact(text: string): Json {
  if (!INEXACT.test(text)) return JSON.parse(text) as Json;
  return JSON.parse(text, ((_name: string, value: unknown, context?: { readonly source?: string }) => {
    const source = typeof value === 'number' ? context?.source : undefined;
    return source === undefined || String(value) === source ? value : RawJson.rawJSON(source);
  }) as (name: string, value: unknown) => unknown) as Json;
}

/** The number, however it is kept; undefined for what is none. */
export function numberOf(value: Json | undefined): number | undefined {
  if (typeof value === 'number') return value;
  return RawJson.isRawJSON(value) ? Number((value as unknown as RawNumber).rawJSON) : undefined;
}

/**
 * A copy in which each number that is kept as it was written is a text, for libraries that copy values and know no such numbers.
 * @param mark what these texts begin with, and no other text does
 */
export function withMarkedNumbers(value: Json, mark: string): Json {
  const text = JSON.stringify(value, (_name, one: unknown) =>
    RawJson.isRawJSON(one) ? mark + (one as RawNumber).rawJSON : one,
  );
  return JSON.parse(text) as Json;
}

/** The opposite of `withMarkedNumbers`. */
export function withoutMarks(value: Json, mark: string): Json {
  const text = JSON.stringify(value);
  if (!text.includes(mark)) return value;
  return JSON.parse(text, (_name, one: unknown) =>
    typeof one === 'string' && one.startsWith(mark) ? RawJson.rawJSON(one.slice(mark.length)) : one,
  ) as Json;
}

/** Whether two values are the same JSON, however their numbers are written (RFC 6902 section 4.6). */
export function isSameJson(one: Json | undefined, other: Json | undefined, mark: string): boolean {
  const numberIn = (value: Json | undefined): number | undefined =>
    typeof value === 'string' && value.startsWith(mark) ? Number(value.slice(mark.length)) : numberOf(value);
  const [left, right] = [numberIn(one), numberIn(other)];
  if (left !== undefined || right !== undefined) return left === right;
  if (Array.isArray(one) || Array.isArray(other)) {
    if (!Array.isArray(one) || !Array.isArray(other) || one.length !== other.length) return false;
    return one.every((item: Json, index) => isSameJson(item, other[index] as Json, mark));
  }
  if (!isObject(one) || !isObject(other)) return one === other;
  const names = Object.keys(one);
  if (names.length !== Object.keys(other).length) return false;
  return names.every((name) => Object.hasOwn(other, name) && isSameJson(one[name], other[name], mark));
}

/** The same with ordinary numbers: for what calculates, or copies. */
export function withPlainNumbers<T extends Json | JsonObject>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
