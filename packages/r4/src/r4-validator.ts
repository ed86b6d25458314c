import { isObject, isResourceType, type JsonObject, textOf } from '@lockstep/fhircast';
import type { InternalSchemaElement, InternalTypeSchema, TypedValueWithPath } from '@medplum/core';
import { type ReplaceAddress, withAddresses } from './addresses.ts';
import { Definitions } from './definitions.ts';
import { capitalised, elementOf } from './elements.ts';
import { checkForm } from './json-form.ts';
import { narrativeProblem } from './narrative.ts';
import { named, type Problem, type ProblemAmong, type ValidationOptions } from './problem.ts';
import { isLater, type Moved, mayBeLater, R4Form } from './r5-members.ts';
import { ValidationThread } from './validation-thread.ts';

interface Issue {
  readonly severity: string;
  readonly details?: { readonly text?: string };
  readonly expression?: readonly string[];
}

/** Values of a resource that is checked at once: that takes some 5 ms. Larger ones are checked by a thread (CWE-400). */
const MOST_AT_ONCE = 300;
/** As many codes as a message lists. */
const MAX_CODES = 12;
/** The library's limit guards its own server; bodies here are limited before. */
const MAX_BASE64 = Number.MAX_SAFE_INTEGER;
const DATE_TIME = /^[^T]+(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?$/;

/** Names of a type's own elements, a choice's without `[x]`. */
export interface TypeParts {
  /** With what a choice may be called: `value`, `valueQuantity` and so on. */
  readonly elements: ReadonlySet<string>;
  readonly summary: ReadonlySet<string>;
  readonly mandatory: ReadonlySet<string>;
}

/**
 * Holds resources against FHIR R4's definitions: form, elements, cardinality, types, required elements, invariants, and codes
 * of required bindings; not profiles, nor what references point to. For what is stored and for what is published alike
 * (FHR-7, PUB-5). The definitions are loaded when the first resource is checked.
 */
export class R4Validator {
  #definitions: Definitions | undefined;
  readonly #thread = new ValidationThread();

  /** Loads the definitions now, about 150 ms, rather than with the first resource. */
  load(): void {
    this.#loaded();
  }

  /**
   * The elements of a type, and which of them may be left out of an answer and which may not: names, a choice's without `[x]`.
   * @throws when R4 has no such type
   */
  parts(type: string): TypeParts {
    const definitions = this.#loaded();
    definitions.load(type);
    const { elements, summaryProperties, mandatoryProperties } = definitions.library.getDataType(type);
    return {
      elements: new Set(Object.entries(elements).flatMap(([name, { type }]) => membersOf(name, type))),
      summary: summaryProperties ?? new Set(),
      mandatory: mandatoryProperties ?? new Set(),
    };
  }

  /**
   * Replaces the addresses in a resource, wherever R4 has one: elements of the types uri and url, and the links and pictures of
   * narratives; not canonical ones, nor those that must be OIDs or UUIDs.
   * @returns the resource as it was where a part of it is of no form that R4 knows: checks refuse that
   */
  withAddresses(resource: JsonObject, replace: ReplaceAddress): JsonObject {
    const definitions = this.#loaded();
    const { problem, types } = checkForm(resource);
    if (problem || [...types].some((type) => !isResourceType(type) || isLater(type))) return resource;
    for (const type of types) definitions.load(type);
    return withAddresses(resource, textOf(resource.resourceType), definitions.library, replace) as JsonObject;
  }

  #loaded(): Definitions {
    this.#definitions ??= new Definitions();
    return this.#definitions;
  }

  /**
   * Holds up the event loop no longer than a small resource takes.
   * @returns the first thing that is wrong; undefined when nothing is
   * @throws Error where the thread for large resources fails
   */
  async check(resource: unknown, options: ValidationOptions = {}): Promise<Problem | undefined> {
    if (!isLarge(resource)) return this.problem(resource, options);
    return (await this.#thread.check([resource], options))?.problem;
  }

  /** @returns the first thing that is wrong with the first of them that has something wrong; undefined when none has */
  problemAmong(resources: readonly unknown[], options: ValidationOptions = {}): ProblemAmong | undefined {
    for (const [index, resource] of resources.entries()) {
      const problem = this.problem(resource, options);
      if (problem) return { index, problem };
    }
    return undefined;
  }

  /** @returns the first thing that is wrong; undefined when nothing is */
  problem(resource: unknown, { partial = false, r5 = false }: ValidationOptions = {}): Problem | undefined {
    const type = isObject(resource) ? resource.resourceType : undefined;
    if (!isObject(resource) || typeof type !== 'string') {
      return { kind: 'structure', text: 'It must be a resource with a resourceType' };
    }
    if (!isResourceType(type)) return unknownType(type);
    const { problem, types } = checkForm(resource);
    if (problem) return problem;
    for (const one of types) if (!isResourceType(one)) return unknownType(one);
    if (isLater(type)) return undefined;
    if (!mayBeLater(types)) return this.#resource(resource, types, partial);
    const form = new R4Form(r5);
    const r4 = form.of(resource, type) as JsonObject;
    return form.problem ?? asWritten(this.#resource(r4, types, partial), form.moved);
  }

  #resource(resource: JsonObject, types: ReadonlySet<string>, partial: boolean): Problem | undefined {
    const definitions = this.#loaded();
    const { library } = definitions;
    for (const type of types) definitions.load(isLater(type) ? 'Basic' : type);
    const type = textOf(resource.resourceType);
    try {
      return (
        this.#elements(resource, partial) ??
        this.#library(type, (options) => library.validateResource(resource as never, options), partial)
      );
    } catch {
      // The library gives up on some values that have another form than their element's type.
      return { kind: 'structure', text: `${type} has an element whose form is not that of its type` };
    }
  }

  #library(
    root: string,
    validate: (options: { base64BinaryMaxBytes: number }) => readonly Issue[],
    partial: boolean,
  ): Problem | undefined {
    let issues: readonly Issue[];
    try {
      issues = validate({ base64BinaryMaxBytes: MAX_BASE64 });
    } catch (error) {
      const { outcome } = error as { readonly outcome?: { readonly issue: readonly Issue[] } };
      if (!outcome) throw error;
      issues = outcome.issue;
    }
    const problems = issues.filter(({ severity }) => severity === 'error').map((issue) => problemOf(issue, root));
    return problems.find(({ kind }) => !partial || (kind !== 'required' && kind !== 'invariant'));
  }

  /** What the library lets pass: elements that R4 lacks beside those it has, and codes of required bindings. */
  #elements(resource: JsonObject, partial: boolean): Problem | undefined {
    const { library } = this.#definitions!;
    const found: Problem[] = [];
    const type = textOf(resource.resourceType);
    library.crawlTypedValue(
      { type, value: resource },
      {
        onEnterObject: (at, { value, path }, { elements }) => {
          if (found.length > 0) return;
          const place = path ?? at;
          const problem =
            membersProblem(value, place, elements) ?? (partial ? undefined : organizationProblem(value, place));
          if (problem) found.push(problem);
        },
        visitProperty: (parent, key, _path, values, { elements }: InternalTypeSchema) => {
          const element = elements[key];
          if (found.length > 0 || !element) return;
          const problem = listProblem(values, element, `${parent.path}.${key}`);
          if (problem) found.push(problem);
          for (const one of found.length === 0 ? values.flat() : []) {
            const wrong = this.#primitiveProblem(one, element);
            if (wrong) found.push(wrong);
          }
        },
      },
      { schema: library.getDataType(type), initialPath: type },
    );
    return found[0];
  }

  #primitiveProblem(
    { type, value, path }: TypedValueWithPath,
    { binding }: InternalSchemaElement,
  ): Problem | undefined {
    const text: unknown = value?.valueOf();
    if (typeof text !== 'string') return undefined;
    if (type === 'dateTime' && !DATE_TIME.test(text)) {
      return { kind: 'value', text: `${path} must be a date, or a date and time with seconds and a time zone` };
    }
    if (type === 'xhtml' && !/^\s*<div[\s>]/.test(text)) {
      return { kind: 'value', text: `${path} must be XHTML that begins with <div` };
    }
    const narrative = type === 'xhtml' ? narrativeProblem(text) : undefined;
    if (narrative !== undefined) return { kind: 'value', text: `${path} ${narrative}` };
    if (type !== 'code' || binding?.strength !== 'required') return undefined;
    const codes = this.#definitions!.codesOf(binding.valueSet ?? '');
    return codes && !codes.has(text) ? { kind: 'value', text: `${path} must be ${listed(codes)}` } : undefined;
  }
}

/** Whether a resource, or several together, hold more values than are checked at once. No more of them are looked at. */
export function isLarge(resource: unknown): boolean {
  const open = [resource];
  let seen = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    for (const name in next) {
      seen += 1;
      if (seen > MOST_AT_ONCE) return true;
      open.push((next as Readonly<Record<string, unknown>>)[name]);
    }
  }
  return false;
}

/** With the paths of what was moved as the client wrote them. */
function asWritten(problem: Problem | undefined, moved: readonly Moved[]): Problem | undefined {
  const found = problem && moved.find(({ from }) => problem.text.startsWith(from));
  return problem && found ? { ...problem, text: found.to + problem.text.slice(found.from.length) } : problem;
}

function unknownType(type: string): Problem {
  return { kind: 'structure', text: `FHIR has no resource type ${JSON.stringify(named(type))}` };
}

function listed(codes: ReadonlySet<string>): string {
  const some = [...codes].slice(0, MAX_CODES);
  return `one of ${some.join(', ')}${codes.size > some.length ? ', …' : ''}`;
}

/** @param values the values of a member, each a list where the member holds one */
function listProblem(
  values: readonly (TypedValueWithPath | TypedValueWithPath[])[],
  { isArray = false }: InternalSchemaElement,
  path: string,
): Problem | undefined {
  const given = values.filter((one) => Array.isArray(one) || one.value !== undefined);
  if (given.every((one) => Array.isArray(one) === isArray)) return undefined;
  return { kind: 'structure', text: `${path} must ${isArray ? '' : 'not '}be an array` };
}

/** Every member by the element it belongs to: the library takes a choice's name for an element, and any `_name`. */
function membersProblem(
  value: unknown,
  path: string,
  elements: Readonly<Record<string, InternalSchemaElement>>,
): Problem | undefined {
  if (!isObject(value)) return { kind: 'structure', text: `${path} must be an object` };
  const chosen = new Map<string, string>();
  for (const member of Object.keys(value)) {
    const companion = member.startsWith('_');
    const name = companion ? member.slice(1) : member;
    const found = elementOf(name, elements);
    if (!found || (companion && !isPrimitive(found.type))) {
      if (member === 'resourceType') continue;
      return { kind: 'structure', text: `${path}.${named(member)} is no element that FHIR R4 has` };
    }
    if (member === 'id' && value.resourceType !== undefined && !isId(value.id)) {
      return { kind: 'value', text: `${path}.id must be an id of 1 to 64 letters, digits, dashes and dots` };
    }
    if (!found.choice) continue;
    const other = chosen.get(found.choice);
    if (other !== undefined && other !== name) {
      return { kind: 'invariant', text: `${path}.${found.choice} may be only one of ${other} and ${name}` };
    }
    chosen.set(found.choice, name);
  }
  return undefined;
}

/** What an element may be called. */
function membersOf(element: string, types: readonly { readonly code: string }[]): string[] {
  const name = element.replace(/\[x\]$/, '');
  return name === element ? [name] : [name, ...types.map(({ code }) => name + capitalised(code))];
}

/** R4's org-1: the library leaves it out. */
function organizationProblem({ resourceType, identifier, name }: JsonObject, path: string): Problem | undefined {
  if (resourceType !== 'Organization' || identifier !== undefined || name !== undefined) return undefined;
  return { kind: 'invariant', text: `${path} needs at least one of identifier and name` };
}

/** FHIR writes the names of primitives small; ids and the like are the path language's strings. */
function isPrimitive(type: string): boolean {
  return /^[a-z]/.test(type);
}

function isId(value: unknown): boolean {
  return typeof value !== 'string' || /^[A-Za-z0-9.-]{1,64}$/.test(value);
}

/** The library's words for what is wrong, in ours; the rest is repeated as it is. */
const WORDS: readonly (readonly [RegExp, string, Problem['kind']])[] = [
  [/^Missing required property$/, 'is required', 'required'],
  [/^Expected array of values/, 'must be an array', 'structure'],
  [/^Expected single value/, 'must not be an array', 'structure'],
  [/^Invalid empty non-primitive/, 'must be an object that is not empty', 'structure'],
  [/^Invalid null value/, 'must not be null', 'structure'],
  [/^Invalid additional property/, 'is no element that FHIR R4 has', 'structure'],
  [/^Invalid JSON type: expected boolean/, 'must be true or false', 'value'],
  [/^Invalid JSON type: expected number/, 'must be a number', 'value'],
  [/^Invalid JSON type: expected string/, 'must be a string', 'value'],
  [/^Expected number to be an integer/, 'must be a whole number', 'value'],
  [/^Invalid date value|^Invalid dateTime value|^Invalid instant value/, 'must be a date that exists', 'value'],
  [/^Invalid date format/, 'must be a date: YYYY, YYYY-MM or YYYY-MM-DD', 'value'],
  [/^Invalid dateTime format/, 'must be a date, or a date and time with seconds and a time zone', 'value'],
  [/^Invalid instant format/, 'must be a date and time with seconds and a time zone', 'value'],
];

function problemOf({ details, expression }: Issue, root: string): Problem {
  const said = details?.text ?? 'is not what FHIR R4 says';
  const path = expression?.[0] ?? root;
  for (const [pattern, words, kind] of WORDS) if (pattern.test(said)) return { kind, text: `${path} ${words}` };
  const invariant = /^Constraint (\S+) not met: ([\s\S]*)$/.exec(said);
  if (invariant) return { kind: 'invariant', text: `${path} breaks the rule ${invariant[1]}: ${invariant[2]}` };
  const format = /^Invalid (\w+) format$/.exec(said)?.[1];
  if (format) return { kind: 'value', text: `${path} must be a valid ${format}` };
  return { kind: 'value', text: `${path}: ${said}` };
}
