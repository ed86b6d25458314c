/**
 * A session as the store keeps it: named parts. Only what differs between two states is written, found by identity, since
 * states share what did not change.
 */

import { parseReference } from '@lockstep/fhircast';
import type { Parts } from '@lockstep/store';
import {
  type Anchor,
  type ContentEntry,
  contentEntry,
  type SessionInfo,
  type SessionState,
  type Subscription,
} from './state.ts';

/** The part that changes with every event. */
interface Head {
  readonly next: number;
  readonly at: number;
  readonly current?: string;
  readonly home?: SessionState['home'];
  readonly versions: Readonly<Record<string, string>>;
}

const INFO = 'info';
const HEAD = 'head';
const ANCHOR = 'anchor:';
const CONTENT = 'content:';
const SUBSCRIPTION = 'subscription:';
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

function head(state: SessionState): string {
  const versions: Record<string, string> = {};
  for (const [name, anchor] of state.anchors) versions[name] = anchor.versionId;
  const value: Head = {
    next: state.nextNumber,
    at: state.changedAt,
    ...(state.current === undefined ? undefined : { current: state.current }),
    ...(state.home && { home: state.home }),
    versions,
  };
  return JSON.stringify(value);
}

/** The entry as `{resource, fullUrl?}`, its resource as it is. */
function contentPart({ json, fullUrl }: ContentEntry): string {
  return fullUrl === undefined ? `{"resource":${json}}` : `{"resource":${json},"fullUrl":${JSON.stringify(fullUrl)}}`;
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
      if (old?.opening !== anchor.opening) parts.set(ANCHOR + name, JSON.stringify(anchor.opening));
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
  return parts;
}

/** The state after parts have changed: what `diffParts` found between two states, applied to the first one. */
export function applyParts(before: SessionState, changes: ReadonlyMap<string, string | null>): SessionState {
  const headText = changes.get(HEAD);
  const infoText = changes.get(INFO);
  if (typeof headText !== 'string') throw new Error('A change without its head');
  const { next, at, current, home, versions } = JSON.parse(headText) as Head;
  const anchors = new Map(before.anchors);
  const contents = new Map<string, Map<string, ContentEntry>>();
  let subscriptions: Map<string, Subscription> | undefined;
  for (const [part, text] of changes) {
    if (part.startsWith(ANCHOR)) {
      const name = part.slice(ANCHOR.length);
      const held = anchors.get(name);
      // The latest open comes last.
      anchors.delete(name);
      if (text !== null) anchors.set(name, anchorOf(name, JSON.parse(text), '', held?.content ?? new Map()));
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
      else content.set(key, contentEntry(JSON.parse(text)));
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
    subscriptions: subscriptions ?? before.subscriptions,
    nextNumber: next,
    changedAt: at,
    ...(current === undefined ? undefined : { current }),
    ...(home && { home }),
  };
}

function anchorOf(
  name: string,
  opening: Anchor['opening'],
  versionId: string,
  content: ReadonlyMap<string, ContentEntry>,
): Anchor {
  const key = parseReference(name);
  if (!key) throw new Error(`The stored anchor ${name} is no reference`);
  return { key, opening, versionId, content };
}

/** The state that a store's parts say. */
export function fromParts(topic: string, parts: Parts): SessionState {
  const { next, at, current, home, versions } = JSON.parse(parts.get(HEAD) ?? '{}') as Head;
  const openings: [string, Anchor['opening']][] = [];
  const contents = new Map<string, Map<string, ContentEntry>>();
  const subscriptions = new Map<string, Subscription>();
  for (const [part, text] of parts) {
    if (part.startsWith(ANCHOR)) openings.push([part.slice(ANCHOR.length), JSON.parse(text)]);
    else if (part.startsWith(SUBSCRIPTION)) subscriptions.set(part.slice(SUBSCRIPTION.length), JSON.parse(text));
    else if (part.startsWith(CONTENT)) {
      const [name = '', key = ''] = part.slice(CONTENT.length).split(SEPARATOR);
      const content = contents.get(name) ?? new Map<string, ContentEntry>();
      contents.set(name, content.set(key, contentEntry(JSON.parse(text))));
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
    subscriptions,
    nextNumber: next,
    changedAt: at,
    ...(current === undefined ? undefined : { current }),
    ...(home && { home }),
  };
}
