/** The SyncErrors that the Hub makes (ERR-2 to ERR-5). */
import { eventDefinition, eventKey, syncErrorMessage } from '@lockstep/fhircast';
import type { Accepted, Effect, Made } from './commands.ts';
import { isUnanswered } from './own-events.ts';
import type { Policy } from './policy.ts';
import type { SessionState, Subscription } from './session-state.ts';

/** What a SyncError is about; without an event, it is about itself. */
export interface Cause {
  readonly eventId?: string;
  readonly eventName?: string;
  readonly diagnostics: string;
}

/** ERR-5: an update or a selection that one application cannot use is no loss of context. */
export function isReported(eventName: string, { reportsContentRefusals }: Policy['profile']): boolean {
  // A SyncError about a SyncError would never end.
  const key = eventKey(eventName);
  if (key === 'syncerror' || isUnanswered(key)) return false;
  const action = eventDefinition(eventName)?.action;
  return reportsContentRefusals || (action !== 'update' && action !== 'select');
}

/** What a lost connection is reported as about (ERR-3; RAD-155). */
export function lostCause(
  state: SessionState,
  { subscriberName }: Subscription,
  how: string,
  { lostConnectionIsAbout }: Policy['profile'],
): Cause {
  const names = lostConnectionIsAbout === 'current open' && state.current !== undefined;
  const current = names ? state.anchors.get(state.current ?? '') : undefined;
  return {
    ...(current && { eventId: current.opening.id, eventName: `${current.key.type}-open` }),
    diagnostics: `${subscriberName} ${how} and may not follow the context.`,
  };
}

/**
 * Tells the others that subscribers are out of sync.
 * @param made the id of the first; each further one gets an id made from it
 */
export function reported(
  state: SessionState,
  causes: readonly { readonly subscription: Subscription; readonly cause: Cause }[],
  { eventId, timestamp }: Made,
  now: number,
  { syncErrorSeverity: severity, syncErrorAudience }: Policy['profile'],
): { readonly state: SessionState; readonly effects: readonly Effect[] } {
  if (causes.length === 0) return { state, effects: [] };
  const effects = causes.map(({ subscription: { id, subscriberName }, cause }, index): Effect => {
    const own = index === 0 ? eventId : `${eventId}.${index}`;
    const message = syncErrorMessage(own, timestamp, state.topic, {
      eventId: own,
      eventName: 'SyncError',
      subscriberName,
      ...cause,
      severity,
    });
    const made = { number: state.nextNumber + index, message, context: JSON.stringify(message.event.context) };
    const event: Accepted = syncErrorAudience === 'all' ? made : { ...made, except: id };
    return { kind: 'event', event };
  });
  return { state: { ...state, nextNumber: state.nextNumber + causes.length, changedAt: now }, effects };
}
