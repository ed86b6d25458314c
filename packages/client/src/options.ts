import type { Handled } from './answers.ts';
import type { Context } from './context.ts';
import type { EventName, HubEvent } from './events.ts';
import type { Ports } from './ports.ts';
import type { Shown } from './sync-state.ts';

/**
 * Gives the access token. `renew` is true when the last one was refused or is about to end: the token must then be a new
 * one if that can be had.
 */
export type TokenSource = string | ((renew: boolean) => string | Promise<string>);

/** How to reach a session, and what to do in it. Durations are milliseconds unless the name says otherwise. */
export interface SubscriberOptions {
  readonly hubUrl: string;
  readonly topic: string;
  /** Bearer token, or a function that gives one; left out where the Hub wants none. */
  readonly token?: TokenSource;
  /**
   * Events to receive. Those that an honest state needs are asked for as well where the Hub grants them: `SyncError`, the
   * closes of what is opened, `Home-open`.
   */
  readonly events: readonly (EventName | '*')[];
  /**
   * Says what the application shows at this moment, where that may differ from what its handlers took: the chart on the screen,
   * for instance. undefined for nothing. With a `versionId`, content is compared too. Call `showingChanged()` when it changes.
   * Without this function the application shows what its handlers last followed.
   */
  readonly showing?: () => Shown | undefined;
  /** `subscriber.name`: how the other applications call this one when it does not follow. */
  readonly name?: string;
  /** Seconds; default 7200. */
  readonly leaseSeconds?: number;
  /** A handler that has not answered by then answers 202 (default 5000), but not about a context to a Hub that tells who follows. */
  readonly answerWithin?: number;
  /** A handler that has not decided by then does not follow: 409, or a SyncError (default 9000, since a Hub waits for 10 s). */
  readonly decideWithin?: number;
  /**
   * A context change of this application's that another one did not follow is sent again, unchanged, this long after the
   * SyncError and after each further one, until all follow or a newer context came (2.6). Default 15000, since a Hub
   * takes ten seconds to notice that an application does not answer; 2.6 recommends 10000 at least; 0 for never.
   */
  readonly resendEvery?: number;
  /** Silence after which the Hub is asked whether it is there (default 15000). */
  readonly silence?: number;
  /**
   * However much is heard, the Hub's context is read once in this time (default 60000). 0 for never: a Hub that loses no
   * event and answers pings need not be asked by an idle page.
   */
  readonly checkEvery?: number;
  readonly requestTimeout?: number;
  /** From a connection's beginning to its confirmation (default 10000). */
  readonly confirmWithin?: number;
  /** Between two attempts to connect, at most (default 10000). */
  readonly maxBackoff?: number;
  /** Characters of a frame or an HTTP answer, at most (default 16 million). */
  readonly maxMessage?: number;
  /**
   * The Hub answers `{"type":"ping"}`, as Lockstep does: then the socket is asked first when it is silent, and the Hub only
   * if no answer comes. Default: whether the Hub tells who follows, as Lockstep does.
   */
  readonly ping?: boolean;
  /** Unsubscribe when the page is closed (default true). */
  readonly leaveOnPageHide?: boolean;
  /** Called with what handlers throw and what could not be reported to the Hub. Default: `console.error`. */
  readonly onError?: (error: unknown) => void;
  readonly ports?: Partial<Ports>;
}

/** What holds where the application does not say otherwise. */
const DEFAULTS = {
  leaseSeconds: 7200,
  answerWithin: 5000,
  decideWithin: 9000,
  resendEvery: 15_000,
  silence: 15_000,
  checkEvery: 60_000,
  requestTimeout: 10_000,
  confirmWithin: 10_000,
  maxBackoff: 10_000,
  maxMessage: 16_000_000,
};

type Defaults = typeof DEFAULTS;

/** The options, complete. */
export type Settings = Omit<SubscriberOptions, keyof Defaults> & Readonly<Defaults>;

export function settingsOf(options: SubscriberOptions): Settings {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...DEFAULTS, ...Object.fromEntries(given), events: [...options.events] } as unknown as Settings;
}

/** A request to the Hub that was not granted. */
export class HubError extends Error {
  override readonly name = 'HubError';
  /** HTTP status; 0 when the Hub could not be reached. */
  readonly status: number;

  constructor(status: number, reason: string) {
    super(reason);
    this.status = status;
  }
}

/** What was published. */
export interface Published {
  readonly id: string;
  readonly timestamp: string;
}

/** A change of shared content. */
export type Change = { readonly put: AnyResource & { readonly id?: string } } | { readonly remove: string };

/** Any FHIR resource, of any library's types. */
export interface AnyResource {
  readonly resourceType: string;
  readonly id?: string | undefined;
}

export type Handler<Name extends string> = (event: HubEvent<Name>) => Handled | Promise<Handled>;
/** @param context undefined when no context is open */
export type Follow = (context: Context | undefined, event: HubEvent) => Handled | Promise<Handled>;

/**
 * Follows the current context: a function that shows it, or a question and a function. `may` says whether the application would
 * follow, and does nothing else: it is asked before `show`, and by surveys of other applications.
 */
export type Follower = Follow | { readonly may: Follow; readonly show: Follow };
