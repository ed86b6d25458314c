/**
 * Events as connectors wrote them before FHIRcast 3.0.0, and as the examples of IHE IRA still do: whole resources where
 * references are asked for, `POST` entries, a logout that says nothing more (WEB-5).
 */
import { type ContextKey, type EventDefinition, eventDefinition } from './catalog.ts';
import {
  type ContextElement,
  type EventMessage,
  isObject,
  type JsonObject,
  type Reference,
  textOf,
} from './messages.ts';
import { parseReference } from './reference.ts';

/** What the Bundle of an update was called. */
const UPDATES = ['updates', 'bundle', 'content'];

function addressOf(resource: JsonObject): string {
  return `${textOf(resource.resourceType)}/${textOf(resource.id)}`;
}

function referenceTo(resource: unknown): unknown {
  if (!isObject(resource)) return resource;
  return { reference: addressOf(resource) };
}

/** One element as the catalog's row wants it. */
function element(given: JsonObject, rule: ContextKey): JsonObject {
  const { resource, ...rest } = given;
  const found = { ...rest, key: rule.key };
  if (rule.value === 'resource' || resource === undefined || rest.reference !== undefined) {
    return { ...given, key: rule.key };
  }
  const reference = Array.isArray(resource) ? resource.map(referenceTo) : referenceTo(resource);
  return { ...found, reference };
}

/** `POST` makes what `PUT` makes, and is addressed to a type alone; what is deleted is named instead of sent. */
function entry(given: unknown): unknown {
  if (!isObject(given) || !isObject(given.request)) return given;
  const { resource, ...rest } = given;
  const { method, url } = given.request;
  if (method === 'POST') {
    return { ...given, request: { method: 'PUT', ...(isObject(resource) && { url: addressOf(resource) }) } };
  }
  if (method !== 'DELETE' || !isObject(resource)) return given;
  return { ...rest, request: { method, url: url ?? addressOf(resource) } };
}

function bundle(given: JsonObject): JsonObject {
  const { resource } = given;
  if (!isObject(resource) || !Array.isArray(resource.entry)) return given;
  return { ...given, resource: { ...resource, entry: resource.entry.map(entry) } };
}

/** The elements in the words of 3.0.0, each under its key of 3.0.0. @param names the keys, as they are understood */
function elementsOf(
  definition: EventDefinition,
  context: readonly unknown[],
  names: readonly string[],
  updates: string | undefined,
): readonly unknown[] {
  const updating = definition.action === 'update';
  return context.map((one, index) => {
    const name = names[index] === updates ? 'updates' : names[index];
    const rule = definition.keys.find(({ key }) => key === name);
    if (!isObject(one) || !rule) return one;
    const read = element(one, rule);
    return name === 'updates' && updating ? bundle(read) : read;
  });
}

function keysOf(context: readonly unknown[]): readonly string[] {
  return context.map((one) => (isObject(one) ? textOf(one.key) : ''));
}

function contextOf(definition: EventDefinition, context: readonly unknown[]): readonly unknown[] {
  const names = keysOf(context).map((name) => name.toLowerCase());
  const updates = definition.action === 'update' ? UPDATES.find((name) => names.includes(name)) : undefined;
  const found = elementsOf(definition, context, names, updates);
  // STU2: "No context."
  if (found.length > 0 || !definition.keys.some(({ key }) => key === 'parameters')) return found;
  return [{ key: 'parameters', resource: { resourceType: 'Parameters' } }];
}

function rewritten(
  body: unknown,
  write: (definition: EventDefinition, context: readonly unknown[]) => readonly unknown[],
): unknown {
  if (!isObject(body) || !isObject(body.event)) return body;
  const { context, 'hub.event': name } = body.event;
  const definition = typeof name === 'string' ? eventDefinition(name) : undefined;
  if (!definition || !Array.isArray(context)) return body;
  return { ...body, event: { ...body.event, context: write(definition, context) } };
}

/**
 * A published event, not yet checked, in the words of 3.0.0.
 * @param body the parsed JSON; what is not understood comes back as it is
 */
export function fromDraft(body: unknown): unknown {
  return rewritten(body, contextOf);
}

/** The same for the examples that IHE IRA prints: resources for references and POST entries, under the keys of 3.0.0. */
export function fromIraExample(body: unknown): unknown {
  return rewritten(body, (definition, context) => elementsOf(definition, context, keysOf(context), 'updates'));
}

function asResource({ reference }: Reference): JsonObject | undefined {
  const key = reference === undefined ? undefined : parseReference(reference);
  return key && { resourceType: key.type, id: key.id };
}

/** The context with small resources in the place of references, for receivers that read nothing else. */
export function toDraft({ event }: EventMessage): readonly ContextElement[] {
  return event.context.map((one) => {
    const { reference, ...rest } = one;
    if (reference === undefined) return one;
    const list = [reference].flat().map(asResource);
    if (list.includes(undefined)) return one;
    return { ...rest, resource: (Array.isArray(reference) ? list : list[0]) as ContextElement['resource'] };
  }) as readonly ContextElement[];
}
