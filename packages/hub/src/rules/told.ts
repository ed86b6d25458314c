/**
 * What of the context changes a subscriber is told, which may be less than happens: nobody gets an event that it did not subscribe
 * to (PUB-3). For an application, the current context is the last one that it is told of (ERR-8).
 */
import { eventKey, keyText, type ResourceKey } from '@lockstep/fhircast';
import { AnchorMap } from './anchor-map.ts';
import { afterSending, lastOpenOf, newInterest, type Offered, selected } from './audience.ts';
import { latestAnchors, leavesNothingCurrent, type OpenEvent, standingFor } from './current-context.ts';
import { lastOfMany, offerOf } from './last-of-many.ts';
import type { SessionState, Subscription } from './session-state.ts';

/** The event of a context change. */
export interface ContextChangeEvent {
  /** Its number in the topic's log. */
  readonly number: number;
  readonly name: string;
  /** Its id as it was published; absent where the Hub makes the event. */
  readonly id?: string;
}

/** Open contexts that are looked at first, the latest ones. */
const AT_FIRST = 16;

type Interested = Pick<Subscription, 'events'>;

/** What was sent last depends on what was sent before. */
const DEPENDS = Symbol();

/**
 * The last of these that a subscriber is sent which is sent them one after the other, as itself or as an open derived from it.
 * @param isAll whether it was sent nothing before; otherwise that is not known
 */
function lastSent(
  topic: string,
  standing: readonly OpenEvent[],
  { events }: Interested,
  derivesOpens: boolean,
  isAll: boolean,
): ContextChangeEvent | typeof DEPENDS | undefined {
  let interest = newInterest(events, derivesOpens);
  let last: ContextChangeEvent | undefined;
  let isSure = isAll;
  for (const one of standing) {
    const offer = offerOf(topic, one);
    const sent = selected(interest, offer);
    if (sent.length === 0) continue;
    // A derived open is not sent of what was opened last of its type (DER-2).
    const unsure =
      isAll || sent[0] === offer.sendable ? [] : typesOf(sent).filter((type) => !lastOpenOf(interest, type));
    if (new Set(unsure).size < unsure.length) return DEPENDS;
    for (const event of sent) interest = afterSending(interest, event);
    const { number, id } = one.opened.opening;
    last = { number, id, name: one.name };
    isSure = unsure.length < sent.length;
  }
  return isSure ? last : DEPENDS;
}

function typesOf(opens: readonly Offered[]): readonly string[] {
  return opens.map(({ opens: opened }) => opened?.type ?? '');
}

/** The last of the standing opens that a subscriber is sent which is sent no others. */
function lastOf(
  state: SessionState,
  standing: readonly OpenEvent[],
  subscription: Interested,
  derivesOpens: boolean,
): ContextChangeEvent | undefined {
  const last = lastSent(state.topic, standing, subscription, derivesOpens, true);
  return last === DEPENDS ? undefined : last;
}

/** The last of all open contexts that a subscriber is sent: of many, a few of the latest say it in most cases. */
function lastOpenSent(
  state: SessionState,
  subscription: Interested,
  derivesOpens: boolean,
): ContextChangeEvent | undefined {
  const anchors = AnchorMap.of(state.anchors);
  if (anchors.size <= AT_FIRST) {
    return lastOf(state, standingFor(anchors.values(), state), subscription, derivesOpens);
  }
  const latest = standingFor(anchors.latestFirst().take(AT_FIRST), state);
  const last = lastSent(state.topic, latest, subscription, derivesOpens, false);
  if (last !== DEPENDS) return last;
  // The home screen would have said it: it is the latest where it is shown.
  const found = lastOfMany(state.topic, anchors, subscription.events, derivesOpens);
  return found && { number: found.opening.number, id: found.opening.id, name: `${found.key.type}-open` };
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
  return lastOf(state, standingFor(latestAnchors(state), state), subscription, derivesOpens);
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
  return last && { number: last.opened.opening.number, id: last.opened.opening.id, name: last.name };
}

/** Whether a subscriber gets such events as they are. */
export function isSubscribedTo({ events }: Interested, name: string): boolean {
  const key = eventKey(name);
  return events.some((one) => one === name || one === '*' || eventKey(one) === key);
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
  if (changedBy > 0 && changedBy === loggedOutAt) return isSubscribedTo(subscription, 'UserLogout') ? changedBy : 0;
  const ended = closed.filter(({ key }) => !anchors.has(keyText(key)));
  // What has made nothing current is not held any more.
  if (current === undefined && !home && !ended.some(({ number }) => number === changedBy)) return changedBy;
  let { number = 0 } = lastOpenSent(state, subscription, derivesOpens) ?? {};
  let opened = number;
  for (const { key, number: closedBy, opened: openedBy = closedBy } of ended) {
    // The close of what was opened before changes nothing for it.
    if (openedBy < opened || !isSubscribedTo(subscription, `${key.type}-close`)) continue;
    [number, opened] = [closedBy, openedBy];
  }
  return number;
}

/** Number of the last context change that a subscriber is told of, or was; 0 for none. It is never more than `changedBy`. */
export function toldUpTo(state: SessionState, subscription: Interested, derivesOpens: boolean): number {
  return Math.min(state.changedBy, lastTold(state, subscription, derivesOpens));
}
