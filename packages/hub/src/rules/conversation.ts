/** What one subscriber was sent and has not answered yet, and since when (ERR-1, ERR-4, PUB-7). Nothing here is stored. */
import { eventKey } from '@lockstep/fhircast';
import { hasChangedContext } from './changes-context.ts';
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

interface Pending extends Awaited {
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
  readonly lastFollowed?: Awaited;
  /** Number of the context change that it had followed before that one. */
  readonly followedBefore: number;
  /** Not acknowledged with success, oldest first. */
  readonly pending: readonly Pending[];
}

/** Events that a subscriber has not acknowledged are remembered up to this number (PUB-7). */
const MAX_PENDING = 64;

export function newConversation(acknowledgements: Acknowledgements): Conversation {
  const armed = acknowledgements === 'strict';
  return { acknowledgements, armed, quiet: false, misses: 0, followed: 0, followedBefore: 0, pending: [] };
}

export function sent(conversation: Conversation, event: Awaited): Conversation {
  const { pending } = conversation;
  // One that is sent again waits from now on.
  const others = pending.some(({ id }) => id === event.id) ? pending.filter(({ id }) => id !== event.id) : pending;
  const kept = others.length >= MAX_PENDING ? withoutOldest(others, event) : others;
  const next = { ...event, settled: false, refused: false, isLate: false };
  if (eventKey(event.originalName) !== 'userlogout') return { ...conversation, pending: [...kept, next] };
  // A logout forgets what was before, and who does not follow: what comes is waited for, of who never answers too.
  return { ...conversation, quiet: false, pending: [...kept.map((one) => ({ ...one, settled: true })), next] };
}

/** What is remembered where there is room for one more: the context change whose answer counts is not forgotten over content. */
function withoutOldest(pending: readonly Pending[], next: Awaited): readonly Pending[] {
  const kept = pending.slice(pending.length - MAX_PENDING + 1);
  const change = hasChangedContext(next) ? undefined : pending.findLast(hasChangedContext);
  return change && !kept.includes(change) ? [change, ...kept.slice(1)] : kept;
}

/** Ids of what was sent of an event, itself or derived from it, and not acknowledged with success (PUB-7). */
export function unacknowledged({ pending }: Conversation, originalId: string): readonly string[] {
  return pending.filter((one) => one.originalId === originalId).map(({ id }) => id);
}

/** What remains of a conversation when its subscriber does not follow the last context change any more that it had followed. */
function takenBack({ followedBefore, lastFollowed, pending }: Conversation): Partial<Conversation> {
  const refused = lastFollowed && { ...lastFollowed, settled: true, refused: true, isLate: true };
  return { followed: followedBefore, pending: [...(refused ? [refused] : []), ...pending] };
}

/**
 * Takes an answer. The one to the last context change that was followed may be taken back by a later one: who has
 * accepted it and works on may find that it cannot follow (2.5).
 * @returns `about` is missing where nothing that was sent has that id, it was followed before and is not the last context change
 * that was, or its refusal was reported before
 */
export function answered(
  conversation: Conversation,
  id: string,
  outcome: Outcome,
): { readonly conversation: Conversation; readonly about?: Awaited } {
  const sentBefore = conversation.pending.find((one) => one.id === id);
  const again = conversation.lastFollowed?.id === id ? conversation.lastFollowed : undefined;
  const about = sentBefore ?? again;
  const arms = !conversation.armed && conversation.acknowledgements === 'answers';
  let { pending } = conversation;
  // What went out before the first event that the subscriber answers is not held against it.
  const first = pending.findIndex((one) => one.id === id);
  if (arms) pending = pending.map((one, at) => (one.settled || at > first ? one : { ...one, settled: true }));
  if (outcome === 'followed') pending = pending.filter((one) => one.id !== id);
  else pending = pending.map((one) => (one.id === id ? { ...one, settled: true, refused: true } : one));
  const follows = about && outcome === 'followed' && hasChangedContext(about);
  const latest = follows && about.number >= conversation.followed ? about : undefined;
  const { followed, followedBefore } = conversation;
  const before = latest && latest.number > followed ? followed : followedBefore;
  const next = {
    ...conversation,
    armed: conversation.armed || arms,
    quiet: false,
    misses: 0,
    pending,
    ...(latest && { followed: latest.number, followedBefore: before, lastFollowed: latest }),
    ...(again && !sentBefore && outcome !== 'followed' && takenBack({ ...conversation, pending })),
  };
  const told = sentBefore?.refused && outcome !== 'followed';
  return about && !told ? { conversation: next, about } : { conversation: next };
}

/** An answer that takes longer than this is reported to the others as not there yet (ERR-8), ms. */
export const SLOW_ANSWER = 0.5 * 1000;

/** The context change whose answer is not there yet, where that was not reported. */
function slow({ armed, quiet, pending }: Conversation): Pending | undefined {
  if (!armed && quiet) return undefined;
  const last = pending.findLast(hasChangedContext);
  return last?.settled || last?.isLate ? undefined : last;
}

/** Takes note of an answer that is not there yet. @returns `about` where there is news of that */
export function delayed(
  conversation: Conversation,
  now: number,
): { readonly conversation: Conversation; readonly about?: Awaited } {
  const late = slow(conversation);
  if (!late || late.sentAt + SLOW_ANSWER > now) return { conversation };
  const pending = conversation.pending.map((one) => (one === late ? { ...one, isLate: true } : one));
  return { conversation: { ...conversation, pending }, about: late };
}

/** When an answer is due next, or is to be reported as not there yet, ms of running time; undefined where none is waited for. */
export function nextDeadline(conversation: Conversation, answerMs: number): number | undefined {
  if (!conversation.armed && conversation.quiet) return undefined;
  const next = conversation.pending.find(({ settled }) => !settled);
  const late = slow(conversation);
  return next && Math.min(next.sentAt + answerMs, late ? late.sentAt + SLOW_ANSWER : Number.POSITIVE_INFINITY);
}

/** What is not answered in time. Where answers are not due, only the latest is reported, once, and nothing is held against it. */
export function elapsed(
  conversation: Conversation,
  now: number,
  answerMs: number,
): { readonly conversation: Conversation; readonly unanswered: readonly { about: Awaited; misses: number }[] } {
  const late = conversation.pending.filter((one) => !one.settled && one.sentAt + answerMs <= now);
  if (late.length === 0) return { conversation, unanswered: [] };
  if (!conversation.armed) {
    const latest = late.at(-1);
    return {
      conversation: { ...conversation, quiet: true },
      unanswered: latest ? [{ about: latest, misses: 0 }] : [],
    };
  }
  const pending = conversation.pending.map((one) => (late.includes(one) ? { ...one, settled: true } : one));
  const unanswered = late.map((about, index) => ({ about, misses: conversation.misses + index + 1 }));
  return { conversation: { ...conversation, misses: conversation.misses + late.length, pending }, unanswered };
}
