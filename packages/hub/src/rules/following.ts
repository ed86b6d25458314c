/** Who does not follow the context (ERR-8): a lasting state of the session, and not a message that passes. */
import {
  type EventMessage,
  FOLLOWING_EVENT,
  keyText,
  type NotFollowing,
  notFollowingContext,
} from '@lockstep/fhircast';
import { AnchorMap } from './anchor-map.ts';
import { withLastSeen } from './seen-ids.ts';
import type { FollowingMark, SessionState, Subscription } from './session-state.ts';
import { type ContextChangeEvent, lastTold } from './told.ts';

type Mark = Omit<FollowingMark, 'subscriberName' | 'clientId' | 'user' | 'ended'>;

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

/** The session with a subscriber marked: the first mark keeps its time, since then it has not followed. */
export function marked(
  state: SessionState,
  { id, subscriberName, clientId, user }: Subscription,
  mark: Mark,
): SessionState {
  const held = state.following.get(id);
  if (held?.why === mark.why && held.eventId === mark.eventId && held.reason === mark.reason) return state;
  const since = held?.since ?? mark.since;
  const entry: FollowingMark = { subscriberName, clientId, ...(user !== undefined && { user }), ...mark, since };
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

/** The session after subscriptions ended: who left in good order is forgotten, the others stay as gone. */
export function afterEnd(state: SessionState, ids: readonly string[], inGoodOrder: boolean): SessionState {
  if (!ids.some((id) => state.following.has(id))) return state;
  const following = new Map(state.following);
  for (const id of ids) {
    const held = following.get(id);
    if (!held) continue;
    following.delete(id);
    // No answer will come any more.
    const why = held.why === 'waiting' ? 'silent' : held.why;
    if (!inGoodOrder) following.set(id, { ...held, why, ended: true });
  }
  const ended = [...following].filter(([, one]) => one.ended);
  for (const [id] of ended.slice(0, Math.max(0, ended.length - MAX_ENDED))) following.delete(id);
  return { ...state, following };
}

/** The session after an application subscribed again: the mark of its earlier subscription is now about this one. */
export function taken(state: SessionState, subscription: Subscription): SessionState {
  const { id, clientId, subscriberName, user } = subscription;
  const earlier = [...state.following].find(
    ([, one]) => one.ended && one.clientId === clientId && one.subscriberName === subscriberName && one.user === user,
  );
  if (!earlier) return state;
  const [old, { ended: _, ...mark }] = earlier;
  const following = new Map(state.following);
  following.delete(old);
  return { ...state, following: following.set(id, mark) };
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
