import type { Commit } from '@lockstep/store';
import type { Accepted, Effect } from '../rules/commands.ts';
import type { SessionState } from '../rules/session-state.ts';
import { indexChange } from './index-keys.ts';
import { type LoggedEvent, toEntry, toLogged } from './log-record.ts';
import { type Ended, type EndedWhy, UNKNOWN_WHY, writtenNote } from './session-notices.ts';
import { diffParts } from './session-record.ts';

/** What the store has of a session: what a commit goes on from. */
export interface StoredBefore {
  readonly revision: number;
  /** The history that the revision is of; undefined where it is not known. */
  readonly epoch: string | undefined;
}

/** An event that a commit appends to the log. */
export interface Appended {
  readonly accepted: Accepted;
  readonly logged: LoggedEvent;
}

/** While it is written. */
type Written<T> = { -readonly [Member in keyof T]: T[Member] };

/** A decision as it is stored. */
export interface WrittenDecision {
  readonly commit: Commit;
  readonly appended: readonly Appended[];
  /** Why subscriptions end with it. */
  readonly why: EndedWhy;
}

/** Whether a logout lies between two states. */
export function loggedOut(before: SessionState | undefined, after: SessionState): boolean {
  return after.loggedOutAt > (before?.loggedOutAt ?? 0);
}

/**
 * Writes a decision: what differs between two states, the events that it appends, and what other nodes are to know of it.
 * @param before undefined where the session begins
 * @param now ms since the epoch
 */
export function written(
  topic: string,
  before: SessionState | undefined,
  after: SessionState,
  effects: readonly Effect[],
  { revision, epoch }: StoredBefore,
  now: number,
): WrittenDecision {
  const appended: Appended[] = [];
  const ended: Ended[] = [];
  for (const effect of effects) {
    if (effect.kind === 'ended') ended.push({ ids: effect.ids, reason: effect.reason });
    if (effect.kind !== 'event') continue;
    appended.push({ accepted: effect.event, logged: toLogged(effect.event) });
  }
  const index = indexChange(before, after);
  const why: EndedWhy = ended.length > 0 ? { ended } : UNKNOWN_WHY;
  const note = writtenNote(why);
  const parts = diffParts(before, after);
  const append = appended.map(({ logged }) => toEntry(logged, now));
  const commit: Written<Commit> = { topic, expected: before ? revision : 0, parts, append, at: now };
  if (before && epoch !== undefined) commit.epoch = epoch;
  // PUB-10: what was said before a logout goes from the log as it goes from contexts and content.
  if (loggedOut(before, after)) commit.dropUpTo = after.loggedOutAt - 1;
  if (index) commit.index = index;
  if (note !== undefined) commit.note = note;
  return { commit, appended, why };
}
