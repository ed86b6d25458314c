/** Values of a context by name, for programs that take a record number or an accession number and know no FHIR. */
import type { Context } from '@lockstep/client';
import { isObject, textOf } from '@lockstep/fhircast';

/** A template names a value that there is no value of that name for; the message is for people. */
export class PlaceholderError extends Error {
  override readonly name = 'PlaceholderError';
}

const PLACEHOLDER = /\{([a-z][\w]*(?:\.[\w:/.%-]+)?)\}/gi;

interface Identifier {
  readonly system?: string;
  readonly value?: string;
  readonly type?: { readonly coding?: readonly { readonly code?: string }[] };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
}

/** The value of the identifier with this type code (`MR`) or system; of the first one where none is named. */
function identifierValue(resource: object, wanted: string | undefined): string | undefined {
  const identifiers = listOf((resource as { identifier?: unknown }).identifier).filter(isObject) as Identifier[];
  const found = identifiers.find(
    ({ system, type }) =>
      wanted === undefined || system === wanted || type?.coding?.some(({ code }) => code === wanted),
  );
  return found?.value;
}

function nameText(resource: object): string | undefined {
  const [name] = listOf((resource as { name?: unknown }).name).filter(isObject);
  if (!name) return undefined;
  if (typeof name.text === 'string') return name.text;
  const words = [...listOf(name.given), name.family].filter((one) => typeof one === 'string');
  return words.length > 0 ? words.join(' ') : undefined;
}

/** Names that stand for more than an element of that name. */
const SHORT: Readonly<Record<string, (resource: object) => string | undefined>> = {
  name: nameText,
  accession: (resource) => identifierValue(resource, 'ACSN'),
  uid: (resource) => identifierValue(resource, 'urn:dicom:uid')?.replace(/^urn:oid:/, ''),
};

/** The text of an element that lies at a path, `name.family`; the first of each list. */
function elementText(resource: object, path: readonly string[]): string | undefined {
  let at: unknown = resource;
  for (const name of path) {
    const [first] = listOf(at);
    if (!isObject(first) || !Object.hasOwn(first, name)) return undefined;
    at = first[name];
  }
  const [value] = listOf(at);
  return typeof value === 'object' || value === undefined ? undefined : textOf(value);
}

/** Names of the values that can be filled in, with the value of each. */
export class ContextValues {
  readonly #context: Context | undefined;
  readonly #always: Readonly<Record<string, string>>;

  /** @param always values that are there even when nothing is open, such as `event` */
  constructor(context: Context | undefined, always: Readonly<Record<string, string>>) {
    this.#context = context;
    this.#always = always;
  }

  /**
   * @param name `patient.id`, `patient.identifier.MR`, `study.accession`, `patient.birthDate`: the key of a context element, then
   *   the name of a value
   */
  get(name: string): string | undefined {
    if (Object.hasOwn(this.#always, name)) return this.#always[name];
    const [key = '', ...path] = name.split('.');
    const resource = this.#context?.resources[key];
    if (!resource) return undefined;
    const [first = 'id', ...more] = path;
    if (first === 'identifier') return identifierValue(resource, more.length > 0 ? more.join('.') : undefined);
    return (more.length === 0 && SHORT[first]?.(resource)) || elementText(resource, path.length > 0 ? path : ['id']);
  }

  /**
   * The template with its `{placeholders}` filled in. While nothing is open they are empty.
   * @throws PlaceholderError when something is open and has no such value: a program must not be called with half of a patient
   */
  fill(template: string, write: (value: string) => string = String): string {
    return template.replace(PLACEHOLDER, (_, name: string) => {
      const value = this.get(name);
      if (value === undefined && this.#context) throw new PlaceholderError(`the context has no ${name}`);
      return write(value ?? '');
    });
  }
}
