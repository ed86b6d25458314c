import { isObject } from '@lockstep/fhircast';
import type { Described } from './request-audit.ts';

/** Longest name or topic that is recorded as it was sent; the Hub refuses longer ones. */
const LONGEST = 256;

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value.slice(0, LONGEST) : undefined;

/**
 * Which event is being published, also where it will be refused.
 * @param body the parsed JSON
 * @param pathTopic the topic in the path, if there is one
 * @param withPatients whether the patient's id is recorded
 */
export function describePublished(
  body: unknown,
  pathTopic: string | undefined,
  withPatients: boolean,
): Described & { readonly act: 'publish' } {
  const event = isObject(body) && isObject(body.event) ? body.event : undefined;
  const topic = pathTopic ?? text(event?.['hub.topic']);
  const name = text(event?.['hub.event']);
  const patient = withPatients ? patientIn(event?.context) : undefined;
  return {
    act: 'publish',
    ...(topic !== undefined && { topic }),
    ...(name !== undefined && { event: name }),
    ...(patient !== undefined && { patients: [patient] }),
  };
}

function patientIn(context: unknown): string | undefined {
  if (!Array.isArray(context)) return undefined;
  for (const element of context) {
    if (!isObject(element) || !isObject(element.resource)) continue;
    const { resourceType, id } = element.resource;
    if (resourceType === 'Patient') return text(id);
  }
  return undefined;
}
