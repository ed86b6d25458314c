/** What one subscriber was sent and has not answered yet, and since when (ERR-1, ERR-4, PUB-7). Nothing here is stored. */
import { changesContext, hasChangedContext, isLogout } from './changes-context.ts';
import type { Acknowledgements } from './session-state.ts';

/** What an answer says: the event was followed, refused, or could not be processed (ERR-2). */
export type Outcome = 'followed' | 'refused' | 'failed';

/** An event that a subscriber was sent. */
export interface Awaited {
  readonly id: string;
  /** Number, id and name of the original where the event was derived (DER-3). */
  readonly number: number;
  readonly originalId: string;
  readonly originalName: string;
  /** See `Accepted`. */
  readonly keepsCurrent?: true;
  /** ms of running time: what the process stood still for does not count. */
  readonly sentAt: number;
}

interface Pending {
  readonly about: Awaited;
  /** Whether no answer is waited for any more. */
  readonly settled: boolean;
  /** Whether it was refused: that is reported once. */
  readonly refused: boolean;
  /** Whether it was reported that the answer is not there yet. */
  readonly isLate: boolean;
}

export interface Conversation {
  readonly acknowledgements: Acknowledgements;
  /** Whether answers are due (ERR-4). */
  readonly armed: boolean;
  /** Whether the subscriber let a deadline pass that was not due, and has said nothing since. */
  readonly quiet: boolean;
  /** Deadlines that passed in a row without an answer. */
  readonly misses: number;
  /** Number of the last context change that the subscriber followed (ERR-8). */
  readonly followed: number;
  /** That change: it may be acknowledged again by who said meanwhile that it does not follow it, or the answer taken back. */
  readonly lastFollowed: Awaited | undefined;
  /** Number of the context change that it had followed before that one. */
  readonly followedBefore: number;
  /** Not acknowledged with success, oldest first. */
  readonly pending: readonly Pending[];
}

/** Events that a subscriber has not acknowledged are remembered up to this number (PUB-7). */
const MAX_PENDING = 64;

const NONE: readonly Pending[] = [];

function begun(acknowledgements: Acknowledgements): Conversation {
  return {
    acknowledgements,
    armed: acknowledgements === 'strict',
    quiet: false,
    misses: 0,
    followed: 0,
    lastFollowed: undefined,
    followedBefore: 0,
    pending: NONE,
  };
}

/** Those of all subscribers begin alike. */
const BEGUN: Readonly<Record<Acknowledgements, Conversation>> = {
  answers: begun('answers'),
  strict: begun('strict'),
  off: begun('off'),
};

export function newConversation(acknowledgements: Acknowledgements): Conversation {
  return BEGUN[acknowledgements];
}

function settledOne(one: Pending): Pending {
  return one.settled ? one : { ...one, settled: true };
}

function withPending(conversation: Conversation, pending: readonly Pending[]): Conversation {
  const { acknowledgements, armed, quiet, misses, followed, lastFollowed, followedBefore } = conversation;
  return { acknowledgements, armed, quiet, misses, followed, lastFollowed, followedBefore, pending };
}

export function sent(conversation: Conversation, event: Awaited): Conversation {
  const { pending } = conversation;
  // One that is sent again waits from now on.
  const others = find(pending, event.id) ? without(pending, event.id) : pending;
  const kept = others.length >= MAX_PENDING ? withoutOldest(others, event) : others;
  const next = { about: event, settled: false, refused: false, isLate: false };
  if (!isLogout(event.originalName)) return withPending(conversation, kept.length === 0 ? [next] : [...kept, next]);
  // A logout forgets what was before, and who does not follow: what comes is waited for, of who never answers too.
  return { ...conversation, quiet: false, pending: [...kept.map(settledOne), next] };
}

function find(pending: readonly Pending[], id: string): Pending | undefined {
  for (const one of pending) if (one.about.id === id) return one;
  return undefined;
}

function without(pending: readonly Pending[], id: string): readonly Pending[] {
  const [only] = pending;
  if (pending.length === 1 && only?.about.id === id) return NONE;
  const left = pending.filter(({ about }) => about.id !== id);
  return left.length === 0 ? NONE : left;
}

/** The latest context change among them: an earlier one may have been sent again after it. */
function latestChange(pending: readonly Pending[]): Pending | undefined {
  let latest: Pending | undefined;
  for (const one of pending) {
    if (hasChangedContext(one.about) && one.about.number >= (latest?.about.number ?? 0)) latest = one;
  }
  return latest;
}

/** What is remembered where there is room for one more: the context change whose answer counts is not forgotten over content. */
function withoutOldest(pending: readonly Pending[], next: Awaited): readonly Pending[] {
  const kept = pending.slice(pending.length - MAX_PENDING + 1);
  const change = hasChangedContext(next) ? undefined : latestChange(pending);
  return change && !kept.includes(change) ? [change, ...kept.slice(1)] : kept;
}

/** Ids of what was sent of an event, itself or derived from it, and not acknowledged with success (PUB-7). */
export function unacknowledged({ pending }: Conversation, originalId: string): readonly string[] {
  return pending.filter(({ about }) => about.originalId === originalId).map(({ about }) => about.id);
}

/** What remains of a conversation when its subscriber does not follow the last context change any more that it had followed. */
function takenBack(conversation: Conversation, about: Awaited): Conversation {
  const refused = { about, settled: true, refused: true, isLate: true };
  const { followedBefore: followed, pending } = conversation;
  return { ...conversation, followed, pending: [refused, ...pending] };
}

/** What remains of a conversation when the log has lost what came after a number, and may have others there now (SUB-11). */
export function withoutLost(conversation: Conversation, after: number): Conversation {
  const { lastFollowed, pending } = conversation;
  const followedBefore = conversation.followedBefore > after ? 0 : conversation.followedBefore;
  return {
    ...conversation,
    followed: conversation.followed > after ? followedBefore : conversation.followed,
    lastFollowed: lastFollowed && lastFollowed.number > after ? undefined : lastFollowed,
    followedBefore,
    pending: pending.filter(({ about }) => about.number <= after),
  };
}

/** What is not acknowledged after an answer. @param arms whether it is the first answer of a subscriber that need not answer */
function pendingAfter(pending: readonly Pending[], id: string, outcome: Outcome, arms: boolean): readonly Pending[] {
  // What went out before the first event that the subscriber answers is not held against it.
  const first = arms ? pending.findIndex(({ about }) => about.id === id) : -1;
  const left = arms ? pending.map((one, at) => (at > first ? one : settledOne(one))) : pending;
  if (outcome === 'followed') return without(left, id);
  return left.map((one) => (one.about.id === id ? { ...one, settled: true, refused: true } : one));
}

/**
 * Takes an answer. The one to the last context change that was followed may be taken back by a later one: who has
 * accepted it and works on may find that it cannot follow (2.5).
 * @returns `about` is undefined where nothing that was sent has that id, it was followed before and is not the last context change
 * that was, or its refusal was reported before
 */
export function answered(
  conversation: Conversation,
  id: string,
  outcome: Outcome,
): { readonly conversation: Conversation; readonly about: Awaited | undefined } {
  const { acknowledgements, armed, followed, followedBefore, lastFollowed } = conversation;
  const sentBefore = find(conversation.pending, id);
  const again = lastFollowed?.id === id ? lastFollowed : undefined;
  const about = sentBefore?.about ?? again;
  const arms = !armed && acknowledgements === 'answers';
  const pending = pendingAfter(conversation.pending, id, outcome, arms);
  const follows = about && outcome === 'followed' && hasChangedContext(about);
  const latest = follows && about.number >= followed ? about : undefined;
  const next = {
    acknowledgements,
    armed: armed || arms,
    quiet: false,
    misses: 0,
    followed: latest?.number ?? followed,
    lastFollowed: latest ?? lastFollowed,
    followedBefore: latest && latest.number > followed ? followed : followedBefore,
    pending,
  };
  if (again && !sentBefore && outcome !== 'followed') return { conversation: takenBack(next, again), about };
  const isReported = sentBefore?.refused && outcome !== 'followed';
  return { conversation: next, about: isReported ? undefined : about };
}

/** An answer that takes longer than this is reported to the others as not there yet (ERR-8), ms. */
export const SLOW_ANSWER = 0.5 * 1000;

/** The context change whose answer is not there yet, where that was not reported and no later change was followed. */
function slow({ armed, quiet, followed, pending }: Conversation): Pending | undefined {
  if (!armed && quiet) return undefined;
  const last = latestChange(pending);
  return !last || last.settled || last.isLate || last.about.number < followed ? undefined : last;
}

/** Whether a context change was sent, and neither that nor a later one was followed. */
export function isOwed({ followed, pending }: Conversation): boolean {
  return pending.some(({ about }) => changesContext(about.originalName) && about.number > followed);
}

/** Takes note of an answer that is not there yet. @returns `about` where there is news of that */
export function delayed(
  conversation: Conversation,
  now: number,
): { readonly conversation: Conversation; readonly about?: Awaited } {
  const late = slow(conversation);
  if (!late || late.about.sentAt + SLOW_ANSWER > now) return { conversation };
  const pending = conversation.pending.map((one) => (one === late ? { ...one, isLate: true } : one));
  return { conversation: { ...conversation, pending }, about: late.about };
}

/** When an answer is due next, or is to be reported as not there yet, ms of running time; undefined where none is waited for. */
export function nextDeadline(conversation: Conversation, answerMs: number): number | undefined {
  if (!conversation.armed && conversation.quiet) return undefined;
  const next = conversation.pending.find(({ settled }) => !settled);
  const late = slow(conversation);
  return (
    next && Math.min(next.about.sentAt + answerMs, late ? late.about.sentAt + SLOW_ANSWER : Number.POSITIVE_INFINITY)
  );
}

/** What is not answered in time. Where answers are not due, only the latest is reported, once, and nothing is held against it. */
export function elapsed(
  conversation: Conversation,
  now: number,
  answerMs: number,
): { readonly conversation: Conversation; readonly unanswered: readonly { about: Awaited; misses: number }[] } {
  const late = conversation.pending.filter(({ about, settled }) => !settled && about.sentAt + answerMs <= now);
  if (late.length === 0) return { conversation, unanswered: [] };
  const pending = conversation.pending.map((one) => (late.includes(one) ? { ...one, settled: true } : one));
  if (!conversation.armed) {
    const latest = late.at(-1);
    return {
      conversation: { ...conversation, quiet: true, pending },
      unanswered: latest ? [{ about: latest.about, misses: 0 }] : [],
    };
  }
  const unanswered = late.map(({ about }, index) => ({ about, misses: conversation.misses + index + 1 }));
  return { conversation: { ...conversation, misses: conversation.misses + late.length, pending }, unanswered };
}
