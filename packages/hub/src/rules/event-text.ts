/** How an event is written as JSON: the Hub's fields around a context in its publisher's words (PUB-13). */
import type { EventMessage } from '@lockstep/fhircast';

/** What can be said of an event without its context. */
export type EventHead = Omit<EventMessage, 'event'> & {
  readonly event: Omit<EventMessage['event'], 'context'> & { readonly context?: unknown };
};

/** An object's JSON with one more member, whose value is JSON already. */
export function withMember(json: string, name: string, value: string): string {
  return `${json.slice(0, -1)}${json === '{}' ? '' : ','}${JSON.stringify(name)}:${value}}`;
}

/** @param context `event.context` as JSON */
export function eventText({ timestamp, id, event, ...sender }: EventHead, context: string): string {
  const { context: _, ...fields } = event;
  const text = withMember(
    JSON.stringify({ timestamp, id }),
    'event',
    withMember(JSON.stringify(fields), 'context', context),
  );
  let written = text;
  for (const [name, value] of Object.entries(sender)) written = withMember(written, name, JSON.stringify(value));
  return written;
}
