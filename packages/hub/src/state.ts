import type { ContextElement, Resource, ResourceKey } from '@lockstep/fhircast';
import type { Spelling } from './versions.ts';

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
}

/** The event that opened an anchor, as published. */
export interface Opening {
  /** Its number in the topic's log. */
  readonly number: number;
  readonly id: string;
  readonly timestamp: string;
  readonly context: readonly ContextElement[];
}

/** A shared resource. Kept as text: it is held long and looked into rarely, and a tree of objects keeps collectors busy. */
export interface ContentEntry {
  /** The resource as JSON. */
  readonly json: string;
  readonly fullUrl?: string;
}

export function contentEntry({
  resource,
  fullUrl,
}: {
  resource: Resource;
  fullUrl?: string | undefined;
}): ContentEntry {
  const json = JSON.stringify(resource);
  return fullUrl === undefined ? { json } : { json, fullUrl };
}

export function resourceOf({ json }: ContentEntry): Resource {
  return JSON.parse(json) as Resource;
}

/** An open anchor context with the content shared in it (CON-1). */
export interface Anchor {
  readonly key: ResourceKey;
  readonly opening: Opening;
  readonly versionId: string;
  /** By `Type/id` (CON-3). */
  readonly content: ReadonlyMap<string, ContentEntry>;
}

/** How long a subscriber may take to answer before it counts as unresponsive (ERR-4). */
export type Acknowledgements = 'answers' | 'strict' | 'off';

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
  /** Number of the last event before the subscription: a webhook's deliveries begin after it. */
  readonly after?: number;
  /** How its events are written, where that is not the Hub's own way (WEB-5). */
  readonly spelling?: Spelling;
  /** The node that holds, or last held, its socket, or that calls its callback; absent until the first connection. */
  readonly node?: string;
}

/** Everything the Hub knows of one session. Immutable: a decision makes a new one that shares what did not change. */
export interface SessionState {
  readonly topic: string;
  readonly info: SessionInfo;
  /** By `Type/id`, in order of opening: the latest open comes last. */
  readonly anchors: ReadonlyMap<string, Anchor>;
  /** `Type/id` of the current context's anchor; undefined when it is empty (PUB-9, PUB-10). */
  readonly current?: string | undefined;
  /** Set while a Home-open is the latest context change. */
  readonly home?: (Opening & { readonly versionId: string }) | undefined;
  readonly subscriptions: ReadonlyMap<string, Subscription>;
  /** Number that the next log entry gets. */
  readonly nextNumber: number;
  /** ms since the epoch of the last change: what idle expiry counts from (SES-5). */
  readonly changedAt: number;
}

export function newSession(topic: string, info: SessionInfo): SessionState {
  return { topic, info, anchors: new Map(), subscriptions: new Map(), nextNumber: 1, changedAt: info.startedAt };
}
