/** Lists of granted events (SUB-4): most subscriptions have one of a few, so that each list is held once. */
import { eventKey } from '@lockstep/fhircast';

interface EventList {
  readonly events: readonly string[];
  /** See `eventKey`. */
  readonly keys: ReadonlySet<string>;
}

/** Lists that are held for the next subscription at most: subscribers choose them. */
const MOST_LISTS = 256;
/** Characters of such a list. */
const LONGEST = 1024;

const lists = new Map<string, EventList>();

function listOf(events: readonly string[]): EventList {
  const text = events.join(',');
  const held = lists.get(text);
  if (held) return held;
  const list = { events, keys: new Set(events.map(eventKey)) };
  if (text.length > LONGEST) return list;
  if (lists.size === MOST_LISTS) lists.clear();
  lists.set(text, list);
  return list;
}

/** The same list, as other subscriptions hold it. */
export function sharedList(events: readonly string[]): readonly string[] {
  return listOf(events).events;
}

/** The keys of a list's events, or `*`. */
export function keysOf(events: readonly string[]): ReadonlySet<string> {
  return listOf(events).keys;
}
