/**
 * What of the context changes a subscriber is told, which may be less than happens: nobody gets an event that it did not subscribe
 * to (PUB-3). For an application, the current context is the last one that it is told of (ERR-8).
 */
import { eventKey, keyText } from '@lockstep/fhircast';
import { afterSending, newInterest, type Offer, type Offered, selected } from './audience.ts';
import { latestAnchors, leavesNothingCurrent, type OpenEvent, openMessage, standingFor } from './current-context.ts';
import { deriveOpens } from './derived-opens.ts';
import type { SessionState, Subscription } from './session-state.ts';

/** The event of a context change. */
export interface ContextChangeEvent {
  /** Its number in the topic's log. */
  readonly number: number;
  readonly name: string;
  /** Its id as it was published; absent where the Hub makes the event. */
  readonly id?: string;
}

type Interested = Pick<Subscription, 'events'>;

function offerOf(topic: string, { name, opened, anchor }: OpenEvent): Offer<Offered> {
  const { id } = opened.opening;
  const sendable = { id, name, ...(anchor && { opens: { type: anchor.key.type, resourceId: anchor.key.id } }) };
  return {
    key: eventKey(name),
    sendable,
    // Asked for only where the event itself is not wanted.
    get derived() {
      if (!anchor) return [];
      const derived = deriveOpens(openMessage(topic, anchor), anchor.key.type);
      return derived.map(({ name: derivedName, type, resourceId, message }) => {
        return { id: message.id, name: derivedName, opens: { type, resourceId } };
      });
    },
  };
}

/** The last of these that a subscriber is sent which is sent them one after the other, as itself or as an open derived from it. */
function lastSent(
  topic: string,
  standing: readonly OpenEvent[],
  { events }: Interested,
  derivesOpens: boolean,
): ContextChangeEvent | undefined {
  let interest = newInterest(events, derivesOpens);
  let last: ContextChangeEvent | undefined;
  for (const one of standing) {
    for (const event of selected(interest, offerOf(topic, one))) {
      interest = afterSending(interest, event);
      const { number, id } = one.opened.opening;
      last = { number, id, name: one.name };
    }
  }
  return last;
}

/** The last of the standing opens that a newcomer is sent (SUB-8); undefined where it is sent none. */
export function lastStandingOpen(
  state: SessionState,
  subscription: Interested,
  derivesOpens: boolean,
): ContextChangeEvent | undefined {
  const { topic, changedBy } = state;
  const home = { key: 'home-open', sendable: { id: '', name: 'Home-open' }, derived: [] };
  if (leavesNothingCurrent(state) && selected(newInterest(subscription.events, false), home).length > 0) {
    return { number: changedBy, name: 'Home-open' };
  }
  return lastSent(topic, standingFor(latestAnchors(state), state), subscription, derivesOpens);
}

/**
 * The last of the standing opens that a subscriber is sent of events that it has not had (SUB-6).
 * @param had the events that it had
 */
export function lastStandingOpenSince(
  state: SessionState,
  subscription: Interested,
  had: readonly string[],
): ContextChangeEvent | undefined {
  const before = new Set(had.map(eventKey));
  if (before.has('*')) return undefined;
  const added = standingFor(latestAnchors(state), state).filter(({ name }) => !before.has(eventKey(name)));
  return lastSent(state.topic, added, subscription, false);
}

/** Number of the last context change that a subscriber is told of, or was; 0 for none. It is never more than `changedBy`. */
export function toldUpTo(state: SessionState, subscription: Interested, derivesOpens: boolean): number {
  const { anchors, closed, changedBy, current, home, topic } = state;
  const ended = closed.filter(({ key }) => !anchors.has(keyText(key)));
  // What has made nothing current is not held any more, or was a logout.
  if (current === undefined && !home && !ended.some(({ number }) => number === changedBy)) return changedBy;
  const open = lastSent(topic, standingFor(anchors.values(), state), subscription, derivesOpens);
  const wants = newInterest(subscription.events, derivesOpens);
  const closes = ended.filter(({ key }) => {
    const name = `${key.type}-close`;
    return selected(wants, { key: eventKey(name), sendable: { id: '', name }, derived: [] }).length > 0;
  });
  return Math.min(changedBy, Math.max(open?.number ?? 0, ...closes.map(({ number }) => number)));
}
