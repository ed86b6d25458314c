import { type Criterion, parseCriterion } from './criteria.ts';
import { definitionOf, type SearchParameter, type TypeDefinition } from './definitions.ts';
import { Refusal } from './refusal.ts';

/** How a search's results are ordered: by one parameter, up or down. */
export interface Sort {
  readonly parameter: SearchParameter;
  readonly descending: boolean;
}

export interface Include {
  readonly parameter: SearchParameter;
  /** Only references to this type. */
  readonly target?: string;
}

/** A search as it was understood. */
export interface SearchRequest {
  readonly definition: TypeDefinition;
  readonly criteria: readonly Criterion[];
  readonly includes: readonly Include[];
  readonly sort: readonly Sort[];
  /** Results a page; 0 asks for the total only. */
  readonly count: number;
  /** Only these top-level elements, beside those that a resource may not lack. */
  readonly elements?: readonly string[];
  /** Whether the narrative is left out. */
  readonly withoutText: boolean;
  readonly withTotal: boolean;
  /** Where the page starts, as a previous page's `next` link said. */
  readonly cursor?: readonly (string | number | null)[];
  /** What was understood, for the links; without the cursor. */
  readonly used: URLSearchParams;
}

const DEFAULT_COUNT = 50;
const MAX_COUNT = 500;
const MAX_PARAMETERS = 60;

/** Narrowing parameters of FHIR that this endpoint lacks: ignoring one would widen the result. */
const NARROWING = new Set([
  '_filter',
  '_query',
  '_text',
  '_content',
  '_list',
  '_type',
  '_tag',
  '_profile',
  '_security',
  '_source',
]);
/** Parameters about the answer's form; `_format` and `_pretty` were dealt with before. */
const FORM = new Set(['_format', '_pretty', '_contained', '_containedType', '_score']);

/**
 * Reads a search.
 * @param strict whether unknown parameters are refused (`Prefer: handling=strict`) or left out
 * @throws Refusal 400
 */
export function parseSearch(type: string, params: URLSearchParams, strict: boolean, baseUrl: string): SearchRequest {
  const definition = definitionOf(type)!;
  if (params.size > MAX_PARAMETERS) throw new Refusal(400, 'too-long', `At most ${MAX_PARAMETERS} search parameters.`);
  const criteria: Criterion[] = [];
  const includes: Include[] = [];
  const sort: Sort[] = [];
  const used = new URLSearchParams();
  let count = DEFAULT_COUNT;
  let summary: 'count' | 'data' | 'text' | 'false' = 'false';
  let elements: string[] | undefined;
  let withTotal = true;
  let cursor: SearchRequest['cursor'];

  for (const [name, value] of params) {
    switch (name) {
      case '_count':
        count = wholeNumber(name, value);
        break;
      case '_sort':
        sort.push(...parseSort(definition, value));
        break;
      case '_include':
        includes.push(...parseInclude(definition, value));
        break;
      case '_elements':
        elements = [...(elements ?? []), ...value.split(',').map((element) => element.trim())];
        break;
      case '_summary':
        summary = oneOf(name, value, ['count', 'data', 'text', 'false']);
        break;
      case '_total':
        withTotal = oneOf(name, value, ['none', 'estimate', 'accurate']) !== 'none';
        break;
      case '_page':
        cursor = parseCursor(value);
        continue;
      default: {
        if (/^_(revinclude|include:|revinclude:)/.test(name) || NARROWING.has(name.split(':')[0]!)) {
          throw new Refusal(400, 'not-supported', `${name} is not supported.`);
        }
        const criterion = FORM.has(name) ? undefined : parseCriterion(definition, name, value, baseUrl);
        if (criterion) criteria.push(criterion);
        else if (strict && !FORM.has(name)) {
          throw new Refusal(400, 'not-supported', `${type} has no search parameter ${name.slice(0, 64)}.`);
        } else continue;
      }
    }
    used.append(name, value);
  }
  if (cursor && cursor.length !== sort.length + 1)
    throw new Refusal(400, 'value', 'The page is not one of this search.');
  return {
    definition,
    criteria,
    includes,
    sort,
    count: summary === 'count' ? 0 : Math.min(count, MAX_COUNT),
    ...(elements ? { elements } : summary === 'text' && { elements: ['text'] }),
    withoutText: summary === 'data',
    withTotal,
    ...(cursor && { cursor }),
    used,
  };
}

function wholeNumber(name: string, value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new Refusal(400, 'value', `${name} must be a whole number.`);
  return Number(value);
}

function oneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (!found) throw new Refusal(400, 'not-supported', `${name} must be one of ${allowed.join(', ')}.`);
  return found;
}

function parseSort(definition: TypeDefinition, value: string): Sort[] {
  return value.split(',').map((one) => {
    const descending = one.startsWith('-');
    const parameter = definition.searchParameters.get(descending ? one.slice(1) : one);
    if (!parameter) throw new Refusal(400, 'not-supported', `${definition.type} cannot be sorted so.`);
    return { parameter, descending };
  });
}

/** `Source:parameter`, `Source:parameter:Target` and `Source:*`. */
function parseInclude(definition: TypeDefinition, value: string): Include[] {
  const [source, name = '', target, ...rest] = value.split(':');
  const all = definition.includes.map((include) => definition.searchParameters.get(include)!);
  if (source === definition.type && rest.length === 0) {
    const named = name === '*' ? all : all.filter((parameter) => parameter.name === name);
    if (named.length > 0) return named.map((parameter) => ({ parameter, ...(target && { target }) }));
  }
  throw new Refusal(
    400,
    'not-supported',
    `_include must be ${definition.type}:{parameter}, one of ${definition.includes.join(', ')}.`,
  );
}

function parseCursor(text: string): (string | number | null)[] {
  try {
    const cursor: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    const keys: unknown[] = Array.isArray(cursor) ? cursor : [];
    if (keys.length > 0 && typeof keys.at(-1) === 'string' && keys.every(isKey)) return keys;
  } catch {
    // Not JSON: refused like every other text that no link held.
  }
  throw new Refusal(400, 'value', 'The page is not one of this search.');
}

function isKey(value: unknown): value is string | number | null {
  return value === null || typeof value === 'string' || typeof value === 'number';
}
