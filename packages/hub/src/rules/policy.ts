/** What a deployment chooses within the rules. */
import type { Resource } from '@lockstep/fhircast';
import type { Acknowledgements } from './session-state.ts';
import { CORE, type VersionRules } from './versions.ts';

export interface Policy {
  /** The version whose rules the Hub follows; its clients may follow others (`subscriptionRules`). */
  readonly profile: VersionRules;
  /** Lease of a subscription that asks for none, in seconds (SUB-5). */
  readonly defaultLeaseSeconds: number;
  readonly maxLeaseSeconds: number;
  /** ms in which a new endpoint must be connected to (SUB-13). */
  readonly connectMs: number;
  /** ms in which a subscriber whose socket dropped may return to its endpoint (SUB-11). */
  readonly graceMs: number;
  /** ms before the others are sent a SyncError for a lost connection: it often comes back at once (ERR-3). */
  readonly holdOffMs: number;
  /** ms that a subscriber may take to answer (ERR-4). */
  readonly answerMs: number;
  /** ms between the heartbeats for subscribers that ask for them. */
  readonly heartbeatMs: number;
  /** Unanswered events in a row after which a subscriber is unsubscribed (ERR-4). */
  readonly maxMisses: number;
  /** How the Hub waits for answers, where a client's registration does not say; the version's own way unless set. */
  readonly acknowledgements?: Acknowledgements;
  /** ms after which a session without subscriptions and without a change ends (SES-5). */
  readonly idleMs: number;
  /** Bytes of contexts and content that a session may hold, as JSON: what would exceed them is refused. */
  readonly maxSessionBytes: number;
  /** Subscriptions that a session may have. */
  readonly maxSubscriptionsPerSession: number;
  /** Subscriptions of a session that one client may hold, the one that started it excepted (SUB-13). */
  readonly maxSubscriptionsPerClient: number;
  /** Subscriptions of a session that one person may hold whose session it is not, with all clients together (SUB-13). */
  readonly maxSubscriptionsPerUser: number;
  /** Sessions that one client may have started for other users than its tokens' own (SUB-13). */
  readonly maxSessionsPerClient: number;
  /** Sessions that may have been started from one address for other users than the tokens' own (SUB-13). */
  readonly maxSessionsPerAddress: number;
  /** Sessions that one client may have started for one user (SUB-13). */
  readonly maxSessionsPerUser: number;
  /** Whether a subscription to a topic that does not exist creates the session, for the token's user (SUB-12). */
  readonly createsSessions: boolean;
  /** Whether a session may be started for a user whom the server does not know (SES-8). */
  readonly startsForUnknownUsers: boolean;
  /**
   * Looks deeper into published resources than the event catalog does (PUB-5).
   * @param partial whether elements may be missing: a close may name its resources by type and id alone (FHR-7; `partialResources`)
   * @returns where the resource breaks which rule, in words for the client's developer; undefined where it breaks none
   */
  readonly resourceProblem?: (resource: Resource, partial: boolean) => string | undefined;
}

export const DEFAULT_POLICY: Policy = {
  profile: CORE,
  defaultLeaseSeconds: 7200,
  maxLeaseSeconds: 86_400,
  connectMs: 60_000,
  graceMs: 120_000,
  holdOffMs: 2000,
  answerMs: 10_000,
  heartbeatMs: 10_000,
  maxMisses: 3,
  idleMs: 12 * 3_600_000,
  maxSessionBytes: 128 * 1024 * 1024,
  maxSubscriptionsPerSession: 64,
  maxSubscriptionsPerClient: 32,
  maxSubscriptionsPerUser: 32,
  maxSessionsPerClient: 10_000,
  maxSessionsPerAddress: 20_000,
  maxSessionsPerUser: 100,
  createsSessions: false,
  startsForUnknownUsers: true,
};
