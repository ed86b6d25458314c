/** What a context says, and what events about resources carry. */
import type { Context } from '@lockstep/client';
import { anchorKeyOf, type ContextElement, type Resource } from '@lockstep/fhircast';
import { forEvent, nameOf, titleOf } from '../fhir.ts';

/** `Type/id`. */
export const keyOf = (resource: Resource): string => `${resource.resourceType}/${resource.id ?? ''}`;

export function patientOf(context: Context): Resource | undefined {
  return context.type === 'Patient' ? Object.values(context.resources)[0] : context.resources.patient;
}

/** The context of a close. */
export function closing(resource: Resource, patient: Resource): ContextElement[] {
  const anchor = { key: anchorKeyOf(resource.resourceType), resource: forEvent(resource) };
  return resource === patient ? [anchor] : [anchor, { key: 'patient', resource: forEvent(patient) }];
}

/** What is open, in a line: `Amara Diallo · CT chest`. */
export function contextTitle(context: Context | undefined): string {
  if (!context) return 'Nothing is open';
  const patient = patientOf(context);
  const anchor = Object.values(context.resources).find(({ resourceType }) => resourceType === context.type);
  const name = patient ? nameOf(patient) : '';
  if (context.type === 'Patient' || !anchor) return name || `${context.type} ${context.id}`;
  return [name, titleOf(anchor)].filter(Boolean).join(' · ');
}
