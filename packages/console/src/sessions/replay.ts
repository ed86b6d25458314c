/** What was open in a session after each event of its log: a replay, without I/O. */
import { anchorKeyOf, type EventMessage, eventDefinition, isObject, type Resource } from '@lockstep/fhircast';
import type { LogLine } from '../api.ts';

export interface ReplayedAnchor {
  /** `Type/id`. */
  readonly anchor: string;
  readonly versionId: string | undefined;
  /** The opening event's resource of the anchor itself. */
  readonly resource: Resource | undefined;
  /** By `Type/id`. */
  readonly content: ReadonlyMap<string, Resource>;
}

export interface Replayed {
  /** In order of opening: the latest last. */
  readonly anchors: ReadonlyMap<string, ReplayedAnchor>;
  readonly current: string | undefined;
  /** `Type/id`s of what was selected last in the current context. */
  readonly selected: readonly string[];
}

export const NOTHING: Replayed = { anchors: new Map(), current: undefined, selected: [] };

function anchorOf(message: EventMessage): { key: string; resource?: Resource } | undefined {
  const { anchorType } = eventDefinition(message.event['hub.event']) ?? {};
  if (!anchorType) return undefined;
  const element = message.event.context.find(({ key }) => key === anchorKeyOf(anchorType));
  if (element?.resource?.id) return { key: `${anchorType}/${element.resource.id}`, resource: element.resource };
  const reference = isObject(element?.reference) ? element.reference.reference : undefined;
  const id = typeof reference === 'string' ? reference.split('/').at(-1) : undefined;
  return id === undefined ? undefined : { key: `${anchorType}/${id}` };
}

function entriesOf(message: EventMessage): readonly { method: string; target: string; resource?: Resource }[] {
  const bundle = message.event.context.find(({ key }) => key === 'updates')?.resource;
  const entries = Array.isArray(bundle?.entry) ? bundle.entry : [];
  return entries.filter(isObject).flatMap((entry) => {
    const resource = isObject(entry.resource) ? (entry.resource as unknown as Resource) : undefined;
    const request = isObject(entry.request) ? entry.request : {};
    const named = /([A-Za-z]+\/[^/?#]+)$/.exec(String(entry.fullUrl ?? request.url ?? ''))?.[1];
    const target = resource?.id ? `${resource.resourceType}/${resource.id}` : named;
    if (target === undefined) return [];
    return [{ method: String(request.method ?? '').toUpperCase(), target, ...(resource && { resource }) }];
  });
}

/** The state after one more event. */
export function step(before: Replayed, message: EventMessage): Replayed {
  const name = message.event['hub.event'];
  const versionId = message.event['context.versionId'];
  if (name === 'Home-open') return { ...before, current: undefined, selected: [] };
  if (name === 'UserLogout') return NOTHING;
  const action = eventDefinition(name)?.action;
  const anchor = anchorOf(message);
  if (!action || !anchor) return before;
  const held = before.anchors.get(anchor.key);
  const anchors = new Map(before.anchors);
  switch (action) {
    case 'open':
      anchors.delete(anchor.key);
      anchors.set(anchor.key, {
        anchor: anchor.key,
        versionId,
        resource: anchor.resource ?? held?.resource,
        content: held?.content ?? new Map(),
      });
      return { anchors, current: anchor.key, selected: [] };
    case 'close':
      anchors.delete(anchor.key);
      return { ...before, anchors, current: before.current === anchor.key ? undefined : before.current };
    case 'update': {
      if (!held) return before;
      const content = new Map(held.content);
      for (const { method, target, resource } of entriesOf(message)) {
        if (method === 'DELETE') content.delete(target);
        else if (resource) content.set(target, resource);
      }
      anchors.set(anchor.key, { ...held, versionId, content });
      return { ...before, anchors };
    }
    case 'select':
      return {
        ...before,
        selected: message.event.context.flatMap(({ key, reference }) =>
          key === 'select' && isObject(reference) && typeof reference.reference === 'string'
            ? [reference.reference]
            : [],
        ),
      };
  }
}

/**
 * The states after each event; `states[i]` is the one after `log[i]`.
 * @param known those of the log's beginning, where it was replayed before
 */
export function replay(log: readonly LogLine[], known: readonly Replayed[] = []): readonly Replayed[] {
  let state = known.at(-1) ?? NOTHING;
  const more = log.slice(known.length).map(({ message }) => {
    state = step(state, message);
    return state;
  });
  return [...known, ...more];
}

/** One element that differs. */
export interface Difference {
  readonly path: string;
  readonly before?: string;
  readonly after?: string;
}

function leaves(value: unknown, path: string, into: Map<string, string>): Map<string, string> {
  if (Array.isArray(value)) for (const [index, one] of value.entries()) leaves(one, `${path}[${index}]`, into);
  else if (isObject(value))
    for (const [name, one] of Object.entries(value)) leaves(one, path ? `${path}.${name}` : name, into);
  else if (value !== undefined) into.set(path, JSON.stringify(value));
  return into;
}

/** How two versions of a resource differ, element by element. */
export function differences(before: Resource | undefined, after: Resource | undefined): readonly Difference[] {
  const [old, now] = [leaves(before, '', new Map()), leaves(after, '', new Map())];
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((path) => {
    const [a, b] = [old.get(path), now.get(path)];
    if (a === b) return [];
    return [{ path, ...(a !== undefined && { before: a }), ...(b !== undefined && { after: b }) }];
  });
}

/** What of an anchor's content one event changed. */
export function contentChanges(
  before: ReadonlyMap<string, Resource> | undefined,
  after: ReadonlyMap<string, Resource> | undefined,
): readonly {
  readonly target: string;
  readonly kind: 'added' | 'changed' | 'removed';
  readonly differences: readonly Difference[];
}[] {
  const targets = new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])]);
  return [...targets].flatMap((target) => {
    const [old, now] = [before?.get(target), after?.get(target)];
    if (old === now) return [];
    const kind = !old ? ('added' as const) : !now ? ('removed' as const) : ('changed' as const);
    return [{ target, kind, differences: kind === 'changed' ? differences(old, now) : [] }];
  });
}
