/** What makes a screen right where what came in between is unknown, or undone (SUB-8, SUB-11). */
import { anchorKeyOf, contextChange, type EventMessage, keyText } from '@lockstep/fhircast';
import { AnchorMap } from './anchor-map.ts';
import type { Made } from './commands.ts';
import { ContentMap } from './content-map.ts';
import { leavesNothingCurrent, type StandingOpen, standingOpens } from './current-context.ts';
import { eventText, withMember } from './event-text.ts';
import {
  type Anchor,
  type ClosedContext,
  contextOf,
  type Opening,
  type Presence,
  type SessionState,
} from './session-state.ts';

/** A context that somebody may believe open, with the content that it believes shared where that is known. */
export type Believed = Pick<ClosedContext, 'key' | 'context'> &
  Partial<Pick<ClosedContext, 'number'> & Pick<Anchor, 'content'>>;

/** Closed contexts are remembered up to this number. */
const MAX_CLOSED = 64;

/**
 * ms for which a close may be on its way to a subscriber whose connection is broken already: two pings and some more. After that
 * it has arrived, or the subscriber is known to be disconnected.
 */
const ON_ITS_WAY = 120_000;

/** Characters of a context that are kept as they are for the close that may be sent; of a longer one, what it is about. */
const SHORT = 2048;

/**
 * What is remembered once a context was closed, or lost some of its content, for subscribers that may not have received that: they are
 * sent a close of it.
 */
export function afterLoss(
  { subscriptions, closed }: SessionState,
  { key, opening }: Anchor,
  number: number,
  leftNothing: boolean,
  now: number,
): readonly ClosedContext[] {
  const all = [...subscriptions.values()];
  // How far a webhook is, only its caller knows.
  const webhooks = all.some(({ channel }) => channel === 'webhook');
  const presences = all.flatMap(({ channel, presence }) => (channel === 'websocket' && presence ? [presence] : []));
  if (!webhooks && !presences.some(({ is }) => is !== 'awaited')) return NOTHING_CLOSED;
  const away = presences.flatMap((one) => (one.is === 'away' ? [one.since] : []));
  const from = webhooks ? Number.NEGATIVE_INFINITY : Math.min(now, ...away) - ON_ITS_WAY;
  const name = keyText(key);
  // One close says it all, however often that happened to a context.
  const needed = closed.filter((one) => (one.at ?? now) > from && keyText(one.key) !== name);
  const lost: ClosedContext = {
    key,
    number,
    opened: opening.number,
    ...(leftNothing && { leftNothing }),
    at: now,
    context: closingContext(opening),
  };
  return [...needed, lost].slice(-MAX_CLOSED);
}

/** Whether an update has deleted shared content: a subscriber cannot be corrected while its own state is unknown. */
export function hasLostContent(before: Anchor, after: Anchor | undefined): boolean {
  if (!after) return false;
  for (const one of ContentMap.of(after.content).differences(ContentMap.of(before.content))) {
    if (one.after === undefined) return true;
  }
  return false;
}

/** The context that a close is about: its resources by type, id and identifiers where it is long. */
function closingContext(opening: Opening): string {
  if (opening.context.length <= SHORT) return opening.context;
  const named = (identifiers: boolean): string =>
    JSON.stringify(
      contextOf(opening).map(({ key, resource }) => {
        if (!resource) return { key };
        const { resourceType, id, identifier } = resource;
        return { key, resource: { resourceType, id, ...(identifiers && identifier !== undefined && { identifier }) } };
      }),
    );
  const full = named(true);
  return full.length <= SHORT ? full : named(false);
}

export const NOTHING_CLOSED: readonly ClosedContext[] = [];

/**
 * What a subscriber that was disconnected may believe open and is not.
 * @returns undefined where that is not known: it has to start afresh
 */
export function believedBy(state: SessionState, presence: Presence | undefined): readonly Believed[] | undefined {
  return presence?.is === 'away' && presence.upTo !== undefined ? believedAfter(state, presence.upTo) : undefined;
}

/**
 * What a subscriber that was sent everything up to a number may believe open and is not.
 * @returns undefined where that is not known: it has to start afresh
 */
export function believedAfter(state: SessionState, upTo: number): readonly Believed[] | undefined {
  if (upTo < state.loggedOutAt) return undefined;
  // What it was sent is not in this history any more.
  if (upTo >= state.nextNumber) return undefined;
  // More were closed than are remembered.
  if (state.closed.length >= MAX_CLOSED && (state.closed[0]?.number ?? 0) > upTo) return undefined;
  // What was sent just before the connection broke may not have arrived, and a webhook may have given the close up.
  return state.closed;
}

/** The contexts that are open, as somebody who was sent this state believes. */
export function openContexts({ anchors }: SessionState): readonly Believed[] {
  return [...anchors.values()].map(({ key, opening, content }) => ({ key, context: opening.context, content }));
}

/** The contexts that somebody may believe open who was sent this state, or had not come as far yet. */
export function openOrClosed(state: SessionState): readonly Believed[] {
  return [...openContexts(state), ...state.closed];
}

/** Closes, under new ids, of what is believed open and is not, or was closed or lost content meanwhile. */
function closesOf(state: SessionState, believed: readonly Believed[], made: Made): readonly StandingOpen[] {
  const names = new Set<string>();
  const isNothing = state.current === undefined && !state.home;
  return believed.flatMap(({ key, number, context, content }, index): readonly StandingOpen[] => {
    const name = keyText(key);
    // What was closed and opened again has lost its content meanwhile.
    const isStillOpen = state.anchors.has(name) && content !== undefined;
    if (isStillOpen || names.has(name)) return [];
    names.add(name);
    const id = `${made.eventId}.c${index}`;
    const event = { 'hub.topic': state.topic, 'hub.event': `${key.type}-close` };
    const text = eventText({ timestamp: made.timestamp, id, event }, context);
    // Who has closed it does not follow yet what comes after it.
    const isLast = isNothing && number === undefined;
    const about = isLast ? { number: state.changedBy } : ({ number: number ?? 0, keepsCurrent: true } as const);
    return [{ ...about, id, name: event['hub.event'], text, anchor: name, closes: true }];
  });
}

/**
 * The current context under an id of its own: what goes first to somebody who has so much to be sent that it would wait long for
 * it. It comes once more in its place, so that it is the last as well.
 * @returns undefined where no context is current
 */
export function currentFirst(state: SessionState, { eventId }: Made): StandingOpen | undefined {
  if (state.current === undefined && !state.home) return undefined;
  return standingOpens(state, () => `${eventId}.f`).at(-1);
}

/** Says that no context is current: what is open beside it must not look so. */
export function nothingCurrent({ topic, changedBy }: SessionState, { eventId, timestamp }: Made): StandingOpen {
  const id = `${eventId}.h`;
  const event = { 'hub.topic': topic, 'hub.event': 'Home-open', 'context.versionId': id };
  return { number: changedBy, id, name: 'Home-open', text: eventText({ timestamp, id, event }, '[]') };
}

/** Says so where no context is current. */
function whereNothingIsCurrent(state: SessionState, made: Made): readonly StandingOpen[] {
  return state.current === undefined && !state.home ? [nothingCurrent(state, made)] : [];
}

/**
 * What brings somebody in line who does not say what it has seen, and has what is shared from the current context: closes of what it may
 * believe open, then the standing opens as they were. What was closed may have been current or not, as far as it knows.
 * @param last of the last one: who has it has the others too
 */
export function closesAndOpens(
  state: SessionState,
  believed: readonly Believed[],
  made: Made,
  last: Made,
): readonly StandingOpen[] {
  const closes = closesOf(state, believed, made);
  const nothing = closes.length > 0 || state.anchors.size > 0 ? whereNothingIsCurrent(state, last) : [];
  return [...closes, ...standingOpens(state), ...nothing];
}

/** What a newcomer is sent (SUB-8): the standing opens, and after them Home-open where none of them is current. */
export function newcomersOpens(state: SessionState, made: Made): readonly StandingOpen[] {
  const opens = standingOpens(state);
  return leavesNothingCurrent(state) ? [...opens, nothingCurrent(state, made)] : opens;
}

/**
 * What asks a subscriber once more for its answer to the last context change that it is told of, under an id of its own: what is
 * current, or else that change.
 * @param upTo number of that change
 * @returns those that it may be subscribed to, the best one first
 */
export function askedAgain(state: SessionState, upTo: number, made: Made): readonly StandingOpen[] {
  const closed = state.closed.filter(({ number }) => number === upTo);
  const opened = standingOpens(state, () => `${made.eventId}.f`).filter(({ number }) => number === upTo);
  return [currentFirst(state, made) ?? nothingCurrent(state, made), ...closesOf(state, closed, made), ...opened];
}

function isSame(content: Anchor['content'], believed: Anchor['content']): boolean {
  return (
    content.size === believed.size &&
    [...content].every(([name, { resource }]) => believed.get(name)?.resource === resource)
  );
}

/**
 * Updates that make the shared content of each context what the session holds of it, where it may be another: opening a context
 * again keeps its content (PUB-8). Their version is the one that the opens before them have said.
 */
function contentUpdates(state: SessionState, believed: readonly Believed[], made: Made): readonly StandingOpen[] {
  const contents = new Map(believed.toReversed().map((one) => [keyText(one.key), one.content]));
  return [...state.anchors].flatMap(([name, { key, versionId, content }], index): readonly StandingOpen[] => {
    const had = contents.get(name);
    if (isSame(content, had ?? new Map())) return [];
    const gone = [...(had?.keys() ?? [])].filter((url) => !content.has(url));
    const entries = gone.map((url) => JSON.stringify({ request: { method: 'DELETE', url } }));
    for (const [url, { resource, fullUrl }] of content) {
      const entry = { ...(fullUrl !== undefined && { fullUrl }), request: { method: 'PUT', url } };
      entries.push(withMember(JSON.stringify(entry), 'resource', resource));
    }
    const bundle = JSON.stringify({ resourceType: 'Bundle', id: `${made.eventId}.b${index}`, type: 'transaction' });
    const anchor = JSON.stringify({ key: anchorKeyOf(key.type), reference: { reference: name } });
    const updates = withMember('{"key":"updates"}', 'resource', withMember(bundle, 'entry', `[${entries.join(',')}]`));
    const event = {
      'hub.topic': state.topic,
      'hub.event': `${key.type}-update`,
      'context.versionId': versionId,
      'context.priorVersionId': versionId,
    };
    const id = `${made.eventId}.u${index}`;
    const text = eventText({ timestamp: made.timestamp, id, event }, `[${anchor},${updates}]`);
    // It stands for no entry of the log.
    return [{ number: 0, id, name: event['hub.event'], text }];
  });
}

/**
 * What brings somebody in line with the session whatever it was sent before: closes of what it may believe open, then the
 * standing opens under ids that it cannot take for repeats, the current context last, then updates of the content. Where there
 * is no current context, Home-open says so: what is open beside it must not look current.
 * @param last of the last one: who has it has the others too
 * @param upTo leaves out the opens of later entries: they go out as the log has them
 */
export function correction(
  state: SessionState,
  believed: readonly Believed[],
  made: Made,
  last: Made = made,
  upTo = Number.POSITIVE_INFINITY,
): readonly StandingOpen[] {
  const opens = standingOpens(state, (index) => `${made.eventId}.o${index}`);
  const nothing = whereNothingIsCurrent(state, made);
  const all = [...closesOf(state, believed, made), ...opens, ...nothing, ...contentUpdates(state, believed, made)];
  const sent = all.filter(({ number, closes }) => closes || number <= upTo);
  return sent.map((one, index) => (index === sent.length - 1 ? renamed(one, made, last) : one));
}

/** The session with the versions that its contexts had before some events of its log: those go out after what is made of it (CON-2). */
export function withVersionsBefore(state: SessionState, later: Iterable<EventMessage>): SessionState {
  const anchors = new AnchorMap(AnchorMap.of(state.anchors));
  const known = new Set<string>();
  for (const message of later) {
    const versionId = message.event['context.priorVersionId'];
    const read = versionId === undefined ? undefined : contextChange(message, message.event.context);
    if (versionId === undefined || !read?.ok || read.change.kind !== 'update') continue;
    const name = keyText(read.change.key);
    const anchor = anchors.get(name);
    if (anchor && !known.has(name)) anchors.set(name, { ...anchor, versionId });
    known.add(name);
  }
  return known.size > 0 ? { ...state, anchors } : state;
}

/** The same event under an id that is made of another one. */
function renamed(event: StandingOpen, made: Made, other: Made): StandingOpen {
  const id = other.eventId + event.id.slice(made.eventId.length);
  // Before its id there is only its time.
  return { ...event, id, text: event.text.replace(JSON.stringify(event.id), () => JSON.stringify(id)) };
}
