/** Finding rows of the timeline by what they are about: the event, its ids and resources, and the applications. */
import { folded, foldedWords } from '@lockstep/fhir/fold';
import { textOf } from '@lockstep/fhircast';
import type { LogLine, TimelineEntry } from '../api.ts';

/** What is found by of each message and each entry: each is read once, however often one searches. */
const ofMessages = new WeakMap<object, string>();
const ofEntries = new WeakMap<object, string>();

function kept(texts: WeakMap<object, string>, one: object, parts: () => readonly unknown[]): string {
  let text = texts.get(one);
  if (text === undefined) {
    text = folded(
      parts()
        .filter((part) => part !== undefined)
        .map(textOf)
        .join('\n'),
    );
    texts.set(one, text);
  }
  return text;
}

/** The event's name, and the resources in its context: `Patient/123`. */
function partsOf({ event }: LogLine['message']): readonly unknown[] {
  const resources = event.context.flatMap(({ resource, reference }) => {
    const own = resource ? [`${textOf(resource.resourceType)}/${textOf(resource.id)}`] : [];
    return [...own, ...[reference ?? []].flat().map((one) => one.reference)];
  });
  return [event['hub.event'], ...resources];
}

/**
 * The entries that have every word of a search. What became of an event is found by the event, too.
 * @param log of the session
 * @param names of clients, by id
 */
export function foundBy(
  entries: readonly TimelineEntry[],
  query: string,
  log: readonly LogLine[],
  names: ReadonlyMap<string, string>,
): readonly TimelineEntry[] {
  const words = foldedWords(query);
  if (words.length === 0) return entries;
  const messages = new Map(log.map(({ message }) => [message.id, message]));
  const clients = new Map([...names].map(([id, name]) => [id, folded(name)]));
  return entries.filter((entry) => {
    const { event, eventId, clientId, subscriber, reason, status, code, events = [] } = entry;
    const message = eventId === undefined ? undefined : messages.get(eventId);
    const own = kept(ofEntries, entry, () => [event, eventId, clientId, subscriber, reason, status, code, ...events]);
    const about = message ? kept(ofMessages, message, () => partsOf(message)) : '';
    const client = clientId === undefined ? '' : (clients.get(clientId) ?? '');
    return words.every((word) => own.includes(word) || about.includes(word) || client.includes(word));
  });
}
