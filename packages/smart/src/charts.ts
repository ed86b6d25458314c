import type { PatientDirectory } from './ports.ts';

/** Whose charts a person may open; the FHIR endpoint holds tokens to the same (FHR-2). */

/** The patient that a user is. */
export function ownPatient(user: string): string | undefined {
  return user.startsWith('Patient/') ? user.slice('Patient/'.length) : undefined;
}

/** Whether the user may open anybody's chart: who works here may, a patient or a relative may not. */
export function mayChoosePatient(user: string): boolean {
  return /^Practitioner(Role)?\//.test(user);
}

/** Whether there is a FHIR resource that stands for the user: without one, nothing can be said in `fhirUser` (TOK-7). */
export async function isRepresented(user: string, patients: PatientDirectory): Promise<boolean> {
  const [type, id = ''] = user.split('/');
  if (type === 'Practitioner') return (await patients.practitioner(id)) !== undefined;
  return type === 'Patient' && (await patients.patient(id)) !== undefined;
}
