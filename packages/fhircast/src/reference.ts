import { isObject } from './messages.ts';
import { isResourceType } from './resource-types.ts';

/** A resource's identity: FHIR ids are unique only within a type (CON-3). */
export interface ResourceKey {
  readonly type: string;
  readonly id: string;
}

/** `Type/id` at the end of an address, with or without a version. A `?` or `#` makes it something else: a search, a part. */
const NAMED =
  /^(?![Uu][Rr][Nn]:)(?:[^?#]*\/)?([A-Z][A-Za-z]*)\/((?!_history$)[^\s/?#]{1,256})(?:\/_history\/[^\s/?#]+)?$/;

/**
 * The resource that a relative or absolute address names, with or without a version. Its type may be one that FHIR lacks.
 * @returns undefined for what names none by itself: `urn:uuid:…`, `#contained`, a search, a type alone
 */
export function namedResource(address: string): ResourceKey | undefined {
  const [, type, id] = NAMED.exec(address) ?? [];
  return type && id ? { type, id } : undefined;
}

/**
 * Reads `Type/id` from a relative or absolute reference, with or without a version.
 * @returns undefined for anything else (`urn:uuid:…`, `#contained`, types that FHIR lacks)
 */
export function parseReference(reference: string): ResourceKey | undefined {
  const key = namedResource(reference);
  return key && isResourceType(key.type) ? key : undefined;
}

/** What a resource is known by; undefined where there is no id. What a Hub or a client sends may hold anything. */
export function resourceKey(resource: unknown): ResourceKey | undefined {
  if (!isObject(resource)) return undefined;
  const { resourceType: type, id } = resource;
  return typeof type === 'string' && typeof id === 'string' && id !== '' ? { type, id } : undefined;
}

/** `Type/id`. */
export function keyText(key: ResourceKey): string {
  return `${key.type}/${key.id}`;
}
