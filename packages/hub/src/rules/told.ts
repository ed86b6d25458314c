/**
 * What of the context changes a subscriber is told, which may be less than happens: nobody gets an event that it did not subscribe
 * to (PUB-3). For an application, the current context is the last one that it is told of (ERR-8).
 */
import { eventKey, keyText, type ResourceKey } from '@lockstep/fhircast';
import { AnchorMap } from './anchor-map.ts';
import { newInterest, selected, takesHome } from './audience.ts';
import { latestAnchors, leavesNothingCurrent, type OpenEvent, standingFor } from './current-context.ts';
import { lastInTurn, lastOfAll, offerOf } from './sent-in-turn.ts';
import type { ClosedContext, SessionState, Subscription } from './session-state.ts';

/** The event of a context change. */
export interface ContextChangeEvent {
  /** Its number in the topic's log. */
  readonly number: number;
  readonly name: string;
  /** Its id as it was published; absent where the Hub makes the event. */
  readonly id?: string;
}

type Interested = Pick<Subscription, 'events'>;

function changeOf({ name, opened: { opening } }: OpenEvent): ContextChangeEvent {
  return { number: opening.number, id: opening.id, name };
}

/** The last of all open contexts, and of the home screen, that a subscriber is sent which is sent them one after the other. */
function lastOpenSent(
  state: SessionState,
  subscription: Interested,
  derivesOpens: boolean,
): ContextChangeEvent | undefined {
  const { anchors, home, topic } = state;
  // Where the home screen is shown, it was opened last.
  if (home && isSubscribedTo(subscription, 'Home-open')) return changeOf({ name: 'Home-open', opened: home });
  const all = AnchorMap.of(anchors);
  // Most subscribers are sent the latest open as it is.
  const isSentLatest = all.last && isSubscribedTo(subscription, `${all.last.key.type}-open`);
  const last = isSentLatest ? all.last : lastOfAll(topic, all, subscription.events, derivesOpens);
  return last && changeOf({ name: `${last.key.type}-open`, opened: last });
}

/** The last of the standing opens that a newcomer is sent (SUB-8); undefined where it is sent none. */
export function lastStandingOpen(
  state: SessionState,
  subscription: Interested,
  derivesOpens: boolean,
): ContextChangeEvent | undefined {
  const { changedBy } = state;
  if (leavesNothingCurrent(state) && isSubscribedTo(subscription, 'Home-open')) {
    return { number: changedBy, name: 'Home-open' };
  }
  const standing = standingFor(latestAnchors(state), state);
  const last = lastInTurn(state.topic, standing, newInterest(subscription.events, derivesOpens));
  return last && changeOf(last);
}

/**
 * The last context change that a subscriber is sent of whom it is not known what it has followed: what is no longer open is closed, and
 * what stands open is opened, or else the log is sent from the last logout on (SUB-7); undefined where it is sent none.
 */
export function lastSentAgain(
  state: SessionState,
  subscription: Subscription,
  derivesOpens: boolean,
): ContextChangeEvent | undefined {
  const { anchors, changedBy, current, home, loggedOutAt } = state;
  const closed = state.closed.filter(({ key }) => !anchors.has(keyText(key)));
  const isNothing = current === undefined && !home;
  if (isNothing && closed.length > 0 && isSubscribedTo(subscription, 'Home-open')) {
    return { number: changedBy, name: 'Home-open' };
  }
  const open = lastStandingOpen(state, subscription, derivesOpens);
  if (open) return open;
  const close = closed.findLast(({ key }) => isSubscribedTo(subscription, `${key.type}-close`));
  if (close) return { number: close.number, name: `${close.key.type}-close` };
  const isLogout = loggedOutAt > (subscription.after ?? 0) && isToldOfNothing(subscription, 'UserLogout', derivesOpens);
  return isLogout ? { number: loggedOutAt, name: 'UserLogout' } : undefined;
}

/**
 * The standing opens that a renewed subscription is sent, oldest first: those of events that it did not have before, and those after them
 * once more, so that what is current comes last (SUB-6, SUB-8).
 * @param had the events that it had
 * @param has the events that it has now
 */
export function standingSince<Open extends { readonly name: string }>(
  standing: readonly Open[],
  had: readonly string[],
  has: readonly string[],
): readonly Open[] {
  const taken = standing.filter(({ name }) => isSubscribedTo({ events: has }, name));
  const first = taken.findIndex(({ name }) => !isSubscribedTo({ events: had }, name));
  return first < 0 ? [] : taken.slice(first);
}

/**
 * The last of the standing opens that a renewed subscription is sent; undefined for none.
 * @param had the events that it had
 */
export function lastStandingOpenSince(
  state: SessionState,
  { events }: Interested,
  had: readonly string[],
): ContextChangeEvent | undefined {
  const last = standingSince(standingFor(latestAnchors(state), state), had, events).at(-1);
  return last && changeOf(last);
}

/** Whether a subscriber gets such events as they are. */
export function isSubscribedTo({ events }: Interested, name: string): boolean {
  const key = eventKey(name);
  return events.some((one) => one === name || one === '*' || eventKey(one) === key);
}

/** Whether a subscriber is sent `Home-open` for an event that leaves no context current, unless it subscribed to that event (DER-2). */
function isSentHome(subscription: Interested, derivesOpens: boolean): boolean {
  return derivesOpens && isSubscribedTo(subscription, 'Home-open') && takesHome(new Set(subscription.events));
}

/** Whether a subscriber is told of an event that leaves no context current, by that event or by `Home-open`. */
export function isToldOfNothing(subscription: Interested, name: string, derivesOpens: boolean): boolean {
  return isSubscribedTo(subscription, name) || isSentHome(subscription, derivesOpens);
}

/** Whether a subscriber is told of an open context, by its own open or by one that is derived from it. */
export function isToldOf(
  state: SessionState,
  { events }: Interested,
  key: ResourceKey,
  derivesOpens: boolean,
): boolean {
  const anchor = state.anchors.get(keyText(key));
  if (!anchor) return false;
  const offer = offerOf(state.topic, { name: `${key.type}-open`, opened: anchor, anchor });
  return selected(newInterest(events, derivesOpens), offer).length > 0;
}

/**
 * Number of the last event that changed what is current for a subscriber, of those that it is told of, or was: the open that it was sent
 * last, or its close. 0 for none. It may be more than `changedBy`: what is current for it may be closed while another context is current.
 */
export function lastTold(state: SessionState, subscription: Interested, derivesOpens: boolean): number {
  const { anchors, closed, changedBy, current, home, loggedOutAt } = state;
  if (changedBy > 0 && changedBy === loggedOutAt) {
    return isToldOfNothing(subscription, 'UserLogout', derivesOpens) ? changedBy : 0;
  }
  const isOver = ({ key }: ClosedContext): boolean => !anchors.has(keyText(key));
  // What has made nothing current is not held any more.
  const isForgotten = !closed.some((one) => one.number === changedBy && isOver(one));
  if (current === undefined && !home && isForgotten) return changedBy;
  let { number = 0 } = lastOpenSent(state, subscription, derivesOpens) ?? {};
  let opened = number;
  for (const one of closed) {
    const { key, number: closedBy, opened: openedBy = closedBy, leftNothing } = one;
    const isClose = isSubscribedTo(subscription, `${key.type}-close`);
    if (leftNothing && !isClose && isSentHome(subscription, derivesOpens)) {
      // It ends whatever was opened before.
      if (closedBy > opened) [number, opened] = [closedBy, closedBy];
    } else if (isOver(one) && openedBy >= opened && isClose) [number, opened] = [closedBy, openedBy];
  }
  return number;
}

/** Number of the last context change that a subscriber is told of, or was; 0 for none. It is never more than `changedBy`. */
export function toldUpTo(state: SessionState, subscription: Interested, derivesOpens: boolean): number {
  return Math.min(state.changedBy, lastTold(state, subscription, derivesOpens));
}
