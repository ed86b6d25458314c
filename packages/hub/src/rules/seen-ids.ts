/**
 * Ids of events that the Hub sends without logging them. Such an event may be the last one that a subscriber was sent before its
 * connection broke: its id says which event of the log came before it, so that the log goes on from there (SUB-11).
 */

/** Between the id of the log's event and what is the Hub's. */
const MARK = '!seen.';

/**
 * @param id any id that the Hub has made
 * @param lastSeen id of the last event of the log that the subscriber has been sent; undefined where there is none
 */
export function withLastSeen(id: string, lastSeen: string | undefined): string {
  return lastSeen === undefined ? id : `${lastSeen}${MARK}${id}`;
}

/** Id of the last event of the log that was seen by whoever was sent an event with this id; undefined where it does not say. */
export function lastSeenOf(id: string): string | undefined {
  const at = id.lastIndexOf(MARK);
  return at < 0 ? undefined : id.slice(0, at);
}
