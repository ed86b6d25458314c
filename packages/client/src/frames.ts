import { type EventBody, type EventMessage, isObject, type JsonObject, textOf } from '@lockstep/fhircast';
import { spellEventName } from './event-names.ts';
import { contextElements, nonEmptyText, parseJson } from './hub-api.ts';

/** A frame from the Hub, read as generously as is safe. */
export type HubFrame =
  | {
      readonly kind: 'confirmation';
      readonly events: readonly string[] | undefined;
      readonly lease: number | undefined;
    }
  | { readonly kind: 'denial'; readonly reason: string }
  | { readonly kind: 'event'; readonly message: EventMessage }
  /** A sign of life that says nothing. */
  | { readonly kind: 'heartbeat' }
  /** Not FHIRcast, of another topic, or too large. */
  | { readonly kind: 'strange' };

/** The text of a frame; binary frames are taken for UTF-8. '' for a frame of an unknown kind. */
function frameText(data: unknown): string {
  if (typeof data === 'string') return data;
  if (data instanceof ArrayBuffer || ArrayBuffer.isView(data))
    return new TextDecoder().decode(data as ArrayBuffer | Uint8Array);
  return '';
}

const STRANGE: HubFrame = { kind: 'strange' };

function confirmation(body: JsonObject): HubFrame {
  const events = nonEmptyText(body['hub.events'])
    ?.split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
  const lease = Number(textOf(body['hub.lease_seconds']));
  return { kind: 'confirmation', events, lease: lease > 0 && lease < Number.POSITIVE_INFINITY ? lease : undefined };
}

/**
 * @param topic the subscription's: what is said about another one is strange
 * @param maxLength characters
 */
export function readFrame(data: unknown, topic: string, maxLength: number): HubFrame {
  const text = frameText(data);
  const body = text.length > maxLength ? undefined : parseJson(text);
  if (!isObject(body)) return STRANGE;
  const event = isObject(body.event) ? body.event : undefined;
  const about = event ? event['hub.topic'] : body['hub.topic'];
  if (about !== undefined && about !== topic) return STRANGE;
  if (!event) {
    const mode = body['hub.mode'];
    if (mode === 'denied')
      return { kind: 'denial', reason: nonEmptyText(body['hub.reason']) ?? 'the Hub gave no reason' };
    if (mode === 'subscribe') return confirmation(body);
    return body.type === 'pong' ? { kind: 'heartbeat' } : STRANGE;
  }
  const name = nonEmptyText(event['hub.event']);
  if (!name) return STRANGE;
  if (name.toLowerCase() === 'heartbeat') return { kind: 'heartbeat' };
  const id = nonEmptyText(body.id);
  if (!id) return STRANGE;
  const context = contextElements(event.context);
  // The second draft has no prefix.
  const version = (name: string) => nonEmptyText(event[`context.${name}`]) ?? nonEmptyText(event[name]);
  const versionId = version('versionId');
  const prior = version('priorVersionId');
  const read: EventBody = {
    'hub.topic': topic,
    'hub.event': spellEventName(name, context),
    ...(versionId && { 'context.versionId': versionId }),
    ...(prior && { 'context.priorVersionId': prior }),
    context,
  };
  return { kind: 'event', message: { timestamp: nonEmptyText(body.timestamp) ?? '', id, event: read } };
}
