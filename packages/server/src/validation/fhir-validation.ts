import { isObject, isResourceType, type JsonObject, type Resource } from '@lockstep/fhircast';
import type { ResourceValidation } from '@lockstep/hub';
import { PRIMITIVES } from './primitives.ts';
import { type ElementDefinition, R4Definitions, type TypeDefinition } from './r4-definitions.ts';

/** As much of a name that a client made up as a refusal repeats. */
const MAX_NAME = 60;
/** As many codes as a refusal lists. */
const MAX_CODES = 12;

const COMPANION: ElementDefinition = { type: 'Element', primitive: false, many: false };
const COMPANIONS: ElementDefinition = { ...COMPANION, many: true };

/** Name of a primitive's companion, which holds its id and extensions. */
function companion(name: string): string {
  return `_${name}`;
}

function listed(codes: ReadonlySet<string>): string {
  const some = [...codes].slice(0, MAX_CODES);
  return `one of ${some.join(', ')}${codes.size > some.length ? ', …' : ''}`;
}

/**
 * Holds resources against FHIR R4's definitions: elements, cardinality, types, required elements, one type of a choice, and
 * codes of required bindings; not invariants, profiles or what references point to (PUB-5). Types that came after R4, such as
 * ImagingSelection, which IHE IRA shares, are left alone, wherever they are.
 *
 * What is wrong is said from the inside out, so that a path is put together only where there is something to say: each answer
 * begins with the path from what was looked at, ` must be …` or `.status is required`.
 */
export class FhirValidation implements ResourceValidation {
  readonly #r4 = new R4Definitions();

  /** @returns the path of the first element that is wrong, and the rule; never its value, which is a patient's */
  problem(resource: Resource): string | undefined {
    const wrong = this.#resource(resource);
    return wrong && `${this.#r4.hasResource(resource.resourceType) ? resource.resourceType : 'it'}${wrong}`;
  }

  #resource(value: unknown): string | undefined {
    const type = isObject(value) ? value.resourceType : undefined;
    if (!isObject(value) || typeof type !== 'string') return ' must be a resource with a resourceType';
    if (this.#r4.hasResource(type)) return this.#parts(value, this.#r4.of(type), true);
    if (isResourceType(type)) return undefined;
    return ` has the resourceType ${JSON.stringify(type.slice(0, MAX_NAME))}, which FHIR does not have`;
  }

  #parts(value: JsonObject, definition: TypeDefinition, isResource = false): string | undefined {
    for (const name in value) {
      if (isResource && name === 'resourceType') continue;
      const wrong = this.#element(value, name, definition);
      if (wrong) return `.${name.slice(0, MAX_NAME)}${wrong}`;
    }
    const has = (name: string): boolean => value[name] !== undefined || value[companion(name)] !== undefined;
    for (const { label, names } of definition.required) {
      if (!names.some(has)) return `.${label} is required`;
    }
    for (const [label, names] of definition.choices) {
      const given = names.filter(has);
      if (given.length > 1) return `.${label} may be only one of ${given.join(' and ')}`;
    }
    return undefined;
  }

  #element(owner: JsonObject, name: string, { elements }: TypeDefinition): string | undefined {
    const element = elements.get(name);
    if (element) return this.#values(owner[name], element, element.primitive ? owner[companion(name)] : undefined);
    const primitive = name.startsWith('_') ? elements.get(name.slice(1)) : undefined;
    if (!primitive?.primitive) return ' is no element that FHIR R4 has';
    return this.#values(owner[name], primitive.many ? COMPANIONS : COMPANION, owner[name.slice(1)]);
  }

  /** @param other the companion of a primitive, or the primitive of a companion: where one has nothing to say it is null */
  #values(value: unknown, element: ElementDefinition, other: unknown): string | undefined {
    if (!element.many) return Array.isArray(value) ? ' must not be an array' : this.#value(value, element);
    if (!Array.isArray(value)) return ' must be an array';
    if (value.length === 0) return ' must not be an empty array';
    for (const [index, one] of value.entries()) {
      if (one === null && Array.isArray(other) && (element === COMPANIONS || isObject(other[index]))) continue;
      const wrong = this.#value(one, element);
      if (wrong) return `[${index}]${wrong}`;
    }
    return undefined;
  }

  #value(value: unknown, { type, primitive, codes }: ElementDefinition): string | undefined {
    if (primitive) {
      const rule = PRIMITIVES[type];
      if (rule && !rule.is(value)) return ` must be ${rule.words}`;
      return codes && !codes.has(value as string) ? ` must be ${listed(codes)}` : undefined;
    }
    if (type === 'Resource') return this.#resource(value);
    if (!isObject(value)) return ' must be an object';
    if (Object.keys(value).length === 0) return ' must not be an empty object';
    return this.#parts(value, this.#r4.of(type));
  }
}
