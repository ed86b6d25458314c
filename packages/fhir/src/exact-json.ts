import type { Json, JsonObject } from './resource.ts';

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

/** The same with ordinary numbers: for what calculates, or copies. */
export function withPlainNumbers<T extends Json | JsonObject>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
