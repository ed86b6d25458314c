import { type EventMessage, eventDefinition, eventKey } from '@lockstep/fhircast';
import { deriveOpens } from './derive.ts';

interface Anchored {
  readonly type: string;
  readonly resourceId: string;
}

/** A text message as it goes to a subscriber. */
export interface Sendable {
  readonly id: string;
  readonly name: string;
  readonly bytes: Uint8Array;
  /** For an open: what becomes the subscriber's context of that type. */
  readonly opens?: Anchored;
  /** For a close: what is no longer open. */
  readonly closes?: Anchored;
}

/** One event on its way to the subscribers of a topic: made once, shared by all of them. */
export class Delivery {
  readonly number: number;
  readonly id: string;
  readonly name: string;
  readonly key: string;
  /** The subscription that does not get it. */
  readonly except: string | undefined;
  /** The event as JSON, as it goes out. */
  readonly text: string;
  #message: EventMessage | undefined;
  #sendable: Sendable | undefined;
  #derived: readonly Sendable[] | undefined;

  constructor(entry: {
    number: number;
    id: string;
    name: string;
    text: string;
    except?: string | undefined;
    message?: EventMessage;
  }) {
    this.number = entry.number;
    this.id = entry.id;
    this.name = entry.name;
    this.key = eventKey(entry.name);
    this.except = entry.except;
    this.text = entry.text;
    this.#message = entry.message;
  }

  get message(): EventMessage {
    this.#message ??= JSON.parse(this.text) as EventMessage;
    return this.#message;
  }

  get sendable(): Sendable {
    this.#sendable ??= { id: this.id, name: this.name, bytes: Buffer.from(this.text), ...this.#anchored() };
    return this.#sendable;
  }

  #anchored(): Pick<Sendable, 'opens' | 'closes'> {
    const definition = eventDefinition(this.name);
    const action = definition?.action;
    if (action !== 'open' && action !== 'close') return {};
    const anchor = this.message.event.context.find((element) => element.key === definition?.anchorKey)?.resource;
    if (!anchor?.id) return {};
    const anchored = { type: anchor.resourceType, resourceId: anchor.id };
    return action === 'open' ? { opens: anchored } : { closes: anchored };
  }

  /** The opens derived from this one (DER-1). */
  get derived(): readonly Sendable[] {
    this.#derived ??= this.#derive();
    return this.#derived;
  }

  #derive(): readonly Sendable[] {
    const definition = eventDefinition(this.name);
    if (definition?.action !== 'open' || !definition.anchorType) return [];
    return deriveOpens(this.message, definition.anchorType).map(({ name, type, resourceId, message }) => ({
      id: message.id,
      name,
      bytes: Buffer.from(JSON.stringify(message)),
      opens: { type, resourceId },
    }));
  }
}
