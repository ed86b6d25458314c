import { dialectsOf, nameOut, toDraft } from '@lockstep/fhircast';
import { type EventHead, eventText } from '../rules/event-text.ts';
import type { Spelling } from '../rules/versions.ts';
import type { ReadEvent, Sendable } from './delivery.ts';

const VERSION = 'context.versionId';
/** Beside the event, where no specification looks. */
const ORIGINATOR = 'org.lockstep.originator';
const PRIOR_VERSION = 'context.priorVersionId';

/** The event as this spelling writes it (WEB-5, LAU-2): its fields change, its context keeps its words (PUB-13). */
function respelt({ message, exact, originator: published }: ReadEvent, spelling: Spelling): string {
  const { names, versions, drafts, dialects, topic, originator } = spelling;
  const { 'hub.event': name, [VERSION]: version, [PRIOR_VERSION]: prior, context, ...event } = message.event;
  const found = { [VERSION]: version, [PRIOR_VERSION]: prior };
  const bare = { versionId: version, priorVersionId: prior };
  const own = dialects ? nameOut(dialectsOf(dialects), name) : name;
  const fields = {
    ...event,
    ...(topic === undefined ? undefined : { 'hub.topic': topic }),
    'hub.event': names === 'lower' ? own.toLowerCase() : own,
    // JSON leaves out what is undefined.
    ...(versions === 'none' ? undefined : found),
    ...(versions === 'context and bare' ? bare : undefined),
  };
  return eventText(
    {
      ...message,
      event: fields as EventHead['event'],
      ...(originator && published && { [ORIGINATOR]: published }),
    },
    exact.write(drafts ? toDraft(message) : context),
  );
}

/** Every subscriber with the same spelling gets the same bytes, made once. */
const made = new WeakMap<Sendable, Map<string, Uint8Array>>();

/** The bytes of an event as a subscriber of this spelling gets them. */
export function bytesOf(sendable: Sendable, spelling: Spelling): Uint8Array {
  const { names, versions, drafts, dialects, topic, originator } = spelling;
  const usual = names === 'catalog' && versions === 'context' && topic === undefined;
  const plain = usual && !drafts && !dialects && !originator;
  if (plain) return sendable.bytes;
  const key = `${names} ${versions} ${drafts} ${dialects ? JSON.stringify(dialects) : ''} ${originator} ${topic ?? ''}`;
  let spellings = made.get(sendable);
  if (!spellings) {
    spellings = new Map();
    made.set(sendable, spellings);
  }
  let bytes = spellings.get(key);
  if (!bytes) {
    bytes = Buffer.from(respelt(sendable.read, spelling));
    spellings.set(key, bytes);
  }
  return bytes;
}

/** Event names as this spelling lists them in a confirmation, a verification or a denial. */
export function eventList(events: readonly string[], { names, dialects }: Spelling): string {
  const own = dialects ? dialectsOf(dialects) : [];
  const list = events.map((name) => nameOut(own, name)).join(',');
  return names === 'lower' ? list.toLowerCase() : list;
}
