/**
 * Which of many open contexts a subscriber is sent, when it is sent them one after the other (SUB-8, ERR-8). A derived open is left out
 * where the subscriber was sent the same resource last (DER-2). So what it gets of one context depends on all contexts before it. To find
 * that out again and again for many contexts, the result for each part of the list is remembered: the next list shares most parts.
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

/** By opening event, since these are asked for again with every answer: the opens derived from it, and the resources in it. */
const derivedFrom = new WeakMap<Opening, readonly Offered[]>();
const resourcesOf = new WeakMap<Opening, readonly Anchored[]>();

/** The value that is remembered for an opening event. The first time, it is found now. */
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

/** An open context as it is offered to subscribers. */
export class OpenOffer implements Offer<Offered> {
  readonly key: string;
  readonly sendable: Offered;
  readonly #topic: string;
  readonly #open: OpenEvent;

  constructor(topic: string, open: OpenEvent) {
    const { name, opened, anchor } = open;
    const opens = anchor && { type: anchor.key.type, resourceId: anchor.key.id };
    this.key = eventKey(name);
    this.sendable = { id: opened.opening.id, name, opens };
    this.#topic = topic;
    this.#open = open;
  }

  /** Asked for only where a subscriber does not want the event itself. */
  get derived(): readonly Offered[] {
    const { anchor } = this.#open;
    return anchor ? derivedOf(this.#topic, anchor) : [];
  }

  /** The resources that the context carries. */
  get resources(): readonly Anchored[] {
    const { opening } = this.#open.opened;
    return kept(resourcesOf, opening, () => resourcesIn(contextOf(opening)));
  }
}

/**
 * The opens that a subscriber to these events is sent in place of a context's own open (DER-1), the last one last. None where it is sent
 * the open itself.
 */
export function opensOf(topic: string, anchor: Anchor, events: readonly string[]): readonly Offered[] {
  const wanted = newInterest(events, true);
  const offer = new OpenOffer(topic, { name: `${anchor.key.type}-open`, opened: anchor, anchor });
  return selected(wanted, offer).filter(({ id }) => id !== offer.sendable.id);
}

/** A subscriber after it was sent what it gets of one open context, and whether it got anything. */
function afterOpen(
  topic: string,
  before: Interest,
  open: OpenEvent,
): { readonly after: Interest; readonly isSent: boolean } {
  const offer = new OpenOffer(topic, open);
  const sent = selected(before, offer);
  let after = before;
  for (const event of sent) after = afterSending(after, event, offer);
  return { after, isSent: sent.length > 0 };
}

/** The last of these opens of which a subscriber gets anything. @param interest the subscriber before the first of them */
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

/** A subscriber after it was sent some contexts one after the other. */
interface Outcome {
  readonly interest: Interest;
  /** The last of them of which it got anything; absent where it got nothing. */
  readonly last?: Anchor | undefined;
}

/** What it does to a subscriber to be sent some contexts one after the other. The outcome depends on what it was sent before. */
type Effect = (before: Interest) => Outcome;

function hasSameLastOpen({ lastOpen: one }: Interest, { lastOpen: other }: Interest): boolean {
  return (
    one.length === other.length &&
    one.every(({ type, resourceId }, at) => type === other[at]?.type && resourceId === other[at].resourceId)
  );
}

/** The same effect. It remembers its last outcome, since it is mostly asked for the same one again. */
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

/** The effects of open contexts on those who subscribed to one list of events. */
interface Effects {
  readonly nothingSent: Interest;
  readonly fold: Fold<Anchor, Effect>;
}

/** The effects that are remembered: by the list of subscribed events, then by whether opens are derived. */
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
 * Suppose that a subscriber is sent all open contexts one after the other: the last one of which it gets anything.
 * @param events that it subscribed to; results are remembered for as long as this very array exists
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
