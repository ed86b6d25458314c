import { eventDefinition } from '@lockstep/fhircast';

/** Whether events of this name change which context is current: not to follow one is to show the wrong patient (ERR-8). */
export function changesContext(eventName: string): boolean {
  const { name, action } = eventDefinition(eventName) ?? {};
  return action === 'open' || action === 'close' || name === 'Home-open' || name === 'UserLogout';
}

/** Whether events of this name leave no context open that was. */
export function endsContexts(eventName: string): boolean {
  const name = eventDefinition(eventName)?.name;
  return name === 'Home-open' || name === 'UserLogout';
}

/** Whether the event is a logout. */
export function isLogout(eventName: string): boolean {
  return eventDefinition(eventName)?.name === 'UserLogout';
}

/** Whether an event that was sent has changed which context is current: a close of another one has not. */
export function hasChangedContext(event: { readonly originalName: string; readonly keepsCurrent?: true }): boolean {
  return event.keepsCurrent === undefined && changesContext(event.originalName);
}
