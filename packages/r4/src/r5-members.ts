import { isObject, isResourceType, type JsonObject, R4_RESOURCE_TYPES } from '@lockstep/fhircast';
import { named, type Problem } from './problem.ts';

/** An element that came with FHIR R5 and that IHE IRA's reports carry (FHR-7). Each is a list. */
type LaterElement = { readonly name: string } & (
  | { /** The datatype of each value. */ readonly type: string }
  | {
      /** The datatypes of each value's parts, which must all be there. */ readonly parts: Readonly<
        Record<string, string>
      >;
    }
);

const LATER: Readonly<Record<string, readonly LaterElement[]>> = {
  DiagnosticReport: [
    { name: 'study', type: 'Reference' },
    { name: 'supportingInfo', parts: { type: 'CodeableConcept', reference: 'Reference' } },
  ],
};

/** A canonical of IHE IRA, or of FHIR R5: a resource that names it in `meta.profile` is R5. */
const R5_PROFILE = /^(https:\/\/profiles\.ihe\.net\/RAD\/IRA\/|http:\/\/hl7\.org\/fhir\/5\.0\/)/;

/** Where FHIR keeps R5's elements in an R4 resource: as extensions. */
const R5_EXTENSION = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-';

const R4: ReadonlySet<string> = new Set(R4_RESOURCE_TYPES);

/** Stands for a resource of a later type where R4 wants a resource. */
const STAND_IN = { resourceType: 'Basic', code: { text: 'later than R4' } };

/** An element that was moved into an extension: the path in messages must be the client's. */
export interface Moved {
  readonly from: string;
  readonly to: string;
}

/** Whether R4 has no resource type of this name but FHIR has. */
export function isLater(type: string): boolean {
  return !R4.has(type) && isResourceType(type);
}

/** Whether resources of these types can hold what R4 lacks. */
export function mayBeLater(types: ReadonlySet<string>): boolean {
  return [...types].some((type) => isLater(type) || Object.hasOwn(LATER, type));
}

/** Whether the resource itself says that it is R5's, by its profile. */
function saysR5({ meta }: JsonObject): boolean {
  const profiles: unknown = isObject(meta) ? meta.profile : undefined;
  return Array.isArray(profiles) && profiles.some((profile) => typeof profile === 'string' && R5_PROFILE.test(profile));
}

/**
 * Writes resources as R4 has them: what R5 added as extensions (where it is allowed), and a stand-in for each resource of a
 * type that came after R4, wherever it is.
 */
export class R4Form {
  /** The first element of R5's that is wrong. */
  problem: Problem | undefined;
  readonly moved: Moved[] = [];
  readonly #allowed: boolean;

  /** @param allowed whether R5's elements may be in resources whose profile does not say so */
  constructor(allowed: boolean) {
    this.#allowed = allowed;
  }

  of(value: unknown, path: string): unknown {
    if (Array.isArray(value)) return value.map((one, at) => this.of(one, `${path}[${at}]`));
    if (!isObject(value)) return value;
    const type = typeof value.resourceType === 'string' ? value.resourceType : '';
    if (isLater(type)) return { ...STAND_IN, ...(typeof value.id === 'string' && { id: value.id }) };
    const r4 = Object.fromEntries(
      Object.entries(value).map(([name, child]) => [name, this.of(child, `${path}.${name}`)]),
    );
    const later = Object.hasOwn(LATER, type) && (this.#allowed || saysR5(value)) ? LATER[type]! : [];
    return later.reduce((resource, element) => this.#move(resource, element, type, path), r4);
  }

  #move(resource: JsonObject, element: LaterElement, type: string, path: string): JsonObject {
    const { [element.name]: values, ...rest } = resource;
    if (values === undefined) return resource;
    const to = `${path}.${element.name}`;
    if (!Array.isArray(values)) return this.#refuse({ kind: 'structure', text: `${to} must be an array` }, rest);
    const before = Array.isArray(rest.extension) ? rest.extension : [];
    const url = `${R5_EXTENSION}${type}.${element.name}`;
    const added = values.map((value, at) =>
      'type' in element
        ? this.#extension(url, element.type, value, `${path}.extension[${before.length + at}]`, `${to}[${at}]`)
        : this.#parts(url, element.parts, value, `${path}.extension[${before.length + at}]`, `${to}[${at}]`),
    );
    return { ...rest, extension: [...before, ...added] };
  }

  #extension(url: string, type: string, value: unknown, from: string, to: string): JsonObject {
    this.moved.push({ from: `${from}.value[x]`, to });
    if (!isObject(value)) this.#refuse({ kind: 'structure', text: `${to} must be an object` });
    return { url, [`value${type}`]: value };
  }

  #parts(url: string, parts: Readonly<Record<string, string>>, value: unknown, from: string, to: string): JsonObject {
    if (!isObject(value)) return this.#refuse({ kind: 'structure', text: `${to} must be an object` }, { url });
    const { id, extension, modifierExtension: _modifier, ...rest } = value;
    for (const name of Object.keys(rest)) {
      if (!Object.hasOwn(parts, name)) {
        this.#refuse({ kind: 'structure', text: `${to}.${named(name)} is no element that FHIR R5 has` });
      }
    }
    const before = Array.isArray(extension) ? extension : [];
    const added = Object.entries(parts).map(([name, type], at) => {
      if (rest[name] === undefined) this.#refuse({ kind: 'required', text: `${to}.${name} is required` });
      return this.#extension(name, type, rest[name], `${from}.extension[${before.length + at}]`, `${to}.${name}`);
    });
    return { url, ...(id !== undefined && { id }), extension: [...before, ...added] };
  }

  #refuse(problem: Problem, instead: JsonObject = {}): JsonObject {
    this.problem ??= problem;
    return instead;
  }
}
