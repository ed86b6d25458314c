/** Who gets what of a session's events (PUB-3, DER-1, DER-2). */
import { eventKey } from '@lockstep/fhircast';
import { changesContext } from './changes-context.ts';
import { isOwnEvent } from './own-events.ts';

/** A resource that an event opens or closes. */
export interface Anchored {
  readonly type: string;
  readonly resourceId: string;
}

/** What is asked of an event to choose who gets it. */
export interface Offered {
  readonly id: string;
  readonly name: string;
  /** For an open: what becomes the subscriber's context of that type. */
  readonly opens?: Anchored;
  /** For a close: what is no longer open. */
  readonly closes?: Anchored;
}

/** An event, and the opens that can be derived from it. */
export interface Offer<Event extends Offered> {
  /** See `eventKey`. */
  readonly key: string;
  readonly sendable: Event;
  readonly derived: readonly Event[];
}

/** What one subscriber is sent of what happens in its session. */
export interface Interest {
  readonly derivesOpens: boolean;
  /** Event keys, or `*`. */
  readonly granted: ReadonlySet<string>;
  /** Resource id of what the subscriber was last sent an open of, by resource type (DER-2). */
  readonly lastOpen: ReadonlyMap<string, string>;
}

/** @param events granted events, or `*` */
export function newInterest(events: readonly string[], derivesOpens: boolean): Interest {
  return { derivesOpens, granted: new Set(events.map(eventKey)), lastOpen: new Map() };
}

/** The same subscriber with other events (SUB-6). */
export function regranted(interest: Interest, events: readonly string[]): Interest {
  return { ...interest, granted: new Set(events.map(eventKey)) };
}

/** Events of our own, and those of vendors among them, reach only subscribers that have named them. */
function wants({ granted }: Interest, key: string): boolean {
  return granted.has(key) || (granted.has('*') && !isOwnEvent(key));
}

/** The event if it was subscribed to, or else the opens derived from it that were (PUB-3, DER-1, DER-2). */
export function selected<Event extends Offered>(interest: Interest, offer: Offer<Event>): readonly Event[] {
  if (wants(interest, offer.key)) return [offer.sendable];
  if (!interest.derivesOpens || !offer.key.endsWith('-open')) return [];
  return offer.derived.filter(
    ({ name, opens }) =>
      opens && wants(interest, eventKey(name)) && interest.lastOpen.get(opens.type) !== opens.resourceId,
  );
}

/** What the subscriber was last sent an open of, after it was sent an event. */
export function afterSending(interest: Interest, { name, opens, closes }: Offered): Interest {
  const { lastOpen } = interest;
  if (opens) {
    if (lastOpen.get(opens.type) === opens.resourceId) return interest;
    return { ...interest, lastOpen: new Map(lastOpen).set(opens.type, opens.resourceId) };
  }
  if (closes) {
    if (lastOpen.get(closes.type) !== closes.resourceId) return interest;
    const left = new Map(lastOpen);
    left.delete(closes.type);
    return { ...interest, lastOpen: left };
  }
  const key = eventKey(name);
  return (key === 'home-open' || key === 'userlogout') && lastOpen.size > 0
    ? { ...interest, lastOpen: new Map() }
    : interest;
}

/** What the subscriber was last sent an open of, after a delivery failed: of that type it is not known. */
export function afterFailing(interest: Interest, { opens }: Offered): Interest {
  if (!opens || !interest.lastOpen.has(opens.type)) return interest;
  const left = new Map(interest.lastOpen);
  left.delete(opens.type);
  return { ...interest, lastOpen: left };
}

/**
 * Whether a newer event makes it needless to deliver an older one (WEB-3; FHIRcast 2-3: events are complete replacements). A
 * close replaces only the open of what it closes: another context may still be current. Nothing replaces a logout: it is about
 * who works and not about a context.
 */
export function replaces(newer: Offered, older: Offered): boolean {
  if (!changesContext(older.name) || eventKey(older.name) === 'userlogout') return false;
  if (newer.closes) {
    return newer.closes.type === older.opens?.type && newer.closes.resourceId === older.opens.resourceId;
  }
  return changesContext(newer.name);
}
