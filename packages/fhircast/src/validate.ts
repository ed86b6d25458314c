import { type Action, type ContextKey, type EventDefinition, eventDefinition, isProprietary } from './catalog.ts';
import { readUpdates, type UpdateEntry, type UpdateReason } from './content.ts';
import {
  type ContextElement,
  type EventMessage,
  isObject,
  type JsonObject,
  type Objection,
  objection,
  type Parsed,
  parsed,
  type Resource,
  refused,
} from './messages.ts';
import { obstacleText } from './obstacle-text.ts';
import { parseReference, type ResourceKey } from './reference.ts';
import { isResourceType } from './resource-types.ts';

/** Nesting beyond this is no FHIR resource but an attempt on somebody's parser (PUB-6). */
const MAX_DEPTH = 64;
const MAX_ID_LENGTH = 256;

/** ISO 8601 date-time; the specification's own examples leave the zone out. */
const TIMESTAMP =
  /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d(:([0-5]\d|60)([.,]\d+)?)?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)?$/;

/** A published event, checked against the catalog. */
export interface EventRequest {
  readonly message: EventMessage;
  readonly definition: EventDefinition;
  /** The anchor that the event is about, for `{FHIR resource}-{action}` events. */
  readonly anchor?: ResourceKey;
}

/** FHIR's own rule is stricter; the field's clients use more, but never what would break `Type/id`. */
const RESOURCE_ID = /^[^\s/?#]{1,256}$/;

/** Stores and answers must be able to repeat an id exactly: no half characters, no spaces around it (ERR-1). */
function isEventId(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value !== '' &&
    value.length <= MAX_ID_LENGTH &&
    value.trim() === value &&
    value.isWellFormed()
  );
}

function isResourceId(value: unknown): value is string {
  return typeof value === 'string' && RESOURCE_ID.test(value) && value.isWellFormed();
}

/** Why the value may not be passed on, if so: too deep, or a key that is an attack on JavaScript receivers. */
function unsafe(value: unknown, depth: number): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > MAX_DEPTH) return `The body is nested more than ${MAX_DEPTH} levels deep`;
  if (Array.isArray(value)) {
    for (const item of value) {
      const reason = unsafe(item, depth + 1);
      if (reason) return reason;
    }
    return undefined;
  }
  // What JSON.parse made has no keys but its own.
  for (const key in value) {
    if (key === '__proto__') return 'The body has a key named __proto__';
    const reason = unsafe((value as JsonObject)[key], depth + 1);
    if (reason) return reason;
  }
  return undefined;
}

function checkResource(element: ContextElement, rule: ContextKey, where: string): string | undefined {
  const resource: unknown = element.resource;
  if (!isObject(resource)) {
    const instead = element.reference === undefined ? '' : ', not a "reference"';
    return `${where} must carry a "resource"${instead}`;
  }
  const type = resource.resourceType;
  if (typeof type !== 'string' || (rule.types.length > 0 && !rule.types.includes(type))) {
    return `${where} must hold a ${rule.types.join(' or ')} resource, not ${JSON.stringify(type ?? null).slice(0, 80)}`;
  }
  if (rule.id && !isResourceId(resource.id)) return `${where} must hold a resource with an "id"`;
  return undefined;
}

function checkReference(element: ContextElement, rule: ContextKey, where: string): string | undefined {
  // A selection may name several resources in one element, or none.
  const list: readonly unknown[] = Array.isArray(element.reference) ? element.reference : [element.reference];
  if (Array.isArray(element.reference) && rule.max === 1) return `${where} must carry one "reference"`;
  for (const one of list) {
    const text = isObject(one) ? one.reference : undefined;
    if (typeof text !== 'string' || text === '') {
      const instead = element.resource === undefined ? '' : ', not a "resource"';
      return `${where} must carry a "reference" of the form {"reference": "Type/id"}${instead}`;
    }
    const key = parseReference(text);
    if (rule.types.length > 0 && !(key && rule.types.includes(key.type))) {
      return `${where} must refer to ${rule.types.join(' or ')}/{id}`;
    }
  }
  return undefined;
}

function checkContext(
  event: EventDefinition,
  context: readonly ContextElement[],
  anchorAlone: readonly Action[],
): string | undefined {
  if (isProprietary(event)) return undefined;
  if (event.name === 'Home-open' && context.length > 0) return 'Home-open: event.context must be empty';
  for (const rule of event.keys) {
    const elements = context.filter((element) => element.key === rule.key);
    const where = `${event.name}: context key "${rule.key}"`;
    const optional = event.action && anchorAlone.includes(event.action) && rule.key !== event.anchorKey;
    const wanted = optional ? 0 : rule.min;
    if (elements.length < wanted) return `${where} is required (${rule.min}..${rule.max})`;
    if (rule.max === 1 && elements.length > 1) return `${where} may appear only once (${rule.min}..1)`;
    for (const element of elements) {
      // "select" without a value is how some clients clear the selection; with other members it says something else.
      if (rule.key === 'select' && Object.keys(element).every((name) => name === 'key')) continue;
      const reason =
        rule.value === 'resource' ? checkResource(element, rule, where) : checkReference(element, rule, where);
      if (reason) return reason;
    }
  }
  return undefined;
}

/** The anchor named by a checked context. */
function anchorOf(event: EventDefinition, context: readonly ContextElement[]): ResourceKey | undefined {
  if (!event.anchorKey) return undefined;
  const element = context.find((one) => one.key === event.anchorKey);
  const resource = element?.resource;
  if (resource?.id) return { type: resource.resourceType, id: resource.id };
  const reference = element?.reference;
  return isObject(reference) && typeof reference.reference === 'string'
    ? parseReference(reference.reference)
    : undefined;
}

/**
 * Reads a published event (PUB-1, PUB-5): a JSON object `{timestamp, id, event: {hub.topic, hub.event, context, …}}`.
 * What comes back is rebuilt from the fields of an event, with the catalog's spelling of its name; anything else at the
 * top level is dropped (PUB-12).
 * @param body the parsed JSON
 * @param anchorAlone actions whose events may name their anchor alone: a close in the drafts, an open in some dialects
 * @param isSafe whether the body is as `readExact` has read it, which refuses deep nesting and dangerous names
 * @returns the reason names the key and the rule that was broken
 */
export function parseEvent(body: unknown, anchorAlone: readonly Action[] = [], isSafe = false): Parsed<EventRequest> {
  if (!isObject(body)) return refused('The body must be a JSON object {timestamp, id, event}');
  const danger = isSafe ? undefined : unsafe(body, 0);
  if (danger) return refused(danger);
  const { timestamp, id, event } = body;
  if (typeof timestamp !== 'string' || !TIMESTAMP.test(timestamp)) {
    return refused('timestamp must be an ISO 8601 date and time');
  }
  if (!isEventId(id))
    return refused(`id must be a string of 1 to ${MAX_ID_LENGTH} characters without spaces around it`);
  if (!isObject(event)) return refused('event must be an object');
  const topic = event['hub.topic'];
  const name = event['hub.event'];
  if (typeof topic !== 'string' || topic === '') return refused('event.hub.topic must be a string');
  if (typeof name !== 'string') return refused('event.hub.event must be a string');
  const definition = eventDefinition(name);
  if (!definition) {
    return refused(
      'event.hub.event must be an event of the catalog, {FHIR resource}-{open|close|update|select}, or in reverse domain notation',
    );
  }
  const { context } = event;
  if (!Array.isArray(context)) return refused(`${definition.name}: event.context must be an array`);
  const proprietary = isProprietary(definition);
  for (const element of context) {
    if (!proprietary && !(isObject(element) && typeof element.key === 'string')) {
      return refused(`${definition.name}: each element of event.context must be an object with a "key"`);
    }
  }
  const broken = checkContext(definition, context, anchorAlone);
  if (broken) return refused(broken);
  // STU2 wrote versionId without the prefix (WEB-5).
  const version = event['context.versionId'] ?? event.versionId;
  if (version !== undefined && typeof version !== 'string') {
    return refused(`${definition.name}: event["context.versionId"] must be a string`);
  }
  const anchor = anchorOf(definition, context);
  return parsed({
    message: {
      timestamp,
      id,
      event: {
        'hub.topic': topic,
        'hub.event': definition.name,
        ...(version === undefined ? undefined : { 'context.versionId': version }),
        context,
      },
    },
    definition,
    ...(anchor && { anchor }),
  });
}

const SENDER_FIELD = /^(subscriber|target)(\.[a-z][a-z0-9_]{0,63}){1,3}$/;
const MAX_SENDER_FIELDS = 16;
const MAX_SENDER_VALUE = 256;

/**
 * The `subscriber.*` and `target.*` fields beside a published event: short texts and lists of them. Nothing else passes, so
 * that no field can be taken for one of the Hub's (PUB-12).
 */
export function senderFields(body: unknown): Readonly<Record<`subscriber.${string}` | `target.${string}`, unknown>> {
  const short = (value: unknown): boolean => typeof value === 'string' && value.length <= MAX_SENDER_VALUE;
  const fields = Object.entries(isObject(body) ? body : {}).filter(
    ([name, value]) =>
      SENDER_FIELD.test(name) &&
      (short(value) || (Array.isArray(value) && value.length <= MAX_SENDER_FIELDS && value.every(short))),
  );
  return Object.fromEntries(fields.slice(0, MAX_SENDER_FIELDS));
}

/**
 * Reads the `updates` Bundle of a checked `*-update` event as `readUpdates` does, and checks that it is a transaction and that
 * every resource put is one that FHIR has and that can be referred to (CON-1, CON-9).
 */
export function parseUpdates(
  context: readonly ContextElement[],
): { readonly ok: true; readonly value: readonly UpdateEntry[] } | Objection<UpdateReason> {
  const read = readUpdates(context);
  if (!read.ok) return objection(read.code, obstacleText(read));
  if (context.some(({ key, resource }) => key === 'updates' && resource?.type !== 'transaction')) {
    return objection('malformed-update', 'updates: Bundle.type must be "transaction"');
  }
  for (const [index, { method, key }] of read.value.entries()) {
    if (method !== 'PUT') continue;
    const where = `updates: Bundle.entry[${index}].resource`;
    if (!isResourceId(key.id)) return objection('malformed-update', `${where}.id must be one that can be referred to`);
    if (!isResourceType(key.type)) {
      return objection('malformed-update', `${where}.resourceType must be a resource type of FHIR`);
    }
  }
  return read;
}

/** A resource in a published event. */
export interface PublishedResource {
  readonly resource: Resource;
  /** The key of its element. */
  readonly key: string;
  /** Of an update: its place among the entries of the `updates` Bundle. */
  readonly entry?: number;
}

/** Where a published resource is, in words. */
export function placeOf({ key, entry }: PublishedResource): string {
  return entry === undefined ? `context key "${key}"` : `context key "${key}": Bundle.entry[${entry}].resource`;
}

/**
 * The resources of a context: those of its elements, and in place of an `updates` Bundle those that it puts. The Bundle is
 * FHIRcast's own envelope, whose rules are those of `parseUpdates`.
 */
export function publishedResources(context: readonly ContextElement[]): readonly PublishedResource[] {
  const found: PublishedResource[] = [];
  for (const { key, resource } of context) {
    if (!isObject(resource)) continue;
    if (key !== 'updates') {
      found.push({ key, resource });
      continue;
    }
    const entries: readonly unknown[] = Array.isArray(resource.entry) ? resource.entry : [];
    entries.forEach((one, entry) => {
      if (isObject(one) && isObject(one.resource)) found.push({ key, entry, resource: one.resource as Resource });
    });
  }
  return found;
}
