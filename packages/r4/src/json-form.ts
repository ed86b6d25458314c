import { isObject, isResourceType, type JsonObject, textOf } from '@lockstep/fhircast';
import { named, type Problem } from './problem.ts';

/** Objects and arrays inside one another; real resources need about a dozen. */
const MAX_DEPTH = 40;
const MEMBER = /^_?[A-Za-z][A-Za-z0-9]*$/;
const RELATIVE = /^([A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(\/_history\/[A-Za-z0-9\-.]{1,64})?$/;
/** What no FHIR string may hold. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are meant
const UNPRINTABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;

export interface JsonForm {
  readonly problem?: Problem;
  /** The resource types found, at any depth. */
  readonly types: ReadonlySet<string>;
}

/**
 * What every FHIR JSON document keeps to, whatever its type (http://hl7.org/fhir/R4/json.html): no empty objects, arrays and
 * strings, nulls only beside an extension, names that an element can have, references that can be one. Walks without
 * recursion, so that no nesting can exhaust the stack.
 */
export function checkForm(resource: JsonObject): JsonForm {
  const types = new Set<string>();
  const open: { readonly value: object; readonly path: string; readonly depth: number }[] = [
    { value: resource, path: textOf(resource.resourceType), depth: 1 },
  ];
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, path, depth } = next;
    if (depth > MAX_DEPTH) {
      return { types, problem: { kind: 'structure', text: `The resource is nested deeper than ${MAX_DEPTH} levels` } };
    }
    const list = Array.isArray(value);
    const children = Object.entries(value);
    if (children.length === 0) {
      const text = `${path} must not be an empty ${list ? 'array' : 'object'}`;
      return { types, problem: { kind: 'structure', text } };
    }
    if (!list && Object.hasOwn(value, 'resourceType')) types.add(textOf((value as JsonObject).resourceType));
    for (const [name, child] of children) {
      const childPath = list ? `${path}[${name}]` : `${path}.${named(name)}`;
      const problem =
        (list ? undefined : memberProblem(value as JsonObject, name, path)) ?? valueProblem(child, childPath);
      if (problem) return { types, problem };
      if (child !== null && typeof child === 'object') open.push({ value: child, path: childPath, depth: depth + 1 });
    }
  }
  return { types };
}

function memberProblem(owner: JsonObject, name: string, path: string): Problem | undefined {
  const value = owner[name];
  // No element is named as what every JavaScript object inherits.
  if (!MEMBER.test(name) || name in Object.prototype) {
    return { kind: 'structure', text: `${path} has a member whose name no FHIR element has` };
  }
  if (value === null) return { kind: 'structure', text: `${path}.${named(name)} must not be null` };
  if (name.startsWith('_') && hasObject(owner[name.slice(1)])) {
    return { kind: 'structure', text: `${path}.${named(name)} is no element that FHIR R4 has` };
  }
  if (name.startsWith('_') && !isCompanion(value)) {
    return { kind: 'structure', text: `${path}.${named(name)} must be an object, or an array of objects` };
  }
  if (Array.isArray(value) && !name.startsWith('_')) {
    const companion = owner[`_${name}`];
    const lone = value.findIndex((one, at) => one === null && !(Array.isArray(companion) && isObject(companion[at])));
    if (lone >= 0) return { kind: 'structure', text: `${path}.${named(name)}[${lone}] must not be null` };
  }
  if (name === 'contained' && !(Array.isArray(value) && value.every(isResource))) {
    return { kind: 'structure', text: `${path}.contained must be an array of resources, each with a resourceType` };
  }
  if (name === 'reference' && typeof value === 'string' && !isReference(value)) {
    return { kind: 'value', text: `${path}.reference must be a reference: Type/id, an absolute URL, a urn: or #id` };
  }
  return undefined;
}

function isResource(value: unknown): boolean {
  return isObject(value) && typeof value.resourceType === 'string';
}

/** Whether this can be what is said about a primitive, or about each of several: its id and extensions. */
function isCompanion(value: unknown): boolean {
  return isObject(value) || (Array.isArray(value) && value.every((one) => one === null || isObject(one)));
}

/** Whether the value of an element is an object, or has one: what a primitive's value never does. */
function hasObject(value: unknown): boolean {
  return isObject(value) || (Array.isArray(value) && value.some((one) => one !== null && typeof one === 'object'));
}

function valueProblem(value: unknown, path: string): Problem | undefined {
  if (typeof value === 'string') {
    if (value.trim() === '') return { kind: 'value', text: `${path} must not be empty` };
    if (UNPRINTABLE.test(value) || !value.isWellFormed()) {
      return { kind: 'value', text: `${path} must not hold control characters or halves of surrogate pairs` };
    }
  }
  if (typeof value === 'number' && !Number.isFinite(value)) {
    return { kind: 'value', text: `${path} is too large a number` };
  }
  return undefined;
}

function isReference(reference: string): boolean {
  const relative = RELATIVE.exec(reference);
  if (relative) return isResourceType(relative[1]!);
  return /^(https?:\/\/|urn:(uuid|oid):|#)\S*$/.test(reference);
}
