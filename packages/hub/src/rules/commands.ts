/** What a session can be asked to do, and what comes of it. */
import type { EventMessage, EventRequest, ExactJson, SubscriptionRequest } from '@lockstep/fhircast';
import type { Awaited, Outcome } from './conversation.ts';
import type { Access, AccessEnd } from './permission.ts';
import type { Rejection } from './reasons.ts';
import type { SessionInfo, SessionInvitation, SessionState, Subscription } from './session-state.ts';
import type { SubscriptionRules } from './versions.ts';

/** What the log remembers of an event whose id is used again (PUB-7). */
export interface KnownEvent {
  readonly number: number;
  /** Who published it, and what it was: see `eventFingerprint`. Absent where an earlier version stored the event. */
  readonly fingerprint?: string;
}

/** Writes a value as JSON: what a publisher wrote in its own words. See `readExact`. */
export type TextWriter = Pick<ExactJson, 'write' | 'textOf'>;

/** An event that the Hub makes itself needs an id and a time (ERR-2). */
export interface Made {
  readonly eventId: string;
  readonly timestamp: string;
}

/** Who a session is to be started for, and by whom. */
export interface Begin {
  readonly kind: 'begin';
  readonly topic: string;
  readonly info: Omit<SessionInfo, 'startedAt' | 'startedBy' | 'startedFrom'>;
  /** Absent for sign-in and other callers in this process: they need no permission. */
  readonly access?: Access;
  /** Sessions that were started already: by this client in all and for this user, and from this address (SUB-13). */
  readonly started?: { readonly byClient: number; readonly forUser: number; readonly fromAddress: number };
}

export interface Publish {
  readonly kind: 'publish';
  readonly access: Access;
  readonly request: EventRequest;
  /** Writes the parts of the event in their publisher's words (PUB-13). */
  readonly exact: TextWriter;
  /** Becomes the `context.versionId` where the event makes a new version. */
  readonly versionId: string;
  /** The log entry that already has this event id, if any (PUB-7). */
  readonly known?: KnownEvent;
  /** Number of the log entry that a SyncError is about, if it is held (ERR-8). */
  readonly about?: number;
  /** Who published it, and what it is: see `eventFingerprint`. */
  readonly fingerprint: string;
  /** What was found in its resources already; absent where the rules are to look into them (PUB-5). */
  readonly checked?: { readonly problem?: string };
}

export interface Subscribe {
  readonly kind: 'subscribe';
  readonly access: Access;
  readonly request: SubscriptionRequest;
  /** The unguessable part of the endpoint's path, where a new one is made. */
  readonly id: string;
  readonly rules: SubscriptionRules;
  readonly node: string;
  /** Subscriptions of this session that wait for their callback's word. */
  readonly asking?: number;
}

export type SessionCommand =
  | Begin
  /** Ends the session (SES-5). Without `access`, no permission is needed; `ifIdle` ends it only where nothing happens in it. */
  | { readonly kind: 'end'; readonly access?: Access; readonly reason: string; readonly ifIdle?: true }
  /** Lets somebody else's user join the session. */
  | { readonly kind: 'invite'; readonly access: Access; readonly invitation: SessionInvitation }
  /** A user takes up an invitation. */
  | { readonly kind: 'join'; readonly access: Access; readonly id: string }
  /** Ends an invitation and what came of it. */
  | { readonly kind: 'withdraw'; readonly access: Access; readonly id: string }
  /** A guest leaves the session. */
  | { readonly kind: 'leave'; readonly access: Access }
  | Publish
  /** `hub.mode=subscribe`: a new subscription, or a renewed one (SUB-1 to SUB-6). */
  | Subscribe
  /** A callback has confirmed what `subscribe` granted (WEB-1). */
  | { readonly kind: 'confirm'; readonly subscription: Subscription }
  /** `hub.mode=unsubscribe` (SUB-9). */
  | {
      readonly kind: 'unsubscribe';
      readonly access: Access;
      readonly request: SubscriptionRequest;
      readonly rules: SubscriptionRules;
    }
  /** A subscriber connects to its endpoint (SUB-7). */
  | {
      readonly kind: 'connect';
      readonly id: string;
      readonly node: string;
      /** Number of the last event that it has seen, where it says so and the log holds what came after (SUB-11). */
      readonly seen?: number | undefined;
      /**
       * Whether the connection that it takes over was sent a context change that it did not follow. Of a connection to another node that
       * is not known: then, whether it is an application that answers whatever it is sent.
       */
      readonly owes?: boolean;
    }
  /** Sockets closed, each with its WebSocket close code (ERR-3, SUB-11). */
  | ({
      readonly kind: 'disconnect';
      readonly node: string;
      readonly closed: readonly {
        readonly id: string;
        readonly code: number;
        /** Number of the last context change that it followed. */
        readonly followed?: number;
        /** Whether it was still being sent what it had missed. */
        readonly behind?: boolean;
        /** Subscriptions of its client, user and name that began since it was last heard of (ERR-8). */
        readonly begunSince?: readonly string[];
      }[];
    } & Made)
  /** Time has passed: leases, grace times and hold-offs that are over (SUB-5, SUB-11, SUB-13, ERR-3). */
  | ({ readonly kind: 'elapse'; readonly node: string } & Made)
  /** A subscriber answered an event (ERR-2, ERR-8). */
  | ({
      readonly kind: 'answer';
      readonly id: string;
      readonly about: Awaited;
      readonly outcome: Outcome;
      /** What a subscriber or its callback said, in words for a SyncError: "refused to follow it". */
      readonly how: string;
      readonly reason?: string;
      /** Whether it is a callback that could not be reached, and nothing was answered. */
      readonly unreached?: true;
      /** Number of the last context change that it followed. */
      readonly followed?: number;
    } & Made)
  /** The time for an answer has passed (ERR-4). */
  | ({
      readonly kind: 'no-answer';
      readonly id: string;
      readonly about: Awaited;
      /** Deadlines that passed in a row without an answer. */
      readonly misses: number;
      /** Whether answers were due: otherwise only the following state changes (ERR-8). */
      readonly due: boolean;
      /** Number of the last context change that it followed. */
      readonly followed?: number;
      /** Subscriptions of its client, user and name that began since it was last heard of (ERR-8). */
      readonly begunSince?: readonly string[];
    } & Made)
  /** The answer to a context change is not there yet; it may still come in time (ERR-8). */
  | {
      readonly kind: 'delayed';
      readonly id: string;
      readonly about: Awaited;
      /** Number of the last context change that it followed. */
      readonly followed: number;
    }
  /** Ends subscriptions, with a reason that their subscribers get; `left` where they asked for it (ERR-8). */
  | { readonly kind: 'deny'; readonly ids: readonly string[]; readonly reason: string; readonly left?: true }
  /** Ends the subscriptions of an access that has ended (TOK-6). */
  | { readonly kind: 'access-ended'; readonly end: AccessEnd }
  /** A node is gone, or starts again: its sockets are closed, and its webhooks are called from another one (ERR-3). */
  | { readonly kind: 'take-over'; readonly from: string; readonly to: string; readonly here: ReadonlySet<string> };

/** Who published an event: an extension of ours, for subscribers that are registered for it. */
export interface Originator {
  readonly client: string;
  /** `subscriber.name` of its subscription, where one alone can be meant. */
  readonly subscriber?: string;
}

/** An event that was accepted: what the log keeps and the subscribers get. */
export interface Accepted {
  readonly number: number;
  readonly message: EventMessage;
  /** `event.context` as JSON, in its publisher's words (PUB-13). */
  readonly context: string;
  /** Writes parts of the context in their publisher's words; absent for what the Hub made. */
  readonly exact?: TextWriter;
  /** The subscription that does not get it. */
  readonly except?: string;
  /** See `eventFingerprint`; absent for what the Hub made. */
  readonly fingerprint?: string;
  /** Who published it; absent for what the Hub made. */
  readonly originator?: Originator;
  /** It closes another context than the current one, which stays as it is: to follow it says nothing of the current one (ERR-8). */
  readonly keepsCurrent?: true;
  /** It closes the current context or ends the session's contexts: none is current afterwards (DER-2). */
  readonly leavesNothing?: true;
}

export type Effect =
  /** Append to the log and send to the audience. `partly`: part of the event was ignored (CON-7 ira). */
  | { readonly kind: 'event'; readonly event: Accepted; readonly partly?: true }
  /** Deliver again to those that have not acknowledged it (PUB-7). */
  | { readonly kind: 'redeliver'; readonly number: number }
  /** A subscription was made or renewed, and is now this. */
  | { readonly kind: 'subscribed' | 'renewed'; readonly subscription: Subscription }
  /** A webhook is to be asked whether it wants this (WEB-1). */
  | { readonly kind: 'verify'; readonly mode: 'subscribe' | 'unsubscribe'; readonly subscription: Subscription }
  /** Subscriptions ended, and the reason that their subscribers get (SUB-10). */
  | { readonly kind: 'ended'; readonly ids: readonly string[]; readonly reason: string }
  /** The session began. */
  | { readonly kind: 'begun' }
  /** The session is over: erase it (SES-5). */
  | { readonly kind: 'erase'; readonly reason: string };

export interface Done {
  readonly ok: true;
  /** Takes effect only once it has been stored (PUB-4); undefined where the session is over. */
  readonly state: SessionState | undefined;
  readonly effects: readonly Effect[];
}

/** A refusal changes nothing. */
export type Decision = Done | Rejection;

export function done(state: SessionState | undefined, ...effects: readonly Effect[]): Done {
  return { ok: true, state, effects };
}
