/**
 * Dialects: how some connectors write events, where that is not how FHIRcast 3.0.0 has them. A client is registered for the dialects
 * that it writes and reads. What it publishes is rewritten to 3.0.0 before any rule looks at it, what it is sent after; no other client
 * ever sees a dialect. A message that fits no rewrite is refused, never guessed.
 */
import type { ContextElement, JsonObject } from '../messages.ts';

/** An anchor that is open in the session which the event is published to. */
export interface OpenAnchor {
  readonly type: string;
  readonly id: string;
  readonly versionId: string;
  /** The context of its opening event. */
  readonly context: readonly ContextElement[];
}

/** What a rewrite may know of the session: some dialects leave out what is open anyway. */
export interface OpenAnchors {
  readonly current: OpenAnchor | undefined;
  /** All of them, the latest open last: asked for only where one cannot be named. */
  readonly all: readonly OpenAnchor[];
  named(type: string, id: string): OpenAnchor | undefined;
}

/** Anchors that are held as a list. */
export function listedAnchors(all: readonly OpenAnchor[], current: OpenAnchor | undefined): OpenAnchors {
  return { current, all, named: (type, id) => all.find((one) => one.type === type && one.id === id) };
}

/** The `event` of a published message, not yet checked. Objects that are not rewritten are the given ones, so that they keep their text. */
export type RewrittenEvent =
  | { readonly ok: true; readonly event: JsonObject }
  /** `field` says where, `reason` what is wrong, in words for the client's developer. */
  | { readonly ok: false; readonly field: string; readonly reason: string };

export interface Dialect {
  /** Its name in a registration's `switches.dialects`. */
  readonly name: string;
  /** Where the dialect is written down. */
  readonly source: string;
  /** Whether opens may lack what 3.0.0 requires beside their anchor: it is not known to the publisher, nor to the session. */
  readonly opensAnchorAlone?: true;
  /** 3.0.0 names of events that only this client and others of the dialect exchange. */
  readonly ownEvents?: readonly string[];
  /** Rewrites a published event to 3.0.0; what is not of the dialect comes back as it is. */
  readonly incoming?: (event: JsonObject, open: OpenAnchors) => RewrittenEvent;
  /** The 3.0.0 name of an event that the client subscribes to or publishes. */
  readonly nameIn?: (name: string) => string;
  /** The client's own name for an event. */
  readonly nameOut?: (name: string) => string;
}

export function rewritten(event: JsonObject): RewrittenEvent {
  return { ok: true, event };
}

export function unfit(field: string, reason: string): RewrittenEvent {
  return { ok: false, field, reason };
}
