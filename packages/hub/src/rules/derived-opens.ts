import {
  type ContextElement,
  type EventDefinition,
  type EventMessage,
  eventDefinition,
  isObject,
  type Resource,
} from '@lockstep/fhircast';
import type { Anchored } from './audience.ts';

/** An open that the Hub derives from another open's context (DER-1); its elements' resources are those of the original. */
export interface DerivedOpen {
  readonly name: string;
  readonly type: string;
  readonly resourceId: string;
  readonly message: EventMessage;
}

/** Between the original's id and what was derived from it. */
const MARK = '~';

/** The ids that the original of a derived open may have: any id may hold the mark itself. */
export function originalIds(derivedId: string): readonly string[] {
  const parts = derivedId.split(MARK);
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join(MARK));
}

/**
 * `Home-open` for those who ask who follows, and did not subscribe to an event that leaves no context current: they would go on
 * showing what an open told them of, derived or not (HZ-4). No close is derived (DER-2).
 */
export function deriveHome({ id: original, timestamp, event }: EventMessage): EventMessage {
  const name = 'Home-open';
  const id = `${original}${MARK}${name}`;
  const about = { 'hub.topic': event['hub.topic'], 'hub.event': name, 'context.versionId': id };
  return { timestamp, id, event: { ...about, context: [] } };
}

/** General before specific, so that the most specific context comes last and stays current. */
function rank(type: string): number {
  const order = ['Patient', 'Encounter'].indexOf(type);
  return order < 0 ? 2 : order;
}

/** Elements that the catalog does not know were not checked (PUB-5). */
function isIdentified(resource: Resource | undefined): resource is Resource & { readonly id: string } {
  return isObject(resource) && typeof resource.id === 'string' && typeof resource.resourceType === 'string';
}

/** The context of an open of this resource, by the keys of its own definition; undefined when a required key is missing. */
function contextFor(
  definition: EventDefinition,
  resource: Resource,
  source: readonly ContextElement[],
): readonly ContextElement[] | undefined {
  const context: ContextElement[] = [];
  for (const rule of definition.keys) {
    if (rule.key === definition.anchorKey) {
      context.push({ key: rule.key, resource });
      continue;
    }
    const others = source.flatMap((one) =>
      isIdentified(one.resource) && rule.types.includes(one.resource.resourceType) ? [one.resource] : [],
    );
    if (others.length < rule.min) return undefined;
    for (const other of rule.max === 1 ? others.slice(0, 1) : others) context.push({ key: rule.key, resource: other });
  }
  return context;
}

/** The resources that a context carries, each by its type and id. */
export function resourcesIn(context: readonly ContextElement[]): readonly Anchored[] {
  return context.flatMap(({ resource }) =>
    isIdentified(resource) ? [{ type: resource.resourceType, resourceId: resource.id }] : [],
  );
}

/**
 * The opens implied by an open: one for each resource in its context other than its anchor (2.5 "Hub Generated open
 * Events"), general ones first. Each keeps the original's timestamp and version and has an id of its own, always the same
 * for the same original.
 */
export function deriveOpens(message: EventMessage, anchorType: string): readonly DerivedOpen[] {
  const { context } = message.event;
  const opens: DerivedOpen[] = [];
  for (const { resource } of context) {
    if (!isIdentified(resource) || resource.resourceType === anchorType) continue;
    const definition = eventDefinition(`${resource.resourceType}-open`);
    const derived = definition && contextFor(definition, resource, context);
    if (!definition || !derived) continue;
    opens.push({
      name: definition.name,
      type: resource.resourceType,
      resourceId: resource.id,
      message: {
        timestamp: message.timestamp,
        id: `${message.id}${MARK}${resource.resourceType}.${resource.id}`,
        event: { ...message.event, 'hub.event': definition.name, context: derived },
      },
    });
  }
  return opens.sort((a, b) => rank(a.type) - rank(b.type));
}
