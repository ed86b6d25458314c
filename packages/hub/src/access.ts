import type { Access } from './ports.ts';
import type { SessionInfo, Subscription } from './state.ts';

function among(list: readonly string[] | undefined, names: readonly (string | undefined)[]): boolean {
  if (!list) return true;
  const allowed = new Set(list.map((one) => one.toLowerCase()));
  return names.some((name) => name !== undefined && allowed.has(name.toLowerCase()));
}

/** Whether a backend client's registration covers sessions of this user at this workstation (SES-4). */
function covers(sessions: Access['sessions'], info: Pick<SessionInfo, 'user' | 'aliases' | 'workstation'>): boolean {
  if (sessions === undefined) return false;
  if (sessions === 'all') return true;
  return among(sessions.users, [info.user, ...info.aliases]) && among(sessions.workstations, [info.workstation]);
}

/** Whether the token is good for the session: handed out with it, its user's own, or its registration's (SES-4, SES-6). */
export function mayJoin(access: Access, topic: string, info: SessionInfo): boolean {
  if (access.topics.includes(topic)) return true;
  return access.user === undefined ? covers(access.sessions, info) : access.user === info.user;
}

/** Whether the token may open a session for this user (SES-2). */
export function mayOpen(access: Access, info: Pick<SessionInfo, 'user' | 'aliases' | 'workstation'>): boolean {
  return access.user === undefined ? covers(access.sessions, info) : access.user === info.user;
}

/** Whether the subscription was made by this client for this user (SUB-6). */
export function owns(access: Access, subscription: Subscription): boolean {
  return access.clientId === subscription.clientId && access.user === subscription.user;
}
