/**
 * A session as the store keeps it: named parts. Only what differs between two states is written, found by identity, since
 * states share what did not change.
 */

import { parseReference, readExact, type SharedResource, type TextShape } from '@lockstep/fhircast';
import type { SessionParts } from '@lockstep/store';
import { withMember } from '../rules/event-text.ts';
import { heldBytes } from '../rules/held-bytes.ts';
import type {
  Anchor,
  FollowingMark,
  Opening,
  SessionInfo,
  SessionState,
  Subscription,
} from '../rules/session-state.ts';

/** The part that changes with every event. */
interface Head {
  readonly next: number;
  readonly at: number;
  readonly current?: string;
  /** `SessionState.home`, its opening and its version in one. */
  readonly home?: Omit<Opening, 'context'> & { readonly versionId: string };
  /** What is selected in the current context; absent where nothing is. */
  readonly selected?: readonly string[];
  /** `SessionState.changedBy` and `loggedOutAt`; absent where an earlier version stored the session. */
  readonly changedBy?: number;
  readonly loggedOutAt?: number;
  /** `SessionState.heldBytes`; absent where it is 0, or an earlier version stored the session. */
  readonly held?: number;
  readonly versions: Readonly<Record<string, string>>;
}

const INFO = 'info';
const HEAD = 'head';
const ANCHOR = 'anchor:';
const CONTENT = 'content:';
const SUBSCRIPTION = 'subscription:';
/** Contexts that were closed while a subscriber was disconnected, as a list; absent where there are none. */
const CLOSED = 'closed';
/** Who does not follow, as a list of pairs; absent where everybody does. */
const FOLLOWING = 'following';
/** No FHIR id holds a space. */
const SEPARATOR = ' ';

/** Names of the parts that listings read without loading whole sessions. */
export const INFO_PART = INFO;
export const HEAD_PART = HEAD;

/** ms since the epoch of the session's last change, read from its head part. */
export function changedAt(head: string): number {
  return (JSON.parse(head) as Head).at;
}

export function sessionInfo(part: string): SessionInfo {
  return JSON.parse(part) as SessionInfo;
}

function readHead(text: string): Head {
  return JSON.parse(text) as Head;
}

function readClosed(text: string | undefined): SessionState['closed'] {
  return text === undefined ? [] : (JSON.parse(text) as SessionState['closed']);
}

function readFollowing(text: string | undefined): SessionState['following'] {
  return new Map(text === undefined ? [] : (JSON.parse(text) as [string, FollowingMark][]));
}

function head(state: SessionState): string {
  const versions: Record<string, string> = {};
  for (const [name, anchor] of state.anchors) versions[name] = anchor.versionId;
  const value: Head = {
    next: state.nextNumber,
    at: state.changedAt,
    ...(state.current === undefined ? undefined : { current: state.current }),
    ...(state.home && { home: storedHome(state.home) }),
    ...(state.selected.length > 0 && { selected: state.selected }),
    changedBy: state.changedBy,
    ...(state.loggedOutAt > 0 && { loggedOutAt: state.loggedOutAt }),
    ...(state.heldBytes > 0 && { held: state.heldBytes }),
    versions,
  };
  return JSON.stringify(value);
}

type Content = SharedResource<string>;

/** Reads a part, and keeps the text of one of its members (PUB-13). */
function readPart(text: string, member: string): { readonly value: Record<string, unknown>; readonly kept: string } {
  const shape: TextShape = { members: new Map([[member, { keep: true }]]) };
  const read = readExact(text, shape);
  if (!read.ok) throw new Error(`A stored part cannot be read: ${read.reason}`);
  const value = read.value.value as Record<string, unknown>;
  return { value, kept: read.value.write(value[member]) };
}

/** The entry as `{resource, fullUrl?}`, its resource as it is. */
function contentPart({ resource, fullUrl }: Content): string {
  const part = withMember('{}', 'resource', resource);
  return fullUrl === undefined ? part : withMember(part, 'fullUrl', JSON.stringify(fullUrl));
}

function readContent(part: string): Content {
  const { value, kept } = readPart(part, 'resource');
  return typeof value.fullUrl === 'string' ? { resource: kept, fullUrl: value.fullUrl } : { resource: kept };
}

/** The opening event as `{number, id, timestamp, context}`, its context as it is. */
function openingPart({ context, ...opening }: Opening): string {
  return withMember(JSON.stringify(opening), 'context', context);
}

function readOpening(part: string): Opening {
  const { value, kept } = readPart(part, 'context');
  const { number, id, timestamp } = value as unknown as Omit<Opening, 'context'>;
  return { number, id, timestamp, context: kept };
}

function storedHome({ opening, versionId }: NonNullable<SessionState['home']>): NonNullable<Head['home']> {
  const { number, id, timestamp } = opening;
  return { number, id, timestamp, versionId };
}

function readHome(home: Head['home']): SessionState['home'] {
  if (!home) return undefined;
  const { number, id, timestamp, versionId } = home;
  return { opening: { number, id, timestamp, context: '[]' }, versionId };
}

function diffContent(parts: Map<string, string | null>, name: string, before?: Anchor, after?: Anchor): void {
  if (before?.content === after?.content) return;
  for (const [key, entry] of after?.content ?? []) {
    if (before?.content.get(key) !== entry) parts.set(CONTENT + name + SEPARATOR + key, contentPart(entry));
  }
  for (const key of before?.content.keys() ?? []) {
    if (!after?.content.has(key)) parts.set(CONTENT + name + SEPARATOR + key, null);
  }
}

/** The parts to write so that `after` is stored where `before` was. */
export function diffParts(before: SessionState | undefined, after: SessionState): Map<string, string | null> {
  const parts = new Map<string, string | null>([[HEAD, head(after)]]);
  if (before?.info !== after.info) parts.set(INFO, JSON.stringify(after.info));
  if (before?.anchors !== after.anchors) {
    for (const [name, anchor] of after.anchors) {
      const old = before?.anchors.get(name);
      if (old?.opening !== anchor.opening) parts.set(ANCHOR + name, openingPart(anchor.opening));
      diffContent(parts, name, old, anchor);
    }
    for (const [name, old] of before?.anchors ?? []) {
      if (after.anchors.has(name)) continue;
      parts.set(ANCHOR + name, null);
      diffContent(parts, name, old, undefined);
    }
  }
  if (before?.subscriptions !== after.subscriptions) {
    for (const [id, subscription] of after.subscriptions) {
      if (before?.subscriptions.get(id) !== subscription) parts.set(SUBSCRIPTION + id, JSON.stringify(subscription));
    }
    for (const id of before?.subscriptions.keys() ?? []) {
      if (!after.subscriptions.has(id)) parts.set(SUBSCRIPTION + id, null);
    }
  }
  if (before?.closed !== after.closed && (before?.closed.length || after.closed.length)) {
    parts.set(CLOSED, after.closed.length > 0 ? JSON.stringify(after.closed) : null);
  }
  if (before?.following !== after.following && (before?.following.size || after.following.size)) {
    parts.set(FOLLOWING, after.following.size > 0 ? JSON.stringify([...after.following]) : null);
  }
  return parts;
}

/** The state after parts have changed: what `diffParts` found between two states, applied to the first one. */
export function applyParts(before: SessionState, changes: ReadonlyMap<string, string | null>): SessionState {
  const headText = changes.get(HEAD);
  const infoText = changes.get(INFO);
  if (typeof headText !== 'string') throw new Error('A change without its head');
  const {
    next,
    at,
    current,
    home,
    selected = [],
    versions,
    changedBy = before.changedBy,
    loggedOutAt = 0,
    held,
  } = readHead(headText);
  const followingText = changes.get(FOLLOWING);
  const closedText = changes.get(CLOSED);
  const anchors = new Map(before.anchors);
  const contents = new Map<string, Map<string, Content>>();
  let subscriptions: Map<string, Subscription> | undefined;
  for (const [part, text] of changes) {
    if (part.startsWith(ANCHOR)) {
      const name = part.slice(ANCHOR.length);
      const held = anchors.get(name);
      // The latest open comes last.
      anchors.delete(name);
      if (text !== null) anchors.set(name, anchorOf(name, readOpening(text), '', held?.content ?? new Map()));
    } else if (part.startsWith(SUBSCRIPTION)) {
      const id = part.slice(SUBSCRIPTION.length);
      subscriptions ??= new Map(before.subscriptions);
      if (text === null) subscriptions.delete(id);
      else subscriptions.set(id, JSON.parse(text));
    } else if (part.startsWith(CONTENT)) {
      const [name = '', key = ''] = part.slice(CONTENT.length).split(SEPARATOR);
      const content = contents.get(name) ?? new Map(before.anchors.get(name)?.content);
      contents.set(name, content);
      if (text === null) content.delete(key);
      else content.set(key, readContent(text));
    }
  }
  for (const [name, anchor] of anchors) {
    const versionId = versions[name] ?? '';
    const content = contents.get(name) ?? anchor.content;
    if (anchor.versionId !== versionId || anchor.content !== content)
      anchors.set(name, { ...anchor, versionId, content });
  }
  return {
    topic: before.topic,
    info: typeof infoText === 'string' ? sessionInfo(infoText) : before.info,
    anchors,
    changedBy,
    loggedOutAt,
    subscriptions: subscriptions ?? before.subscriptions,
    closed: closedText === undefined ? before.closed : readClosed(closedText ?? undefined),
    heldBytes: held ?? heldBytes(anchors),
    following: followingText === undefined ? before.following : readFollowing(followingText ?? undefined),
    nextNumber: next,
    changedAt: at,
    ...(current === undefined ? undefined : { current }),
    ...(home && { home: readHome(home) }),
    selected,
  };
}

function anchorOf(
  name: string,
  opening: Anchor['opening'],
  versionId: string,
  content: ReadonlyMap<string, Content>,
): Anchor {
  const key = parseReference(name);
  if (!key) throw new Error(`The stored anchor ${name} is no reference`);
  return { key, opening, versionId, content };
}

/** The state that a store's parts say. */
export function fromParts(topic: string, parts: SessionParts): SessionState {
  const {
    next,
    at,
    current,
    home,
    selected = [],
    versions,
    changedBy,
    loggedOutAt = 0,
    held,
  } = readHead(parts.get(HEAD) ?? '{}');
  const openings: [string, Anchor['opening']][] = [];
  const contents = new Map<string, Map<string, Content>>();
  const subscriptions = new Map<string, Subscription>();
  for (const [part, text] of parts) {
    if (part.startsWith(ANCHOR)) openings.push([part.slice(ANCHOR.length), readOpening(text)]);
    else if (part.startsWith(SUBSCRIPTION)) subscriptions.set(part.slice(SUBSCRIPTION.length), JSON.parse(text));
    else if (part.startsWith(CONTENT)) {
      const [name = '', key = ''] = part.slice(CONTENT.length).split(SEPARATOR);
      const content = contents.get(name) ?? new Map<string, Content>();
      contents.set(name, content.set(key, readContent(text)));
    }
  }
  openings.sort(([, a], [, b]) => a.number - b.number);
  const anchors = new Map<string, Anchor>();
  for (const [name, opening] of openings) {
    anchors.set(name, anchorOf(name, opening, versions[name] ?? '', contents.get(name) ?? new Map()));
  }
  return {
    topic,
    info: sessionInfo(parts.get(INFO) ?? '{}'),
    anchors,
    // An earlier version did not say which event was the last change of context: the latest that is known stands for it.
    changedBy: changedBy ?? home?.number ?? anchors.get(current ?? '')?.opening.number ?? next - 1,
    loggedOutAt,
    subscriptions,
    closed: readClosed(parts.get(CLOSED)),
    heldBytes: held ?? heldBytes(anchors),
    following: readFollowing(parts.get(FOLLOWING)),
    nextNumber: next,
    changedAt: at,
    ...(current === undefined ? undefined : { current }),
    ...(home && { home: readHome(home) }),
    selected,
  };
}
