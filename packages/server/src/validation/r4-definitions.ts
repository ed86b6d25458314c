/** FHIR R4's own definitions of its types, as the package `fhir` ships them: read when validation is on. */
import { createRequire } from 'node:module';
import { R4_RESOURCE_TYPES } from '@lockstep/fhircast';

/** An element as the package writes it. */
interface RawElement {
  readonly _name: string;
  readonly _type: string;
  readonly _multiple: boolean;
  readonly _required?: boolean;
  /** `value` or `value[x]` for an element that has one of several types. */
  readonly _choice?: string;
  readonly _properties?: readonly RawElement[];
  readonly _valueSet?: string;
  readonly _valueSetStrength?: string;
}

interface RawType {
  readonly _kind: 'resource' | 'complex-type' | 'primitive-type';
  readonly _properties: readonly RawElement[];
}

interface RawValueSet {
  readonly systems: readonly { readonly codes: readonly { readonly code: string }[] }[];
}

/** One element of a type. */
export interface ElementDefinition {
  /** A primitive's name, a type's name, `Resource`, or the path of an element whose parts this one has. */
  readonly type: string;
  readonly primitive: boolean;
  readonly many: boolean;
  /** Codes of a required binding. */
  readonly codes?: ReadonlySet<string>;
}

/** A type, or an element that has parts of its own. */
export interface TypeDefinition {
  readonly elements: ReadonlyMap<string, ElementDefinition>;
  /** Elements of which one each must be there: one name, or several for a choice of types. */
  readonly required: readonly RequiredElement[];
  /** Names of which at most one may be there. */
  readonly choices: ReadonlyMap<string, readonly string[]>;
}

export interface RequiredElement {
  /** `status`, `medication[x]`. */
  readonly label: string;
  readonly names: readonly string[];
}

/** Elements that the package leaves out: those whose parts are defined further down in the same resource. */
const LEFT_OUT: readonly (readonly [type: string, name: string, from: string])[] = [
  ['ClaimResponse', 'adjudication', '#ClaimResponse.item.adjudication'],
  ['ExplanationOfBenefit', 'adjudication', '#ExplanationOfBenefit.item.adjudication'],
  ['Invoice', 'totalPriceComponent', '#Invoice.lineItem.priceComponent'],
  ['SubstanceSpecification', 'molecularWeight', '#SubstanceSpecification.structure.isotope.molecularWeight'],
];

const RESOURCES: ReadonlySet<string> = new Set(R4_RESOURCE_TYPES);

/** R4's types by name, and their elements with parts by path (`#Bundle.entry`). */
export class R4Definitions {
  readonly #types: Readonly<Record<string, RawType>>;
  readonly #valueSets: Readonly<Record<string, RawValueSet>>;
  readonly #definitions = new Map<string, TypeDefinition>();
  readonly #codes = new Map<string, ReadonlySet<string> | undefined>();

  constructor() {
    const require = createRequire(import.meta.url);
    this.#types = require('fhir/profiles/types.json');
    this.#valueSets = require('fhir/profiles/valuesets.json');
  }

  /** Whether R4 has a resource type of this name. */
  hasResource(name: string): boolean {
    return RESOURCES.has(name);
  }

  /**
   * The definition of a type, or of an element by its path; made when first asked for.
   * @throws when there is none
   */
  of(name: string): TypeDefinition {
    let definition = this.#definitions.get(name);
    if (!definition) {
      definition = this.#define(name);
      this.#definitions.set(name, definition);
    }
    return definition;
  }

  #define(name: string): TypeDefinition {
    const elements = new Map<string, ElementDefinition>();
    const choices = new Map<string, string[]>();
    const required = new Map<string, string[]>();
    for (const raw of this.#parts(name)) {
      // `_birthDate` is made from `birthDate`.
      if (raw._name.startsWith('_')) continue;
      const choice = raw._choice?.replace('[x]', '');
      const label = choice === undefined ? raw._name : `${choice}[x]`;
      if (choice !== undefined) choices.set(label, [...(choices.get(label) ?? []), raw._name]);
      if (raw._required) required.set(label, [...(required.get(label) ?? []), raw._name]);
      elements.set(raw._name, this.#element(name, raw));
    }
    for (const [type, element, from] of LEFT_OUT) {
      if (type === name) elements.set(element, { type: from, primitive: false, many: true });
    }
    return { elements, choices, required: [...required].map(([label, names]) => ({ label, names })) };
  }

  #element(owner: string, raw: RawElement): ElementDefinition {
    const type = this.#typeOf(owner, raw);
    const codes = raw._valueSetStrength === 'required' && type === 'code' ? this.#bound(raw._valueSet) : undefined;
    const primitive = this.#types[type]?._kind === 'primitive-type';
    return { type, primitive, many: raw._multiple, ...(codes && { codes }) };
  }

  #typeOf(owner: string, raw: RawElement): string {
    if (raw._properties && raw._properties.length > 0) return `#${owner.replace('#', '')}.${raw._name}`;
    // An element's id may be any string; a resource's may not.
    return raw._name === 'id' && !this.hasResource(owner) ? 'string' : raw._type;
  }

  #parts(name: string): readonly RawElement[] {
    const [type = '', ...path] = name.replace('#', '').split('.');
    let parts = this.#types[type]?._properties;
    for (const step of path) parts = parts?.find(({ _name }) => _name === step)?._properties;
    if (!parts) throw new Error(`FHIR R4 has no ${name}`);
    return parts;
  }

  #bound(valueSet = ''): ReadonlySet<string> | undefined {
    const [url = ''] = valueSet.split('|');
    if (!this.#codes.has(url)) {
      const list = this.#valueSets[url]?.systems.flatMap(({ codes }) => codes.map(({ code }) => code)) ?? [];
      // A value set of whole code systems, such as all MIME types, lists none.
      this.#codes.set(url, list.length > 0 ? new Set(list) : undefined);
    }
    return this.#codes.get(url);
  }
}
