/** What is broadcast is what was published: one comparison for every kind of event. */
import { difference, isObject, type JsonDifference, type JsonObject, objects, parseAsWritten, textOf } from './json.ts';

/** Members that a Hub adds to an event, beside those of its publisher. */
const VERSIONS = ['context.versionId', 'context.priorVersionId', 'versionId', 'priorVersionId'];

/** A time that says itself that it is UTC: the second, and its fraction. */
const UTC = /^(\d{4}-\d\d-\d\dT\d\d:\d\d)(?::(\d\d)(?:[.,](\d*))?)?(?:Z|[+-]00(?::?00)?)$/;

/** The digits behind the second, without zeros at the end. */
function fractionOf([, , , digits = '']: RegExpExecArray): string {
  return digits.replace(/(?<!0)0+$/, '');
}

/**
 * Whether two times are the same, to the last digit of their fraction. Told with an offset, or without a zone, a time is another to
 * whoever compares it with others (2.5 wants UTC), and to some programs a local one.
 */
export function sameInstant(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'string' || typeof b !== 'string') return false;
  const [one, other] = [UTC.exec(a), UTC.exec(b)];
  if (!one || !other) return false;
  return one[1] === other[1] && (one[2] ?? '00') === (other[2] ?? '00') && fractionOf(one) === fractionOf(other);
}

export interface ComparisonOptions {
  /**
   * Whether the Hub follows IRA: it may leave selected resources out that it does not know (RAD-151), and may write PUT where an
   * update adds by POST, as the profile's own example does (RAD-150).
   */
  readonly ira?: boolean;
}

/** `event` with the members in which a broadcast may differ from its request taken out. */
function comparable(event: JsonObject): JsonObject {
  const { 'hub.event': name, ...rest } = event;
  for (const key of VERSIONS) delete (rest as Record<string, unknown>)[key];
  return { ...rest, 'hub.event': typeof name === 'string' ? name.toLowerCase() : name };
}

function withoutMissingSelections(sent: unknown, came: unknown): unknown {
  const kept = objects(came).map((one) => JSON.stringify(one));
  return objects(sent).filter((one) => one.key !== 'select' || kept.includes(JSON.stringify(one)));
}

/** The entries that add by POST with the request that came in its place, if that is a PUT. */
function withPutForPost(sent: unknown, came: unknown): unknown {
  const others = objects(came);
  return objects(sent).map((element, index) => {
    const { resource } = element;
    const other = others[index]?.resource;
    if (element.key !== 'updates' || !isObject(resource) || !isObject(other)) return element;
    const entries = objects(other.entry);
    const entry = objects(resource.entry).map((one, at) => {
      const request = entries[at]?.request;
      const adds = isObject(one.request) && one.request.method === 'POST';
      return adds && isObject(request) && request.method === 'PUT' ? { ...one, request } : one;
    });
    return { ...element, resource: { ...resource, entry } };
  });
}

function contextOf(name: unknown, sent: unknown, came: unknown): unknown {
  if (/-select$/.test(textOf(name))) return withoutMissingSelections(sent, came);
  return /-update$/.test(textOf(name)) ? withPutForPost(sent, came) : sent;
}

/**
 * How a broadcast differs from what was published; undefined when it does not. The id, the topic, the event and every member of
 * the context have to be the same, numbers as they were written; the time has to be the same instant in UTC. Versions are the Hub's, and
 * other top-level members are not looked at.
 * @param sent the text of the request
 * @param came the text of the frame
 */
export function alteration(sent: string, came: string, options: ComparisonOptions = {}): JsonDifference | undefined {
  const [request, frame] = [parseAsWritten(sent), parseAsWritten(came)];
  if (!isObject(request) || !isObject(frame)) return difference(request, frame);
  const { id, timestamp, event } = request;
  const found = difference(id, frame.id, 'id');
  if (found) return found;
  if (!sameInstant(timestamp, frame.timestamp)) return difference(timestamp, frame.timestamp, 'timestamp');
  if (!isObject(event) || !isObject(frame.event)) return difference(event, frame.event, 'event');
  const [wanted, given] = [comparable(event), comparable(frame.event)];
  const context = options.ira ? contextOf(wanted['hub.event'], wanted.context, given.context) : wanted.context;
  return difference({ ...wanted, context }, given, 'event');
}

/** Whether every element of an event was in something that was published: so an open that the Hub derived, or a close of its own. */
export function isMadeOf(came: string, sent: readonly string[]): boolean {
  const frame = parseAsWritten(came);
  const elements = isObject(frame) && isObject(frame.event) ? frame.event.context : undefined;
  if (!Array.isArray(elements)) return false;
  const published = sent.flatMap((text) => {
    const message = parseAsWritten(text);
    return isObject(message) && isObject(message.event) ? objects(message.event.context) : [];
  });
  return elements.every((element) => published.some((one) => difference(one, element) === undefined));
}
