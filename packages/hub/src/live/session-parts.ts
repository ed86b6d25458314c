import type { SessionStore } from '@lockstep/store';
import type { Clock, Ids } from '../ports.ts';
import type { Decision, SessionCommand } from '../rules/commands.ts';
import type { Decide } from '../rules/decide.ts';
import type { Policy } from '../rules/policy.ts';
import type { SessionState } from '../rules/session-state.ts';
import type { Activity } from './activity.ts';
import type { Audience, AudienceOptions } from './audience.ts';
import type { Background } from './background.ts';
import type { HeldLog } from './held-log.ts';
import type { LogPages } from './log-pages.ts';
import type { WebhookCalls } from './webhook-calls.ts';

/** What every session of a node works with. */
export interface LiveSessionParts {
  readonly store: SessionStore;
  readonly pages: LogPages;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly decide: Decide;
  readonly policy: Policy;
  readonly background: Background;
  readonly activity: Activity;
  /** Absent where there are no webhooks. */
  readonly webhooks?: WebhookCalls | undefined;
}

export interface LiveSessionOptions extends AudienceOptions {
  /** How many event ids are remembered to recognize retries: as many as the log keeps. */
  readonly logCount: number;
  /** Whether other nodes commit too. */
  readonly shared: boolean;
}

/** A command, or what makes it of the session's state: again where it is decided again. */
export type CommandMaker = SessionCommand | ((state: SessionState | undefined) => SessionCommand);

export function commandOf(make: CommandMaker, state: SessionState | undefined): SessionCommand {
  return typeof make === 'function' ? make(state) : make;
}

/** A session on this node, as its parts see it. `LiveSession` says what each of these does. */
export interface SessionHere {
  readonly topic: string;
  readonly audience: Audience;
  /** Stale while the state is not loaded. */
  readonly log: HeldLog;
  /** Number of the last event that went to everybody who is connected here and up to date; 0 before the first. */
  readonly deliveredUpTo: number;
  readonly known: SessionState | undefined;
  /** What everybody here had been told when the store came back with an older copy, the last time that it did. */
  readonly undone: SessionState | undefined;
  run<T>(job: () => Promise<T>): Promise<T>;
  state(): Promise<SessionState | undefined>;
  current(): Promise<SessionState | undefined>;
  decide(make: CommandMaker): Promise<Decision>;
}

/** Why a subscription ends whose subscriber missed what the log no longer has. */
export const UNKNOWN_SINCE = 'What happened since is no longer known: subscribe again';
