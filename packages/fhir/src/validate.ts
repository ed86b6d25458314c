import { isResourceType } from '@lockstep/fhircast';
import { parseTime } from './dates.ts';
import { definitionOf } from './definitions.ts';
import { datatypeOf, type Element, type Elements } from './elements.ts';
import { Refusal } from './refusal.ts';
import { isId, isObject, type Json, type JsonObject } from './resource.ts';

/** Objects and arrays inside one another; no resource of these types needs more than a dozen. */
const MAX_DEPTH = 40;
const ELEMENT_NAME = /^_?[A-Za-z][A-Za-z0-9]*$/;

/** Elements of which a resource has one form only, such as `valueQuantity` or `valueString`. */
const CHOICE = /^(abatement|asNeeded|author|deceased|effective|multipleBirth|occurrence|onset|quantity|value)[A-Z]/;

/**
 * Checks what a client wants stored: resource type, elements and their cardinality, required elements and codes, the
 * datatypes inside them, dates, references, nesting. Extensions and contained resources are checked for form only.
 * @throws Refusal 400, naming the element
 */
export function validate(value: Json, type: string): JsonObject {
  if (!isObject(value)) throw new Refusal(400, 'structure', 'The body must be a JSON object: one resource.');
  if (value.resourceType !== type) {
    throw new Refusal(400, 'structure', `The body's resourceType must be ${type}.`);
  }
  checkForm(value);
  const { resourceType: _type, id, ...content } = value;
  if (id !== undefined && (typeof id !== 'string' || !isId(id))) {
    throw new Refusal(400, 'value', 'The id must be 1 to 64 of A-Z, a-z, 0-9, "-" and ".".');
  }
  const definition = definitionOf(type)!;
  checkElements(content, type, definition.elements);
  for (const names of definition.atLeastOne) {
    if (!names.some((name) => content[name] !== undefined)) {
      throw new Refusal(400, 'invariant', `${type} needs at least one of ${names.join(', ')}.`);
    }
  }
  return value;
}

/** @param path where the object is, such as `Patient.name` */
function checkElements(object: JsonObject, path: string, elements: Elements): void {
  const chosen = new Map<string, string>();
  for (const [name, value] of Object.entries(object)) {
    const element = elements.get(name.startsWith('_') ? name.slice(1) : name);
    if (!element) throw new Refusal(400, 'structure', `${path} has no element ${name}.`);
    if (name.startsWith('_')) {
      if (element.kind === 'object') throw new Refusal(400, 'structure', `${path} has no element ${name}.`);
      continue;
    }
    checkElement(`${path}.${name}`, element, value);
    const choice = CHOICE.exec(name)?.[1];
    if (choice === undefined) continue;
    if (chosen.has(choice)) {
      throw new Refusal(400, 'invariant', `${path} must not have both ${chosen.get(choice)} and ${name}.`);
    }
    chosen.set(choice, name);
  }
  for (const [name, element] of elements) {
    if (element.required && object[name] === undefined && object[`_${name}`] === undefined) {
      throw new Refusal(400, 'required', `${path}.${name} is required.`);
    }
  }
}

function checkElement(path: string, element: Element, value: Json | undefined): void {
  if (Array.isArray(value) !== element.list) {
    throw new Refusal(400, 'structure', `${path} must ${element.list ? '' : 'not '}be an array.`);
  }
  const datatype = datatypeOf(element.type);
  for (const one of Array.isArray(value) ? value : [value]) {
    if (!hasKind(one, element)) throw new Refusal(400, 'value', `${path} must be ${EXPECTED[element.kind]}.`);
    if (element.codes && !element.codes.includes(one as string)) {
      throw new Refusal(400, 'value', `${path} must be one of ${element.codes.join(', ')}.`);
    }
    if (datatype) checkElements(one as JsonObject, path, datatype);
  }
}

const EXPECTED: Readonly<Record<Element['kind'], string>> = {
  object: 'an object',
  string: 'a string',
  code: 'a code',
  boolean: 'true or false',
  date: 'a date',
  dateTime: 'a dateTime',
  instant: 'an instant',
  count: 'a whole number, not negative',
  integer: 'a whole number',
  number: 'a number',
};

function hasKind(value: Json | undefined, { kind, list }: Element): boolean {
  switch (kind) {
    case 'object':
      return isObject(value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'number':
      return typeof value === 'number';
    case 'integer':
      return Number.isInteger(value);
    case 'count':
      return Number.isInteger(value) && (value as number) >= 0;
    case 'code':
      return typeof value === 'string' && /^\S+( \S+)*$/.test(value);
    case 'string':
      // In a list of primitives, null stands for an element that has extensions only.
      return typeof value === 'string' || (list && value === null);
    case 'date':
      return typeof value === 'string' && !value.includes('T') && parseTime(value) !== undefined;
    case 'dateTime':
      return typeof value === 'string' && parseTime(value) !== undefined && hasZone(value);
    case 'instant':
      return typeof value === 'string' && value.includes('T') && parseTime(value) !== undefined && hasZone(value);
  }
}

/** A time of day needs seconds and a time zone. */
function hasZone(text: string): boolean {
  return !text.includes('T') || /:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text);
}

/** What every FHIR JSON document keeps to, whatever its type: walks without recursion. */
function checkForm(resource: JsonObject): void {
  const open: { readonly value: JsonObject | readonly Json[]; readonly depth: number }[] = [
    { value: resource, depth: 1 },
  ];
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, depth } = next;
    if (depth > MAX_DEPTH) throw new Refusal(400, 'structure', `The body is nested deeper than ${MAX_DEPTH} levels.`);
    const list = Array.isArray(value);
    const children = Object.entries(value) as [string, Json][];
    if (children.length === 0) throw new Refusal(400, 'structure', 'Objects and arrays must not be empty.');
    for (const [name, child] of children) {
      if (!list) checkMember(name, child);
      checkPrimitive(list ? 'A value' : name, child);
      if (child !== null && typeof child === 'object') open.push({ value: child, depth: depth + 1 });
    }
  }
}

function checkMember(name: string, value: Json): void {
  if (!ELEMENT_NAME.test(name)) throw new Refusal(400, 'structure', 'A member is named as no FHIR element is.');
  if (value === null) throw new Refusal(400, 'structure', `${name} must not be null.`);
  if (name === 'reference' && typeof value === 'string' && !isWellFormed(value)) {
    throw new Refusal(400, 'value', 'A reference must be Type/id, an absolute URL, a urn: or #id.');
  }
}

/** What no FHIR string may hold. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are meant
const UNPRINTABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;

function checkPrimitive(name: string, value: Json): void {
  if (value === '') throw new Refusal(400, 'value', `${name} must not be empty.`);
  if (typeof value === 'string' && (UNPRINTABLE.test(value) || !value.isWellFormed())) {
    throw new Refusal(400, 'value', `${name} must not hold control characters or halves of surrogate pairs.`);
  }
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new Refusal(400, 'value', `${name} is too large a number.`);
  }
}

const RELATIVE = /^([A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(\/_history\/[A-Za-z0-9\-.]{1,64})?$/;

function isWellFormed(reference: string): boolean {
  const relative = RELATIVE.exec(reference);
  if (relative) return isResourceType(relative[1]!);
  return /^(https?:\/\/|urn:(uuid|oid):|#)\S*$/.test(reference);
}
