import { eventDefinition, eventKey } from '@lockstep/fhircast';

/** Whether events of this name change which context is current: not to follow one is to show the wrong patient (ERR-8). */
export function changesContext(eventName: string): boolean {
  const key = eventKey(eventName);
  if (key === 'home-open' || key === 'userlogout') return true;
  const action = eventDefinition(eventName)?.action;
  return action === 'open' || action === 'close';
}

/** Whether an event that was sent has changed which context is current: a close of another one has not. */
export function hasChangedContext(event: { readonly originalName: string; readonly keepsCurrent?: true }): boolean {
  return event.keepsCurrent === undefined && changesContext(event.originalName);
}
