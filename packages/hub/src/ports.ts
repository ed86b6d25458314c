import type { Resource } from '@lockstep/fhircast';
import type { Access } from './rules/permission.ts';

export interface Clock {
  /** ms since the epoch. */
  now(): number;
  /** Calls `run` once after `ms`. @returns a function that cancels it */
  after(ms: number, run: () => void): () => void;
  /**
   * ms for which this process has run: what it stood still for (a suspended machine, SIGSTOP, a long collection) is left out. Only
   * differences count. Without it, `now` stands for it.
   */
  running?(): number;
  /** ms for which the process stood still within the last minute. Without it, 0. */
  paused?(): number;
}

/** Time by which a missing answer is judged: what was sent to a process that stood still is read first (ERR-4). */
export function runningTime(clock: Clock): number {
  return clock.running?.() ?? clock.now();
}

/** One look at the clock. */
export interface Moment {
  /** ms since the epoch. */
  readonly now: number;
  /** ms of running time, see `runningTime`. */
  readonly running: number;
}

export function momentOf(clock: Clock): Moment {
  return { now: clock.now(), running: runningTime(clock) };
}

/** ms by which the ends of what waits come later, since the process stood still within the last minute (ERR-4). */
export function pausedFor(clock: Clock): number {
  return clock.paused?.() ?? 0;
}

export interface Ids {
  /** A UUID of 122 random bits: topics, event ids, versions (SES-1, PUB-8). */
  uuid(): string;
  /** At least 128 random bits, safe in a URL path: endpoints (2.4 "Subscription Response"). */
  secret(): string;
}

/** Finds the person behind a name (SES-7). */
export interface UserDirectory {
  /** @returns undefined for a name that is not known here: it stands for itself */
  resolve(name: string): Promise<{ readonly user: string; readonly aliases: readonly string[] } | undefined>;
}

/** The way to one subscriber. The engine knows no sockets: a WebSocket is one kind of channel, a webhook another. */
export interface Channel {
  /** Sends one text message (UTF-8). The bytes stay as they are until `buffered` is 0, and may be gone after that. */
  send(text: string | Uint8Array): void;
  /** Ends the channel with a WebSocket close code. */
  close(code: number, reason: string): void;
  /** Bytes accepted by `send` and not yet passed on (ERR-7). */
  readonly buffered: number;
  /** Calls back once all of it was passed on, or the channel is gone: never at once, so that others have their turn before. */
  onDrain(run: () => void): void;
  /** Asks the peer for a sign of life: the Hub is told of it by `ConnectedSubscriber.heard`. Absent where a channel has none. */
  probe?(): void;
}

/** What a callback said; `status` 0 when it could not be reached, or the address policy forbids it (WEB-4). */
export interface CallbackAnswer {
  readonly status: number;
  /** At most as much as a challenge needs. */
  readonly body: string;
}

/** The way to webhook callbacks: bounded in time and size, redirects not followed, addresses checked (WEB-4). */
export interface Callbacks {
  /** Why the address may not be called, in words for the client's developer. */
  refusal(url: string): Promise<string | undefined>;
  /** @param failures attempts in a row that got no connection: such a callback must not keep others waiting */
  get(url: string, failures: number): Promise<CallbackAnswer>;
  /** @param failures as for `get` */
  post(
    url: string,
    body: Uint8Array,
    headers: Readonly<Record<string, string>>,
    failures: number,
  ): Promise<CallbackAnswer>;
}

/** The nodes that share the store: one that dies leaves subscribers who are not in sync (ERR-3). */
export interface Nodes {
  /** Tells of each node that is gone, those gone already included, and of each that is back. @returns ends the watch */
  watch(listener: (node: string, alive: boolean) => void): () => void;
  alive(node: string): boolean;
  /** Nothing depends on a node that is gone any more. */
  forget(node: string): Promise<void>;
}

/** The Hub's own topic, or why there is none; `status` is an HTTP status. */
export type ResolvedTopic =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly status: number; readonly reason: string };

/** What the Hub says of its sessions to what understands topics for it; see the Hub's methods of these names. */
export interface HubSessions {
  inspect(topic: string): Promise<object | undefined>;
  sessions(filter: { readonly user: string }): Promise<readonly { readonly topic: string }[]>;
  createSession(
    access: Access,
    body: { readonly user: string },
  ): Promise<
    { readonly ok: true; readonly value: { readonly topic: string } } | { readonly ok: false; readonly reason: string }
  >;
}

/** Topics that subscribers compute themselves, since no launch gave them one (LAU-2). */
export interface DerivedTopics {
  /**
   * The Hub's own topic for one that the Hub does not know.
   * @param subscriber name of who subscribes: the topic is its own from then on, and a session may be opened for it; without
   *   one nothing changes
   * @returns undefined for what is no such topic of this client
   */
  resolve(topic: string, access: Access, subscriber?: string): Promise<ResolvedTopic | undefined>;
}

/** Looks deeper into published resources than the event catalog does (PUB-5). */
export interface ResourceValidation {
  /**
   * @param partial whether elements may be missing: a close may name its resources by type and id alone (FHR-7; `partialResources`)
   * @returns where the resource breaks which rule, in words for the client's developer; undefined where it breaks none
   */
  problem(resource: Resource, partial: boolean): string | undefined;
  /** Whether to look into these would hold up the event loop: such are for `problemAmong`. */
  isLarge(resources: readonly Resource[]): boolean;
  /**
   * The same for the resources of one large event, while the event loop goes on.
   * @param clientId whose event it is: each client has its turn
   * @returns the first resource that breaks a rule
   */
  problemAmong(
    resources: readonly Resource[],
    partial: boolean,
    clientId: string,
  ): Promise<{ readonly index: number; readonly text: string } | undefined>;
}

/** Remembers how far each webhook subscriber has come, across restarts (WEB-3). */
export interface Cursors {
  /** Number of the last event that the subscriber is done with. */
  load(topic: string, subscription: string): Promise<number | undefined>;
  /** Need not be durable at once: an event that is sent twice has the same id. */
  save(topic: string, subscription: string, number: number): void;
  forget(topic: string, subscription: string): void;
}

/** A transaction that IHE wants audited (RAD-146, RAD-152, RAD-153): identifiers only, never patient data. */
export interface AuditRecord {
  readonly transaction: 'RAD-146' | 'RAD-152' | 'RAD-153';
  /** ms since the epoch. */
  readonly at: number;
  /** HTTP status that it was answered with. */
  readonly status: number;
  readonly topic: string;
  readonly clientId: string;
  readonly user?: string;
  readonly subscriberName?: string;
}

/** Where audit records go. It must not throw: what cannot be recorded is its own to report. */
export interface AuditTrail {
  record(entry: AuditRecord): void;
}

/** Something that happened in a session, for observers: identifiers only, never patient data. */
export type Observation =
  | { readonly kind: 'session-started' | 'session-ended'; readonly reason?: string }
  | {
      readonly kind: 'published';
      readonly number: number;
      readonly eventId: string;
      readonly event: string;
      readonly clientId?: string;
    }
  | {
      readonly kind: 'refused';
      readonly clientId: string;
      readonly status: number;
      readonly reason: string;
      readonly event?: string;
      readonly eventId?: string;
    }
  | {
      readonly kind: 'subscribed' | 'renewed' | 'connected';
      readonly subscription: string;
      readonly subscriber: string;
      readonly events: readonly string[];
      readonly expiresAt: number;
    }
  | {
      readonly kind: 'delivered';
      readonly subscription: string;
      readonly subscriber: string;
      readonly eventId: string;
      readonly event: string;
      /** It closes another context than the current one, which stays as it is. */
      readonly keepsCurrent?: true;
    }
  | {
      readonly kind: 'answered';
      readonly subscription: string;
      readonly subscriber: string;
      readonly eventId: string;
      readonly status: number;
      readonly ms: number;
      /** Whose subscription it is; of entries that were kept it is not known. */
      readonly clientId?: string;
    }
  | {
      readonly kind: 'unanswered';
      readonly subscription: string;
      readonly subscriber: string;
      readonly eventId: string;
      readonly clientId?: string;
    }
  | { readonly kind: 'dropped'; readonly subscription: string; readonly subscriber: string; readonly code: number }
  | { readonly kind: 'denied'; readonly subscription: string; readonly subscriber: string; readonly reason: string };

export interface Observer {
  observe(topic: string, at: number, observation: Observation): void;
}
