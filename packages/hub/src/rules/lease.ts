/** How long subscriptions last, and how they end by themselves (SUB-5, SUB-11, SUB-13). */
import type { SubscriptionRequest } from '@lockstep/fhircast';
import { type Decision, done } from './commands.ts';
import { afterEnd, heldMarks } from './following.ts';
import type { Access } from './permission.ts';
import type { Policy } from './policy.ts';
import { NOTHING_TO_DO } from './reasons.ts';
import type { SessionState, Subscription } from './session-state.ts';

export const LEASE_ENDED = 'The lease has ended';
const NEVER_CONNECTED = 'Nobody connected to the endpoint in time';
const NOT_BACK = 'The subscriber did not come back';

/** SUB-5: the least of what was asked for, the Hub's maximum and the token's remaining life. @returns ms since the epoch */
export function leaseEnd(
  { leaseSeconds }: Pick<SubscriptionRequest, 'leaseSeconds'>,
  { expiresAt }: Pick<Access, 'expiresAt'>,
  now: number,
  { defaultLeaseSeconds, maxLeaseSeconds }: Policy,
): number {
  const lease = Math.min(leaseSeconds ?? defaultLeaseSeconds, maxLeaseSeconds) * 1000;
  return Math.min(now + lease, expiresAt);
}

/** SUB-11: whether what was missed may be asked for: only by a subscription that was connected before. */
export function mayReturn({ presence }: Subscription): boolean {
  return presence?.is !== 'awaited';
}

/** SUB-11: number of the last event that a returning subscriber is not sent: before it subscribed, or before a logout. */
export function replayedAfter({ loggedOutAt }: SessionState, { after = 0 }: Subscription): number {
  return Math.max(after, loggedOutAt - 1);
}

/**
 * SUB-11: number up to which a returning subscriber has seen everything, where it names an event that is not known. A logout
 * erases what came before it: who was subscribed then is taken to have seen what is gone, and is sent the logout and what followed.
 * @returns undefined where there was no logout since it subscribed
 */
export function seenBeforeLogout({ loggedOutAt }: SessionState, { after = 0 }: Subscription): number | undefined {
  return loggedOutAt > after ? loggedOutAt - 1 : undefined;
}

/** Whether the lease has ended, though it may not have been noticed yet. */
export function hasEnded({ expiresAt }: Subscription, now: number): boolean {
  return expiresAt <= now;
}

export function unexpired(state: SessionState, now: number): readonly Subscription[] {
  return [...state.subscriptions.values()].filter((one) => !hasEnded(one, now));
}

/** When the subscription ends by itself, and why. */
function end({ presence, expiresAt }: Subscription, { connectMs, graceMs }: Policy): { at: number; reason: string } {
  const ends = [{ at: expiresAt, reason: LEASE_ENDED }];
  if (presence?.is === 'awaited') ends.push({ at: presence.since + connectMs, reason: NEVER_CONNECTED });
  if (presence?.is === 'away') ends.push({ at: presence.since + graceMs, reason: NOT_BACK });
  return ends.reduce((first, one) => (one.at < first.at ? one : first));
}

/** When it is to be reported to the others that the subscriber is lost, and how, if they have not been (ERR-3). */
export function pendingReport({ presence }: Subscription): { readonly at: number; readonly how: string } | undefined {
  return presence?.is === 'away' ? presence.report : undefined;
}

/**
 * When something happens by itself next in the session, ms since the epoch: what `elapse` is to be decided at.
 * @param node whose subscriptions are looked after; those of no node are everybody's
 */
export function nextDeadline(state: SessionState, node: string, policy: Policy): number | undefined {
  let next: number | undefined;
  for (const { until } of heldMarks(state)) if (next === undefined || until < next) next = until;
  for (const one of state.subscriptions.values()) {
    if (one.node !== undefined && one.node !== node) continue;
    for (const at of [end(one, policy).at, pendingReport(one)?.at]) {
      if (at !== undefined && (next === undefined || at < next)) next = at;
    }
  }
  return next;
}

/** The subscriptions that had ended by themselves at a time, by the reason why. */
export function overdue(
  state: SessionState,
  node: string,
  now: number,
  policy: Policy,
): ReadonlyMap<string, readonly Subscription[]> {
  const found = new Map<string, Subscription[]>();
  for (const one of state.subscriptions.values()) {
    if (one.node !== undefined && one.node !== node) continue;
    const { at, reason } = end(one, policy);
    if (at <= now) found.set(reason, [...(found.get(reason) ?? []), one]);
  }
  return found;
}

/** The session without these subscriptions. @param inGoodOrder whether they are known to follow nothing any more (ERR-8) */
export function ended(state: SessionState, ids: readonly string[], now: number, inGoodOrder: boolean): SessionState {
  const after = afterEnd(state, ids, now, inGoodOrder);
  const subscriptions = new Map(after.subscriptions);
  for (const id of ids) subscriptions.delete(id);
  return { ...after, subscriptions, changedAt: now };
}

/** Ends subscriptions with a reason that their subscribers get (SUB-10). */
export function deny(
  state: SessionState,
  asked: readonly string[],
  reason: string,
  now: number,
  inGoodOrder: boolean,
): Decision {
  const ids = asked.filter((id) => state.subscriptions.has(id));
  if (ids.length === 0) return NOTHING_TO_DO;
  return done(ended(state, ids, now, inGoodOrder), { kind: 'ended', ids, reason });
}

/** The session with the subscription replaced. */
export function withSubscription(state: SessionState, subscription: Subscription, now: number): SessionState {
  const subscriptions = new Map(state.subscriptions).set(subscription.id, subscription);
  return { ...state, subscriptions, changedAt: now };
}
