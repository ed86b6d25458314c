/** Who may do what with which session (SES-2, SES-4, SES-6, SUB-6). */
import { type DialectSwitches, nameKey, type Scopes } from '@lockstep/fhircast';
import type { Acknowledgements, SessionGuest, SessionInfo, SessionState, Subscription } from './session-state.ts';

/** What a bearer token stands for. */
export interface Access {
  readonly tokenId: string;
  readonly grantId: string;
  readonly clientId: string;
  readonly clientName: string;
  readonly scopes: Scopes;
  /** ms since the epoch. */
  readonly expiresAt: number;
  /** Reference of the user; absent for a backend service. */
  readonly user?: string;
  readonly userAliases: readonly string[];
  /** The network address that the request came from, where the caller came by one: of IPv6 its /64 (SUB-13). */
  readonly address?: string;
  /** Topics handed out with the token (SES-6). */
  readonly topics: readonly string[];
  /** The sessions that a backend service may see (SES-4). */
  readonly sessions?: 'all' | { readonly users?: readonly string[]; readonly workstations?: readonly string[] };
  /** Compatibility switches of the client's registration. */
  readonly switches: DialectSwitches & {
    readonly acknowledgements?: Acknowledgements;
    /** The version that the client speaks, and how it reads event names (`subscriptionRules`). */
    readonly fhircast?: unknown;
    readonly lowerCaseEvents?: unknown;
    readonly draftContent?: unknown;
    /** `true` for a client that gets the originator of each event. */
    readonly originator?: unknown;
    /** `true` for a client that reads the current context as a list. */
    readonly contextList?: unknown;
    /** `true` for a client whose `subscriber.*` and `target.*` fields go out with its events (PUB-12). */
    readonly senderFields?: unknown;
  };
}

/** The end of some access: everything that matches each given field (TOK-6). */
export interface AccessEnd {
  readonly grantId?: string;
  readonly clientId?: string;
  readonly tokenId?: string;
  readonly user?: string;
  readonly reason: string;
}

/** SES-8: whether two names of users or workstations are the same. */
export function isSameName(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && other !== undefined && nameKey(one) === nameKey(other);
}

function among(list: readonly string[] | undefined, names: readonly (string | undefined)[]): boolean {
  return !list || names.some((name) => list.some((allowed) => isSameName(allowed, name)));
}

type Whose = Pick<SessionInfo, 'user' | 'aliases' | 'workstation'>;

/** Whether a backend client's registration covers sessions of this user at this workstation (SES-4). */
function covers(sessions: Access['sessions'], { user, aliases, workstation }: Whose): boolean {
  if (sessions === undefined) return false;
  if (sessions === 'all') return true;
  return among(sessions.users, [user, ...aliases]) && among(sessions.workstations, [workstation]);
}

/** Whether the token may open a session for this user (SES-2). */
export function mayOpen(access: Access, whose: Whose): boolean {
  return access.user === undefined ? covers(access.sessions, whose) : isSameName(access.user, whose.user);
}

/** Whether the token is good for the session: handed out with it, its user's own or joined, or its registration's (SES-4, SES-6). */
export function mayJoin(access: Access, topic: string, info: SessionInfo): boolean {
  return access.topics.includes(topic) || mayOpen(access, info) || guestOf(access, info) !== undefined;
}

/** What the token's user is in somebody else's session. */
export function guestOf({ user }: Access, { guests }: SessionInfo): SessionGuest | undefined {
  return guests?.find((guest) => isSameName(guest.user, user));
}

/** Whether the subscription was made by this client for this user (SUB-6). */
export function owns(access: Access, subscription: Subscription): boolean {
  return access.clientId === subscription.clientId && access.user === subscription.user;
}

/** Whether the caller always finds room in the session: its own user, and the client that started it (SUB-13). */
export function isOwner(access: Access, { info }: SessionState): boolean {
  return isSameName(access.user, info.user) || access.clientId === info.startedBy;
}

/** Whether the access has ended that something was done, or is to be done, with (TOK-6). */
export function endedWith(
  { grantId, clientId, tokenId, user }: AccessEnd,
  one: Pick<Access | Subscription, 'grantId' | 'clientId' | 'tokenId' | 'user'>,
): boolean {
  return (
    (grantId === undefined || one.grantId === grantId) &&
    (clientId === undefined || one.clientId === clientId) &&
    (tokenId === undefined || one.tokenId === tokenId) &&
    (user === undefined || isSameName(one.user, user))
  );
}
