/** The patient of a context, as the record has them: what an event says of a person is not believed for the record (HZ-5). */
import type { Context } from '@lockstep/client';
import { type Fhir, FhirError, type Resource, referenceOf, valuesAt } from './fhir.ts';

export type Found =
  | { readonly kind: 'found'; readonly patient: Resource }
  /** The record has no such patient, or another person under the id. */
  | { readonly kind: 'not-in-record'; readonly patient?: Resource };

function patientOf(context: Context): Resource | undefined {
  return context.type === 'Patient' ? Object.values(context.resources)[0] : context.resources.patient;
}

/** Another value of an identifier system that both have: two people under one id. */
function isAnother(given: Resource, recorded: Resource): boolean {
  const valuesOf = (patient: Resource, system: unknown): unknown[] =>
    valuesAt(patient, 'identifier')
      .map((one) => one as { system?: unknown; value?: unknown })
      .flatMap((one) => (one.system === system ? [one.value] : []));
  return valuesAt(given, 'identifier').some((one) => {
    const { system, value } = one as { system?: unknown; value?: unknown };
    const known = system === undefined ? [] : valuesOf(recorded, system);
    return known.length > 0 && !known.includes(value);
  });
}

/** The resource of a reference; undefined when the record has none. @throws FhirError when it cannot be read */
async function read(fhir: Fhir, reference: string): Promise<Resource | undefined> {
  try {
    return await fhir.read(reference);
  } catch (error) {
    // 400: an id that no record can have.
    if (error instanceof FhirError && [400, 404, 410].includes(error.status)) return undefined;
    throw error;
  }
}

/** @throws Error when the record cannot be read */
export async function findPatient(fhir: Fhir, context: Context): Promise<Found> {
  const given = patientOf(context);
  const subject = Object.values(context.resources)
    .map((one) => referenceOf(one, 'subject') ?? referenceOf(one, 'patient'))
    .find(Boolean);
  const reference = given?.id ? `Patient/${given.id}` : subject;
  const patient = reference === undefined ? undefined : await read(fhir, reference);
  if (!patient || (given && isAnother(given, patient)))
    return { kind: 'not-in-record', ...(given && { patient: given }) };
  return { kind: 'found', patient };
}
