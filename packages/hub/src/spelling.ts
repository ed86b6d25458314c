import { type EventMessage, isObject, toDraft } from '@lockstep/fhircast';
import type { Sendable } from './delivery.ts';
import type { Spelling } from './versions.ts';

const VERSION = 'context.versionId';
const PRIOR_VERSION = 'context.priorVersionId';

/** The event as this spelling writes it (WEB-5, LAU-2). */
function respell(message: EventMessage, { names, versions, drafts, topic }: Spelling): unknown {
  const { 'hub.event': name, [VERSION]: version, [PRIOR_VERSION]: prior, context, ...event } = message.event;
  const found = { [VERSION]: version, [PRIOR_VERSION]: prior };
  const bare = { versionId: version, priorVersionId: prior };
  return {
    ...message,
    event: {
      ...event,
      ...(topic === undefined ? undefined : { 'hub.topic': topic }),
      'hub.event': names === 'lower' ? name.toLowerCase() : name,
      // JSON leaves out what is undefined.
      ...(versions === 'none' ? undefined : found),
      ...(versions === 'context and bare' ? bare : undefined),
      context: drafts ? toDraft(message) : context,
    },
  };
}

/** Every subscriber with the same spelling gets the same bytes, made once. */
const made = new WeakMap<Sendable, Map<string, Uint8Array>>();

/** The bytes of an event as a subscriber of this spelling gets them. */
export function bytesOf(sendable: Sendable, spelling: Spelling): Uint8Array {
  const { names, versions, drafts, topic } = spelling;
  if (names === 'catalog' && versions === 'context' && !drafts && topic === undefined) return sendable.bytes;
  const key = `${names} ${versions} ${drafts} ${topic ?? ''}`;
  let spellings = made.get(sendable);
  if (!spellings) {
    spellings = new Map();
    made.set(sendable, spellings);
  }
  let bytes = spellings.get(key);
  if (!bytes) {
    const message: unknown = JSON.parse(Buffer.from(sendable.bytes).toString('utf8'));
    if (!isObject(message)) throw new Error('An event is always an object');
    bytes = Buffer.from(JSON.stringify(respell(message as unknown as EventMessage, spelling)));
    spellings.set(key, bytes);
  }
  return bytes;
}

/** Event names as this spelling lists them in a confirmation, a verification or a denial. */
export function eventList(events: readonly string[], { names }: Spelling): string {
  const list = events.join(',');
  return names === 'lower' ? list.toLowerCase() : list;
}
