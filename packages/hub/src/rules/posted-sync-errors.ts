/** What a SyncError that a subscriber posts says about the subscriber itself (ERR-8). */
import { readSyncErrorCause } from '@lockstep/fhircast';
import { changesContext } from './changes-context.ts';
import type { Publish } from './commands.ts';
import { marked } from './following.ts';
import { type Access, owns } from './permission.ts';
import type { SessionState, Subscription } from './session-state.ts';

/**
 * The caller's own subscriptions that a name means. An application that subscribed without a name may call itself what no other in
 * the session is called: then it is its only subscription.
 */
function meant(state: SessionState, access: Access, subscriberName: string | undefined): readonly Subscription[] {
  const all = [...state.subscriptions.values()];
  const own = all.filter((one) => owns(access, one));
  if (all.some((one) => one.subscriberName === subscriberName)) {
    return own.filter((one) => one.subscriberName === subscriberName);
  }
  return own.length === 1 ? own : [];
}

/**
 * The session after a SyncError: a subscriber that accepted a context change and says now that it does not follow it is marked, as
 * if it had refused. What is said of others, or of a context that is over, changes nothing.
 */
export function afterPostedSyncError(
  state: SessionState,
  { access, request, about }: Publish,
  now: number,
): SessionState {
  const { eventId, eventName, subscriberName, diagnostics } = readSyncErrorCause(request.message.event.context);
  if (eventId === undefined || about === undefined || about < state.changedBy) return state;
  if (about > state.changedBy && !changesContext(eventName ?? '')) return state;
  const mark = {
    why: 'refused',
    since: now,
    eventId,
    bySyncError: true,
    ...(eventName !== undefined && { eventName }),
    ...(diagnostics !== undefined && { reason: diagnostics }),
  } as const;
  // What is known of the current context says more than what is said of the close of another one.
  const isAside = about > state.changedBy;
  return meant(state, access, subscriberName)
    .filter(({ id }) => !isAside || !state.following.has(id))
    .reduce((after, one) => marked(after, one, mark), state);
}
