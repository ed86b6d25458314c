/**
 * The contexts of a session, one event after another: which are open, which one is current, what is shared in them. Pure, for
 * Hubs, subscribers and replays alike; each step makes a new value that shares what did not change.
 */

import {
  applyUpdates,
  type ContentHolding,
  type MapCopy,
  NO_CONTENT,
  namesByFullUrl,
  readUpdates,
  type SharedContent,
  type UpdateEntry,
  type UpdateReason,
} from './content.ts';
import {
  type ContextElement,
  type EventMessage,
  isObject,
  type Obstacle,
  obstacle,
  type Resource,
} from './messages.ts';
import { anchorKeyOf, eventKey } from './names.ts';
import { keyText, namedResource, type ResourceKey, resourceKey } from './reference.ts';

/** An open context. `O` is what its holder keeps of the opening event, `R` how it keeps a shared resource. */
export interface OpenContext<O, R = Resource> {
  readonly key: ResourceKey;
  readonly opening: O;
  /** '' where the Hub gives no versions. */
  readonly versionId: string;
  readonly content: SharedContent<R>;
}

/** The contexts of one session. */
export interface SessionContexts<O, R = Resource> {
  /** By `Type/id`, in the order of opening: the latest open comes last. */
  readonly anchors: ReadonlyMap<string, OpenContext<O, R>>;
  /** `Type/id` of the current context's anchor; undefined when the current context is empty (PUB-9, PUB-10). */
  readonly current?: string | undefined;
  /** Set while a Home-open is the latest context change. */
  readonly home?: { readonly opening: O; readonly versionId: string } | undefined;
  /** What is selected in the current context, as `Type/id` or as it was written. */
  readonly selected: readonly string[];
}

export const NO_CONTEXTS: SessionContexts<never, never> = { anchors: new Map(), selected: [] };

/** What an event does to the contexts. `O` as in `OpenContext`. */
export type ContextChange<O> =
  | { readonly kind: 'open'; readonly key: ResourceKey; readonly versionId: string; readonly opening: O }
  | { readonly kind: 'home'; readonly versionId: string; readonly opening: O }
  | { readonly kind: 'close'; readonly key: ResourceKey }
  | {
      readonly kind: 'update';
      readonly key: ResourceKey;
      /** The version that the update makes. */
      readonly versionId: string;
      /** The version that it is made from: `context.versionId` as published, `context.priorVersionId` as broadcast. */
      readonly basedOn: string | undefined;
      readonly entries: readonly UpdateEntry[];
    }
  | { readonly kind: 'select'; readonly key: ResourceKey; readonly selected: readonly string[] }
  | { readonly kind: 'logout' };

/** Why a change is not made. */
export type ContextReason =
  /** The event is about a context that is not open (PUB-11). */
  | 'not-open'
  /** A selection in a context that is not the current one (CON-7). */
  | 'not-current'
  /** The update is made from another version than the current one (CON-2). */
  | 'version-conflict'
  | UpdateReason;

/** How a holder keeps what events bring. */
export interface Holding<O, R> extends ContentHolding<R> {
  /** `Type/id` of the resources in the opening event (CON-4). */
  resources(opening: O): ReadonlySet<string>;
  /** A copy of them, to be changed. */
  anchors(anchors: SessionContexts<O, R>['anchors']): MapCopy<OpenContext<O, R>>;
}

const ACTION = /^([a-z]+)-(open|close|update|select)$/i;

/**
 * The resource type, as written, and the action of a `{FHIR resource}-{action}` event's name.
 * @returns undefined for other events, `Home-open` among them
 */
export function contextAction(name: string): { readonly type: string; readonly action: string } | undefined {
  const [, type, action] = ACTION.exec(name) ?? [];
  return type && action && type.toLowerCase() !== 'home' ? { type, action: action.toLowerCase() } : undefined;
}

/** The resource that an element carries or refers to. */
export function elementKey({ resource, reference }: ContextElement): ResourceKey | undefined {
  if (resource) return resourceKey(resource);
  return isObject(reference) && typeof reference.reference === 'string'
    ? namedResource(reference.reference)
    : undefined;
}

/**
 * The anchor that an event of this resource type is about: what its own context key holds, else the first element of the type.
 * @param type its case does not count
 */
export function anchorOf(type: string, context: readonly ContextElement[]): ResourceKey | undefined {
  const wanted = type.toLowerCase();
  const found = context.flatMap((element) => {
    const key = elementKey(element);
    return key?.type.toLowerCase() === wanted ? [{ key, own: element.key === anchorKeyOf(key.type) }] : [];
  });
  return (found.find(({ own }) => own) ?? found[0])?.key;
}

/** `Type/id` of the resources that a context carries. */
export function resourceKeys(context: readonly ContextElement[]): ReadonlySet<string> {
  return new Set(
    context.flatMap((element) => {
      const key = resourceKey(element.resource);
      return key ? [keyText(key)] : [];
    }),
  );
}

/** The resources that a `*-select` selects, as written; empty clears the selection. */
export function selectedReferences(context: readonly ContextElement[]): readonly string[] {
  return context
    .filter((element) => element.key === 'select')
    .flatMap((element) => (Array.isArray(element.reference) ? element.reference : [element.reference]))
    .map((reference: unknown) => (isObject(reference) ? reference.reference : undefined))
    .filter((text) => typeof text === 'string');
}

/**
 * What an event that a Hub accepted does to the contexts.
 * @param opening what is kept of it where it opens something
 * @returns undefined where it does nothing to them; an obstacle where it should but cannot be understood
 */
export function contextChange<O>(
  { event }: EventMessage,
  opening: O,
): { readonly ok: true; readonly change: ContextChange<O> } | Obstacle<'no-anchor' | UpdateReason> | undefined {
  const { 'hub.event': name, 'context.versionId': versionId = '', 'context.priorVersionId': basedOn, context } = event;
  const read = (change: ContextChange<O>) => ({ ok: true as const, change });
  const lower = eventKey(name);
  if (lower === 'home-open') return read({ kind: 'home', versionId, opening });
  if (lower === 'userlogout') return read({ kind: 'logout' });
  const about = contextAction(name);
  if (!about) return undefined;
  const key = anchorOf(about.type, context);
  if (!key) return obstacle('no-anchor', about.type);
  switch (about.action) {
    case 'open':
      return read({ kind: 'open', key, versionId, opening });
    case 'close':
      return read({ kind: 'close', key });
    case 'select':
      return read({ kind: 'select', key, selected: selectedReferences(context) });
  }
  const entries = readUpdates(context);
  return entries.ok ? read({ kind: 'update', key, versionId, basedOn, entries: entries.value }) : entries;
}

/** For holders that keep everything as it was read. */
export const AS_READ: Holding<readonly ContextElement[], Resource> = {
  hold: (resource) => resource,
  resources: resourceKeys,
  anchors: (anchors) => new Map(anchors),
  content: (content) => new Map(content),
  names: namesByFullUrl,
};

type Stepped<O, R> = { readonly ok: true; readonly contexts: SessionContexts<O, R> } | Obstacle<ContextReason>;

/**
 * One step of a session's contexts.
 * @param change checked against the catalog (PUB-5)
 * @returns the contexts after it, or why it is not made: then nothing changes
 */
export function stepContexts<O, R>(
  before: SessionContexts<O, R>,
  change: ContextChange<O>,
  holding: Holding<O, R>,
): Stepped<O, R> {
  const made = (contexts: SessionContexts<O, R>): Stepped<O, R> => ({ ok: true, contexts });
  if (change.kind === 'logout') return made(NO_CONTEXTS);
  if (change.kind === 'home') {
    const { opening, versionId } = change;
    return made({ anchors: before.anchors, home: { opening, versionId }, selected: [] });
  }
  const { key } = change;
  const current = keyText(key);
  const held = before.anchors.get(current);
  const isCurrent = before.current === current;
  const anchors = holding.anchors(before.anchors);
  if (change.kind === 'open') {
    // A re-open keeps its content (PUB-8).
    const { opening, versionId } = change;
    anchors.delete(current);
    anchors.set(current, { key, opening, versionId, content: held?.content ?? NO_CONTENT });
    return made({ anchors, current, selected: [] });
  }
  if (!held) return obstacle('not-open', current);
  if (change.kind === 'close') {
    anchors.delete(current);
    return made(isCurrent ? { anchors, selected: [] } : { ...before, anchors });
  }
  if (change.kind === 'select') {
    if (!isCurrent) return obstacle('not-current', current);
    return made({ ...before, selected: change.selected });
  }
  const { basedOn, versionId, entries } = change;
  // Hubs without versions say nothing to compare.
  if (basedOn !== undefined && held.versionId !== '' && basedOn !== held.versionId) {
    return obstacle('version-conflict', current);
  }
  const content = applyUpdates(held.content, entries, holding, holding.resources(held.opening));
  if (!content.ok) return content;
  // In place: an update does not change the order of opening.
  anchors.set(current, { ...held, versionId, content: content.value });
  return made({ ...before, anchors });
}
