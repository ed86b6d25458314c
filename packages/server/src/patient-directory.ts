import { FhirRefusal, type FhirService } from '@lockstep/fhir';
import { objectsIn, textOf } from '@lockstep/fhircast';
import { type PatientDirectory, RecordUnavailable } from '@lockstep/smart';

/** A person's name as shown to people. */
function nameOf(resource: { readonly id?: unknown; readonly name?: unknown }): string {
  const [name] = objectsIn(resource.name);
  const parts = [name?.given, name?.family].flat().map(textOf);
  return textOf(name?.text) || parts.filter(Boolean).join(' ') || textOf(resource.id);
}

/** What cannot be asked now, as the authorization server knows it; everything else as it is. */
function orUnavailable(error: unknown): never {
  if (!(error instanceof FhirRefusal) || (error.status < 500 && error.status !== 429)) throw error;
  const wait = Number(error.headers['retry-after']);
  throw new RecordUnavailable(error, wait > 0 ? wait : undefined);
}

/** The FHIR store as the authorization server's pickers and launches see it. */
export function patientDirectory(fhir: FhirService): PatientDirectory {
  const read: FhirService['read'] = (type, id) => fhir.read(type, id).catch(orUnavailable);
  return {
    search: (text, limit, after) =>
      fhir.patients(text, { limit, ...(after !== undefined && { after }) }).catch(orUnavailable),
    async patient(id) {
      const patient = await read('Patient', id);
      if (!patient) return undefined;
      const { birthDate, gender } = patient;
      return {
        id,
        name: nameOf(patient),
        ...(typeof birthDate === 'string' && { birthDate }),
        ...(typeof gender === 'string' && { gender }),
      };
    },
    async encounters(patient) {
      return (await fhir.encounters(patient).catch(orUnavailable)).map(({ id, label, status, start }) => ({
        id,
        title: label,
        status,
        ...(start && { start }),
      }));
    },
    async hasStudy(patient, study) {
      const found = await read('ImagingStudy', study);
      const subject = found?.subject as { readonly reference?: string } | undefined;
      return subject?.reference === `Patient/${patient}`;
    },
    async practitioner(id) {
      const practitioner = await read('Practitioner', id);
      return practitioner && { id, name: nameOf(practitioner) };
    },
  };
}
