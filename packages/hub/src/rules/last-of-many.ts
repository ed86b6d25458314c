/**
 * The last of many open contexts that a subscriber was sent (ERR-8). A derived open is not sent of what was opened last of its type
 * (DER-2), so that it may depend on all contexts before it: the effects of parts of the list are put together, and are kept for the
 * parts that the next list has as well.
 */
import { eventKey } from '@lockstep/fhircast';
import type { AnchorMap } from './anchor-map.ts';
import { type Interest, newInterest, type Offer, type Offered, selected } from './audience.ts';
import { type OpenEvent, openMessage } from './current-context.ts';
import { deriveOpens } from './derived-opens.ts';
import type { Anchor, Opening } from './session-state.ts';
import type { Fold } from './tree.ts';

/** What is derived from an opening event is looked at again with every answer. */
const derivedFrom = new WeakMap<Opening, readonly Offered[]>();

function derivedOf(topic: string, anchor: Anchor): readonly Offered[] {
  let derived = derivedFrom.get(anchor.opening);
  if (!derived) {
    derived = deriveOpens(openMessage(topic, anchor), anchor.key.type).map(({ name, type, resourceId, message }) => {
      return { id: message.id, name, opens: { type, resourceId } };
    });
    derivedFrom.set(anchor.opening, derived);
  }
  return derived;
}

/** An open context as it is offered to subscribers. */
export function offerOf(topic: string, { name, opened, anchor }: OpenEvent): Offer<Offered> {
  const { id } = opened.opening;
  const sendable = { id, name, ...(anchor && { opens: { type: anchor.key.type, resourceId: anchor.key.id } }) };
  return {
    key: eventKey(name),
    sendable,
    // Asked for only where the event itself is not wanted.
    get derived() {
      return anchor ? derivedOf(topic, anchor) : [];
    },
  };
}

/** What a subscriber was sent of one type of resource. */
interface Outcome {
  /** Id of the resource that it was sent an open of last. */
  readonly shows: string;
  /** The last context that it was sent, as itself or as an open derived from it; absent where it was sent none. */
  readonly last?: Anchor | undefined;
}

/** What contexts that were opened one after the other do to a subscriber, for one type of resource. */
interface Effect {
  /** A resource that it may have shown before, for which the outcome is another one. */
  readonly shown?: string;
  readonly ifShown: Outcome;
  readonly otherwise: Outcome;
}

/** By type of resource; absent where the contexts do nothing to it. */
type Effects = ReadonlyMap<string, Effect>;

function afterwards(before: Outcome, { shown, ifShown, otherwise }: Effect): Outcome {
  const { shows, last = before.last } = before.shows === shown ? ifShown : otherwise;
  return { shows, last };
}

function inTurn(first: Effects, second: Effects): Effects {
  const both = new Map(first);
  for (const [type, effect] of second) {
    const before = first.get(type);
    if (!before) both.set(type, effect);
    else {
      const ifShown = afterwards(before.ifShown, effect);
      both.set(type, { ...before, ifShown, otherwise: afterwards(before.otherwise, effect) });
    }
  }
  return both;
}

function effectsOf(topic: string, anchor: Anchor, interest: Interest): Effects {
  const offer = offerOf(topic, { name: `${anchor.key.type}-open`, opened: anchor, anchor });
  const sent = selected(interest, offer);
  const effects = new Map<string, Effect>();
  if (sent[0] === offer.sendable) {
    const outcome = { shows: anchor.key.id, last: anchor };
    return effects.set(anchor.key.type, { ifShown: outcome, otherwise: outcome });
  }
  for (const { opens } of sent) {
    if (!opens) continue;
    const { type, resourceId: shown } = opens;
    const otherwise = { shows: shown, last: anchor };
    // Of several of a type, the last one that it does not show already.
    const other = sent.findLast((one) => one.opens?.type === type && one.opens.resourceId !== shown);
    const ifShown = other?.opens ? { shows: other.opens.resourceId, last: anchor } : { shows: shown };
    effects.set(type, { shown, ifShown, otherwise });
  }
  return effects;
}

/** What was put together for each list of subscribed events, without derived opens and with them. */
const folds = new WeakMap<readonly string[], Map<boolean, Fold<Anchor, Effects>>>();

function foldFor(topic: string, events: readonly string[], derivesOpens: boolean): Fold<Anchor, Effects> {
  const known = folds.get(events) ?? new Map<boolean, Fold<Anchor, Effects>>();
  folds.set(events, known);
  let fold = known.get(derivesOpens);
  if (!fold) {
    const interest = newInterest(events, derivesOpens);
    fold = { one: (anchor) => effectsOf(topic, anchor, interest), both: inTurn, known: new WeakMap() };
    known.set(derivesOpens, fold);
  }
  return fold;
}

/**
 * The last of these that a subscriber is sent which is sent all of them, one after the other.
 * @param events that it subscribed to; what is found is kept for as long as this very list is
 */
export function lastOfMany(
  topic: string,
  anchors: AnchorMap,
  events: readonly string[],
  derivesOpens: boolean,
): Anchor | undefined {
  let latest: Anchor | undefined;
  for (const { otherwise } of anchors.folded(foldFor(topic, events, derivesOpens))?.values() ?? []) {
    const { last } = otherwise;
    if (last && last.opening.number > (latest?.opening.number ?? 0)) latest = last;
  }
  return latest;
}
