import { eventDefinition, eventKey } from '@lockstep/fhircast';

/** Whether an event changes which context is current: not to follow it is to show the wrong patient (ERR-8). */
export function changesContext(eventName: string): boolean {
  const key = eventKey(eventName);
  if (key === 'home-open' || key === 'userlogout') return true;
  const action = eventDefinition(eventName)?.action;
  return action === 'open' || action === 'close';
}
