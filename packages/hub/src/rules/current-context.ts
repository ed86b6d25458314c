/** What of a session's contexts is read (CON-5, CON-6), and what a newcomer is sent of them (SUB-8). */
import { type EventMessage, keyText } from '@lockstep/fhircast';
import { AnchorMap } from './anchor-map.ts';
import { deriveOpens } from './derived-opens.ts';
import { eventText, withMember } from './event-text.ts';
import { type Anchor, contextOf, readOpening, type SessionState } from './session-state.ts';
import type { VersionRules } from './versions.ts';

function openHead(topic: string, name: string, anchor: Pick<Anchor, 'opening' | 'versionId'>) {
  const { id, timestamp } = anchor.opening;
  return { timestamp, id, event: { 'hub.topic': topic, 'hub.event': name, 'context.versionId': anchor.versionId } };
}

/** The open event of an anchor as it would go out now: original id and timestamp, current version (SUB-8). */
export function openMessage(topic: string, anchor: Anchor): EventMessage {
  const { event, ...head } = openHead(topic, `${anchor.key.type}-open`, anchor);
  return { ...head, event: { ...event, context: contextOf(anchor.opening) } };
}

/** An open that a new or returning subscriber is sent, or what else makes its screen right, as it goes out. */
export interface StandingOpen {
  /** Of the log's entry; 0 where it stands for none. */
  readonly number: number;
  readonly id: string;
  readonly name: string;
  readonly text: string;
  /** `Type/id` of what it opens or closes. */
  readonly anchor?: string;
  /** Whether it is a close instead, of what is no longer open. */
  readonly closes?: true;
  /** Whether it is a close of another context than the current one. */
  readonly keepsCurrent?: true;
}

/** An event that opened what still stands: an anchor, or the home screen. */
export interface OpenEvent {
  readonly name: string;
  readonly opened: Pick<Anchor, 'opening' | 'versionId'>;
  /** Absent for the home screen. */
  readonly anchor?: Anchor;
}

/** The opens that no close followed, of these anchors and of the home screen, oldest first. */
export function standingFor(anchors: Iterable<Anchor>, { home }: SessionState): readonly OpenEvent[] {
  const standing: OpenEvent[] = [...anchors].map((anchor) => ({
    name: `${anchor.key.type}-open`,
    opened: anchor,
    anchor,
  }));
  if (home) standing.push({ name: 'Home-open', opened: home });
  return standing.sort((a, b) => a.opened.opening.number - b.opened.opening.number);
}

/** The latest anchor of each type. */
export function latestAnchors({ anchors }: SessionState): Iterable<Anchor> {
  return AnchorMap.of(anchors).latestOfEachType();
}

/** Whether contexts are open and none is current, since the current one was closed (PUB-9): those must not look current. */
export function leavesNothingCurrent({ current, home, anchors }: SessionState): boolean {
  return current === undefined && !home && anchors.size > 0;
}

/**
 * The latest open of every anchor type that no close followed, oldest first, so that the current context comes last
 * (SUB-8). After a Home-open, that is the last one.
 * @param newId makes ids that are not taken for repeats; the original ones otherwise
 */
export function standingOpens(state: SessionState, newId?: (index: number) => string): readonly StandingOpen[] {
  return standingFor(latestAnchors(state), state).map(({ name, opened, anchor }, index) => {
    const { number, context, id: original } = opened.opening;
    const id = newId?.(index) ?? original;
    const text = eventText({ ...openHead(state.topic, name, opened), id }, context);
    return { number, id, name, text, ...(anchor && { anchor: keyText(anchor.key) }) };
  });
}

/** A context as a reader gets it. */
export interface ReadContext {
  /** Resource type of the anchor; '' where there is no current context. */
  readonly type: string;
  readonly versionId?: string;
  /** The elements as JSON, in their publisher's words (PUB-13). */
  readonly context: readonly string[];
}

type MayRead = (event: string) => boolean;

const EMPTY: ReadContext = { type: '', context: [] };

/** The shared content, which came by updates: who may not receive those is shown none (CON-6). */
function contentOf(anchor: Anchor, mayRead: MayRead): string {
  const shared = mayRead(`${anchor.key.type}-update`) ? [...anchor.content.values()] : [];
  const entries = shared.map(({ resource, fullUrl }) =>
    withMember(fullUrl === undefined ? '{}' : JSON.stringify({ fullUrl }), 'resource', resource),
  );
  const bundle = JSON.stringify({ resourceType: 'Bundle', id: anchor.versionId, type: 'collection' });
  return withMember('{"key":"content"}', 'resource', withMember(bundle, 'entry', `[${entries.join(',')}]`));
}

/** The elements of an opening context, as they were written. */
function elements({ opening }: Anchor): readonly string[] {
  const { context, exact } = readOpening(opening);
  return context.map((element) => exact.write(element));
}

function anchored(anchor: Anchor, mayRead: MayRead): ReadContext {
  const { key, versionId } = anchor;
  return { type: key.type, versionId, context: [...elements(anchor), contentOf(anchor, mayRead)] };
}

/**
 * The latest open that the reader may read, its context unchanged, plus the shared content (CON-5, CON-6). A reader that may
 * read only opens derived from it gets those, as a subscriber would (DER-1).
 * @param mayRead whether events of this name may be received
 */
export function currentContext(state: SessionState, mayRead: MayRead, profile: VersionRules): ReadContext {
  if (state.current === undefined) return EMPTY;
  for (const anchor of AnchorMap.of(state.anchors).latestFirst()) {
    if (mayRead(`${anchor.key.type}-open`)) return anchored(anchor, mayRead);
    if (!profile.derivesOpens) continue;
    const derived = deriveOpens(openMessage(state.topic, anchor), anchor.key.type).findLast(({ name }) =>
      mayRead(name),
    );
    if (!derived) continue;
    const open = state.anchors.get(keyText({ type: derived.type, id: derived.resourceId }));
    const found = open ?? { ...anchor, content: new Map() };
    const { exact } = readOpening(anchor.opening);
    const context = derived.message.event.context.map((element) => exact.write(element));
    return {
      type: derived.type,
      versionId: found.versionId,
      context: [...context, contentOf({ ...found, key: { type: derived.type, id: derived.resourceId } }, mayRead)],
    };
  }
  return EMPTY;
}

/**
 * The same for clients that read a list: the current context first, then what else is open, the latest first. Empty where
 * there is no current context: what is open beside it is not what the user sees.
 */
export function contextList(state: SessionState, mayRead: MayRead, profile: VersionRules): readonly ReadContext[] {
  const current = currentContext(state, mayRead, profile);
  if (current.type === '') return [];
  const others = [...AnchorMap.of(state.anchors).latestFirst()].filter(
    ({ key, versionId }) => mayRead(`${key.type}-open`) && versionId !== current.versionId,
  );
  return [current, ...others.map((anchor) => anchored(anchor, mayRead))];
}

/** What `GET {hub.url}/{topic}` answers, as JSON (CON-5). */
export function currentContextJson({ type, versionId, context }: ReadContext): string {
  const head = { 'context.type': type, ...(versionId !== undefined && { 'context.versionId': versionId }) };
  return withMember(JSON.stringify(head), 'context', `[${context.join(',')}]`);
}

/** The same as connectors of the PowerCast family list it. */
export function contextListJson(list: readonly ReadContext[]): string {
  const texts = list.map((one) => {
    const rest = currentContextJson(one).slice(1);
    return `{"contextType":${JSON.stringify(one.type)},${rest}`;
  });
  return `[${texts.join(',')}]`;
}
