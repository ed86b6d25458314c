/**
 * Who is not told what became of the context that it was told of last, since it did not subscribe to such events (ERR-8): it may show
 * that context still, while another patient's is current, or none.
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
}

/** `Patient/id` of those whom a context is about, as its publishers name them. */
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

/** Whether a context is about no patient. One that does not name its patient, such as a study alone, may be about any. */
function isOfNoPatient({ key, patients }: ToldContext): boolean {
  return OF_NO_PATIENT.has(key.type) && patients.length === 0;
}

function toldContext(anchor: Anchor): ToldContext {
  return { key: anchor.key, number: anchor.opening.number, patients: patientsOf(anchor) };
}

/** The context that the subscriber was told of last, and whose end it was not told of; undefined for none. */
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

/** What the subscriber was told of last, where the current context is of another patient, or none is current. */
function elsewhere(state: SessionState, subscription: Subscription, derivesOpens: boolean): ToldContext | undefined {
  const last = toldLast(state, subscription, derivesOpens);
  if (!last || isOfNoPatient(last)) return undefined;
  const anchor = state.anchors.get(state.current ?? '');
  if (!anchor) return last;
  const current = toldContext(anchor);
  const isElsewhere = current.number !== last.number && !isOfNoPatient(current) && !isSamePatient(last, current);
  return isElsewhere ? last : undefined;
}

/** The event that made the current context, as far as the session holds it. */
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

/** The session after a subscriber has followed all that it was told: it is marked no more, but for what it was not told of. */
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

/** The session that says what the subscriber was told of last, where its events do not say the same. */
function remembered(
  state: SessionState,
  subscription: Subscription,
  last: ToldContext | undefined,
  derivesOpens: boolean,
): SessionState {
  const byEvents = AnchorMap.of(state.anchors).openedBy(lastTold(state, subscription, derivesOpens));
  return withTold(state, subscription, byEvents?.opening.number === last?.number ? undefined : (last ?? null));
}

/** A context change, and what is needed to say who is told of it. */
interface Step {
  readonly change: PublishedChange;
  readonly derivesOpens: boolean;
  /** What it opened. */
  readonly opened: ToldContext | undefined;
  /** Whether no context is current since. */
  readonly leavesNothing: boolean;
}

/** Whether a subscriber is sent the change, or `Home-open` in its place. */
function isSent(subscription: Subscription, { change, derivesOpens, leavesNothing }: Step): boolean {
  const { name } = change;
  return leavesNothing ? isToldOfNothing(subscription, name, derivesOpens) : isSubscribedTo(subscription, name);
}

/** `Type/id` of what the subscriber was told that the context is: of its own, or of the last open that was derived for it. */
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

/** The session with what a subscriber was told of last, once it was sent the change, or not. @param last before the change */
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
    // The end of another context, which it may not have been told of, changes nothing.
    return remembered(state, held, isAnother ? last : opened, derivesOpens);
  }
  if (isSent(held, step)) return remembered(state, held, undefined, derivesOpens);
  // An open that is derived from this one tells it, unless it was told of the patient before (DER-2).
  const isDerived = opened && !(last && isSamePatient(last, opened)) && isToldOf(state, held, opened.key, derivesOpens);
  return remembered(state, held, isDerived ? opened : last, derivesOpens);
}

/**
 * The session after a context change: who is not told of it, and was told of another patient, is marked; who was told of this patient is
 * not marked any more.
 * @param before the session before the change, which holds what the change ended
 * @param now ms since the epoch
 */
export function withUntold(
  before: SessionState,
  after: SessionState,
  change: PublishedChange,
  derivesOpens: boolean,
  now: number,
): SessionState {
  const anchor = change.key && after.anchors.get(keyText(change.key));
  const opened = anchor && toldContext(anchor);
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
    // A logout forgets who does not follow, but for those who are not told of it.
    const mark = isTold ? undefined : before.following.get(id);
    if (mark && !state.following.has(id)) state = { ...state, following: new Map(state.following).set(id, mark) };
    const isOfSame = last !== undefined && opened !== undefined && isSamePatient(last, opened);
    if (!isTold && isOfSame && mark?.why === 'untold') state = cleared(state, id);
    const subscription = state.subscriptions.get(id) ?? held;
    // What else is known of it says more; who is disconnected shows it again when it comes back.
    if (state.following.has(id) || presence?.is === 'away' || (isTold && !subscription.told)) continue;
    const other = elsewhere(state, subscription, derivesOpens);
    if (other) state = withMark(state, held, other, change, now);
  }
  return state;
}

/**
 * Whether a subscriber that is marked was told now of the end of what it was told of last, and of no open since.
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

/** What a subscriber that asks for other events was told of last: what it was to be sent on its return may not be sent any more. */
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
 * The session after a subscriber asked for other events: what it was told of by those that it had counts still.
 * @param before the session in which it had the other events
 * @param sent number of the last standing open that it is sent for the events that it has now; undefined where it is sent none
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
