/**
 * Group sessions, an extension of ours: users who join somebody else's session by an invitation. A guest may do what the session's
 * own user may, but neither invites nor ends the session, or follows only.
 */
import { eventKey } from '@lockstep/fhircast';
import { type Decision, done, type SessionCommand } from './commands.ts';
import { ended } from './lease.ts';
import { type Access, guestOf, isSameName, mayOpen } from './permission.ts';
import { type Rejection, refuse } from './reasons.ts';
import { cannotWriteSessions } from './session.ts';
import type { SessionGuest, SessionInfo, SessionState } from './session-state.ts';

type Of<Kind extends SessionCommand['kind']> = Extract<SessionCommand, { kind: Kind }>;

const MAX_INVITATIONS = 16;
const MAX_GUESTS = 64;
/** Why the subscriptions of guests end whose invitation was withdrawn. */
const WITHDRAWN = 'The invitation was withdrawn';
/** Why the subscriptions of a guest end who leaves. */
const LEFT = 'The guest has left the session';

export const UNKNOWN_INVITATION: Rejection = refuse('unknown-invitation', 'There is no such invitation');

/** Why the token may not invite to the session, if so: only its own user may, and services registered for that user. */
function cannotInvite(access: Access, { info }: SessionState): Rejection | undefined {
  const unable = cannotWriteSessions(access);
  if (unable) return unable;
  return mayOpen(access, info) ? undefined : refuse('session-not-allowed', "Only the session's own user may invite");
}

function withInfo(state: SessionState, change: Partial<SessionInfo>, now: number): SessionState {
  return { ...state, info: { ...state.info, ...change }, changedAt: now };
}

/** Somebody may join who holds the invitation, until it ends. */
export function invite(state: SessionState, { access, invitation }: Of<'invite'>, now: number): Decision {
  const unable = cannotInvite(access, state);
  if (unable) return unable;
  const held = (state.info.invitations ?? []).filter(({ expiresAt }) => expiresAt > now);
  if (held.length >= MAX_INVITATIONS) {
    return refuse('too-many-invitations', `The session has ${MAX_INVITATIONS} invitations already`);
  }
  return done(withInfo(state, { invitations: [...held, invitation] }, now));
}

/** The user of the token takes up an invitation. What a guest may do already is not changed by another one. */
export function join(state: SessionState, { access, id }: Of<'join'>, now: number): Decision {
  const invitation = state.info.invitations?.find((one) => one.id === id && one.expiresAt > now);
  if (!invitation) return UNKNOWN_INVITATION;
  const { user } = access;
  if (user === undefined) return refuse('session-not-allowed', 'An invitation is for a person: the token has no user');
  const { guests = [] } = state.info;
  if (isSameName(user, state.info.user) || guestOf(access, state.info)) return done(state);
  if (guests.length >= MAX_GUESTS)
    return refuse('too-many-invitations', `The session has ${MAX_GUESTS} guests already`);
  const { followingOnly } = invitation;
  const guest = { user, joinedAt: now, invitation: id, ...(followingOnly && { followingOnly }) };
  return done(withInfo(state, { guests: [...guests, guest] }, now));
}

/** An invitation is over, and so is the part of those who came by it. */
export function withdraw(state: SessionState, { access, id }: Of<'withdraw'>, now: number): Decision {
  const unable = cannotInvite(access, state);
  if (unable) return unable;
  const { invitations = [], guests = [] } = state.info;
  const leaving = guests.filter(({ invitation }) => invitation === id);
  if (leaving.length === 0 && !invitations.some((one) => one.id === id)) return UNKNOWN_INVITATION;
  const after = withInfo(state, { invitations: invitations.filter((one) => one.id !== id) }, now);
  return without(after, leaving, WITHDRAWN, now);
}

/** The guest whose token it is leaves, and may come again by an invitation. Needs no scope, as joining does. */
export function leave(state: SessionState, { access }: Of<'leave'>, now: number): Decision {
  const guest = guestOf(access, state.info);
  if (!guest) return refuse('session-not-allowed', "The token's user is no guest of the session");
  return without(state, [guest], LEFT, now);
}

/** The session without these guests and their subscriptions. */
function without(state: SessionState, leaving: readonly SessionGuest[], reason: string, now: number): Decision {
  const { guests = [] } = state.info;
  const after = withInfo(state, { guests: guests.filter((guest) => !leaving.includes(guest)) }, now);
  const ids = [...state.subscriptions.values()]
    .filter((one) => leaving.some(({ user }) => isSameName(user, one.user)))
    .map((one) => one.id);
  if (ids.length === 0) return done(after);
  return done(ended(after, ids, now, true), { kind: 'ended', ids, reason });
}

/** Whether a guest follows only, and may not publish this event; that it cannot follow it may say. */
export function followsOnly(access: Access, info: SessionInfo, eventName: string): boolean {
  return guestOf(access, info)?.followingOnly === true && eventKey(eventName) !== 'syncerror';
}
