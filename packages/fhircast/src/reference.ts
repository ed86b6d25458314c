import { isResourceType } from './resource-types.ts';

/** A resource's identity: FHIR ids are unique only within a type (CON-3). */
export interface ResourceKey {
  readonly type: string;
  readonly id: string;
}

/**
 * Reads `Type/id` from a relative or absolute reference, with or without a version.
 * @returns undefined for anything else (`urn:uuid:…`, `#contained`, unknown types)
 */
export function parseReference(reference: string): ResourceKey | undefined {
  const segments = reference.split('/');
  const history = segments.indexOf('_history');
  if (history >= 0) segments.length = history;
  const id = segments.pop();
  const type = segments.pop();
  return id && type && isResourceType(type) ? { type, id } : undefined;
}

/** `Type/id`. */
export function keyText(key: ResourceKey): string {
  return `${key.type}/${key.id}`;
}
