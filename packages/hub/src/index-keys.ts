import type { Commit } from '@lockstep/store';
import type { SessionState } from './state.ts';

/** Keys under which a session is found again. */
function indexKeys(state: SessionState): Set<string> {
  const { user, aliases, workstation } = state.info;
  const keys = new Set(['all', ...[user, ...aliases].map(userKey)]);
  if (workstation) keys.add(workstationKey(workstation));
  for (const { id, channel, node, grantId, clientId, user: subscriber } of state.subscriptions.values()) {
    keys.add(`endpoint:${id}`).add(`grant:${grantId}`).add(`client:${clientId}`);
    if (subscriber) keys.add(subscriberKey(subscriber));
    if (node) keys.add(`node:${node}`);
    if (channel === 'webhook') keys.add('webhooks');
  }
  return keys;
}

export function userKey(name: string): string {
  return `user:${name.toLowerCase()}`;
}

/** The user that a subscription was made for, who need not be the session's own (SES-6). */
export function subscriberKey(user: string): string {
  return `subscriber:${user.toLowerCase()}`;
}

export function workstationKey(name: string): string {
  return `workstation:${name.toLowerCase()}`;
}

/** What a change of the session changes in where it is found. */
export function indexChange(before: SessionState | undefined, after: SessionState): Commit['index'] {
  if (before && before.info === after.info && before.subscriptions === after.subscriptions) return undefined;
  const old = before ? indexKeys(before) : new Set<string>();
  const now = indexKeys(after);
  return { add: [...now.difference(old)], remove: [...old.difference(now)] };
}
