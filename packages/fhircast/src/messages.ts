/** A FHIR resource, as far as FHIRcast looks into one. */
export interface Resource {
  readonly resourceType: string;
  readonly id?: string;
  readonly [element: string]: unknown;
}

export interface Reference {
  readonly reference?: string;
  readonly [element: string]: unknown;
}

/** One named element of an event's context (2.3 "Context"). */
export interface ContextElement {
  readonly key: string;
  readonly resource?: Resource;
  readonly reference?: Reference | readonly Reference[];
  readonly [element: string]: unknown;
}

/** The `event` object of a notification (2.3 "Event Definition Format"). */
export interface EventBody {
  readonly 'hub.topic': string;
  readonly 'hub.event': string;
  readonly 'context.versionId'?: string;
  readonly 'context.priorVersionId'?: string;
  readonly context: readonly ContextElement[];
}

/** An event as published (2.6) and as notified (2.5). */
export interface EventMessage {
  /** ISO 8601, as its publisher wrote it. */
  readonly timestamp: string;
  readonly id: string;
  readonly event: EventBody;
  /** What viewers of the OHIF family say about themselves beside the event; passed on by request only (PUB-12). */
  readonly [about: `subscriber.${string}` | `target.${string}`]: unknown;
}

/** The Hub's first message on a socket (2.4 "Subscription Confirmation"). */
export interface Confirmation {
  readonly 'hub.mode': 'subscribe';
  readonly 'hub.topic': string;
  /** Comma-separated. */
  readonly 'hub.events': string;
  /** Seconds. */
  readonly 'hub.lease_seconds': number;
}

/** The end of a subscription, or its refusal (2.4 "Subscription Denial"). */
export interface Denial {
  readonly 'hub.mode': 'denied';
  readonly 'hub.topic': string;
  readonly 'hub.events': string;
  readonly 'hub.reason': string;
}

/** The answer of `GET {hub.url}/{topic}` (2.9). */
export interface CurrentContext {
  readonly 'context.type': string;
  readonly 'context.versionId'?: string;
  readonly context: readonly ContextElement[];
}

/** Something a client sent, read; or why it could not be, in words for the client's developer. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

export function parsed<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function refused(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}

/** Why something is not done: a code for programs, words for a client's developer. */
export interface Objection<Code extends string> {
  readonly ok: false;
  readonly code: Code;
  readonly reason: string;
}

export function objection<Code extends string>(code: Code, reason: string): Objection<Code> {
  return { ok: false, code, reason };
}

/** What keeps an event from changing contexts or content. `obstacleText` says it in words. */
export interface Obstacle<Code extends string> {
  readonly ok: false;
  readonly code: Code;
  /** What it is about: an entry of the `updates` Bundle, a resource or its type; '' for the Bundle itself. */
  readonly about: string;
}

export function obstacle<Code extends string>(code: Code, about: string): Obstacle<Code> {
  return { ok: false, code, about };
}

export type JsonObject = { readonly [key: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Text of a JSON value that somebody else wrote; empty where it is no string, number or boolean. `String()` throws at an object with
 * a member `toString`, and JSON may have one.
 */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** The objects of an array; none where it is no array. */
export function objectsIn(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
