/** What a context says, and what events about resources carry. */
import type { Context } from '@lockstep/client';
import { anchorKeyOf, type ContextElement, type Resource } from '@lockstep/fhircast';
import { forEvent, referenceOf, titleOf } from '../fhir.ts';

/** `Type/id`. */
export const keyOf = (resource: Resource): string => `${resource.resourceType}/${resource.id ?? ''}`;

export function patientOf(context: Context): Resource | undefined {
  return context.type === 'Patient' ? Object.values(context.resources)[0] : context.resources.patient;
}

/** The resource that a context is about. */
export function anchorOf(context: Context): Resource | undefined {
  const { type, id } = context;
  return Object.values(context.resources).find((one) => one?.resourceType === type && one.id === id);
}

/** `Type/id` of what a close is about, whether the event brings the resource or refers to it. */
export function closedKey(type: string, elements: readonly ContextElement[]): string | undefined {
  return elements
    .map(({ resource, reference }) => (resource ? keyOf(resource) : referenceOf({ of: reference }, 'of')))
    .find((key) => key?.startsWith(`${type}/`));
}

/** The context of a close. */
export function closing(resource: Resource, patient: Resource): ContextElement[] {
  const anchor = { key: anchorKeyOf(resource.resourceType), resource: forEvent(resource) };
  return resource === patient ? [anchor] : [anchor, { key: 'patient', resource: forEvent(patient) }];
}

/** What is open besides the patient, in a line: `CT chest`. Empty when it is the patient alone. */
export function anchorTitle(context: Context): string {
  return context.type === 'Patient' ? '' : titleOf(anchorOf(context)) || `${context.type} ${context.id}`;
}
