/** What a context says, and what events about resources carry. */
import type { Context } from '@lockstep/client';
import { anchorKeyOf, type ContextElement, type Resource } from '@lockstep/fhircast';
import { forEvent, nameOf, titleOf } from '../fhir.ts';
import type { ChartBook } from './charts.ts';

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

/**
 * What is open, in a line: `Amara Diallo · CT chest`.
 * @param book knows the names of patients of whom the context brings no more than an id
 */
export function contextTitle(context: Context | undefined, book: ChartBook): string {
  if (!context) return 'Nothing is open';
  const given = patientOf(context);
  const patient = given?.name === undefined ? (book.find(given?.id)?.patient ?? given) : given;
  const anchor = Object.values(context.resources).find(({ resourceType }) => resourceType === context.type);
  const name = patient ? nameOf(patient) : '';
  if (context.type === 'Patient' || !anchor) return name || `${context.type} ${context.id}`;
  return [name, titleOf(anchor)].filter(Boolean).join(' · ');
}
