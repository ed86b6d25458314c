import type { EventMessage } from '@lockstep/fhircast';
import { holdsPosition, type LogPosition, type StoredSession } from '@lockstep/store';
import { openContexts, openOrClosed, withVersionsBefore } from '../rules/gap.ts';
import type { SessionState } from '../rules/session-state.ts';
import type { Audience } from './audience.ts';
import type { CaughtUpSession, Missed } from './catch-up.ts';
import type { Delivery } from './delivery.ts';
import type { HeldLog } from './held-log.ts';
import type { MissedEvents } from './missed-events.ts';

/** What was sent to a session's subscribers before the session was read again. */
export interface SentBefore {
  /** The last entry that went out to everybody; undefined before anything is known. */
  readonly delivered: LogPosition | undefined;
  readonly log: HeldLog;
  /** The state that everybody here was brought in line with last. */
  readonly told: SessionState | undefined;
}

/** A session as it was read again. */
export interface Reread {
  readonly stored: StoredSession;
  readonly state: SessionState;
  readonly log: HeldLog;
}

/** Whether the store has lost what was sent: it came back from a copy, and may have given the numbers to others since. */
export function isUndone(delivered: LogPosition | undefined, stored: StoredSession): boolean {
  if (delivered === undefined || delivered.offset < stored.start.offset) return false;
  return !holdsPosition(stored, delivered);
}

function* messagesOf(deliveries: readonly Delivery[]): Generator<EventMessage> {
  for (const { read } of deliveries) yield read.message;
}

/**
 * What the subscribers here have to be sent so that they are up to date with what was read.
 * @param session what those go on with that were not up to date before
 * @returns sends it; undefined where nothing is missing
 */
export async function newsSince(
  { delivered, log: held, told }: SentBefore,
  { stored, state, log }: Reread,
  audience: Audience,
  missed: MissedEvents,
  session: CaughtUpSession,
): Promise<(() => void) | undefined> {
  const last = stored.position.offset;
  const upTo = delivered?.offset ?? 0;
  const undone = isUndone(delivered, stored);
  if (upTo === last && !undone) return undefined;
  const from = undone ? held.newAfter(stored.log) : upTo;
  const read = from === undefined ? undefined : await missed.fromLog(state, log, from, last);
  // Subscribers that were sent what is gone are sent how things stand now (SUB-11).
  const correcting = (of: typeof openContexts): readonly Delivery[] => {
    if (!undone && read) return [];
    // What the log has since goes out after it, and leads on from the versions before.
    const before = read ? withVersionsBefore(state, messagesOf(read.first)) : state;
    return missed.correction(before, log, told ? of(told) : [], read && from);
  };
  const logFrom = read ? (from ?? 0) : last;
  const rest: Missed = { first: read?.first ?? [], after: read?.after ?? last };
  const upToDate = correcting(openContexts);
  // Who was still catching up may have been sent an open, and not yet its close.
  const behind = correcting(openOrClosed);
  return () => {
    for (const socket of [...audience.sockets.values()]) {
      if (undone) socket.goBack(from ?? 0);
      const { caughtUpTo } = socket;
      // Who has not come as far yet goes on with the log.
      if (caughtUpTo !== undefined && (!undone || caughtUpTo <= (from ?? -1))) continue;
      const earlier = caughtUpTo === undefined ? upToDate : behind;
      socket.bring({ ...rest, first: [...earlier, ...rest.first] }, session);
    }
    for (const callback of audience.callbacks.values()) {
      if (undone) callback.goBack(from ?? 0, logFrom, behind);
      else callback.catchUp();
    }
  };
}
