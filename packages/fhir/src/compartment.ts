import { keyText, type ResourceKey, textOf } from '@lockstep/fhircast';
import { definitionOf } from './definitions.ts';
import { type JsonObject, localReference, references, valuesAt } from './resource.ts';

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

/** The shared resources (Practitioner, Organization, Endpoint, Medication) of this server that the resource refers to. */
export function sharedReferences(resource: JsonObject, baseUrl: string): ResourceKey[] {
  const found = new Map<string, ResourceKey>();
  for (const reference of references(resource)) {
    const key = localReference(reference, baseUrl);
    if (key && definitionOf(key.type)?.shared) found.set(keyText(key), key);
  }
  return [...found.values()];
}
