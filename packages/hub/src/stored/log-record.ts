/** An event as the log keeps it: a line of facts, then the event as it goes out. */
import { type EventMessage, eventDefinition } from '@lockstep/fhircast';
import type { LogEntry, LogEntryBytes } from '@lockstep/store';
import type { Accepted, KnownEvent, Originator } from '../rules/commands.ts';
import { eventText } from '../rules/event-text.ts';

const UTF8 = new TextDecoder();
const LINE_FEED = 10;

interface Facts {
  readonly name: string;
  /** The subscription that does not get it. */
  readonly except?: string | undefined;
  /** See `KnownEvent`. */
  readonly fingerprint?: string | undefined;
  readonly originator?: Originator | undefined;
  /** `Type/id` of what an open or a close is about, without reading the event; absent in what an earlier version wrote. */
  readonly anchor?: string | undefined;
  /** See `Accepted`; absent in what an earlier version wrote. */
  readonly keepsCurrent?: true | undefined;
  /** See `Accepted`; absent in what an earlier version wrote. */
  readonly leavesNothing?: true | undefined;
}

/** `Type/id` of what an open or a close is about. */
export function anchorName({ event }: EventMessage): string | undefined {
  const { action, anchorKey } = eventDefinition(event['hub.event']) ?? {};
  if (action !== 'open' && action !== 'close') return undefined;
  const anchor = event.context.find(({ key }) => key === anchorKey)?.resource;
  return anchor?.id ? `${anchor.resourceType}/${anchor.id}` : undefined;
}

/** An accepted event, read back. */
export interface LoggedEvent extends Facts {
  readonly number: number;
  readonly id: string;
  /** The event as JSON, as it goes out. */
  readonly text: string;
}

/** An accepted event as it goes out. This is the one time that it is written. */
export function toLogged(accepted: Accepted): LoggedEvent {
  const { number, message, context, except, fingerprint, originator, keepsCurrent, leavesNothing } = accepted;
  const { id, event } = message;
  const name = event['hub.event'];
  const text = eventText(message, context);
  const anchor = anchorName(message);
  return { number, id, name, text, except, fingerprint, originator, anchor, keepsCurrent, leavesNothing };
}

/** @param at time of acceptance, ms since the epoch */
export function toEntry(event: LoggedEvent, at: number): LogEntry {
  const { number, id, text, name, except, fingerprint, originator, anchor, keepsCurrent, leavesNothing } = event;
  const facts: Facts = { name, except, fingerprint, originator, anchor, keepsCurrent, leavesNothing };
  return { number, id, at, body: `${JSON.stringify(facts)}\n${text}` };
}

/** Reads a log entry back; the event itself stays text until somebody looks into it. */
export function fromEntry({ number, id, body }: LogEntry): LoggedEvent {
  const end = body.indexOf('\n');
  const facts = JSON.parse(body.slice(0, end)) as Facts;
  return { number, id, text: body.slice(end + 1), ...facts };
}

/** An accepted event, read back as bytes: they last as long as the page that they are part of. */
export interface LoggedBytes extends Facts {
  readonly number: number;
  readonly id: string;
  /** The event as JSON, as it goes out. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Reads an entry back of which only the facts are looked at. */
export function fromEntryBytes({ number, id, body }: LogEntryBytes): LoggedBytes {
  const end = body.indexOf(LINE_FEED);
  const facts = JSON.parse(UTF8.decode(body.subarray(0, end))) as Facts;
  return { number, id, bytes: body.subarray(end + 1), ...facts };
}

/** What the log says of an event whose id is used again (PUB-7). */
export function knownEvent(entry: LogEntry): KnownEvent {
  const { number, fingerprint } = fromEntry(entry);
  return { number, ...(fingerprint !== undefined && { fingerprint }) };
}
