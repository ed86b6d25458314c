import {
  CONTEXT_TEXT,
  type ContextElement,
  type ExactJson,
  NO_CONTEXTS,
  type NotFollowing,
  type OpenContext,
  type ResourceKey,
  readExact,
  resourceKeys,
  type SessionContexts,
} from '@lockstep/fhircast';
import type { Spelling } from './versions.ts';

/** Lets users who hold it join the session, until it ends. */
export interface SessionInvitation {
  /** Hash of what its holder shows. */
  readonly id: string;
  /** ms since the epoch. */
  readonly expiresAt: number;
  readonly followingOnly?: true;
}

/** A user who has joined somebody else's session. */
export interface SessionGuest {
  readonly user: string;
  /** ms since the epoch. */
  readonly joinedAt: number;
  /** Id of the invitation that was taken up. */
  readonly invitation: string;
  /** May follow and not publish. */
  readonly followingOnly?: true;
}

/** Who a session belongs to and where it runs (SES-1, SES-2). */
export interface SessionInfo {
  /** A reference such as `Practitioner/123`, or the name that the driving system knows the user by. */
  readonly user: string;
  /** The user's other names (SES-7). */
  readonly aliases: readonly string[];
  readonly workstation?: string;
  readonly label?: string;
  /** ms since the epoch. */
  readonly startedAt: number;
  /** `false` for a user whom the server does not know (SES-8). */
  readonly known?: false;
  /** The client that started the session: it always finds room in it (SUB-13). Absent for one that the server started. */
  readonly startedBy?: string;
  /** The network address that the client started it from (SUB-13). */
  readonly startedFrom?: string;
  readonly invitations?: readonly SessionInvitation[];
  readonly guests?: readonly SessionGuest[];
}

/** The event that opened a context, as published. */
export interface Opening {
  /** Its number in the topic's log. */
  readonly number: number;
  readonly id: string;
  readonly timestamp: string;
  /** `event.context` as JSON, in its publisher's words (PUB-13). */
  readonly context: string;
}

/** A context that was read, with what writes its parts in their publisher's words. */
export interface ReadOpening {
  readonly context: readonly ContextElement[];
  readonly exact: Pick<ExactJson, 'write' | 'textOf'>;
}

/**
 * Contexts that stay read, the latest ones: each takes several times the memory of its text. What is asked of a context with every event
 * about it is kept with its opening instead.
 */
const MOST_READ = 64;
const read: { readonly opening: Opening; readonly context: ReadOpening }[] = [];
let nextRead = 0;

/** The opening event as its context was read already. */
export function withReadContext(opening: Opening, context: ReadOpening): Opening {
  read[nextRead] = { opening, context };
  nextRead = (nextRead + 1) % MOST_READ;
  return opening;
}

/** The context of an opening event, with what writes its parts. */
export function readOpening(opening: Opening): ReadOpening {
  for (const one of read) if (one.opening === opening) return one.context;
  const exact = readExact(opening.context, CONTEXT_TEXT);
  if (!exact.ok) throw new Error(`A stored context cannot be read: ${exact.reason}`);
  const context = { context: exact.value.value as readonly ContextElement[], exact: exact.value };
  withReadContext(opening, context);
  return context;
}

export function contextOf(opening: Opening): readonly ContextElement[] {
  return readOpening(opening).context;
}

const resourcesOf = new WeakMap<Opening, ReadonlySet<string>>();

/** `Type/id` of the resources in the opening event (CON-4). */
export function openingResources(opening: Opening): ReadonlySet<string> {
  let resources = resourcesOf.get(opening);
  if (!resources) {
    resources = resourceKeys(contextOf(opening));
    resourcesOf.set(opening, resources);
  }
  return resources;
}

/** An open anchor context with the content shared in it, each resource as JSON (CON-1, PUB-13). */
export type Anchor = OpenContext<Opening, string>;

/**
 * How the Hub waits for answers (ERR-4): `strict` from the first event on, `answers` from the subscriber's first answer on, `off`
 * never.
 */
export type Acknowledgements = 'answers' | 'strict' | 'off';

/** Whether a subscriber's socket is connected. Times in ms since the epoch. */
export type Presence =
  /** It has never been connected (SUB-13). */
  | { readonly is: 'awaited'; readonly since: number }
  | { readonly is: 'connected' }
  /** The socket closed; the subscriber may return (SUB-11). */
  | {
      readonly is: 'away';
      readonly since: number;
      /** Number of the last event that it was sent; absent where it was still catching up, or an earlier version stored it. */
      readonly upTo?: number;
      /** When the others are sent a SyncError, and what it says; absent where it left in good order, or was reported (ERR-3). */
      readonly report?: { readonly at: number; readonly how: string };
      /** What it showed as it left, as far as is known; absent for nothing, or where an earlier version stored it. */
      readonly shows?: ToldContext;
    };

/** A context that a subscriber was told of. */
export interface ToldContext {
  readonly key: ResourceKey;
  /** Number of the event that opened it. */
  readonly number: number;
  /** `Patient/id` of those whom it is about, as its publisher names them. */
  readonly patients: readonly string[];
}

export interface Subscription {
  /** The unguessable part of the endpoint's path. */
  readonly id: string;
  readonly channel: 'websocket' | 'webhook';
  readonly subscriberName: string;
  /** Granted events in the catalog's spelling, or `*` (SUB-4). */
  readonly events: readonly string[];
  /** ms since the epoch (SUB-5). */
  readonly expiresAt: number;
  readonly clientId: string;
  readonly user?: string;
  readonly grantId: string;
  readonly tokenId: string;
  readonly acknowledgements: Acknowledgements;
  /** How often it was renewed: each time its subscriber gets a fresh confirmation (SUB-6). */
  readonly renewals: number;
  /** Where a webhook's events are posted, and what they are signed with (WEB-2). */
  readonly callback?: string;
  readonly secret?: string;
  /** Number of the last event before the subscription: nothing up to it is ever delivered to it (SUB-11, WEB-3). */
  readonly after?: number;
  /** How its events are written, where that is not the Hub's own way (WEB-5). */
  readonly spelling?: Spelling;
  /** The node that holds, or last held, its socket, or that calls its callback; absent until the first connection. */
  readonly node?: string;
  /** Absent for webhooks, and in sessions that an earlier version stored. */
  readonly presence?: Presence;
  /**
   * What it was told of last, and of no end of that, where its events do not say so: the context is closed, or it had other events then.
   * null for nothing.
   */
  readonly told?: ToldContext | null;
  /** Whether it was taken for the successor of one that has ended, see `FollowingMark`: it is that of no other. */
  readonly standsIn?: true;
}

/** What the Hub holds of one subscriber that does not follow the context (ERR-8); `NotFollowing` is what it publishes of it. */
export interface FollowingMark {
  readonly subscriberName: string;
  readonly clientId: string;
  readonly user?: string;
  readonly why: NotFollowing['why'];
  /** ms since the epoch. */
  readonly since: number;
  /** The event that it did not follow, where there is one. */
  readonly eventId?: string;
  readonly eventName?: string;
  /** Number of the last context change that it followed: what it still shows, as far as is known. */
  readonly followed?: number;
  /** Number of the context change that it was sent on joining or by a renewal, whose answer is waited for. */
  readonly awaits?: number;
  /** Its own words, or the Hub's. */
  readonly reason?: string;
  /** Whether it said so in a SyncError of its own. */
  readonly bySyncError?: true;
  /** Whether its subscription has ended since: it is gone, and what its screen shows is not known. */
  readonly ended?: true;
  /** Whether it is a callback that could not be reached, so that its application may be gone. */
  readonly unreached?: true;
  /**
   * Subscriptions that began while this one was lost, or since it was last heard of, with its client, user and name, oldest first: its
   * application may have been started again as one of them. Forgotten if this one comes back.
   */
  readonly successors?: readonly string[];
  /** Until when none of them stands in for it, though its subscription may end before: it may have lost nothing but its connection. ms since the epoch. */
  readonly heldUntil?: number;
}

/**
 * A context that was closed, or lost shared content, for subscribers that may not have received that: they were disconnected, or their
 * connection broke.
 */
export interface ClosedContext {
  readonly key: ResourceKey;
  /** Number of the event that closed it, or deleted content. */
  readonly number: number;
  /** Number of the event that had opened it; absent where an earlier version stored it. */
  readonly opened?: number;
  /** Whether it was current when it was closed, so that none was afterwards. */
  readonly leftNothing?: true;
  /** ms since the epoch; absent where an earlier version stored it. */
  readonly at?: number;
  /** Its opening context as JSON, for the close that is sent; of a long one, which resources it is about. */
  readonly context: string;
}

/** Everything the Hub knows of one session. Immutable: a decision makes a new one that shares what did not change. */
export interface SessionState extends SessionContexts<Opening, string> {
  readonly topic: string;
  readonly info: SessionInfo;
  /** Number of the latest event that changed which context is current: what "following" is about (ERR-8). */
  readonly changedBy: number;
  /** Number of the last UserLogout: nothing up to it is delivered any more (SUB-11). */
  readonly loggedOutAt: number;
  readonly subscriptions: ReadonlyMap<string, Subscription>;
  /** Contexts that were closed or lost content, for subscribers that may not have received that (SUB-11). */
  readonly closed: readonly ClosedContext[];
  /** Who does not follow the context, by subscription (ERR-8). */
  readonly following: ReadonlyMap<string, FollowingMark>;
  /** Bytes of contexts and content, as JSON: see `heldBytes`. */
  readonly heldBytes: number;
  /** Number that the next log entry gets. */
  readonly nextNumber: number;
  /** ms since the epoch of the last change: what idle expiry counts from (SES-5). */
  readonly changedAt: number;
}

/** Who does not follow, where everybody does. */
export const EVERYBODY_FOLLOWS: SessionState['following'] = new Map();

/** The presence of every connected subscriber. */
export const CONNECTED: Presence = { is: 'connected' };

export function newSession(topic: string, info: SessionInfo): SessionState {
  return {
    topic,
    info,
    ...NO_CONTEXTS,
    changedBy: 0,
    loggedOutAt: 0,
    subscriptions: new Map(),
    closed: [],
    following: EVERYBODY_FOLLOWS,
    heldBytes: 0,
    nextNumber: 1,
    changedAt: info.startedAt,
  };
}
