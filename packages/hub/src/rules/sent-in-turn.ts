/**
 * What a subscriber is sent which is sent open contexts one after the other (SUB-8, ERR-8). A derived open is not sent of what was sent
 * last (DER-2), so that each may depend on all contexts before it: of many, what parts of the list do is kept for the parts that the next
 * list has as well.
 */
import { eventKey } from '@lockstep/fhircast';
import type { AnchorMap } from './anchor-map.ts';
import {
  type Anchored,
  afterSending,
  type Interest,
  newInterest,
  type Offer,
  type Offered,
  selected,
} from './audience.ts';
import { type OpenEvent, openMessage } from './current-context.ts';
import { deriveOpens, resourcesIn } from './derived-opens.ts';
import { type Anchor, contextOf, type Opening } from './session-state.ts';
import type { Fold } from './tree.ts';

/** What is derived from an opening event is looked at again with every answer. */
const derivedFrom = new WeakMap<Opening, readonly Offered[]>();
const resourcesOf = new WeakMap<Opening, readonly Anchored[]>();

/** What was found for an opening event before, or is now. */
function kept<Value>(known: WeakMap<Opening, Value>, opening: Opening, find: () => Value): Value {
  const held = known.get(opening);
  if (held) return held;
  const found = find();
  known.set(opening, found);
  return found;
}

function derivedOf(topic: string, anchor: Anchor): readonly Offered[] {
  return kept(derivedFrom, anchor.opening, () =>
    deriveOpens(openMessage(topic, anchor), anchor.key.type).map(({ name, type, resourceId, message }) => {
      return { id: message.id, name, opens: { type, resourceId } };
    }),
  );
}

/** The opens that are derived from a context's for a subscriber to these events, the last one last; none where it is sent the open itself. */
export function opensOf(topic: string, anchor: Anchor, events: readonly string[]): readonly Offered[] {
  const wanted = newInterest(events, true);
  const offer = offerOf(topic, { name: `${anchor.key.type}-open`, opened: anchor, anchor });
  return selected(wanted, offer).filter(({ id }) => id !== offer.sendable.id);
}

/** An open context as it is offered to subscribers, with the resources that it carries. */
export interface OpenOffer extends Offer<Offered> {
  readonly resources: readonly Anchored[];
}

export function offerOf(topic: string, { name, opened, anchor }: OpenEvent): OpenOffer {
  const { opening } = opened;
  const sendable = {
    id: opening.id,
    name,
    ...(anchor && { opens: { type: anchor.key.type, resourceId: anchor.key.id } }),
  };
  return {
    key: eventKey(name),
    sendable,
    // Asked for only where the event itself is not wanted.
    get derived() {
      return anchor ? derivedOf(topic, anchor) : [];
    },
    get resources() {
      return kept(resourcesOf, opening, () => resourcesIn(contextOf(opening)));
    },
  };
}

/** What a subscriber was last sent an open of, after it was sent what it wants of an open context. */
function afterOpen(
  topic: string,
  before: Interest,
  open: OpenEvent,
): { readonly after: Interest; readonly isSent: boolean } {
  const offer = offerOf(topic, open);
  const sent = selected(before, offer);
  let after = before;
  for (const event of sent) after = afterSending(after, event, offer);
  return { after, isSent: sent.length > 0 };
}

/** The last of these that a subscriber is sent something of. @param interest before it is sent any of them */
export function lastInTurn<Open extends OpenEvent>(
  topic: string,
  opens: Iterable<Open>,
  interest: Interest,
): Open | undefined {
  let last: Open | undefined;
  let before = interest;
  for (const open of opens) {
    const { after, isSent } = afterOpen(topic, before, open);
    if (isSent) last = open;
    before = after;
  }
  return last;
}

/** What a subscriber is left with by contexts that were opened one after the other. */
interface Outcome {
  readonly interest: Interest;
  /** The last of them that it was sent something of; absent where it was sent nothing. */
  readonly last?: Anchor | undefined;
}

/** What contexts that were opened one after the other do to a subscriber: it depends on what it was sent an open of before. */
type Effect = (before: Interest) => Outcome;

function hasSameLastOpen({ lastOpen: one }: Interest, { lastOpen: other }: Interest): boolean {
  return (
    one.length === other.length &&
    one.every(({ type, resourceId }, at) => type === other[at]?.type && resourceId === other[at].resourceId)
  );
}

/** The effect, which remembers what it did last: it is mostly asked for the same again. */
function remembering(effect: Effect): Effect {
  let asked: Interest | undefined;
  let outcome: Outcome | undefined;
  return (before) => {
    if (!outcome || !asked || !hasSameLastOpen(asked, before)) {
      outcome = effect(before);
      asked = before;
    }
    return outcome;
  };
}

function effectOf(topic: string, anchor: Anchor): Effect {
  const open: OpenEvent = { name: `${anchor.key.type}-open`, opened: anchor, anchor };
  return remembering((before) => {
    const { after, isSent } = afterOpen(topic, before, open);
    return { interest: after, ...(isSent && { last: anchor }) };
  });
}

function inTurn(first: Effect, second: Effect): Effect {
  return remembering((before) => {
    const between = first(before);
    const { interest, last = between.last } = second(between.interest);
    return { interest, last };
  });
}

/** The effects of open contexts on who subscribed to a list of events. */
interface Effects {
  readonly nothingSent: Interest;
  readonly fold: Fold<Anchor, Effect>;
}

/** What was put together for each list of subscribed events, without derived opens and with them. */
const known = new WeakMap<readonly string[], Map<boolean, Effects>>();

function effectsOn(topic: string, events: readonly string[], derivesOpens: boolean): Effects {
  const ofEvents = known.get(events) ?? new Map<boolean, Effects>();
  known.set(events, ofEvents);
  let effects = ofEvents.get(derivesOpens);
  if (!effects) {
    const fold: Effects['fold'] = { one: (anchor) => effectOf(topic, anchor), both: inTurn, known: new WeakMap() };
    effects = { nothingSent: newInterest(events, derivesOpens), fold };
    ofEvents.set(derivesOpens, effects);
  }
  return effects;
}

/**
 * The last of all open contexts that a subscriber is sent which is sent all of them, one after the other.
 * @param events that it subscribed to; what is found is kept for as long as this very list is
 */
export function lastOfAll(
  topic: string,
  anchors: AnchorMap,
  events: readonly string[],
  derivesOpens: boolean,
): Anchor | undefined {
  const { nothingSent, fold } = effectsOn(topic, events, derivesOpens);
  return anchors.folded(fold)?.(nothingSent).last;
}
