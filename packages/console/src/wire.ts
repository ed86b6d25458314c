/** The shapes of what the server sends to the console's pages (`/api/console/…`): declared once, for both. Types only. */
import type { ContextElement, EventMessage, NotFollowing, Resource } from '@lockstep/fhircast';

export type * from './conformance/wire.ts';

export type LaunchKind = 'ehr' | 'standalone' | 'backend' | 'command-line' | 'web' | 'file' | 'derived';

/** An app as everybody sees it. */
export interface App {
  readonly id: string;
  readonly name: string;
  readonly description?: string;
  /** Under which people find the app among many. */
  readonly category?: string;
  readonly logo?: string;
  readonly launchUrl?: string;
  readonly launchKinds: readonly LaunchKind[];
  readonly status: 'active' | 'waiting' | 'suspended';
  /** ms since the epoch. */
  readonly lastLaunchAt?: number;
}

export interface LiveToken {
  readonly tokenId: string;
  readonly scope: string;
  /** ms since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly user?: string;
  readonly userName?: string;
}

/** A scope in the words of the consent page. */
export interface ScopeWords {
  readonly scope: string;
  readonly words: string;
}

/** RFC 7591 metadata with Lockstep's own fields. */
export type AppMetadata = Readonly<Record<string, unknown>>;

/** An app as administrators see it. */
/** How an app does. */
export interface AppHealth {
  /** ms since the epoch. */
  readonly lastFollowAt?: number;
  /** The latest first; weeks without anything are not in it. */
  readonly weeks: readonly {
    /** Its first moment, a Monday in UTC, ms since the epoch. */
    readonly from: number;
    /** Events that it followed, refused, or did not answer in time. */
    readonly followed: number;
    readonly refused: number;
    readonly unanswered: number;
    /** Requests of its own that the Hub refused. */
    readonly requestsRefused: number;
  }[];
}

export interface AppDetails extends App {
  readonly metadata: AppMetadata;
  readonly trusted: boolean;
  /** Whether it may make launch tickets (LAU-1). */
  readonly launcher: boolean;
  /** Names what is shown here; approving the app takes it along (REG-6). */
  readonly revision: string;
  readonly hasSecret: boolean;
  readonly registeredAt: number;
  readonly scopes: readonly { readonly title: string; readonly entries: readonly ScopeWords[] }[];
  readonly tokens: readonly LiveToken[];
  readonly health: AppHealth;
}

/** The answer to a registration: what is shown once. */
export interface RegisteredApp extends AppDetails {
  readonly secret?: string;
  /** Of an app that derives topics (LAU-2). */
  readonly topicSecret?: string;
}

/** What starts an app that is launched without SMART (LAU-1). All but the ticket itself carry one. */
export type LaunchedApp =
  | { readonly form: 'web'; readonly url: string }
  | {
      readonly form: 'switches';
      /** One element an argument, as Windows programs take them. */
      readonly arguments: readonly string[];
      /** The same with the program. */
      readonly command_line: string;
    }
  | { readonly form: 'file'; readonly file: string }
  | { readonly form: 'ticket'; readonly ticket_url: string };

/** A manifest as the server reads it, and what a registration with it would be refused for. */
export interface ReadManifest {
  readonly metadata: AppMetadata;
  readonly problem?: string;
}

/** A person as administrators see them. */
export interface UserView {
  /** The name to sign in with. */
  readonly id: string;
  readonly name: string;
  /** `Practitioner/123`. */
  readonly reference: string;
  readonly administrator: boolean;
  /** Names in other systems, plain or `system|value`. */
  readonly aliases: readonly string[];
  readonly sample: boolean;
  /** Whether they sign in at an outside provider, and have no password here. */
  readonly outside: boolean;
  readonly status: 'active' | 'suspended';
  /** Open sessions of the Hub. */
  readonly sessions: number;
}

export interface SubscriptionView {
  readonly id: string;
  readonly name: string;
  readonly clientId: string;
  readonly client?: string;
  readonly channel: string;
  readonly connected: boolean;
  readonly events: readonly string[];
  /** ms since the epoch. */
  readonly expiresAt: number;
}

export interface SessionView {
  readonly topic: string;
  readonly user: string;
  readonly userName?: string;
  readonly workstation?: string;
  readonly label?: string;
  /** ms since the epoch. */
  readonly startedAt: number;
  readonly changedAt: number;
  /** `Type/id` of the current context's anchor. */
  readonly current?: string;
  /** `Type/id` of everything that is open, the latest last. */
  readonly open: readonly string[];
  readonly subscriptions: readonly SubscriptionView[];
  /** Who does not follow the context, or has not answered it yet (ERR-8). */
  readonly notFollowing: readonly NotFollowing[];
}

/** A session in the list of all. */
export interface SessionRow extends SessionView {
  /** The patient that is open, where one is; `birthDate` is a FHIR date, `number` the record number. */
  readonly patient?: { readonly name: string; readonly birthDate?: string; readonly number?: string };
}

/** A page of the list of sessions: those in which somebody does not follow, or has not answered yet, come first, then the latest change. */
export interface SessionRowPage {
  readonly sessions: readonly SessionRow[];
  /** Sessions that the search finds. */
  readonly total: number;
  /** Those of them in which somebody does not follow. */
  readonly troubled: number;
}

export interface AnchorView {
  readonly anchor: string;
  readonly versionId: string;
  readonly openedBy: { readonly number: number; readonly id: string; readonly timestamp: string };
  readonly context: readonly ContextElement[];
  readonly content: readonly Resource[];
}

export interface SessionDetail extends SessionView {
  /** In order of opening: the latest comes last. */
  readonly anchors: readonly AnchorView[];
}

/** One event of a session's log, as it went out. */
export interface LogLine {
  readonly number: number;
  /** ms since the epoch. */
  readonly at: number;
  readonly message: EventMessage;
}

/** What the Hub did. A subscription is named by a digest of its id, which is the secret part of its endpoint. */
export interface TimelineEntry {
  /** Grows in the order in which things happened, by the clocks of the nodes where they did; no two have the same. */
  readonly seq: number;
  /** ms since the epoch. */
  readonly at: number;
  readonly kind:
    | 'session-started'
    | 'session-ended'
    | 'published'
    | 'refused'
    | 'subscribed'
    | 'renewed'
    | 'connected'
    | 'delivered'
    | 'answered'
    | 'unanswered'
    | 'dropped'
    | 'denied';
  readonly number?: number;
  readonly eventId?: string;
  readonly event?: string;
  readonly clientId?: string;
  readonly status?: number;
  readonly reason?: string;
  readonly subscription?: string;
  readonly subscriber?: string;
  readonly events?: readonly string[];
  readonly expiresAt?: number;
  readonly ms?: number;
  readonly code?: number;
  /** It closes another context than the current one, which stays as it is. */
  readonly keepsCurrent?: true;
}

/** What launches can be simulated with here. */
export interface SimulationOffer {
  /** Whether client checks can be switched off: on this machine only. */
  readonly unchecked: boolean;
  /** Whom a launch can be made for besides the person signed in. */
  readonly users: readonly { readonly id: string; readonly name: string }[];
}
