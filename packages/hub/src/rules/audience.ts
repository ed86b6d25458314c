/** Who gets what of a session's events (PUB-3, DER-1, DER-2). */
import { eventKey, FOLLOWING_EVENT } from '@lockstep/fhircast';
import { changesContext, endsContexts, isLogout } from './changes-context.ts';
import { keysOf } from './event-lists.ts';
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
  readonly opens?: Anchored | undefined;
  /** For a close: what is no longer open. */
  readonly closes?: Anchored | undefined;
}

/** An event, and what can be derived from it for those who did not subscribe to it. */
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
  /** What the subscriber was last sent an open of, one of each resource type (DER-2). */
  readonly lastOpen: readonly Anchored[];
}

const NOTHING_OPEN: readonly Anchored[] = [];

/** What the subscriber was last sent an open of. */
export function lastOpenOf({ lastOpen }: Interest, type: string): Anchored | undefined {
  for (const one of lastOpen) if (one.type === type) return one;
  return undefined;
}

function withLastOpen(interest: Interest, lastOpen: readonly Anchored[]): Interest {
  return { derivesOpens: interest.derivesOpens, granted: interest.granted, lastOpen };
}

function without(interest: Interest, type: string): Interest {
  return withLastOpen(
    interest,
    interest.lastOpen.filter((one) => one.type !== type),
  );
}

/** @param events granted events, or `*` */
export function newInterest(events: readonly string[], derivesOpens: boolean): Interest {
  return { derivesOpens, granted: keysOf(events), lastOpen: NOTHING_OPEN };
}

/** The same subscriber with other events (SUB-6). */
export function regranted(interest: Interest, events: readonly string[]): Interest {
  return { ...interest, granted: keysOf(events) };
}

/** Events of our own, and those of vendors among them, reach only subscribers that have named them. */
function wants({ granted }: Interest, key: string): boolean {
  return granted.has(key) || (granted.has('*') && !isOwnEvent(key));
}

/** The event if it was subscribed to, or else what is derived from it and was (PUB-3, DER-1, DER-2). */
export function selected<Event extends Offered>(interest: Interest, offer: Offer<Event>): readonly Event[] {
  if (wants(interest, offer.key)) return [offer.sendable];
  if (!interest.derivesOpens) return [];
  return offer.derived.filter(({ name, opens }) => {
    return wants(interest, eventKey(name)) && (opens ? !isOpenedLast(interest, opens) : takesHome(interest.granted));
  });
}

/**
 * Whether a subscriber is sent a `Home-open` that nobody published, for an event that it did not subscribe to (DER-2): it asks who
 * follows, which is an extension of ours. Others are sent nothing that the specification does not have.
 * @param granted of its events, as they were granted or as keys
 */
export function takesHome(granted: ReadonlySet<string>): boolean {
  return granted.has(FOLLOWING_EVENT);
}

/** Whether this is what the subscriber was last sent an open of (DER-2). */
function isOpenedLast(interest: Interest, { type, resourceId }: Anchored): boolean {
  return lastOpenOf(interest, type)?.resourceId === resourceId;
}

/** What was last opened and is of these resources: after an open, the rest is not what was sent last any more (DER-2). */
function stillOpen(interest: Interest, resources: readonly Anchored[]): Interest['lastOpen'] {
  return interest.lastOpen.filter(({ type, resourceId }) =>
    resources.some((one) => one.type === type && one.resourceId === resourceId),
  );
}

function withOpen(lastOpen: readonly Anchored[], opens: Anchored): readonly Anchored[] {
  const isOnly = lastOpen.length === 0 || (lastOpen.length === 1 && lastOpen[0]?.type === opens.type);
  return isOnly ? [opens] : [...lastOpen.filter((one) => one.type !== opens.type), opens];
}

/**
 * What the subscriber was last sent an open of, after it was sent an event.
 * @param original the event, or what it is derived from, with the resources that its context carries; without it, opens of other types
 *   count as they did
 */
export function afterSending(
  interest: Interest,
  { name, opens, closes }: Offered,
  original?: { readonly resources: readonly Anchored[] },
): Interest {
  if (opens) {
    const { derivesOpens, lastOpen } = interest;
    const held = lastOpenOf(interest, opens.type);
    // The resources are asked for only where another type was opened.
    const others = derivesOpens && lastOpen.length > (held ? 1 : 0) ? original : undefined;
    if (!others && held?.resourceId === opens.resourceId) return interest;
    const kept = others ? stillOpen(interest, others.resources) : lastOpen;
    return withLastOpen(interest, withOpen(kept, opens));
  }
  if (closes) {
    return lastOpenOf(interest, closes.type)?.resourceId === closes.resourceId
      ? without(interest, closes.type)
      : interest;
  }
  return interest.lastOpen.length > 0 && endsContexts(name) ? withLastOpen(interest, NOTHING_OPEN) : interest;
}

/** What the subscriber was last sent an open of, after a delivery failed: of that type it is not known. */
export function afterFailing(interest: Interest, { opens }: Offered): Interest {
  return opens && lastOpenOf(interest, opens.type) ? without(interest, opens.type) : interest;
}

/**
 * Whether a newer event makes it needless to deliver an older one (WEB-3; FHIRcast 2-3: events are complete replacements). A
 * close replaces only the open of what it closes: another context may still be current. Nothing replaces a logout: it is about
 * who works and not about a context.
 */
export function replaces(newer: Offered, older: Offered): boolean {
  if (!changesContext(older.name) || isLogout(older.name)) return false;
  if (newer.closes) {
    return newer.closes.type === older.opens?.type && newer.closes.resourceId === older.opens.resourceId;
  }
  return changesContext(newer.name);
}
