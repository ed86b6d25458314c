/** Who does not follow the context (ERR-8): a lasting state of the session, and not a message that passes. */
import {
  type EventMessage,
  FOLLOWING_EVENT,
  keyText,
  type NotFollowing,
  notFollowingContext,
} from '@lockstep/fhircast';
import { AnchorMap } from './anchor-map.ts';
import { changesContext } from './changes-context.ts';
import { withLastSeen } from './seen-ids.ts';
import type { FollowingMark, SessionState, Subscription } from './session-state.ts';
import { type ContextChangeEvent, isSubscribedTo, lastTold } from './told.ts';

type Mark = Omit<FollowingMark, 'subscriberName' | 'clientId' | 'user' | 'ended' | 'successors' | 'heldUntil'>;

/** Subscribers that are gone are remembered up to this number. */
const MAX_ENDED = 32;

export function isFollowing(state: SessionState, subscription: string): boolean {
  return !state.following.has(subscription);
}

/** Whether the application answers events: it has to, or it follows who follows, as our SDK does for every application. */
export function isKnownToAnswer({ acknowledgements, events }: Subscription): boolean {
  return acknowledgements === 'strict' || events.includes(FOLLOWING_EVENT);
}

/**
 * Whether a returning subscriber has seen the last context that it is told of, and its answer never came or was lost with a connection or a
 * server: it is asked once more, since nothing else would end its mark (ERR-8). Viewers that never answer are not.
 * @param seen number of the last event that it has seen
 */
export function owesAnswer(state: SessionState, subscription: string, derivesOpens: boolean, seen = -1): boolean {
  const mark = state.following.get(subscription);
  const held = state.subscriptions.get(subscription);
  if (!mark || !held || seen < lastTold(state, held, derivesOpens)) return false;
  const { why, followed } = mark;
  return why === 'waiting' || why === 'silent' || (why === 'lost' && (followed !== undefined || isKnownToAnswer(held)));
}

/**
 * Whether a callback that this server or node begins to call is asked once more. It is done with the last context that it is told of, and
 * is marked for that all the same: its answer, or the standing opens that it had not taken yet, went with whoever called it before (ERR-8).
 * @param doneUpTo number of the last event that it is done with
 */
export function isToBeAskedAgain(
  state: SessionState,
  subscription: string,
  derivesOpens: boolean,
  doneUpTo: number,
): boolean {
  const why = state.following.get(subscription)?.why;
  const held = state.subscriptions.get(subscription);
  if (!held || doneUpTo < lastTold(state, held, derivesOpens)) return false;
  return why === 'waiting' || why === 'silent' || why === 'failed';
}

/** Whether the application may be gone: its connection is, or its callback could not be reached. */
function isLost(state: SessionState, subscription: string, { unreached }: Pick<FollowingMark, 'unreached'>): boolean {
  return unreached === true || state.subscriptions.get(subscription)?.presence?.is === 'away';
}

/** The session with a subscriber marked: the first mark keeps its time, since then it has not followed. */
export function marked(
  state: SessionState,
  { id, subscriberName, clientId, user }: Subscription,
  mark: Mark,
): SessionState {
  const held = state.following.get(id);
  if (held?.why === mark.why && held.eventId === mark.eventId && held.reason === mark.reason) return state;
  const since = held?.since ?? mark.since;
  const { successors, heldUntil } = held ?? {};
  const entry: FollowingMark = {
    subscriberName,
    clientId,
    ...(user !== undefined && { user }),
    ...mark,
    since,
    ...(successors && isLost(state, id, mark) && { successors, ...(heldUntil !== undefined && { heldUntil }) }),
  };
  return { ...state, following: new Map(state.following).set(id, entry) };
}

/**
 * The session after a subscriber was sent a context change outside its turn, on joining or by a renewal: until it has answered, what
 * it shows is not known.
 */
export function awaited(
  state: SessionState,
  subscription: Subscription,
  event: ContextChangeEvent | undefined,
  now: number,
): SessionState {
  // What else is known of it says more.
  if (!event || state.following.has(subscription.id)) return state;
  const { id, name, number } = event;
  const mark = {
    why: 'waiting',
    since: now,
    awaits: number,
    eventName: name,
    ...(id !== undefined && { eventId: id }),
  } as const;
  return marked(state, subscription, mark);
}

/** The session without a mark. */
export function cleared(state: SessionState, subscription: string): SessionState {
  if (!state.following.has(subscription)) return state;
  const following = new Map(state.following);
  following.delete(subscription);
  return { ...state, following };
}

/** Who does not follow once a logout has ended all contexts: whoever is connected is waited for, and who is gone is forgotten. */
export function followingAfterLogout({ following, subscriptions }: SessionState): SessionState['following'] {
  return new Map([...following].filter(([id]) => subscriptions.get(id)?.presence?.is === 'away'));
}

type Marks = SessionState['following'];

/** The marks, none of which names the subscription as a successor any more. */
function withoutSuccessor(marks: Marks, successor: string, of: (id: string) => boolean = () => true): Marks {
  const following = new Map(marks);
  for (const [id, { successors, ...mark }] of marks) {
    if (!successors?.includes(successor) || !of(id)) continue;
    const others = successors.filter((one) => one !== successor);
    following.set(id, { ...mark, ...(others.length > 0 && { successors: others }) });
  }
  return following;
}

/** Whether one subscription is sent every change of context that another is: else it shows less, and is not the same started again. */
function isToldAsMuch(one: Subscription, other: Subscription): boolean {
  if (one.events.includes('*')) return true;
  return other.events.every((event) => event !== '*' && (!changesContext(event) || isSubscribedTo(one, event)));
}

/** Whether a subscription may be the same application as a lost one, as far as both are still known. */
function mayBe({ subscriptions }: SessionState, successor: string, lost: string): boolean {
  const one = subscriptions.get(successor);
  const other = subscriptions.get(lost);
  return !one || !other || isToldAsMuch(one, other);
}

/** The marks where a successor stands in for one that is gone: what is known of the successor says more. */
function replaced(state: SessionState, marks: Marks, mark: FollowingMark, successor: string): Marks {
  const isYetToConnect = state.subscriptions.get(successor)?.presence?.is === 'awaited';
  const following = new Map(marks);
  if (isYetToConnect && !following.has(successor)) following.set(successor, mark);
  return withoutSuccessor(following, successor);
}

/**
 * The marks after a subscription has ended. One that was lost and whose application was started again meanwhile is about
 * that one now. Each successor stands in for one application only, since two windows of one user and client are two applications.
 * @param standIns takes the successors
 */
function marksAfterEnd(
  state: SessionState,
  marks: Marks,
  id: string,
  now: number,
  inGoodOrder: boolean,
  standIns: Set<string>,
): Marks {
  const neverConnected = state.subscriptions.get(id)?.presence?.is === 'awaited';
  // Who never connected, or was told of less, did not stand in for anybody.
  const following = new Map(withoutSuccessor(marks, id, (lost) => neverConnected || !mayBe(state, id, lost)));
  const held = following.get(id);
  if (!held) return following;
  following.delete(id);
  const { successors = [], heldUntil = now, ...mark } = held;
  const left = successors.filter((one) => mayBe(state, one, id));
  const [successor] = left;
  // No answer will come any more.
  const known = { ...mark, why: held.why === 'waiting' ? 'silent' : held.why } as const;
  if (successor === undefined) return inGoodOrder ? following : following.set(id, { ...known, ended: true });
  if (heldUntil > now && !inGoodOrder) return following.set(id, { ...known, ended: true, successors: left, heldUntil });
  standIns.add(successor);
  return inGoodOrder ? withoutSuccessor(following, successor) : replaced(state, following, known, successor);
}

/** The session with these marks, and with successors that stand in for somebody. */
function withStandIns(state: SessionState, following: Marks, standIns: ReadonlySet<string>): SessionState {
  const subscriptions = new Map(state.subscriptions);
  for (const id of standIns) {
    const standIn = subscriptions.get(id);
    if (standIn) subscriptions.set(id, { ...standIn, standsIn: true });
  }
  return { ...state, following, ...(standIns.size > 0 && { subscriptions }) };
}

/** The session after subscriptions ended: who left in good order is forgotten, the others stay as gone. */
export function afterEnd(state: SessionState, ids: readonly string[], now: number, inGoodOrder: boolean): SessionState {
  if (state.following.size === 0) return state;
  const standIns = new Set<string>();
  const left = ids.reduce((marks, id) => marksAfterEnd(state, marks, id, now, inGoodOrder, standIns), state.following);
  const following = new Map(left);
  const ended = [...following].filter(([, one]) => one.ended);
  for (const [id] of ended.slice(0, Math.max(0, ended.length - MAX_ENDED))) following.delete(id);
  return withStandIns(state, following, standIns);
}

/** Who is gone, and until when no successor stands in for it. */
export function heldMarks({ following }: SessionState): readonly { readonly id: string; readonly until: number }[] {
  return [...following].flatMap(([id, { ended, successors, heldUntil }]) =>
    ended && successors && heldUntil !== undefined ? [{ id, until: heldUntil }] : [],
  );
}

/** The session once successors stand in for those that are gone, and that nothing was heard of until now (ERR-8). */
export function afterHeld(state: SessionState, now: number): SessionState {
  const due = heldMarks(state).filter(({ until }) => until <= now);
  if (due.length === 0) return state;
  const standIns = new Set<string>();
  let following: Marks = state.following;
  for (const { id } of due) {
    const { ended: _, successors: [successor] = [], heldUntil: __, ...mark } = following.get(id) ?? {};
    // Its successors stand in for others.
    if (successor === undefined) continue;
    const others = new Map(following);
    others.delete(id);
    standIns.add(successor);
    following = replaced(state, others, mark as FollowingMark, successor);
  }
  return withStandIns({ ...state, changedAt: now }, following, standIns);
}

/**
 * The session after an application subscribed again: the mark of its earlier subscription is now about this one. One that is lost, or
 * held, may come back yet: its mark stays until that is over.
 */
export function taken(state: SessionState, subscription: Subscription): SessionState {
  const { id } = subscription;
  const earlier = [...state.following].filter(([, one]) => isSameApplication(one, subscription));
  const following = new Map(state.following);
  const over = earlier.find(([, one]) => one.ended && !one.successors);
  if (over) {
    const [old, { ended: _, ...mark }] = over;
    following.delete(old);
    const subscriptions = new Map(state.subscriptions).set(id, { ...subscription, standsIn: true });
    return { ...state, subscriptions, following: following.set(id, mark) };
  }
  const lost = earlier.filter(([old, mark]) => mark.ended || isLost(state, old, mark));
  if (lost.length === 0) return state;
  for (const [old, mark] of lost) following.set(old, { ...mark, successors: [...(mark.successors ?? []), id] });
  return { ...state, following };
}

type Application = Pick<Subscription, 'clientId' | 'user' | 'subscriberName'>;

/** Whether two subscriptions are of one client, user and name. */
export function isSameApplication(one: Application, other: Application): boolean {
  return one.clientId === other.clientId && one.user === other.user && one.subscriberName === other.subscriberName;
}

/**
 * The session after a subscriber was lost, or fell silent, that was not heard of since others of its client, user and name subscribed: its
 * connection was gone by then, though that was noticed later.
 * @param heldUntil see `FollowingMark`
 */
export function withSuccessors(
  state: SessionState,
  id: string,
  begunSince: readonly string[] | undefined,
  heldUntil: number,
): SessionState {
  const held = state.following.get(id);
  if (!held) return state;
  const begun = (begunSince ?? []).filter((one) => {
    const subscription = state.subscriptions.get(one);
    return subscription && !subscription.standsIn && isSameApplication(subscription, held);
  });
  if (begun.length === 0) return state;
  const successors = [...new Set([...(held.successors ?? []), ...begun])];
  return { ...state, following: new Map(state.following).set(id, { ...held, successors, heldUntil }) };
}

/** The session after a lost subscriber came back: whoever subscribed meanwhile is another application. */
export function withoutSuccessors(state: SessionState, id: string): SessionState {
  const held = state.following.get(id);
  if (!held?.successors) return state;
  const { successors: _, heldUntil: __, ...mark } = held;
  return { ...state, following: new Map(state.following).set(id, mark) };
}

type MayRead = (event: string) => boolean;

/** What a subscriber still shows, as `Type/id`, as far as is known and may be read. */
function shown(
  { anchors, subscriptions }: SessionState,
  id: string,
  followed: number | undefined,
  mayRead: MayRead,
): { readonly shows?: string } {
  if (followed === undefined) return {};
  const told = subscriptions.get(id)?.told;
  const { key } = AnchorMap.of(anchors).openedBy(followed) ?? (told?.number === followed ? told : {});
  return key && mayRead(`${key.type}-open`) ? { shows: keyText(key) } : {};
}

/**
 * Every subscriber that does not follow now (ERR-8).
 * @param mayRead whether events of this name may be received: who may not is not sent what is still shown (CON-6)
 */
export function notFollowing(state: SessionState, mayRead: MayRead): readonly NotFollowing[] {
  return [...state.following].map(
    ([id, { subscriberName: name, why, since, eventId, eventName, reason = '', ended, followed }]) => ({
      name,
      why,
      since,
      reason,
      ...(eventId !== undefined && { eventId }),
      ...(eventName !== undefined && { eventName }),
      ...(ended && { ended }),
      ...shown(state, id, followed, mayRead),
    }),
  );
}

/**
 * Tells who does not follow to those who asked for this event by name; each replaces the one before. See docs/api/http.md.
 * @param lastSeen id of the last event of the log that they have been sent
 */
export function followingEvent(
  state: SessionState,
  topic: string,
  mayRead: MayRead,
  now: number,
  lastSeen?: string,
): EventMessage {
  const context = notFollowingContext(notFollowing(state, mayRead));
  return {
    timestamp: new Date(now).toISOString(),
    // The same list has the same id, whichever node sends it.
    id: withLastSeen(`following-${state.changedAt}-${state.following.size}`, lastSeen),
    event: { 'hub.topic': topic, 'hub.event': FOLLOWING_EVENT, context },
  };
}
