/** Sockets that connect, close and do not come back (SUB-7, SUB-11, SUB-13, ERR-3). */
import { eventDefinition } from '@lockstep/fhircast';
import { type Decision, done, type Effect, type SessionCommand } from './commands.ts';
import { afterHeld, awaited, cleared, marked, withoutSuccessors, withSuccessors } from './following.ts';
import { ended, hasEnded, LEASE_ENDED, overdue, pendingReport, withSubscription } from './lease.ts';
import type { Policy } from './policy.ts';
import { NOTHING_TO_DO, UNKNOWN_ENDPOINT } from './reasons.ts';
import { CONNECTED, type SessionState, type Subscription } from './session-state.ts';
import { lostCause, reported } from './sync-errors.ts';
import { type ContextChangeEvent, lastSentAgain, lastStandingOpen, lastTold, toldUpTo } from './told.ts';
import { shownOnLeaving, toldLast, withFollowed, withSent } from './untold.ts';

type Of<Kind extends SessionCommand['kind']> = Extract<SessionCommand, { kind: Kind }>;

/** WebSocket close codes of a peer that meant to go (RFC 6455, 7.4.1). */
const NORMAL = 1000;
const GOING_AWAY = 1001;

const LEFT = 'The subscriber closed its connection';
const LOST = 'The connection was lost';
const LAPSED = 'let its subscription end';
const LAPSED_MARK = { why: 'lost', reason: 'let its subscription end' } as const;
const RESTARTED = 'did not come back after the Hub was restarted';

function isOpen(eventName: string): boolean {
  return eventDefinition(eventName)?.action === 'open' || eventName === 'Home-open';
}

/** What a subscriber is sent as it connects. */
interface SentOnConnecting {
  /** The last open that it is sent, or a close, or a logout; absent where it is sent none. */
  readonly last?: ContextChangeEvent | undefined;
  /** Whether its answer is waited for: it may show something else until then. */
  readonly isAwaited: boolean;
}

/** What a subscriber is sent that comes back (SUB-11). @param seen see the command */
function sentOnReturn(
  state: SessionState,
  subscription: Subscription,
  upTo: number,
  seen: number | undefined,
  derivesOpens: boolean,
): SentOnConnecting {
  if (seen !== undefined) {
    // An open that would be derived may be of what it had last.
    const last = lastStandingOpen(state, subscription, false);
    return last && last.number > Math.min(seen, upTo) ? { last, isAwaited: true } : { isAwaited: false };
  }
  const last = lastStandingOpen(state, subscription, derivesOpens);
  if (!last) return { isAwaited: false };
  // It may have been told of another context by the events that it had before.
  const told = toldLast(state, subscription, derivesOpens)?.number;
  const opens = last.name === 'Home-open' ? undefined : last.number;
  return { last, isAwaited: last.number > upTo || told !== opens };
}

/** The last change that a subscriber is sent which takes over a live connection, or is asked about once more. */
function sentOnTakingOver(
  state: SessionState,
  subscription: Subscription,
  seen: number | undefined,
  derivesOpens: boolean,
): ContextChangeEvent | undefined {
  const last = lastSentAgain(state, subscription, derivesOpens);
  if (!last || seen === undefined) return last;
  // The log is sent after what it has seen: the last that it tells may be a close.
  return { name: last.name, number: Math.max(last.number, lastTold(state, subscription, derivesOpens)) };
}

/** What a subscriber is about to be sent (SUB-8, SUB-11). */
function sentOnConnecting(
  state: SessionState,
  subscription: Subscription,
  { seen }: Of<'connect'>,
  { profile: { derivesOpens } }: Policy,
): SentOnConnecting {
  const { presence } = subscription;
  if (presence?.is === 'away') return sentOnReturn(state, subscription, presence.upTo ?? 0, seen, derivesOpens);
  if (presence?.is === 'awaited') return { last: lastStandingOpen(state, subscription, derivesOpens), isAwaited: true };
  return { last: sentOnTakingOver(state, subscription, seen, derivesOpens), isAwaited: true };
}

/**
 * SUB-7: a subscriber connects, for the first time, again, or elsewhere. A new connection that takes the
 * place of a live one has to answer what the old one was sent and did not answer.
 */
export function connect(
  state: SessionState,
  command: Of<'connect'>,
  now: number,
  policy: Policy,
  pausedMs: number,
): Decision {
  const { id, node, owes } = command;
  const held = state.subscriptions.get(id);
  if (!held || hasEnded(held, now - pausedMs)) return UNKNOWN_ENDPOINT;
  const isConnected = held.presence?.is === 'connected';
  if (isConnected && held.node === node && !owes) return done(state);
  const here = { ...held, node, presence: CONNECTED };
  const after = withSubscription(withoutSuccessors(state, id), here, now);
  const mark = state.following.get(id);
  const { derivesOpens } = policy.profile;
  const { last, isAwaited } = sentOnConnecting(state, held, command, policy);
  const isNew = held.presence?.is === 'awaited';
  // What a close, a logout or the log tells it was noted when that happened.
  const isFromLog = isConnected && command.seen !== undefined;
  const opens = last && !isFromLog && isOpen(last.name);
  const sent = opens || isNew ? withSent(after, here, last?.number, derivesOpens) : after;
  if (!mark) {
    const asked = awaited(sent, held, isAwaited && (!isConnected || owes) ? last : undefined, now);
    return done(asked.following.has(id) ? asked : withFollowed(asked, id, derivesOpens, now));
  }
  // ERR-8: it had followed all that it is told of, or nothing was ever open. Who subscribed again may have been started again: what it
  // followed before says nothing of what it is sent now.
  const hadFollowed = mark.why === 'lost' && (mark.followed ?? 0) >= toldUpTo(state, held, derivesOpens);
  const follows = !isConnected && hadFollowed && !(isNew && last);
  return done(follows ? withFollowed(sent, id, derivesOpens, now) : sent);
}

/** Whether this closed socket is still what the session knows of the subscriber. */
function isHere(one: Subscription | undefined, node: string): one is Subscription {
  return one?.node === node && one.presence?.is !== 'away';
}

/** Sockets closed: 1000 ends the subscription, 1001 is no loss, anything else is reported unless it is back soon (ERR-3). */
export function disconnect(state: SessionState, command: Of<'disconnect'>, now: number, policy: Policy): Decision {
  const { profile, holdOffMs, graceMs } = policy;
  const left: string[] = [];
  const lost: { subscription: Subscription; how: string }[] = [];
  let after = state;
  for (const { id, code, followed = 0, behind, begunSince } of command.closed) {
    const subscription = state.subscriptions.get(id);
    if (!isHere(subscription, command.node)) continue;
    if (code === NORMAL) {
      left.push(id);
      continue;
    }
    const how = `lost its connection (${code})`;
    const report = { at: now + holdOffMs, how };
    const before = after.following.get(id);
    // ERR-8: who leaves is not waited for any more. What it has not answered it is asked for if it comes back.
    const leaves = code === GOING_AWAY && before?.why === 'waiting';
    const upTo = leaves ? Math.max(followed, state.loggedOutAt) : state.nextNumber - 1;
    const shows = shownOnLeaving(state, subscription, leaves ? followed : undefined, profile.derivesOpens);
    const presence = {
      is: 'away',
      since: now,
      // What a subscriber believes that had not been sent everything is not known.
      ...(!behind && { upTo }),
      ...(code !== GOING_AWAY && { report }),
      ...(shows && { shows }),
    } as const;
    after = withSubscription(after, { ...subscription, presence }, now);
    if (leaves) after = cleared(after, id);
    if (code === GOING_AWAY) continue;
    lost.push({ subscription, how });
    // ERR-8: why it did not follow before is still why, whether it comes back or not.
    if (!before || before.why === 'lost' || before.why === 'waiting') {
      after = marked(after, subscription, { why: 'lost', since: now, reason: how, ...(followed > 0 && { followed }) });
    }
    after = withSuccessors(after, id, begunSince, now + graceMs);
  }
  if (left.length === 0 && after === state) return NOTHING_TO_DO;
  const effects: Effect[] = [];
  if (profile.lostConnectionEnds && lost.length > 0) {
    const causes = lost.map(({ subscription, how }) => ({
      subscription,
      cause: lostCause(state, subscription, how, profile),
    }));
    const told = reported(after, causes, command, now, profile);
    const ids = lost.map(({ subscription }) => subscription.id);
    after = ended(told.state, ids, now, false);
    effects.push(...told.effects, { kind: 'ended', ids, reason: LOST });
  }
  if (left.length > 0) {
    after = ended(after, left, now, true);
    effects.push({ kind: 'ended', ids: left, reason: LEFT });
  }
  return done(after, ...effects);
}

/** Whether a subscriber was sent every event until now. */
function follows({ channel, presence }: Subscription): boolean {
  return channel === 'webhook' || presence?.is === 'connected';
}

/**
 * Time has passed: subscribers that have not come back, and leases that ended unrenewed, are reported, and what has ended is
 * forgotten (ERR-3, ERR-8, SUB-5, SUB-11, SUB-13).
 */
export function elapse(
  state: SessionState,
  command: Of<'elapse'>,
  now: number,
  policy: Policy,
  pausedMs: number,
): Decision {
  const { node } = command;
  const until = now - pausedMs;
  const over = overdue(state, node, until, policy);
  const gone = new Set([...over.values()].flat().map(({ id }) => id));
  const causes = [...state.subscriptions.values()].flatMap((subscription) => {
    const report = subscription.node === node ? pendingReport(subscription) : undefined;
    if (!report || (report.at > until && !gone.has(subscription.id))) return [];
    return [{ subscription, cause: lostCause(state, subscription, report.how, policy.profile) }];
  });
  const held = afterHeld(state, until);
  if (gone.size === 0 && causes.length === 0 && held === state) return NOTHING_TO_DO;
  const unrenewed = (over.get(LEASE_ENDED) ?? []).filter(follows);
  const lapsed = unrenewed.map((subscription) => {
    return { subscription, cause: lostCause(state, subscription, LAPSED, policy.profile) };
  });
  const told = reported(held, [...causes, ...lapsed], command, now, policy.profile);
  let after = told.state;
  for (const { subscription } of causes) {
    const { presence } = subscription;
    if (presence?.is !== 'away') continue;
    const { report: _, ...reported } = presence;
    after = withSubscription(after, { ...subscription, presence: reported }, now);
  }
  const effects = [...told.effects];
  for (const one of unrenewed) {
    // What it was sent it has, and nothing after it. Who was not known to be behind had followed what was current.
    if (!after.following.has(one.id))
      after = marked(after, one, { ...LAPSED_MARK, since: now, followed: state.changedBy });
  }
  for (const [reason, subscriptions] of over) {
    const ids = subscriptions.map(({ id }) => id);
    after = ended(after, ids, now, false);
    effects.push({ kind: 'ended', ids, reason });
  }
  return done(after, ...effects);
}

/**
 * A node is gone, or has started again: its sockets are closed. Their subscribers may return to any node, and are reported where
 * they have not by the end of their grace time (ERR-3); its callbacks are called from another node (WEB-3).
 */
export function takeOver(
  state: SessionState,
  { from, to, here }: Of<'take-over'>,
  now: number,
  policy: Policy,
): Decision {
  let after = state;
  for (const one of state.subscriptions.values()) {
    if (one.node !== from || here.has(one.id)) continue;
    if (one.channel === 'webhook' || one.presence?.is === 'away') {
      if (from !== to) after = withSubscription(after, { ...one, node: to }, now);
      continue;
    }
    const report = { at: now + policy.graceMs, how: RESTARTED };
    const shows = shownOnLeaving(state, one, undefined, policy.profile.derivesOpens);
    const presence = {
      is: 'away',
      since: now,
      upTo: state.nextNumber - 1,
      report,
      ...(shows && { shows }),
    } as const;
    after = withSubscription(after, { ...one, node: to, presence }, now);
    const mark = { why: 'lost', since: now, reason: 'lost its connection when the Hub was restarted' } as const;
    // Who was not known to be behind had followed what was current.
    if (!state.following.has(one.id)) after = marked(after, one, { ...mark, followed: state.changedBy });
  }
  return after === state ? NOTHING_TO_DO : done(after);
}
