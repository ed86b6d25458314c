/** What follows from an answer, or from none (ERR-2, ERR-4, ERR-5, ERR-8, WEB-3). */
import { changesContext } from './changes-context.ts';
import { type Decision, done, type SessionCommand } from './commands.ts';
import type { Awaited } from './conversation.ts';
import { marked, withSuccessors } from './following.ts';
import { ended } from './lease.ts';
import type { Policy } from './policy.ts';
import { NOTHING_TO_DO } from './reasons.ts';
import type { SessionState, Subscription } from './session-state.ts';
import { isReported, reported } from './sync-errors.ts';
import { isSubscribedTo, lastTold, toldUpTo } from './told.ts';
import { isToldOfEnd, withFollowed } from './untold.ts';

type Answer = Extract<SessionCommand, { kind: 'answer' }>;
type Delayed = Extract<SessionCommand, { kind: 'delayed' }>;
type NoAnswer = Extract<SessionCommand, { kind: 'no-answer' }>;

/** Whether a callback posted a SyncError about the event before it answered 2xx: it may do so while it is being called (ERR-8). */
function isOverruled(state: SessionState, { id, channel }: Subscription, { id: sentId, originalId }: Awaited): boolean {
  const mark = state.following.get(id);
  if (channel !== 'webhook' || !mark?.bySyncError) return false;
  return mark.eventId === sentId || mark.eventId === originalId;
}

/** Whether the subscriber is marked for nothing but that this answer was not there yet. */
function isAwaited(state: SessionState, id: string, { originalId }: Awaited): boolean {
  const mark = state.following.get(id);
  return mark?.why === 'waiting' && mark.eventId === originalId;
}

/**
 * Whether it is the close of another context than the current one, and the subscriber follows by it. A close that makes its screen right
 * has the number of the change that left nothing current where `Home-open` follows it.
 */
function isLastClose(state: SessionState, subscription: Subscription, about: Awaited, derivesOpens: boolean): boolean {
  const { number, originalId } = about;
  const isMarked = state.following.get(subscription.id)?.eventId === originalId;
  if (number === state.changedBy && isSubscribedTo(subscription, 'Home-open')) return isMarked;
  return (
    isMarked ||
    number === lastTold(state, subscription, derivesOpens) ||
    isToldOfEnd(state, subscription, number, derivesOpens)
  );
}

/** Whether the subscriber is marked for more than that it does not follow a close that kept the current context. */
function isKnownWorse(state: SessionState, id: string, { keepsCurrent }: Awaited): boolean {
  return keepsCurrent === true && state.following.has(id);
}

/** A subscriber answered an event (ERR-2). */
export function answer(state: SessionState, command: Answer, now: number, { profile }: Policy): Decision {
  const { id, about, outcome, how, reason, unreached, followed = 0 } = command;
  const subscription = state.subscriptions.get(id);
  if (!subscription) return NOTHING_TO_DO;
  const context = changesContext(about.originalName);
  if (outcome === 'followed') {
    // ERR-8: it follows the current context, or a later one; or the last that it is told of. Of a close that kept the current context
    // only what was said of that close is over, unless it closed what was current for this subscriber.
    const isCurrent = about.keepsCurrent
      ? isLastClose(state, subscription, about, profile.derivesOpens)
      : about.number >= state.changedBy ||
        isAwaited(state, id, about) ||
        about.number >=
          (state.following.get(id)?.awaits ??
            Math.max(toldUpTo(state, subscription, profile.derivesOpens), subscription.told?.number ?? 0));
    const follows = context && isCurrent && !isOverruled(state, subscription, about);
    const after = follows ? withFollowed(state, id, profile.derivesOpens, now) : state;
    return after === state ? NOTHING_TO_DO : done({ ...after, changedAt: now });
  }
  if (!isReported(about.originalName, profile)) return NOTHING_TO_DO;
  const { originalId: eventId, originalName: eventName } = about;
  const because = reason === undefined ? '' : `: ${reason}`;
  const diagnostics = `${subscription.subscriberName} was sent ${eventName} and ${how}${because}.`;
  const told = reported(state, [{ subscription, cause: { eventId, eventName, diagnostics } }], command, now, profile);
  // What it refused is over where it has followed a later change.
  if (!context || followed > about.number || isKnownWorse(state, id, about)) return done(told.state, ...told.effects);
  const mark = {
    why: outcome,
    since: now,
    eventId,
    eventName,
    reason: reason ?? how,
    ...(unreached && { unreached }),
    ...(followed > 0 && { followed }),
  };
  return done(marked(told.state, subscription, mark), ...told.effects);
}

/** The answer to a context change is not there yet: until it is, what is shown there is not known (ERR-8). */
export function delayed(state: SessionState, { id, about, followed }: Delayed, now: number): Decision {
  const subscription = state.subscriptions.get(id);
  const mark = state.following.get(id);
  // Its answer to an older change, which may still come, says nothing of the current one.
  const isNewer = mark?.why === 'waiting' && mark.eventId !== about.originalId && about.number >= state.changedBy;
  // What else is known of it says more.
  if (!subscription || (mark && !isNewer)) return NOTHING_TO_DO;
  const { originalId: eventId, originalName: eventName } = about;
  const waits = { why: 'waiting', since: now, eventId, eventName, ...(followed > 0 && { followed }) } as const;
  return done({ ...marked(state, subscription, waits), changedAt: now });
}

/** The time for an answer has passed (ERR-4); a subscriber that never answers is unsubscribed where answers are due. */
export function noAnswer(state: SessionState, command: NoAnswer, now: number, policy: Policy): Decision {
  const { id, about, misses, due, followed = 0 } = command;
  const subscription = state.subscriptions.get(id);
  if (!subscription) return NOTHING_TO_DO;
  const { originalId: eventId, originalName: eventName } = about;
  const seconds = policy.answerMs / 1000;
  const diagnostics = `${subscription.subscriberName} did not answer ${eventName} within ${seconds} seconds.`;
  const causes = due ? [{ subscription, cause: { eventId, eventName, diagnostics } }] : [];
  const told = reported(state, causes, command, now, policy.profile);
  const silent = changesContext(eventName) && followed <= about.number && !isKnownWorse(state, id, about);
  const mark = { why: 'silent', since: now, eventId, eventName, ...(followed > 0 && { followed }) } as const;
  const after = silent ? marked(told.state, subscription, mark) : told.state;
  if (due && misses >= policy.maxMisses) {
    const reason = `${policy.maxMisses} events in a row were not answered`;
    const held = withSuccessors(after, id, command.begunSince, now + policy.graceMs);
    return done(ended(held, [id], now, false), ...told.effects, { kind: 'ended', ids: [id], reason });
  }
  return after === state ? NOTHING_TO_DO : done({ ...after, changedAt: now }, ...told.effects);
}
