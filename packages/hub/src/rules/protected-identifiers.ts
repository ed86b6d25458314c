import { type ContextElement, isObject, type JsonObject, type Resource } from '@lockstep/fhircast';

/** Codes of identifier types that IHE RAD.IRA's contexts have: a patient's record number, a study's UID, an accession number. */
const RECORD_NUMBER = 'MR';
const STUDY_UID = '110180';
const ACCESSION = 'ACSN';
const DICOM_UID = 'urn:dicom:uid';

function identifiers(resource: Resource): readonly JsonObject[] {
  return Array.isArray(resource.identifier) ? resource.identifier.filter(isObject) : [];
}

function hasTypeCode(identifier: JsonObject, code: string): boolean {
  const coding = isObject(identifier.type) ? identifier.type.coding : undefined;
  return Array.isArray(coding) && coding.some((one) => isObject(one) && one.code === code);
}

/** The kind of a protected identifier: those of one kind may neither change nor get company. */
function kindOf(resource: Resource, identifier: JsonObject): string | undefined {
  if (resource.resourceType === 'Patient') return hasTypeCode(identifier, RECORD_NUMBER) ? RECORD_NUMBER : undefined;
  if (identifier.system === DICOM_UID || hasTypeCode(identifier, STUDY_UID)) return STUDY_UID;
  return hasTypeCode(identifier, ACCESSION) ? ACCESSION : undefined;
}

function text(identifier: JsonObject): string {
  return JSON.stringify([identifier.system ?? null, identifier.value ?? null]);
}

function ofKind(resource: Resource, kind: string): string {
  const found = identifiers(resource).filter((one) => kindOf(resource, one) === kind);
  return found.map(text).sort().join();
}

/**
 * Which protected identifier an update of a resource of the opening context would change (CON-4 ira, RAD-150).
 * @param context the opening context
 * @returns words for the refusal, or undefined when none is touched
 */
export function changedIdentifier(context: readonly ContextElement[], resource: Resource): string | undefined {
  const opened = context.find(
    ({ resource: one }) => one?.resourceType === resource.resourceType && one.id === resource.id,
  )?.resource;
  if (!opened) return undefined;
  const what = opened.resourceType === 'Patient' ? 'a patient identifier' : 'a study UID or accession number';
  const before = identifiers(opened);
  const kinds = new Set(before.flatMap((one) => kindOf(opened, one) ?? []));
  if (opened.resourceType === 'Patient' && kinds.size === 0) {
    // Nothing says which one the patient goes by: all of them stay.
    const after = new Set(identifiers(resource).map(text));
    return before.every((one) => after.has(text(one))) ? undefined : what;
  }
  return [...kinds].every((kind) => ofKind(opened, kind) === ofKind(resource, kind)) ? undefined : what;
}
