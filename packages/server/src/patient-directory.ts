import type { FhirService } from '@lockstep/fhir';
import { objectsIn, textOf } from '@lockstep/fhircast';
import type { PatientDirectory } from '@lockstep/smart';

/** A person's name as shown to people. */
function nameOf(resource: { readonly id?: unknown; readonly name?: unknown }): string {
  const [name] = objectsIn(resource.name);
  const parts = [name?.given, name?.family].flat().map(textOf);
  return textOf(name?.text) || parts.filter(Boolean).join(' ') || textOf(resource.id);
}

/** The FHIR store as the authorization server's pickers and launches see it. */
export function patientDirectory(fhir: FhirService): PatientDirectory {
  return {
    search: (text, limit, after) => fhir.patients(text, { limit, ...(after !== undefined && { after }) }),
    async patient(id) {
      const patient = await fhir.read('Patient', id);
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
      return (await fhir.encounters(patient)).map(({ id, label, status, start }) => ({
        id,
        title: label,
        status,
        ...(start && { start }),
      }));
    },
    async hasStudy(patient, study) {
      const found = await fhir.read('ImagingStudy', study);
      const subject = found?.subject as { readonly reference?: string } | undefined;
      return subject?.reference === `Patient/${patient}`;
    },
    async practitioner(id) {
      const practitioner = await fhir.read('Practitioner', id);
      return practitioner && { id, name: nameOf(practitioner) };
    },
  };
}
