/** How much a session holds of what was published: contexts and content, in bytes of JSON. */
import { NO_CONTENT } from '@lockstep/fhircast';
import { ContentMap } from './content-map.ts';
import { type Rejection, refuse } from './reasons.ts';
import type { Anchor, SessionState } from './session-state.ts';

type Anchors = SessionState['anchors'];

function sizeOf({ resource, fullUrl = '' }: { readonly resource: string; readonly fullUrl?: string }): number {
  return Buffer.byteLength(resource) + Buffer.byteLength(fullUrl);
}

/** Bytes that one context holds more than it did; what it shares with before is not looked at. */
function growth(before: Anchor | undefined, after: Anchor | undefined): number {
  let bytes = 0;
  if (before?.opening !== after?.opening) {
    bytes += Buffer.byteLength(after?.opening.context ?? '') - Buffer.byteLength(before?.opening.context ?? '');
  }
  const { content: had = NO_CONTENT } = before ?? {};
  const { content: has = NO_CONTENT } = after ?? {};
  if (had === has) return bytes;
  for (const { before: was, after: is } of ContentMap.of(has).differences(ContentMap.of(had))) {
    bytes += (is ? sizeOf(is) : 0) - (was ? sizeOf(was) : 0);
  }
  return bytes;
}

/** Bytes that contexts and their content take. */
export function heldBytes(anchors: Anchors): number {
  let bytes = 0;
  for (const anchor of anchors.values()) bytes += growth(undefined, anchor);
  return bytes;
}

/**
 * The same after an event.
 * @param anchors what is open after it
 * @param before the context that it was about, and `after` the same after it
 */
export function heldAfter(
  { heldBytes: held }: SessionState,
  anchors: Anchors,
  before: Anchor | undefined,
  after: Anchor | undefined,
): number {
  return anchors.size === 0 ? 0 : held + growth(before, after);
}

/** Why a session may not grow so far. What makes it smaller, or leaves it as it is, is never refused: a full session can be emptied. */
export function tooMuch(before: SessionState, after: SessionState, most: number): Rejection | undefined {
  const more = after.heldBytes - before.heldBytes;
  if (more <= 0 || after.heldBytes <= most) return undefined;
  if (more > most) {
    return refuse('event-too-large', `the event brings ${more} bytes of context, and a session may hold ${most}`);
  }
  return refuse(
    'session-full',
    `the session holds ${before.heldBytes} bytes of contexts and content, and may hold ${most}: close what is no longer needed`,
  );
}
