import { type CurrentContext, type EventMessage, keyText } from '@lockstep/fhircast';
import { deriveOpens } from './derive.ts';
import { type Anchor, resourceOf, type SessionState } from './state.ts';
import type { Version } from './versions.ts';

const EMPTY: CurrentContext = { 'context.type': '', context: [] };

/** The open event of an anchor as it would go out now: original id and timestamp, current version (SUB-8). */
export function openMessage(topic: string, anchor: Anchor): EventMessage {
  const { id, timestamp, context } = anchor.opening;
  return {
    timestamp,
    id,
    event: {
      'hub.topic': topic,
      'hub.event': `${anchor.key.type}-open`,
      'context.versionId': anchor.versionId,
      context,
    },
  };
}

/** An open that a new or returning subscriber is told about. */
export interface StandingOpen {
  readonly number: number;
  readonly message: EventMessage;
}

/**
 * The latest open of every anchor type that no close followed, oldest first, so that the current context comes last
 * (SUB-8). After a Home-open, that is the last one.
 */
export function standingOpens(state: SessionState): readonly StandingOpen[] {
  const latest = new Map<string, Anchor>();
  for (const anchor of state.anchors.values()) latest.set(anchor.key.type, anchor);
  const opens = [...latest.values()].map((anchor) => ({
    number: anchor.opening.number,
    message: openMessage(state.topic, anchor),
  }));
  if (state.home) {
    const { number, id, timestamp, versionId } = state.home;
    const event = { 'hub.topic': state.topic, 'hub.event': 'Home-open', 'context.versionId': versionId, context: [] };
    opens.push({ number, message: { timestamp, id, event } });
  }
  return opens.sort((a, b) => a.number - b.number);
}

/** A context as connectors of the PowerCast family list it. */
export interface ContextInList extends CurrentContext {
  readonly contextType: string;
}

type MayRead = (event: string) => boolean;

/** The shared content, which came by updates: who may not receive those is shown none (CON-6). */
function contentOf(anchor: Anchor, mayRead: MayRead): CurrentContext['context'][number] {
  const shared = mayRead(`${anchor.key.type}-update`) ? [...anchor.content.values()] : [];
  return {
    key: 'content',
    resource: {
      resourceType: 'Bundle',
      id: anchor.versionId,
      type: 'collection',
      entry: shared.map((held) => {
        const { fullUrl } = held;
        return { ...(fullUrl !== undefined && { fullUrl }), resource: resourceOf(held) };
      }),
    },
  };
}

function anchored(anchor: Anchor, mayRead: MayRead): CurrentContext {
  return {
    'context.type': anchor.key.type,
    'context.versionId': anchor.versionId,
    context: [...anchor.opening.context, contentOf(anchor, mayRead)],
  };
}

/**
 * What `GET {hub.url}/{topic}` answers: the latest open that the reader may read, its context unchanged, plus the shared
 * content (CON-5, CON-6). A reader that may read only opens derived from it gets those, as a subscriber would (DER-1).
 * @param mayRead whether events of this name may be received
 */
export function currentContext(state: SessionState, mayRead: MayRead, profile: Version): CurrentContext {
  if (state.current === undefined) return EMPTY;
  for (const anchor of [...state.anchors.values()].reverse()) {
    if (mayRead(`${anchor.key.type}-open`)) return anchored(anchor, mayRead);
    if (!profile.derivesOpens) continue;
    const derived = deriveOpens(openMessage(state.topic, anchor), anchor.key.type).findLast(({ name }) =>
      mayRead(name),
    );
    if (!derived) continue;
    const open = state.anchors.get(keyText({ type: derived.type, id: derived.resourceId }));
    const standing = open ?? {
      key: anchor.key,
      opening: anchor.opening,
      versionId: anchor.versionId,
      content: new Map(),
    };
    return {
      'context.type': derived.type,
      'context.versionId': standing.versionId,
      context: [...derived.message.event.context, contentOf(standing, mayRead)],
    };
  }
  return EMPTY;
}

/**
 * The same for clients that read a list: the current context first, then what else is open, the latest first. Empty where
 * there is no current context: what is open beside it is not what the user sees.
 */
export function contextList(state: SessionState, mayRead: MayRead, profile: Version): readonly ContextInList[] {
  const current = currentContext(state, mayRead, profile);
  if (current['context.type'] === '') return [];
  const others = [...state.anchors.values()]
    .reverse()
    .filter(({ key, versionId }) => mayRead(`${key.type}-open`) && versionId !== current['context.versionId']);
  return [current, ...others.map((anchor) => anchored(anchor, mayRead))].map((one) => ({
    contextType: one['context.type'],
    ...one,
  }));
}
