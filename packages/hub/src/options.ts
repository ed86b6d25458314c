import type { SessionStore } from '@lockstep/store';
import type {
  AuditTrail,
  Callbacks,
  Clock,
  Cursors,
  DerivedTopics,
  HubSessions,
  Ids,
  Nodes,
  Observer,
  ResourceValidation,
  UserDirectory,
} from './ports.ts';
import type { Policy } from './rules/policy.ts';

/** How a Hub behaves: what a deployment chooses within the rules, and the bounds of one process. */
export interface HubOptions extends Partial<Policy> {
  /** The address that clients use, without a trailing slash. */
  readonly hubUrl: string;
  /** Makes the WebSocket URL of an endpoint. */
  readonly endpointUrl: (id: string) => string;
  readonly nodeId?: string;
  /** Bytes waiting for a slow reader at which it is closed (ERR-7). */
  readonly maxBufferedBytes?: number;
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
  readonly users?: UserDirectory;
  /** Makes what understands topics that the Hub has not minted. */
  readonly derivedTopics?: (hub: HubSessions) => DerivedTopics;
  /** Without it, resources are looked into as far as the event catalog asks. */
  readonly validation?: ResourceValidation;
  readonly observer?: Observer;
  readonly audit?: AuditTrail;
  /** Called with how long each commit took, ms. */
  readonly committed?: (ms: number) => void;
  /** Called with what went wrong in work in the background. */
  readonly failed?: (error: unknown) => void;
  /** The nodes that share the store, where there may be others. */
  readonly nodes?: Nodes;
  /** Webhook subscriptions are accepted where both of these are there (WEB). */
  readonly callbacks?: Callbacks;
  readonly cursors?: Cursors;
}

/** What holds where the options say nothing. */
export const DEFAULTS = {
  nodeId: 'local',
  maxBufferedBytes: 4 * 1024 * 1024,
  logCount: 1000,
  retryMs: [500, 1000, 2000, 4000, 8000, 16_000, 30_000] as readonly number[],
};
