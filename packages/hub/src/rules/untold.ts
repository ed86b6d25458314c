/**
 * Who is not told of the current context, since it did not subscribe to such events, and was told before of another patient's (ERR-8): it
 * may show that one still.
 */
import { eventKey, isObject } from '@lockstep/fhircast';
import { AnchorMap } from './anchor-map.ts';
import { cleared, marked } from './following.ts';
import { type Anchor, contextOf, type SessionState, type Subscription } from './session-state.ts';
import { toldUpTo } from './told.ts';

/** `Patient/id` of those whom a context is about, as its publishers name them. */
function patientsOf({ opening }: Anchor): readonly string[] {
  return contextOf(opening).flatMap(({ resource, reference }) => {
    if (resource?.resourceType === 'Patient') return [`Patient/${resource.id}`];
    const references = [reference, resource?.subject, resource?.patient];
    return references.flatMap((one) => (isObject(one) && typeof one.reference === 'string' ? [one.reference] : []));
  });
}

/** Types of resources that have no element for a patient, and are opened as contexts of their own. */
const OF_NO_PATIENT: ReadonlySet<string> = new Set([
  'Endpoint',
  'HealthcareService',
  'Location',
  'Medication',
  'Organization',
  'Practitioner',
  'PractitionerRole',
]);

/** Whether a context is about no patient. One that does not name its patient, such as a study alone, may be about any. */
function isOfNoPatient(anchor: Anchor): boolean {
  return OF_NO_PATIENT.has(anchor.key.type) && patientsOf(anchor).length === 0;
}

/** What the subscriber was told last, where that is not the current context, is open still, and may be about a patient. */
function toldBefore(state: SessionState, subscription: Subscription, derivesOpens: boolean): Anchor | undefined {
  const number = toldUpTo(state, subscription, derivesOpens);
  if (number >= state.changedBy) return undefined;
  const anchor = AnchorMap.of(state.anchors).openedBy(number);
  return anchor && !isOfNoPatient(anchor) ? anchor : undefined;
}

/**
 * The session after a context was opened: who is not told of it, and was told of another patient, is marked; who was told of this
 * patient is not marked any more.
 * @param eventName of the open
 * @param now ms since the epoch
 */
export function withUntold(state: SessionState, eventName: string, derivesOpens: boolean, now: number): SessionState {
  const current = state.anchors.get(state.current ?? '');
  if (!current || isOfNoPatient(current)) return state;
  const patients = patientsOf(current);
  const key = eventKey(eventName);
  let after = state;
  for (const subscription of state.subscriptions.values()) {
    const isTold = subscription.events.some((one) => one === eventName || one === '*' || eventKey(one) === key);
    const before = isTold ? undefined : toldBefore(state, subscription, derivesOpens);
    if (!before) continue;
    const { id } = subscription;
    const isOfPatient = patientsOf(before).some((one) => patients.includes(one));
    if (isOfPatient && state.following.get(id)?.why === 'untold') after = cleared(after, id);
    // What else is known of it says more.
    if (isOfPatient || state.following.has(id)) continue;
    const { number: followed } = before.opening;
    const { id: eventId } = current.opening;
    const reason = `it is not subscribed to ${eventName}, and was told of ${before.key.type} last`;
    after = marked(after, subscription, { why: 'untold', since: now, eventId, eventName, followed, reason });
  }
  return after;
}
