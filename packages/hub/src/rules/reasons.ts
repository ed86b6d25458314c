/**
 * Why the Hub refuses something. Every reason has a stable code; `requests/answers.ts` says what HTTP answers to each.
 */

/** Stable codes: clients of this package may compare them. */
export type ReasonCode =
  /** There is no such session, or not for the caller (SES-6). */
  | 'unknown-topic'
  /** A topic that a subscriber computed is not good (LAU-2). */
  | 'derived-topic-refused'
  /** The same, for an event that was published (SES-6, RAD-148). */
  | 'unknown-topic-of-event'
  /** The topic cannot start a session (SUB-12). */
  | 'unusable-topic'
  /** The topic exists already. */
  | 'topic-taken'
  /** The scopes of the token do not allow this (SES-2, SUB-4, PUB-2). */
  | 'scope-missing'
  /** The token may not open a session for this user or workstation (SES-2). */
  | 'session-not-allowed'
  /** No user was named (SES-2). */
  | 'user-missing'
  /** The server does not know this user (SES-8). */
  | 'user-unknown'
  /** What was sent is not what the rules ask for (PUB-5, CON-1). */
  | 'invalid'
  /** The id was used for another event, or by another client (PUB-7). */
  | 'id-used'
  /** The event is about another patient than what is open (PUB-14). */
  | 'other-patient'
  /** The anchor is not open (PUB-11). */
  | 'not-open'
  /** The anchor is not the current context (CON-7). */
  | 'not-current'
  /** The update was made for another version (CON-2). */
  | 'version-conflict'
  /** Part of the opening context may not be changed (CON-4). */
  | 'fixed-context'
  /** There is no such subscription, or not for the caller (SUB-6, SUB-9). */
  | 'unknown-endpoint'
  /** Several subscriptions could be meant (SUB-9). */
  | 'ambiguous-endpoint'
  /** The session, or the caller's share of it, is full (SUB-13). */
  | 'too-many-subscriptions'
  /** The caller holds its share of all sessions (SUB-13). */
  | 'too-many-sessions'
  /** There is no such invitation, or no longer. */
  | 'unknown-invitation'
  /** The session has its share of invitations, or of guests. */
  | 'too-many-invitations'
  /** The caller is a guest who may follow and not publish. */
  | 'follows-only'
  /** Too much waits already for resources of large events to be looked into (PUB-5). */
  | 'too-many-waiting'
  /** The event alone exceeds what a session may hold. */
  | 'event-too-large'
  /** With the event, the session would exceed what it may hold. */
  | 'session-full'
  /** What the command is about is so already, or no longer so: no answer is due. */
  | 'nothing-to-do';

export interface Rejection {
  readonly ok: false;
  readonly code: ReasonCode;
  /** A sentence for the client's developer. */
  readonly reason: string;
}

export function refuse(code: ReasonCode, reason: string): Rejection {
  return { ok: false, code, reason };
}

/** One answer for what does not exist and what is not the caller's (SES-6). */
export const UNKNOWN_TOPIC: Rejection = refuse('unknown-topic', 'There is no such hub.topic');

/** One answer for endpoints that do not exist and those of others (SUB-6). */
export const UNKNOWN_ENDPOINT: Rejection = refuse('unknown-endpoint', 'There is no such subscription');

export const NOTHING_TO_DO: Rejection = refuse('nothing-to-do', 'There is nothing to do');
