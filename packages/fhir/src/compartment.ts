import { keyText, type ResourceKey, textOf } from '@lockstep/fhircast';
import { definitionOf } from './definitions.ts';
import { isObject, type Json, type JsonObject, localReference, references, valuesAt } from './resource.ts';

/**
 * The id of the patient whose compartment holds the resource (FHR-2): the Patient itself, or what the resource's subject
 * refers to. Narrower than FHIR's compartment definition, which also counts performers and linked patients: so every
 * resource belongs to one patient or to none.
 */
export function patientOf(resource: JsonObject, baseUrl: string): string | undefined {
  if (resource.resourceType === 'Patient') return typeof resource.id === 'string' ? resource.id : undefined;
  const element = definitionOf(textOf(resource.resourceType))?.subject;
  if (!element) return undefined;
  const patients = new Set<string>();
  for (const value of valuesAt(resource, `${element}.reference`)) {
    const key = typeof value === 'string' ? localReference(value, baseUrl) : undefined;
    if (key?.type === 'Patient') patients.add(key.id);
  }
  // What names several patients as its own belongs to none of them.
  return patients.size === 1 ? [...patients][0] : undefined;
}

/** The elements that say whose a resource is, or whom it tells of, in all types of R4 (its patient compartment). */
const OWNERS = [
  ...['subject', 'patient', 'beneficiary', 'for', 'individual', 'target', 'actor'],
  ...['participant.actor', 'member.entity', 'link.target', 'entity.what'],
];

/** Whether a resource holds, inside of it (`contained`), resources of another patient of this server than the one it is read for. */
export function containsOthers({ contained }: JsonObject, patient: string, baseUrl: string): boolean {
  const open: Json[] = contained === undefined ? [] : [contained];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value !== 'object' || value === null) continue;
    for (const inner of Object.values(value)) if (inner !== undefined) open.push(inner);
    if (!isObject(value) || value.resourceType === undefined) continue;
    for (const reference of OWNERS.flatMap((element) => valuesAt(value, `${element}.reference`))) {
      const key = typeof reference === 'string' ? localReference(reference, baseUrl) : undefined;
      if (key?.type === 'Patient' && key.id !== patient) return true;
    }
  }
  return false;
}

/** The shared resources (Practitioner, Organization, Endpoint, Medication) of this server that the resource refers to. */
export function sharedReferences(resource: JsonObject, baseUrl: string): ResourceKey[] {
  const found = new Map<string, ResourceKey>();
  for (const reference of references(resource)) {
    const key = localReference(reference, baseUrl);
    if (key && definitionOf(key.type)?.shared) found.set(keyText(key), key);
  }
  return [...found.values()];
}
