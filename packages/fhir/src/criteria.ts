import { isResourceType, keyText, textOf } from '@lockstep/fhircast';
import { parseTime, type TimeRange } from './dates.ts';
import type { SearchParameter, TypeDefinition } from './definitions.ts';
import { numberOf } from './exact-json.ts';
import { folded, foldedToken, wordBegins, wordContains } from './fold.ts';
import { FhirRefusal } from './refusal.ts';
import { isId, isObject, type Json, type JsonObject, localReference, valuesAt } from './resource.ts';

/** One search parameter with its values, of which one must match. */
export interface Criterion {
  readonly parameter: SearchParameter;
  /** As given, for the self link. */
  readonly name: string;
  readonly text: string;
  /** `not`, `missing`, a resource type and the like. */
  readonly modifier?: string;
  /** The values, unescaped, for index look-ups. */
  readonly values: readonly string[];
  matches(value: JsonObject, baseUrl: string): boolean;
}

type Test = (value: Json, parameter: SearchParameter, baseUrl: string) => boolean;

/**
 * Reads `name[:modifier]=value[,value]`.
 * @returns undefined when the type has no such search parameter
 * @throws Refusal 400 for a modifier, chain, prefix or value that is not supported: it is never silently widened
 */
export function parseCriterion(
  definition: TypeDefinition,
  name: string,
  text: string,
  baseUrl: string,
): Criterion | undefined {
  const [base = '', modifier, ...rest] = name.split(':');
  const parameter = definition.searchParameters.get(base);
  if (!parameter) return undefined;
  if (rest.length > 0) throw unsupported(name);
  if (modifier === 'missing') return missing(parameter, name, text, baseUrl);
  const values = split(text, ',');
  if (values.includes('')) throw new FhirRefusal(400, 'value', `The search parameter ${name} has an empty value.`);
  const tests = values.map((value) => testFor(parameter, modifier, value, name, baseUrl));
  const hasOne = (resource: JsonObject, base: string) => {
    const found = elementsOf(resource, parameter);
    return tests.some((test) => found.some((value) => test(value, parameter, base)));
  };
  return {
    parameter,
    name,
    text,
    ...(modifier !== undefined && { modifier }),
    values: values.map(unescaped),
    matches: modifier === 'not' ? (resource, base) => !hasOne(resource, base) : hasOne,
  };
}

/** Whether the resource meets every criterion. */
export function matchesAll(resource: JsonObject, criteria: readonly Criterion[], baseUrl: string): boolean {
  return criteria.every((criterion) => criterion.matches(resource, baseUrl));
}

/** The elements that a search parameter is about. */
export function elementsOf(resource: JsonObject, { paths }: SearchParameter): Json[] {
  const [path] = paths;
  if (path !== undefined && paths.length === 1) return valuesAt(resource, path);
  return paths.flatMap((one) => valuesAt(resource, one));
}

/** Whether an element counts as a value of the parameter: `accession` has identifiers of one type alone, `patient` one type's references. */
function isValue(value: Json, parameter: SearchParameter, baseUrl: string): boolean {
  const { identifierType, contactSystem, targets } = parameter;
  if (identifierType !== undefined || contactSystem !== undefined) return tokensOf(value, parameter).length > 0;
  const key = targets && keyOf(value, baseUrl);
  return !key || targets.includes(key.type);
}

function missing(parameter: SearchParameter, name: string, text: string, baseUrl: string): Criterion {
  if (text !== 'true' && text !== 'false') throw new FhirRefusal(400, 'value', `${name} must be true or false.`);
  const wanted = text === 'true';
  return {
    parameter,
    name,
    text,
    modifier: 'missing',
    values: [],
    matches: (resource) =>
      wanted !== elementsOf(resource, parameter).some((value) => isValue(value, parameter, baseUrl)),
  };
}

function testFor(
  parameter: SearchParameter,
  modifier: string | undefined,
  raw: string,
  name: string,
  baseUrl: string,
): Test {
  switch (parameter.kind) {
    case 'string':
      if (modifier !== undefined && modifier !== 'exact' && modifier !== 'contains') throw unsupported(name);
      return stringTest(unescaped(raw), modifier, name);
    case 'token':
      if (modifier === 'of-type') return ofTypeTest(parameter, raw, name);
      if (modifier === 'text') return tokenTextTest(unescaped(raw), name);
      if (modifier !== undefined && modifier !== 'not') throw unsupported(name);
      return tokenTest(raw);
    case 'quantity':
      if (modifier !== undefined) throw unsupported(name);
      return quantityTest(raw, name);
    case 'date':
      if (modifier !== undefined) throw unsupported(name);
      return dateTest(raw, name);
    case 'reference':
      if (modifier === 'identifier') return identifierTest(raw);
      return referenceTest(unescaped(raw), modifier, parameter, name, baseUrl);
  }
}

function unsupported(name: string): FhirRefusal {
  return new FhirRefusal(400, 'not-supported', `The modifier in ${name} is not supported.`);
}

/** Splits at a separator that no backslash precedes; what is escaped stays escaped. */
function split(text: string, separator: string): string[] {
  const parts = [''];
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\' && at + 1 < text.length) parts[parts.length - 1] += text[at]! + text[++at]!;
    else if (text[at] === separator) parts.push('');
    else parts[parts.length - 1] += text[at]!;
  }
  return parts;
}

function unescaped(text: string): string {
  return text.replace(/\\([\\,|$])/g, '$1');
}

const NAME_PARTS = ['text', 'prefix', 'given', 'family', 'suffix'];
const ADDRESS_PARTS = ['text', 'line', 'city', 'district', 'state', 'postalCode', 'country'];

/** The strings of a string, a HumanName (its parts, and the whole of it with the given or the family name first) or an Address. */
export function stringsOf(value: Json): string[] {
  if (typeof value === 'string') return [value];
  if (!isObject(value)) return [];
  const strings = (...paths: readonly string[]) =>
    paths.flatMap((path) => valuesAt(value, path)).filter((part) => typeof part === 'string');
  const [given, family] = [strings('given'), strings('family')];
  const whole =
    given.length > 0 && family.length > 0
      ? [
          [...strings('prefix'), ...given, ...family, ...strings('suffix')],
          [...family, ...given],
        ]
      : [];
  return [...new Set([...strings(...NAME_PARTS, ...ADDRESS_PARTS), ...whole.map((parts) => parts.join(' '))])];
}

function stringTest(wanted: string, modifier: 'exact' | 'contains' | undefined, name: string): Test {
  if (modifier === 'exact') return (value) => stringsOf(value).includes(wanted);
  const needle = requireWord(wanted, name);
  const compare = modifier === 'contains' ? wordContains : wordBegins;
  return (value) => foldedStringsOf(value).some((part) => compare(part, needle));
}

/** Of names and addresses that are in memory for longer than a search: each is folded once. */
const FOLDED = new WeakMap<JsonObject, readonly string[]>();

/** The strings of a string, a HumanName or an Address, folded. */
export function foldedStringsOf(value: Json): readonly string[] {
  if (!isObject(value)) return stringsOf(value).map(folded);
  let strings = FOLDED.get(value);
  if (!strings) {
    strings = stringsOf(value).map(folded);
    FOLDED.set(value, strings);
  }
  return strings;
}

export interface SearchToken {
  readonly system?: string;
  readonly code: string;
}

/** The tokens of a code, boolean, Coding, CodeableConcept, Identifier or ContactPoint. */
export function tokensOf(value: Json, { system, identifierType, contactSystem }: SearchParameter): SearchToken[] {
  if (typeof value === 'string' || typeof value === 'boolean')
    return [{ ...(system && { system }), code: String(value) }];
  if (!isObject(value)) return [];
  if (Array.isArray(value.coding)) return valuesAt(value, 'coding').flatMap((coding) => codingOf(coding, 'code'));
  if (value.value === undefined) return codingOf(value, 'code');
  if (identifierType && !valuesAt(value, 'type.coding.code').includes(identifierType)) return [];
  if (contactSystem && value.system !== contactSystem) return [];
  return codingOf(value, 'value');
}

function codingOf(value: Json, name: 'code' | 'value'): SearchToken[] {
  if (!isObject(value) || typeof value[name] !== 'string') return [];
  return [{ ...(typeof value.system === 'string' && { system: value.system }), code: value[name] }];
}

/**
 * `code`, `system|code`, `|code` (no system) and `system|` (any code of it). Case does not count in identifiers, nor in codes,
 * whose systems mostly do not say whether it does (R4 3.1.1.4.10).
 */
function tokenTest(raw: string): Test {
  const parts = split(raw, '|').map(unescaped);
  if (parts.length > 2) throw new FhirRefusal(400, 'value', 'A token is code, system|code, |code or system|.');
  const [first = '', second] = parts;
  if (second === undefined) {
    const wanted = foldedToken(first);
    return (value, parameter) => tokensOf(value, parameter).some(({ code }) => foldedToken(code) === wanted);
  }
  if (first === '' && second === '') throw new FhirRefusal(400, 'value', 'A token needs a system or a code.');
  const wanted = foldedToken(second);
  return (value, parameter) =>
    tokensOf(value, parameter).some(
      ({ system, code }) => (system ?? '') === first && (wanted === '' || foldedToken(code) === wanted),
    );
}

/** The words beside a code, or those of an identifier's type, as a string search compares them (R4 3.1.1.4.3). */
function tokenTextTest(wanted: string, name: string): Test {
  const needle = requireWord(wanted, name);
  const words = ['text', 'display', 'coding.display', 'type.text'];
  return (value) =>
    isObject(value) &&
    words.flatMap((path) => valuesAt(value, path)).some((text) => wordBegins(folded(textOf(text)), needle));
}

/** @throws Refusal 400 for a text that finds everything */
function requireWord(wanted: string, name: string): string {
  const needle = folded(wanted);
  if (needle === '') throw new FhirRefusal(400, 'value', `${name} needs a letter or a digit.`);
  return needle;
}

/** `system|code|value`: an identifier by its type as well. */
function ofTypeTest({ ofIdentifiers, identifierType }: SearchParameter, raw: string, name: string): Test {
  const parts = split(raw, '|').map(unescaped);
  const [system = '', code = '', wanted = ''] = parts;
  if (parts.length !== 3 || system === '' || code === '' || wanted === '' || !ofIdentifiers) {
    throw new FhirRefusal(400, 'value', `${name} must be system|code|value of an identifier.`);
  }
  return (value) =>
    isObject(value) &&
    typeof value.value === 'string' &&
    foldedToken(value.value) === foldedToken(wanted) &&
    (identifierType === undefined || valuesAt(value, 'type.coding.code').includes(identifierType)) &&
    valuesAt(value, 'type.coding').some((type) => isObject(type) && type.code === code && type.system === system);
}

/** A reference by the identifier that it carries. */
function identifierTest(raw: string): Test {
  const test = tokenTest(raw);
  return (value, parameter, base) =>
    isObject(value) && isObject(value.identifier) && test(value.identifier, parameter, base);
}

const QUANTITY = /^(eq|ne|lt|le|gt|ge|sa|eb|ap)?([+-]?\d+(?:\.(\d+))?)$/;

/** `[prefix]number`, `[prefix]number|system|code`, `[prefix]number||code`: with the precision that the number is written in. */
function quantityTest(raw: string, name: string): Test {
  const [number = '', system, code, ...rest] = split(raw, '|').map(unescaped);
  const match = QUANTITY.exec(number);
  if (!match || rest.length > 0 || (system !== undefined && !code)) {
    throw new FhirRefusal(400, 'value', `${name} must be a number, or number|system|code.`);
  }
  const prefix = match[1] ?? 'eq';
  if (prefix === 'ap') throw new FhirRefusal(400, 'not-supported', 'The prefix ap is not supported.');
  const wanted = Number(match[2]);
  const half = 0.5 * 10 ** -(match[3]?.length ?? 0);
  const range = { low: wanted - half, high: wanted + half };
  return (value) => {
    const number = isObject(value) ? numberOf(value.value) : undefined;
    if (!isObject(value) || number === undefined) return false;
    if (system && value.system !== system) return false;
    if (code && value.code !== code && value.unit !== code) return false;
    return compareNumber(prefix, number, wanted, range);
  };
}

function compareNumber(prefix: string, value: number, wanted: number, { low, high }: TimeRange): boolean {
  const equal = low <= value && value < high;
  switch (prefix) {
    case 'eq':
      return equal;
    case 'ne':
      return !equal;
    case 'gt':
    case 'sa':
      return value > wanted;
    case 'lt':
    case 'eb':
      return value < wanted;
    case 'ge':
      return value >= wanted;
    default:
      return value <= wanted;
  }
}

const PREFIXED = /^(eq|ne|lt|le|gt|ge|sa|eb|ap)?(\d.*)$/;

function dateTest(raw: string, name: string): Test {
  // An unescaped "+" before a time zone reads as a space.
  const match = PREFIXED.exec(raw.replace(/ (?=\d\d:\d\d$)/, '+'));
  const wanted = parseTime(match?.[2] ?? '');
  if (!wanted) throw new FhirRefusal(400, 'value', `${name} must be a date, a dateTime or part of one.`);
  const prefix = match?.[1] ?? 'eq';
  if (prefix === 'ap') throw new FhirRefusal(400, 'not-supported', 'The prefix ap is not supported.');
  const compare = COMPARE[prefix]!;
  return (value) => {
    const range = rangeOf(value);
    return range !== undefined && compare(range, wanted);
  };
}

const contains = (outer: TimeRange, inner: TimeRange) => outer.low <= inner.low && inner.high <= outer.high;

/** The prefixes as FHIR defines them: on the ranges that both sides cover. */
const COMPARE: Readonly<Record<string, (value: TimeRange, wanted: TimeRange) => boolean>> = {
  eq: (value, wanted) => contains(wanted, value),
  ne: (value, wanted) => !contains(wanted, value),
  gt: (value, wanted) => value.high > wanted.high,
  lt: (value, wanted) => value.low < wanted.low,
  ge: (value, wanted) => value.high > wanted.high || contains(wanted, value),
  le: (value, wanted) => value.low < wanted.low || contains(wanted, value),
  sa: (value, wanted) => value.low > wanted.high,
  eb: (value, wanted) => value.high < wanted.low,
};

/** The stretch of time that a date, dateTime, instant or Period covers. */
export function rangeOf(value: Json): TimeRange | undefined {
  if (typeof value === 'string') return parseTime(value);
  if (!isObject(value)) return undefined;
  const start = typeof value.start === 'string' ? parseTime(value.start) : undefined;
  const end = typeof value.end === 'string' ? parseTime(value.end) : undefined;
  if (!start && !end) return undefined;
  return { low: start?.low ?? Number.NEGATIVE_INFINITY, high: end?.high ?? Number.POSITIVE_INFINITY };
}

/** `id`, `Type/id`, or an absolute URL, of this server or any other. */
function referenceTest(
  wanted: string,
  modifier: string | undefined,
  parameter: SearchParameter,
  name: string,
  baseUrl: string,
): Test {
  if (modifier !== undefined && !(parameter.targets?.includes(modifier) ?? isResourceType(modifier))) {
    throw unsupported(name);
  }
  const types = modifier === undefined ? parameter.targets : [modifier];
  if (isId(wanted))
    return (value, _parameter, base) => {
      const key = keyOf(value, base);
      return key?.id === wanted && (!types || types.includes(key.type));
    };
  const key = localReference(wanted, baseUrl);
  if (!key) {
    if (!/^(https?:\/\/|urn:)\S+$/.test(wanted)) {
      throw new FhirRefusal(400, 'value', `${name} must be an id, Type/id or an absolute URL.`);
    }
    return (value) => isObject(value) && value.reference === wanted;
  }
  return (value, _parameter, base) => {
    const found = keyOf(value, base);
    return found !== undefined && keyText(found) === keyText(key) && (!types || types.includes(found.type));
  };
}

function keyOf(value: Json, baseUrl: string) {
  return isObject(value) && typeof value.reference === 'string' ? localReference(value.reference, baseUrl) : undefined;
}
