import type { R4Validator } from '@lockstep/r4';
import { type Criterion, parseCriterion } from './criteria.ts';
import { definitionOf, RESOURCE_TYPES, type SearchParameter, type TypeDefinition } from './definitions.ts';
import { FhirRefusal } from './refusal.ts';
import { elementsIn, type Shows, type Summary, shownElements, summaryOf } from './subset.ts';

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

/** Resources of a type that refer, by a parameter, to what was found. */
export interface RevInclude extends Include {
  readonly source: TypeDefinition;
}

/** A condition on resources at the other end of a reference. */
export type Linked =
  /** `subject:Patient.name=x`: what the resource refers to meets the criterion, which each type that has it reads for itself. */
  | {
      readonly kind: 'chain';
      readonly parameter: SearchParameter;
      readonly targets: readonly { readonly definition: TypeDefinition; readonly criterion: Criterion }[];
    }
  /** `_has:Observation:patient:code=x`: a resource that refers to this one meets the criterion. */
  | {
      readonly kind: 'has';
      readonly parameter: SearchParameter;
      readonly source: TypeDefinition;
      readonly criterion: Criterion;
    };

/** A search as it was understood. */
export interface SearchRequest {
  readonly definition: TypeDefinition;
  readonly criteria: readonly Criterion[];
  readonly linked: readonly Linked[];
  readonly includes: readonly Include[];
  readonly revIncludes: readonly RevInclude[];
  readonly sort: readonly Sort[];
  /** Results a page; 0 asks for the total only. */
  readonly count: number;
  /** Whether a top-level element is answered; undefined where all are. */
  readonly shows?: Shows;
  readonly withTotal: boolean;
  /** Where the page starts, as a previous page's `next` link said. */
  readonly cursor?: readonly (string | number | null)[];
  /** What was understood, for the links; without the cursor. */
  readonly used: URLSearchParams;
  /** Names of parameters that are no part of the search, where the client allowed that. */
  readonly ignored: readonly string[];
}

const DEFAULT_COUNT = 50;
const MAX_COUNT = 500;
const MAX_PARAMETERS = 60;
/** Values of all parameters together. */
const MAX_VALUES = 300;
const MAX_SORT = 8;
const MAX_INCLUDES = 20;
const MAX_LINKED = 4;
/** As much of a name that a client made up as a refusal repeats. */
const MAX_NAME = 64;

/** Parameters about the answer's form, dealt with before. */
const FORM = new Set(['_format', '_pretty']);

const CHAIN = /^([A-Za-z0-9_-]+)(?::([A-Za-z]+))?\.(.+)$/;
const HAS = /^_has:([A-Za-z]+):([A-Za-z0-9_-]+):(.+)$/;

/**
 * Reads a search.
 * @param lenient whether unknown parameters are left out (`Prefer: handling=lenient`) and named in the answer, or refused
 * @throws Refusal 400
 */
export function parseSearch(
  type: string,
  params: URLSearchParams,
  lenient: boolean,
  validator: R4Validator,
  baseUrl: string,
): SearchRequest {
  const definition = definitionOf(type)!;
  if (params.size > MAX_PARAMETERS) throw tooMany(`${MAX_PARAMETERS} search parameters`);
  let values = 0;
  for (const value of params.values()) values += value.split(',').length;
  if (values > MAX_VALUES) throw tooMany(`${MAX_VALUES} values in all search parameters`);
  const criteria: Criterion[] = [];
  const linked: Linked[] = [];
  const includes: Include[] = [];
  const revIncludes: RevInclude[] = [];
  const sort: Sort[] = [];
  const ignored: string[] = [];
  const used = new URLSearchParams();
  let count = DEFAULT_COUNT;
  let summary: Summary = 'false';
  const elements: string[] = [];
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
      case '_revinclude':
        revIncludes.push(parseRevInclude(definition, value));
        break;
      case '_elements':
        elements.push(value);
        break;
      case '_summary':
        summary = summaryOf(value);
        break;
      case '_total':
        withTotal = oneOf(name, value, ['none', 'estimate', 'accurate']) !== 'none';
        break;
      case '_contained':
        // Contained resources are not searched.
        oneOf(name, value, ['false']);
        break;
      case '_page':
        cursor = parseCursor(value);
        continue;
      default: {
        if (FORM.has(name)) continue;
        const link = parseLinked(definition, name, value, baseUrl);
        const criterion = link ? undefined : parseCriterion(definition, name, value, baseUrl);
        if (link) linked.push(link);
        else if (criterion) criteria.push(criterion);
        else if (lenient) {
          ignored.push(name.slice(0, MAX_NAME));
          continue;
        } else throw unknown(type, name);
      }
    }
    used.append(name, value);
  }
  if (sort.length > MAX_SORT) throw tooMany(`${MAX_SORT} parameters in _sort`);
  if (includes.length + revIncludes.length > MAX_INCLUDES) throw tooMany(`${MAX_INCLUDES} includes`);
  if (linked.length > MAX_LINKED) throw tooMany(`${MAX_LINKED} chained parameters`);
  if (cursor && cursor.length !== sort.length + 1)
    throw new FhirRefusal(400, 'value', 'The page is not one of this search.');
  const shows = shownElements(type, summary, elementsIn(type, elements, validator), validator);
  return {
    definition,
    criteria,
    linked,
    includes,
    revIncludes,
    sort,
    count: summary === 'count' ? 0 : Math.min(count, MAX_COUNT),
    ...(shows && { shows }),
    withTotal,
    ...(cursor && { cursor }),
    used,
    ignored,
  };
}

function tooMany(most: string): FhirRefusal {
  return new FhirRefusal(400, 'too-costly', `At most ${most}.`);
}

function unknown(type: string, name: string): FhirRefusal {
  return new FhirRefusal(400, 'not-supported', `${type} has no search parameter ${name.slice(0, MAX_NAME)} here.`);
}

function wholeNumber(name: string, value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new FhirRefusal(400, 'value', `${name} must be a whole number.`);
  return Number(value);
}

function oneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (!found) throw new FhirRefusal(400, 'not-supported', `${name} must be one of ${allowed.join(', ')}.`);
  return found;
}

function parseSort(definition: TypeDefinition, value: string): Sort[] {
  return value.split(',').map((one) => {
    const descending = one.startsWith('-');
    const parameter = definition.searchParameters.get(descending ? one.slice(1) : one);
    if (!parameter) throw new FhirRefusal(400, 'not-supported', `${definition.type} cannot be sorted so.`);
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
  throw new FhirRefusal(
    400,
    'not-supported',
    `_include must be ${definition.type}:{parameter}, one of ${definition.includes.join(', ')}.`,
  );
}

/** `Source:parameter` and `Source:parameter:Target`, where Target is the type searched. */
function parseRevInclude({ type }: TypeDefinition, value: string): RevInclude {
  const [from = '', name = '', target, ...rest] = value.split(':');
  const source = definitionOf(from);
  const parameter = source && referenceTo(source, name, type);
  if (!source || !parameter || rest.length > 0 || (target !== undefined && target !== type)) {
    throw new FhirRefusal(400, 'not-supported', `_revinclude must be {Type}:{parameter}, of references to ${type}.`);
  }
  return { source, parameter, target: type };
}

/** A search parameter that holds references which may be to the type. */
function referenceTo({ searchParameters }: TypeDefinition, name: string, type: string): SearchParameter | undefined {
  const parameter = searchParameters.get(name);
  if (parameter?.kind !== 'reference' || parameter.targets?.includes(type) === false) return undefined;
  return parameter;
}

/**
 * Reads a chain or `_has` of one step.
 * @returns undefined when the name is neither
 */
function parseLinked(definition: TypeDefinition, name: string, value: string, baseUrl: string): Linked | undefined {
  if (name.startsWith('_has')) return parseHas(definition, name, value, baseUrl);
  const [, base = '', only, rest = ''] = CHAIN.exec(name) ?? [];
  const parameter = definition.searchParameters.get(base);
  if (parameter?.kind !== 'reference') return undefined;
  refuseSteps(rest);
  const types = (parameter.targets ?? RESOURCE_TYPES).filter((type) => only === undefined || only === type);
  const targets = types.flatMap((type) => {
    const target = definitionOf(type);
    const criterion = target && parseCriterion(target, rest, value, baseUrl);
    return criterion ? [{ definition: target!, criterion }] : [];
  });
  if (targets.length === 0) throw unknown(definition.type, name);
  return { kind: 'chain', parameter, targets };
}

function parseHas({ type }: TypeDefinition, name: string, value: string, baseUrl: string): Linked {
  const [, from = '', by = '', rest = ''] = HAS.exec(name) ?? [];
  const source = definitionOf(from);
  const parameter = source && referenceTo(source, by, type);
  if (!source || !parameter) throw unknown(type, name);
  refuseSteps(rest);
  const criterion = parseCriterion(source, rest, value, baseUrl);
  if (!criterion) throw unknown(source.type, rest);
  return { kind: 'has', parameter, source, criterion };
}

function refuseSteps(rest: string): void {
  if (rest.includes('.') || rest.startsWith('_has')) {
    throw new FhirRefusal(400, 'not-supported', 'Chains of more than one step are not supported.');
  }
}

function parseCursor(text: string): (string | number | null)[] {
  try {
    const cursor: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    const keys: unknown[] = Array.isArray(cursor) ? cursor : [];
    if (keys.length > 0 && typeof keys.at(-1) === 'string' && keys.every(isKey)) return keys;
  } catch {
    // Not JSON: refused like every other text that no link held.
  }
  throw new FhirRefusal(400, 'value', 'The page is not one of this search.');
}

function isKey(value: unknown): value is string | number | null {
  return value === null || typeof value === 'string' || typeof value === 'number';
}
