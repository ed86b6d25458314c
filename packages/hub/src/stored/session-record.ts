/**
 * A session as the store keeps it: named parts. Only what differs between two states is written, found by identity, since
 * states share what did not change.
 */

import { keyText, NO_CONTENT, parseReference, readExact, type TextShape } from '@lockstep/fhircast';
import type { SessionParts } from '@lockstep/store';
import { AnchorMap } from '../rules/anchor-map.ts';
import { ContentMap, type HeldResource } from '../rules/content-map.ts';
import { sharedList } from '../rules/event-lists.ts';
import { withMember } from '../rules/event-text.ts';
import { heldBytes } from '../rules/held-bytes.ts';
import {
  type Anchor,
  CONNECTED,
  EVERYBODY_FOLLOWS,
  type FollowingMark,
  type Opening,
  type SessionInfo,
  type SessionState,
  type Subscription,
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
  /** Versions of the contexts, where there are few; of many, each is a part of its own. */
  readonly versions?: Readonly<Record<string, string>>;
}

const INFO = 'info';
const HEAD = 'head';
const ANCHOR = 'anchor:';
const VERSION = 'version:';
const CONTENT = 'content:';
const SUBSCRIPTION = 'subscription:';
/** Contexts that were closed while a subscriber was disconnected, as a list; absent where there are none. */
const CLOSED = 'closed';
/** Who does not follow, as a list of pairs; absent where everybody does. */
const FOLLOWING = 'following';
/** Open contexts of a session up to which their versions are in the head, which is written with every event. */
export const VERSIONS_IN_HEAD = 16;
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
  return text === undefined ? EVERYBODY_FOLLOWS : new Map(JSON.parse(text) as [string, FollowingMark][]);
}

/** What subscriptions have alike is held once. */
function readSubscription(text: string): Subscription {
  const { presence, ...held } = JSON.parse(text) as Subscription;
  const events = sharedList(held.events);
  if (!presence) return { ...held, events };
  return { ...held, events, presence: presence.is === 'connected' ? CONNECTED : presence };
}

function isSmall({ anchors }: SessionState): boolean {
  return anchors.size <= VERSIONS_IN_HEAD;
}

function versionsOf({ anchors }: SessionState): NonNullable<Head['versions']> {
  const versions: Record<string, string> = {};
  for (const [name, { versionId }] of anchors) versions[name] = versionId;
  return versions;
}

function head(state: SessionState): string {
  const value: Head = {
    next: state.nextNumber,
    at: state.changedAt,
    ...(state.current === undefined ? undefined : { current: state.current }),
    ...(state.home && { home: storedHome(state.home) }),
    ...(state.selected.length > 0 && { selected: state.selected }),
    changedBy: state.changedBy,
    ...(state.loggedOutAt > 0 && { loggedOutAt: state.loggedOutAt }),
    ...(state.heldBytes > 0 && { held: state.heldBytes }),
    ...(isSmall(state) && { versions: versionsOf(state) }),
  };
  return JSON.stringify(value);
}

/** Reads a part, and keeps the text of one of its members, which may be long and is not looked into (PUB-13). */
function readPart(text: string, member: string): { readonly value: Record<string, unknown>; readonly kept: string } {
  const name = `"${member}":`;
  // It stands last, behind numbers and texts. In a text the quotation marks of its name would be escaped.
  const at = text.startsWith(`{${name}`) ? -1 : text.indexOf(`,${name}`);
  if (at < 0) return readWholePart(text, member);
  return { value: JSON.parse(`${text.slice(0, at)}}`), kept: text.slice(at + 1 + name.length, -1) };
}

/** The same where the member stands first or alone: an earlier version wrote something behind it. */
function readWholePart(text: string, member: string): ReturnType<typeof readPart> {
  const shape: TextShape = { members: new Map([[member, { keep: true }]]) };
  const read = readExact(text, shape);
  if (!read.ok) throw new Error(`A stored part cannot be read: ${read.reason}`);
  const value = read.value.value as Record<string, unknown>;
  return { value, kept: read.value.write(value[member]) };
}

/** The entry as `{fullUrl?, order?, resource}`, its resource as it is. */
function contentPart({ resource, fullUrl, order }: HeldResource): string {
  return withMember(JSON.stringify({ fullUrl, order }), 'resource', resource);
}

function readContent(part: string): HeldResource {
  const { value, kept } = readPart(part, 'resource');
  const { fullUrl, order } = value;
  return {
    resource: kept,
    ...(typeof fullUrl === 'string' && { fullUrl }),
    ...(typeof order === 'number' && { order }),
  };
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
  const { content: had = NO_CONTENT } = before ?? {};
  const { content: has = NO_CONTENT } = after ?? {};
  if (had === has) return;
  for (const { key, after: entry } of ContentMap.of(has).differences(ContentMap.of(had))) {
    parts.set(CONTENT + name + SEPARATOR + key, entry ? contentPart(entry) : null);
  }
}

type Differences = readonly {
  readonly key: string;
  readonly before?: Anchor | undefined;
  readonly after?: Anchor | undefined;
}[];

/** States of many contexts whose versions are all in the head: an earlier version stored them so. */
const storedEarlier = new WeakSet<SessionState>();

function diffVersions(
  parts: Map<string, string | null>,
  before: SessionState | undefined,
  after: SessionState,
  differences: Differences,
): void {
  const wereInHead = !before || isSmall(before) || storedEarlier.has(before);
  if (isSmall(after)) {
    if (!wereInHead) for (const name of before.anchors.keys()) parts.set(VERSION + name, null);
  } else if (wereInHead) {
    for (const [name, { versionId }] of after.anchors) parts.set(VERSION + name, versionId);
  } else {
    for (const { key, before: was, after: is } of differences) {
      if (was?.versionId !== is?.versionId) parts.set(VERSION + key, is?.versionId ?? null);
    }
  }
}

/** The parts to write so that `after` is stored where `before` was. */
export function diffParts(before: SessionState | undefined, after: SessionState): Map<string, string | null> {
  const parts = new Map<string, string | null>([[HEAD, head(after)]]);
  if (before?.info !== after.info) parts.set(INFO, JSON.stringify(after.info));
  const anchors = AnchorMap.of(after.anchors);
  const differences = [...anchors.differences(AnchorMap.of(before?.anchors ?? new Map()))];
  for (const { key, before: was, after: is } of differences) {
    if (was?.opening !== is?.opening) parts.set(ANCHOR + key, is ? openingPart(is.opening) : null);
    diffContent(parts, key, was, is);
  }
  diffVersions(parts, before, after, differences);
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
  const head = readHead(headText);
  const { next, at, current, home, selected = [], changedBy = before.changedBy, loggedOutAt = 0, held } = head;
  const followingText = changes.get(FOLLOWING);
  const closedText = changes.get(CLOSED);
  const anchors = new AnchorMap(AnchorMap.of(before.anchors));
  const opened: Anchor[] = [];
  const changed = new Set<string>();
  const contents = new Map<string, Map<string, HeldResource | undefined>>();
  let subscriptions: Map<string, Subscription> | undefined;
  for (const [part, text] of changes) {
    if (part.startsWith(ANCHOR)) {
      const name = part.slice(ANCHOR.length);
      if (text === null) anchors.delete(name);
      else opened.push(anchorOf(name, text, before.anchors.get(name)?.content ?? NO_CONTENT, ''));
    } else if (part.startsWith(SUBSCRIPTION)) {
      const id = part.slice(SUBSCRIPTION.length);
      subscriptions ??= new Map(before.subscriptions);
      if (text === null) subscriptions.delete(id);
      else subscriptions.set(id, readSubscription(text));
    } else if (part.startsWith(VERSION)) {
      changed.add(part.slice(VERSION.length));
    } else if (part.startsWith(CONTENT)) {
      const [name = '', key = ''] = part.slice(CONTENT.length).split(SEPARATOR);
      const content = contents.get(name) ?? new Map<string, HeldResource | undefined>();
      contents.set(name, content.set(key, text === null ? undefined : readContent(text)));
    }
  }
  inOrder(opened, anchors);
  for (const name of changed.union(contents)) {
    const anchor = anchors.get(name);
    if (!anchor) continue;
    const stored = contents.get(name);
    const content = stored ? ContentMap.of(anchor.content).withStored(stored) : anchor.content;
    anchors.set(name, { ...anchor, content, versionId: changes.get(VERSION + name) ?? anchor.versionId });
  }
  setVersions(anchors, head);
  const state: SessionState = {
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
  return noted(state, head);
}

/** Puts the anchors at the end, in the order of their opening: the latest open comes last. */
function inOrder(opened: readonly Anchor[], anchors: AnchorMap): void {
  for (const anchor of opened.toSorted((a, b) => a.opening.number - b.opening.number)) {
    const name = keyText(anchor.key);
    anchors.delete(name);
    anchors.set(name, anchor);
  }
}

/** Gives the anchors the versions that the head has. */
function setVersions(anchors: AnchorMap, { versions = {} }: Head): void {
  for (const [name, versionId] of Object.entries(versions)) {
    const anchor = anchors.get(name);
    if (anchor && anchor.versionId !== versionId) anchors.set(name, { ...anchor, versionId });
  }
}

/** The state, of which is remembered where its versions are. */
function noted(state: SessionState, { versions }: Head): SessionState {
  if (versions && !isSmall(state)) storedEarlier.add(state);
  return state;
}

function anchorOf(name: string, part: string, content: Anchor['content'], versionId: string): Anchor {
  const key = parseReference(name);
  if (!key) throw new Error(`The stored anchor ${name} is no reference`);
  return { key, opening: readOpening(part), versionId, content };
}

/** The state that a store's parts say. */
export function fromParts(topic: string, parts: SessionParts): SessionState {
  const head = readHead(parts.get(HEAD) ?? '{}');
  const { next, at, current, home, selected = [], changedBy, loggedOutAt = 0, held } = head;
  const opened: Anchor[] = [];
  const contents = new Map<string, Map<string, HeldResource>>();
  const subscriptions = new Map<string, Subscription>();
  for (const [part, text] of parts) {
    if (part.startsWith(SUBSCRIPTION)) subscriptions.set(part.slice(SUBSCRIPTION.length), readSubscription(text));
    else if (part.startsWith(CONTENT)) {
      const [name = '', key = ''] = part.slice(CONTENT.length).split(SEPARATOR);
      const content = contents.get(name) ?? new Map<string, HeldResource>();
      contents.set(name, content.set(key, readContent(text)));
    }
  }
  for (const [part, text] of parts) {
    if (!part.startsWith(ANCHOR)) continue;
    const name = part.slice(ANCHOR.length);
    const content = contents.get(name);
    const shared = content ? ContentMap.restored(content) : NO_CONTENT;
    opened.push(anchorOf(name, text, shared, parts.get(VERSION + name) ?? ''));
  }
  const anchors = new AnchorMap();
  inOrder(opened, anchors);
  setVersions(anchors, head);
  const state: SessionState = {
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
  return noted(state, head);
}
