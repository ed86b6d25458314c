import { type Action, EVENT_TEXT, type EventMessage, eventDefinition, eventKey, readExact } from '@lockstep/fhircast';
import type { Anchored, Offer, Offered } from '../rules/audience.ts';
import type { Originator, TextWriter } from '../rules/commands.ts';
import type { Awaited } from '../rules/conversation.ts';
import { deriveHome, deriveOpens, resourcesIn } from '../rules/derived-opens.ts';
import { eventText } from '../rules/event-text.ts';
import { isUnanswered } from '../rules/own-events.ts';
import { anchorName, type LoggedBytes, type LoggedEvent } from '../stored/log-record.ts';

/** An event with what writes its parts in their publisher's words (PUB-13). */
export interface ReadEvent {
  readonly message: EventMessage;
  readonly exact: TextWriter;
  /** Who published it; absent for what the Hub made. */
  readonly originator?: Originator;
}

/** A text message as it goes to a subscriber. */
export interface Sendable extends Offered {
  readonly bytes: Uint8Array;
  /** The event, for those who get it in another spelling. */
  readonly read: ReadEvent;
}

const UTF8 = new TextDecoder();

/** Writes what the Hub made itself. */
const PLAIN: TextWriter = { write: (value) => JSON.stringify(value), textOf: () => undefined };

function readEvent(text: string): ReadEvent {
  const read = readExact(text, EVENT_TEXT);
  if (!read.ok) throw new Error(`A stored event cannot be read: ${read.reason}`);
  return { message: read.value.value as EventMessage, exact: read.value };
}

/** An event that the Hub says without logging it. */
export function unlogged(message: EventMessage): Delivery {
  const text = JSON.stringify(message);
  return new Delivery({ number: 0, id: message.id, name: message.event['hub.event'], text }, { message });
}

/** One event on its way to the subscribers of a topic: made once, shared by all of them. */
export class Delivery implements Sendable, Offer<Sendable> {
  readonly number: number;
  readonly id: string;
  readonly name: string;
  readonly key: string;
  /** Whether an answer is waited for: a SyncError about an unanswered SyncError would never end. */
  readonly isAnswered: boolean;
  /** The subscription that does not get it. */
  readonly except: string | undefined;
  /** See `Accepted`. */
  readonly keepsCurrent: true | undefined;
  readonly #leavesNothing: boolean;
  /** The event as JSON, as it goes out: one of the two, the other where somebody asks for it. */
  #text: string | undefined;
  #bytes: Uint8Array | undefined;
  readonly #originator: Pick<ReadEvent, 'originator'> | undefined;
  readonly #action: Action | undefined;
  /** See `LoggedEvent`. */
  readonly #anchor: string | undefined;
  #anchored: Anchored | undefined;
  #read: ReadEvent | undefined;
  #awaited: Awaited | undefined;
  #derived: readonly Sendable[] | undefined;
  #resources: readonly Anchored[] | undefined;

  constructor(
    event: (Omit<LoggedEvent, 'except'> | Omit<LoggedBytes, 'except'>) & { readonly except?: string | undefined },
    known?: { readonly message: EventMessage; readonly exact?: TextWriter },
  ) {
    this.number = event.number;
    this.id = event.id;
    this.name = event.name;
    this.key = eventKey(event.name);
    this.isAnswered = this.key !== 'syncerror' && !isUnanswered(this.key);
    this.except = event.except;
    this.keepsCurrent = event.keepsCurrent;
    this.#leavesNothing = event.leavesNothing === true;
    if ('text' in event) this.#text = event.text;
    else this.#bytes = event.bytes;
    this.#originator = event.originator && { originator: event.originator };
    if (known) this.#read = { message: known.message, exact: known.exact ?? PLAIN, ...this.#originator };
    this.#action = eventDefinition(event.name)?.action;
    this.#anchor = event.anchor;
  }

  /**
   * What is waited for once a subscriber was sent it.
   * @param id of what it was sent: the event, or an open derived from it
   * @param sentAt ms of running time
   */
  awaitedAs(id: string, sentAt: number): Awaited {
    const { number, id: originalId, name: originalName, keepsCurrent } = this;
    // Nearly all subscribers are sent the same at the same time.
    if (this.#awaited?.id === id && this.#awaited.sentAt === sentAt) return this.#awaited;
    this.#awaited = { id, number, originalId, originalName, sentAt, ...(keepsCurrent && { keepsCurrent }) };
    return this.#awaited;
  }

  get text(): string {
    this.#text ??= UTF8.decode(this.#bytes);
    return this.#text;
  }

  get bytes(): Uint8Array {
    this.#bytes ??= Buffer.from(this.text);
    return this.#bytes;
  }

  /** How much it is, in bytes, or in characters while it is not written as bytes. */
  get size(): number {
    return this.#bytes?.length ?? this.text.length;
  }

  get read(): ReadEvent {
    this.#read ??= { ...readEvent(this.text), ...this.#originator };
    return this.#read;
  }

  /** The event itself, where it is chosen among what can be derived from it. */
  get sendable(): Sendable {
    return this;
  }

  get opens(): Anchored | undefined {
    return this.#action === 'open' ? this.#about : undefined;
  }

  get closes(): Anchored | undefined {
    return this.#action === 'close' ? this.#about : undefined;
  }

  get #about(): Anchored | undefined {
    if (!this.#anchored) {
      const [type, resourceId] = (this.#anchor ?? anchorName(this.read.message))?.split('/') ?? [];
      this.#anchored = type && resourceId ? { type, resourceId } : undefined;
    }
    return this.#anchored;
  }

  /** What is derived from this event: opens (DER-1), or `Home-open` where it leaves no context current (DER-2). */
  get derived(): readonly Sendable[] {
    this.#derived ??= this.#derive();
    return this.#derived;
  }

  get resources(): readonly Anchored[] {
    this.#resources ??= resourcesIn(this.read.message.event.context);
    return this.#resources;
  }

  #derive(): readonly Sendable[] {
    if (this.#leavesNothing) return [this.#home()];
    const definition = eventDefinition(this.name);
    if (definition?.action !== 'open' || !definition.anchorType) return [];
    const { message: original, exact } = this.read;
    return deriveOpens(original, definition.anchorType).map(({ name, type, resourceId, message }) => ({
      id: message.id,
      name,
      bytes: Buffer.from(eventText(message, exact.write(message.event.context))),
      read: { message, exact, ...this.#originator },
      opens: { type, resourceId },
    }));
  }

  #home(): Sendable {
    const message = deriveHome(this.read.message);
    const read = { message, exact: PLAIN, ...this.#originator };
    return { id: message.id, name: message.event['hub.event'], bytes: Buffer.from(JSON.stringify(message)), read };
  }
}
