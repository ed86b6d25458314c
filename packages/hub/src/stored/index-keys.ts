import { nameKey } from '@lockstep/fhircast';
import type { Commit } from '@lockstep/store';
import type { AccessEnd } from '../rules/permission.ts';
import type { SessionState } from '../rules/session-state.ts';

/** Keys under which a session is found again. */
function indexKeys(state: SessionState): Set<string> {
  const { user, aliases, workstation, startedBy, startedFrom, invitations = [], guests = [] } = state.info;
  const keys = new Set(['all', ...[user, ...aliases].map(userKey)]);
  if (workstation) keys.add(workstationKey(workstation));
  for (const { id } of invitations) keys.add(invitationKey(id));
  for (const guest of guests) keys.add(guestKey(guest.user));
  if (startedBy) keys.add(startedByKey(startedBy)).add(startedForKey(startedBy, user));
  if (startedFrom !== undefined) keys.add(startedFromKey(startedFrom));
  for (const { id, channel, node, grantId, clientId, user: subscriber } of state.subscriptions.values()) {
    keys.add(endpointKey(id)).add(`grant:${grantId}`).add(`client:${clientId}`);
    if (subscriber) keys.add(subscriberKey(subscriber));
    if (node) keys.add(nodeKey(node));
    if (channel === 'webhook') keys.add('webhooks');
  }
  return keys;
}

export function userKey(name: string): string {
  return `user:${nameKey(name)}`;
}

/** The user that a subscription was made for, who need not be the session's own (SES-6). */
export function subscriberKey(user: string): string {
  return `subscriber:${nameKey(user)}`;
}

/** A user who has joined somebody else's session. */
export function guestKey(user: string): string {
  return `guest:${nameKey(user)}`;
}

export function invitationKey(id: string): string {
  return `invitation:${id}`;
}

/** The client that started a session (SUB-13). */
export function startedByKey(clientId: string): string {
  return `started-by:${clientId}`;
}

/** The client that started a session, and for whom (SUB-13). */
export function startedForKey(clientId: string, user: string): string {
  return `started-by:${clientId} for ${nameKey(user)}`;
}

/** The address that a session was started from (SUB-13). */
export function startedFromKey(address: string): string {
  return `started-from:${address}`;
}

/** A node whose subscriptions are among the session's. */
export function nodeKey(node: string): string {
  return `node:${node}`;
}

/** What `accessEnded` looks sessions up by. */
export function accessKey({ grantId, clientId, user }: AccessEnd): string {
  if (grantId !== undefined) return `grant:${grantId}`;
  if (clientId !== undefined) return `client:${clientId}`;
  return user === undefined ? 'all' : subscriberKey(user);
}

export function endpointKey(id: string): string {
  return `endpoint:${id}`;
}

export function workstationKey(name: string): string {
  return `workstation:${nameKey(name)}`;
}

export function isUnder(state: SessionState, key: string): boolean {
  return indexKeys(state).has(key);
}

/** What a change of the session changes in where it is found. */
export function indexChange(before: SessionState | undefined, after: SessionState): Commit['index'] {
  if (before && before.info === after.info && before.subscriptions === after.subscriptions) return undefined;
  const old = before ? indexKeys(before) : new Set<string>();
  const now = indexKeys(after);
  return { add: [...now.difference(old)], remove: [...old.difference(now)] };
}
