import type { SessionStore } from '@lockstep/store';
import type {
  AuditTrail,
  Callbacks,
  Clock,
  Cursors,
  DerivedTopics,
  Ids,
  Nodes,
  Observer,
  ResourceValidation,
  Users,
} from './ports.ts';
import type { Acknowledgements } from './state.ts';
import { CORE, type Version } from './versions.ts';

/** How a Hub behaves. All times in ms unless the name says otherwise. */
export interface HubOptions {
  /** The address that clients use, without a trailing slash. */
  readonly hubUrl: string;
  /** Makes the WebSocket URL of an endpoint. */
  readonly endpointUrl: (id: string) => string;
  /** The version whose rules it follows; its clients may follow others (`subscriptionRules`). */
  readonly profile?: Version;
  readonly nodeId?: string;
  /** Lease of a subscription that asks for none, in seconds (SUB-5). */
  readonly defaultLeaseSeconds?: number;
  readonly maxLeaseSeconds?: number;
  /** How long a subscriber whose socket dropped may return to its endpoint (SUB-11). */
  readonly graceMs?: number;
  /** How long a subscriber may take to answer (ERR-4). */
  readonly answerMs?: number;
  /** Unanswered events in a row after which a subscriber is unsubscribed (ERR-4). */
  readonly maxMisses?: number;
  readonly acknowledgements?: Acknowledgements;
  /** Bytes waiting for a slow reader at which it is closed (ERR-7). */
  readonly maxBufferedBytes?: number;
  /** A session without connected subscribers ends after this time without a change (SES-5). */
  readonly idleMs?: number;
  readonly maxSubscriptionsPerSession?: number;
  /** Whether a subscription to a topic that does not exist creates the session, for the token's user (SUB-12). */
  readonly createsSessions?: boolean;
  /** How many event ids are remembered to recognize retries: as many as the store's log keeps. */
  readonly logCount?: number;
  /** Waits between attempts at one event's delivery to a webhook, ms (WEB-3). */
  readonly retryMs?: readonly number[];
}

/** What a Hub works with. */
export interface HubPorts {
  readonly store: SessionStore;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly users?: Users;
  /** Understands topics that the Hub has not minted. */
  readonly derivedTopics?: DerivedTopics;
  /** Without it, resources are looked into as far as the event catalog asks. */
  readonly validation?: ResourceValidation;
  readonly observer?: Observer;
  readonly audit?: AuditTrail;
  /** Told what went wrong in work that nobody waits for. */
  readonly failed?: (error: unknown) => void;
  /** The nodes that share the store, where there may be others. */
  readonly nodes?: Nodes;
  /** Webhook subscriptions are accepted where both of these are there (WEB). */
  readonly callbacks?: Callbacks;
  readonly cursors?: Cursors;
}

export const DEFAULTS = {
  profile: CORE,
  createsSessions: false,
  nodeId: 'local',
  defaultLeaseSeconds: 7200,
  maxLeaseSeconds: 86_400,
  graceMs: 120_000,
  answerMs: 10_000,
  maxMisses: 3,
  acknowledgements: 'answers' as Acknowledgements,
  maxBufferedBytes: 4 * 1024 * 1024,
  idleMs: 12 * 3_600_000,
  maxSubscriptionsPerSession: 64,
  logCount: 1000,
  retryMs: [500, 1000, 2000, 4000, 8000, 16_000, 30_000] as readonly number[],
};

/** The options with every default filled in. */
export type Settings = typeof DEFAULTS & HubOptions;
