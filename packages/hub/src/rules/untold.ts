/**
 * Subscribers that may show the wrong patient because they did not subscribe to enough (ERR-8). One was told of a context, and is not sent
 * the events by which that context ended or another became current: it may still show the old one.
 */
import { isObject, keyText, type ResourceKey } from '@lockstep/fhircast';
import { AnchorMap } from './anchor-map.ts';
import { cleared, marked } from './following.ts';
import { opensOf } from './sent-in-turn.ts';
import { type Anchor, contextOf, type SessionState, type Subscription, type ToldContext } from './session-state.ts';
import { isSubscribedTo, isToldOf, isToldOfNothing, lastTold } from './told.ts';

/** A context change, as it was published. */
interface PublishedChange {
  readonly id: string;
  readonly name: string;
  /** What is opened or closed; absent for `Home-open` and `UserLogout`. */
  readonly key?: ResourceKey | undefined;
  /** The context that it opened. */
  readonly opened?: Anchor | undefined;
}

/** The patients whom a context is about, each as the reference that its publisher gave: `Patient/id`. */
function patientsOf({ opening }: Anchor): readonly string[] {
  return contextOf(opening).flatMap(({ resource, reference }) => {
    if (resource?.resourceType === 'Patient') return [`Patient/${resource.id}`];
    const references = [reference, resource?.subject, resource?.patient];
    return references.flatMap((one) => (isObject(one) && typeof one.reference === 'string' ? [one.reference] : []));
  });
}

/** Types of resources that have no element for a patient, and are opened as contexts of their own. */
const OF_NO_PATIENT: ReadonlySet<string> = new Set([
  'Endpoint',
  'HealthcareService',
  'Location',
  'Medication',
  'Organization',
  'Practitioner',
  'PractitionerRole',
]);

/** Whether a context is about no patient at all. A context that only fails to name one, such as a study alone, may be about any. */
function isOfNoPatient({ key, patients }: ToldContext): boolean {
  return OF_NO_PATIENT.has(key.type) && patients.length === 0;
}

function toldContext(anchor: Anchor): ToldContext {
  return { key: anchor.key, number: anchor.opening.number, patients: patientsOf(anchor) };
}

/** The context that a subscriber still shows, as far as it was told: it was sent the open, and not the end. Undefined for none. */
export function toldLast(
  state: SessionState,
  subscription: Subscription,
  derivesOpens: boolean,
): ToldContext | undefined {
  const { presence, told } = subscription;
  if (presence?.is === 'awaited') return undefined;
  if (told !== undefined) return told ?? undefined;
  const anchor = AnchorMap.of(state.anchors).openedBy(lastTold(state, subscription, derivesOpens));
  return anchor && toldContext(anchor);
}

function isSamePatient(one: ToldContext, other: ToldContext): boolean {
  return one.patients.some((patient) => other.patients.includes(patient));
}

/** The context that the subscriber still shows, if that is wrong: another patient's context is current now, or none is. */
function elsewhere(state: SessionState, subscription: Subscription, derivesOpens: boolean): ToldContext | undefined {
  const last = toldLast(state, subscription, derivesOpens);
  if (!last || isOfNoPatient(last)) return undefined;
  const anchor = state.anchors.get(state.current ?? '');
  if (!anchor) return last;
  const current = toldContext(anchor);
  const isElsewhere = current.number !== last.number && !isOfNoPatient(current) && !isSamePatient(last, current);
  return isElsewhere ? last : undefined;
}

/** The event that opened the current context, where the session still knows it. */
function latestChange({ current, anchors, home }: SessionState): Partial<PublishedChange> {
  const anchor = anchors.get(current ?? '');
  if (anchor) return { id: anchor.opening.id, name: `${anchor.key.type}-open` };
  return home ? { id: home.opening.id, name: 'Home-open' } : {};
}

function withMark(
  state: SessionState,
  subscription: Subscription,
  { key, number }: ToldContext,
  { id, name }: Partial<PublishedChange>,
  now: number,
): SessionState {
  const reason = `it was told of ${key.type} last, and is not subscribed to all that came after`;
  return marked(state, subscription, {
    why: 'untold',
    since: now,
    followed: number,
    reason,
    ...(id !== undefined && { eventId: id }),
    ...(name !== undefined && { eventName: name }),
  });
}

/**
 * The session after a subscriber has followed all that it was sent. It is no longer marked, unless it still shows the wrong context
 * because it was not told of another.
 */
export function withFollowed(state: SessionState, id: string, derivesOpens: boolean, now: number): SessionState {
  const subscription = state.subscriptions.get(id);
  const last = subscription && elsewhere(state, subscription, derivesOpens);
  if (!last) return cleared(state, id);
  return state.following.get(id)?.why === 'untold'
    ? state
    : withMark(state, subscription, last, latestChange(state), now);
}

function withTold(state: SessionState, subscription: Subscription, told: Subscription['told']): SessionState {
  if (subscription.told === told) return state;
  const { told: _, ...rest } = subscription;
  const next = { ...rest, ...(told !== undefined && { told }) };
  return { ...state, subscriptions: new Map(state.subscriptions).set(subscription.id, next) };
}

/** The session with what a subscriber was told of last. It is kept only where it does not follow from the events that it subscribed to. */
function remembered(
  state: SessionState,
  subscription: Subscription,
  last: ToldContext | undefined,
  derivesOpens: boolean,
): SessionState {
  const byEvents = AnchorMap.of(state.anchors).openedBy(lastTold(state, subscription, derivesOpens));
  return withTold(state, subscription, byEvents?.opening.number === last?.number ? undefined : (last ?? null));
}

/** A context change, with what decides who is told of it. */
interface Step {
  readonly change: PublishedChange;
  readonly derivesOpens: boolean;
  /** What it opened. */
  readonly opened: ToldContext | undefined;
  /** Whether no context is current since. */
  readonly leavesNothing: boolean;
}

/** Whether a subscriber is sent the change itself, or `Home-open` in its place. */
function isSent(subscription: Subscription, { change, derivesOpens, leavesNothing }: Step): boolean {
  const { name } = change;
  return leavesNothing ? isToldOfNothing(subscription, name, derivesOpens) : isSubscribedTo(subscription, name);
}

/** `Type/id` under which the subscriber knows a context: the context's own, or that of the last open that was derived for it. */
function toldAs(
  { anchors, topic }: SessionState,
  subscription: Subscription,
  { key, number }: ToldContext,
  derivesOpens: boolean,
): string {
  const anchor = AnchorMap.of(anchors).openedBy(number);
  const opens = anchor && derivesOpens ? opensOf(topic, anchor, subscription.events).at(-1)?.opens : undefined;
  return opens ? `${opens.type}/${opens.resourceId}` : keyText(key);
}

/**
 * The session after a change, with what a subscriber was told of last: it may have been sent the change, or not.
 * @param last what it was told of last before the change
 */
function afterTelling(
  before: SessionState,
  state: SessionState,
  held: Subscription,
  last: ToldContext | undefined,
  step: Step,
): SessionState {
  const { change, derivesOpens, opened } = step;
  const { key, name } = change;
  if (isSubscribedTo(held, name)) {
    const closed = key && !opened && keyText(key);
    const isAnother =
      last && closed && keyText(last.key) !== closed && toldAs(before, held, last, derivesOpens) !== closed;
    // A close of another context than the one it shows changes nothing for it.
    return remembered(state, held, isAnother ? last : opened, derivesOpens);
  }
  if (isSent(held, step)) return remembered(state, held, undefined, derivesOpens);
  // A derived open tells it of this context, unless it was told of the same patient before: that is not sent twice (DER-2).
  const isDerived = opened && !(last && isSamePatient(last, opened)) && isToldOf(state, held, opened.key, derivesOpens);
  return remembered(state, held, isDerived ? opened : last, derivesOpens);
}

/**
 * The session after a context change, with the right subscribers marked. One that is not sent the change and shows another patient is
 * marked. One that is not sent it and shows the same patient is no longer marked.
 * @param before the session before the change: it still holds what the change ended
 * @param now ms since the epoch
 */
export function withUntold(
  before: SessionState,
  after: SessionState,
  change: PublishedChange,
  derivesOpens: boolean,
  now: number,
): SessionState {
  const opened = change.opened && toldContext(change.opened);
  const leavesNothing = after.changedBy !== before.changedBy && after.current === undefined && !after.home;
  const step: Step = { change, derivesOpens, opened, leavesNothing };
  let state = after;
  for (const held of after.subscriptions.values()) {
    const { id, presence } = held;
    const isTold = isSent(held, step);
    // Most subscribers are told of every change.
    if (isTold && held.told === undefined && (opened || !change.key)) continue;
    const last = toldLast(before, held, derivesOpens);
    state = afterTelling(before, state, held, last, step);
    // A logout clears the marks of those who are connected. Who is not told of it keeps its mark.
    const mark = isTold ? undefined : before.following.get(id);
    if (mark && !state.following.has(id)) state = { ...state, following: new Map(state.following).set(id, mark) };
    const isOfSame = last !== undefined && opened !== undefined && isSamePatient(last, opened);
    if (!isTold && isOfSame && mark?.why === 'untold') state = cleared(state, id);
    const subscription = state.subscriptions.get(id) ?? held;
    // Another mark says more than this one would. Who is disconnected is looked at when it comes back.
    if (state.following.has(id) || presence?.is === 'away' || (isTold && !subscription.told)) continue;
    const other = elsewhere(state, subscription, derivesOpens);
    if (other) state = withMark(state, held, other, change, now);
  }
  return state;
}

/**
 * Whether a marked subscriber has now been told that the context it showed has ended, and of no open since.
 * @param number of the close that it followed
 */
export function isToldOfEnd(
  state: SessionState,
  subscription: Subscription,
  number: number,
  derivesOpens: boolean,
): boolean {
  const mark = state.following.get(subscription.id);
  if (mark?.why !== 'untold') return false;
  const { followed = 0 } = mark;
  const anchor = AnchorMap.of(state.anchors).openedBy(followed);
  const shown = anchor && toldAs(state, subscription, toldContext(anchor), derivesOpens);
  const isEnd = state.closed.some(
    (one) => one.number === number && (one.opened === followed || keyText(one.key) === shown),
  );
  return isEnd && !AnchorMap.of(state.anchors).openedBy(lastTold(state, subscription, derivesOpens));
}

/**
 * The session after a subscriber was sent what stands open.
 * @param sent number of the last open that it was sent; undefined where it was sent none
 */
export function withSent(
  state: SessionState,
  subscription: Subscription,
  sent: number | undefined,
  derivesOpens: boolean,
): SessionState {
  const anchor = sent === undefined ? undefined : AnchorMap.of(state.anchors).openedBy(sent);
  return remembered(state, subscription, anchor && toldContext(anchor), derivesOpens);
}

/**
 * What a subscriber shows as its connection closes, as far as is known.
 * @param followed number of the last context change that it followed, where it leaves and has not answered what came after
 */
export function shownOnLeaving(
  state: SessionState,
  subscription: Subscription,
  followed: number | undefined,
  derivesOpens: boolean,
): ToldContext | undefined {
  const last = toldLast(state, subscription, derivesOpens);
  if (followed === undefined || last?.number === followed) return last;
  const anchor = AnchorMap.of(state.anchors).openedBy(followed);
  return anchor && toldContext(anchor);
}

/**
 * What a subscriber that asks for other events was told of last. While it was disconnected, events of its old list waited for it. Those
 * are not sent any more: what it showed as it left counts in their place, unless it is told that this has ended.
 */
function toldBefore(
  state: SessionState,
  had: Subscription,
  has: Subscription,
  derivesOpens: boolean,
): ToldContext | undefined {
  const last = toldLast(state, had, derivesOpens);
  const { presence } = had;
  if (presence?.is !== 'away') return last;
  const { shows, upTo = 0 } = presence;
  if (last && (last.number <= upTo || isToldOf(state, has, last.key, derivesOpens))) return last;
  const isEndTold = shows && !state.anchors.has(keyText(shows.key)) && isSubscribedTo(has, `${shows.key.type}-close`);
  return isEndTold ? undefined : shows;
}

/**
 * The session after a subscriber has asked for other events. What it was told of by its old events still counts.
 * @param before the session in which it had the old events
 * @param sent number of the last standing open that it is sent for its new events; undefined where it is sent none
 */
export function withRenewed(
  before: SessionState,
  after: SessionState,
  id: string,
  sent: number | undefined,
  derivesOpens: boolean,
  now: number,
): SessionState {
  const [had, has] = [before.subscriptions.get(id), after.subscriptions.get(id)];
  if (!had || !has) return after;
  const state =
    sent === undefined
      ? remembered(after, has, toldBefore(before, had, has, derivesOpens), derivesOpens)
      : withSent(after, has, sent, derivesOpens);
  return state.following.has(id) ? state : withFollowed(state, id, derivesOpens, now);
}
