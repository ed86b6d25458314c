/** What was open in a session after each event of its log: a replay, without I/O. */
import {
  AS_READ,
  type ContextElement,
  contextChange,
  type EventMessage,
  isObject,
  NO_CONTEXTS,
  type Resource,
  type SessionContexts,
  type SharedContent,
  stepContexts,
} from '@lockstep/fhircast';
import type { LogLine } from '../api.ts';

/** The protocol's model of a session, holding what the log's events say. */
export type Replayed = SessionContexts<readonly ContextElement[]>;

export const NOTHING: Replayed = NO_CONTEXTS;

/** The state after one more event. One about a context that was opened before the log begins changes nothing. */
function after(before: Replayed, message: EventMessage): Replayed {
  const read = contextChange(message, message.event.context);
  const stepped = read?.ok ? stepContexts(before, read.change, AS_READ) : undefined;
  return stepped?.ok ? stepped.contexts : before;
}

/**
 * The states after each event; `states[i]` is the one after `log[i]`.
 * @param known those of the log's beginning, where it was replayed before
 */
export function replay(log: readonly LogLine[], known: readonly Replayed[] = []): readonly Replayed[] {
  let state = known.at(-1) ?? NOTHING;
  const more = log.slice(known.length).map(({ message }) => {
    state = after(state, message);
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
  before: SharedContent | undefined,
  after: SharedContent | undefined,
): readonly {
  readonly target: string;
  readonly kind: 'added' | 'changed' | 'removed';
  readonly differences: readonly Difference[];
}[] {
  const targets = new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])]);
  return [...targets].flatMap((target) => {
    const [old, now] = [before?.get(target)?.resource, after?.get(target)?.resource];
    if (old === now) return [];
    const kind = !old ? ('added' as const) : !now ? ('removed' as const) : ('changed' as const);
    return [{ target, kind, differences: kind === 'changed' ? differences(old, now) : [] }];
  });
}
