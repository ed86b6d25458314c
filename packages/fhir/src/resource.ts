import { isResourceType, type ResourceKey } from '@lockstep/fhircast';

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json | undefined;
}

/** A resource as it is stored: with its type, id, version and time. */
export interface Resource extends JsonObject {
  readonly resourceType: string;
  readonly id: string;
  readonly meta: Meta;
}

export interface Meta extends JsonObject {
  /** Decimal, 1 for the first version. */
  readonly versionId: string;
  /** FHIR instant, UTC with milliseconds. */
  readonly lastUpdated: string;
}

const ID = /^[A-Za-z0-9\-.]{1,64}$/;

/** Whether the text is a FHIR id. `.` and `..` are none: in an address they name a folder. */
export function isId(text: string): boolean {
  return ID.test(text) && text !== '.' && text !== '..';
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Reads a reference to a resource of this server: `Type/id`, with or without a version, relative or below `baseUrl`.
 * @returns undefined for everything else: other servers' resources, `urn:`, `#contained`, what is no reference
 */
export function localReference(reference: string, baseUrl: string): ResourceKey | undefined {
  const path = reference.startsWith(`${baseUrl}/`) ? reference.slice(baseUrl.length + 1) : reference;
  const first = path.indexOf('/');
  const second = path.indexOf('/', first + 1);
  if (first < 0 || (second >= 0 && !/^\/_history\/[^/]+$/.test(path.slice(second)))) return undefined;
  const type = path.slice(0, first);
  const id = path.slice(first + 1, second < 0 ? undefined : second);
  return isResourceType(type) && isId(id) ? { type, id } : undefined;
}

/** Every `reference` of a resource, at any depth, in the resource's order. */
export function references(resource: JsonObject): string[] {
  const found: string[] = [];
  const open: Json[] = [resource];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (Array.isArray(value)) {
      for (const one of value as readonly Json[]) open.push(one);
    } else if (isObject(value)) {
      for (const [name, child] of Object.entries(value)) {
        if (name === 'reference' && typeof child === 'string') found.push(child);
        else if (child !== null && typeof child === 'object') open.push(child);
      }
    }
  }
  return found;
}

/**
 * The values at a path of element names, arrays flattened.
 * @param path names joined by dots, such as `series.modality`
 */
export function valuesAt(resource: JsonObject, path: string): Json[] {
  const found: Json[] = [];
  collect(resource, namesIn(path), 0, found);
  return found;
}

/** Paths are few: each is taken apart once. */
const NAMES = new Map<string, readonly string[]>();

function namesIn(path: string): readonly string[] {
  let names = NAMES.get(path);
  if (!names) {
    names = path.split('.');
    NAMES.set(path, names);
  }
  return names;
}

function collect(value: Json, names: readonly string[], at: number, found: Json[]): void {
  const child = isObject(value) ? value[names[at]!] : undefined;
  if (child === undefined || child === null) return;
  const isLast = at === names.length - 1;
  for (const one of Array.isArray(child) ? (child as readonly Json[]) : [child as Json]) {
    if (isLast) found.push(one);
    else collect(one, names, at + 1, found);
  }
}
