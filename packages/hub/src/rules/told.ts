/**
 * Which context changes a subscriber is sent. It may be sent fewer than there are, since it gets only events that it subscribed to
 * (PUB-3). What an application takes for the current context is the last one that it was sent (ERR-8).
 */
import { eventKey, keyText, type ResourceKey } from '@lockstep/fhircast';
import { AnchorMap } from './anchor-map.ts';
import { newInterest, selected, takesHome } from './audience.ts';
import { latestAnchors, leavesNothingCurrent, type OpenEvent, standingFor } from './current-context.ts';
import { lastInTurn, lastOfAll, OpenOffer } from './sent-in-turn.ts';
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

/**
 * Suppose that a subscriber is sent the opens of all contexts that are open now, in their order, and of the home screen: the last one
 * that it gets.
 */
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

/** A newcomer is sent what stands open (SUB-8): the last event of that; undefined where it is sent none. */
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
 * Of a subscriber that returns it may not be known what it has followed. It is then sent closes of what is no longer open and opens of
 * what stands open, or else the log from the last logout on (SUB-7). This is the last context change of that; undefined where it is sent
 * none.
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
 * The standing opens that a renewed subscription is sent, oldest first (SUB-6, SUB-8). They begin with the first open of an event that is
 * new to it. All later ones follow, also those that it had before, so that what is current comes last.
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

/** Whether a subscriber gets events of this name as they were published, and not only what is derived from them. */
export function isSubscribedTo({ events }: Interested, name: string): boolean {
  const key = eventKey(name);
  return events.some((one) => one === name || one === '*' || eventKey(one) === key);
}

/** Whether a subscriber gets `Home-open` in place of an event that leaves no context current and that it did not subscribe to (DER-2). */
function isSentHome(subscription: Interested, derivesOpens: boolean): boolean {
  return derivesOpens && isSubscribedTo(subscription, 'Home-open') && takesHome(new Set(subscription.events));
}

/** Whether a subscriber is told when an event leaves no context current: by that event itself, or by `Home-open`. */
export function isToldOfNothing(subscription: Interested, name: string, derivesOpens: boolean): boolean {
  return isSubscribedTo(subscription, name) || isSentHome(subscription, derivesOpens);
}

/** Whether a subscriber is told of an open context: by the open that was published, or by one that is derived from it. */
export function isToldOf(
  state: SessionState,
  { events }: Interested,
  key: ResourceKey,
  derivesOpens: boolean,
): boolean {
  const anchor = state.anchors.get(keyText(key));
  if (!anchor) return false;
  const offer = new OpenOffer(state.topic, { name: `${key.type}-open`, opened: anchor, anchor });
  return selected(newInterest(events, derivesOpens), offer).length > 0;
}

/**
 * Number of the last event that changed what this subscriber takes for the current context: the open that it was sent last, or the close
 * of that. 0 for none. It may be more than `changedBy`, as where the subscriber was sent the close of a context that it still showed while
 * another was current.
 */
export function lastTold(state: SessionState, subscription: Interested, derivesOpens: boolean): number {
  const { anchors, closed, changedBy, current, home, loggedOutAt } = state;
  if (changedBy > 0 && changedBy === loggedOutAt) {
    return isToldOfNothing(subscription, 'UserLogout', derivesOpens) ? changedBy : 0;
  }
  const isOver = ({ key }: ClosedContext): boolean => !anchors.has(keyText(key));
  // Whether the close that left no context current is no longer remembered.
  const isForgotten = !closed.some((one) => one.number === changedBy && isOver(one));
  if (current === undefined && !home && isForgotten) return changedBy;
  let { number = 0 } = lastOpenSent(state, subscription, derivesOpens) ?? {};
  let opened = number;
  for (const one of closed) {
    const { key, number: closedBy, opened: openedBy = closedBy, leftNothing } = one;
    const isClose = isSubscribedTo(subscription, `${key.type}-close`);
    if (leftNothing && !isClose && isSentHome(subscription, derivesOpens)) {
      // `Home-open` ends whatever it showed before.
      if (closedBy > opened) [number, opened] = [closedBy, closedBy];
    } else if (isOver(one) && openedBy >= opened && isClose) [number, opened] = [closedBy, openedBy];
  }
  return number;
}

/** The same, but never more than `changedBy`: the last change of the session's context that a subscriber was told of. 0 for none. */
export function toldUpTo(state: SessionState, subscription: Interested, derivesOpens: boolean): number {
  return Math.min(state.changedBy, lastTold(state, subscription, derivesOpens));
}
