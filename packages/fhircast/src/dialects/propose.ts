/** Which switches a client's registration needs, judged by messages that it has sent. */
import { eventDefinition } from '../catalog.ts';
import { fromDraft } from '../drafts.ts';
import { isObject, type JsonObject } from '../messages.ts';
import { eventKey } from '../names.ts';
import { resourceTypeSpelling } from '../resource-types.ts';
import { type EventRequest, parseEvent, parseUpdates } from '../validate.ts';
import { listedAnchors, type OpenAnchor } from './dialect.ts';
import { DIALECTS, dialectsOf, fromDialects, nameIn } from './index.ts';
import { isVendorEventName } from './vendor-events.ts';

/** What a registration would say. */
export interface ProposedSwitches {
  readonly dialects?: readonly string[];
  readonly vendorEvents?: readonly string[];
  readonly draftContent?: true;
}

/** What was found in one message; `message` counts from 1. */
export interface ProposalNote {
  readonly message: number;
  /** For the client's developer. */
  readonly reason: string;
}

export interface Proposal {
  readonly switches: ProposedSwitches;
  /** Why each switch is needed: the first message that needs it. */
  readonly needed: readonly (ProposalNote & { readonly name: string })[];
  /** Messages that several switches would make readable: nothing is proposed for them. */
  readonly ambiguous: readonly (ProposalNote & { readonly either: readonly (readonly string[])[] })[];
  /** Messages that no switch makes readable. */
  readonly unreadable: readonly ProposalNote[];
}

const DRAFTS = 'draftContent';
const VENDOR = 'vendorEvents';
/** Names of switches that a message may need. */
const CANDIDATES: readonly string[] = [...DIALECTS.map(({ name }) => name), DRAFTS];

/** All sets of candidates, the small ones first. */
const SETS: readonly (readonly string[])[] = Array.from({ length: 2 ** CANDIDATES.length }, (_, bits) =>
  CANDIDATES.filter((_one, at) => (bits >> at) & 1),
).sort((a, b) => a.length - b.length);

type Reading = { readonly ok: true; readonly value: EventRequest } | { readonly ok: false; readonly reason: string };

/** What the recorded messages have opened so far, as the Hub would know it. */
class RecordedSession {
  #open: readonly OpenAnchor[] = [];

  /** Reads a message as the Hub does for a client with these switches. */
  read(body: JsonObject, set: readonly string[]): Reading {
    const dialects = dialectsOf({ dialects: set });
    const event = isObject(body.event) ? body.event : {};
    const open = this.#open.map(({ type, id, versionId, context }) => ({ type, id, versionId, context }));
    const plain = fromDialects(dialects, event, listedAnchors(open, open.at(-1)));
    if (!plain.ok) return plain;
    const drafts = set.includes(DRAFTS);
    const alone = dialects.some(({ opensAnchorAlone }) => opensAnchorAlone);
    const written = { ...body, event: plain.event };
    const read = parseEvent(drafts ? fromDraft(written) : written, [
      ...(drafts || alone ? (['close'] as const) : []),
      ...(alone ? (['open'] as const) : []),
    ]);
    if (!read.ok) return read;
    if (read.value.definition.action !== 'update') return read;
    const { event: updating } = read.value.message;
    if (updating['context.versionId'] === undefined) {
      return { ok: false, reason: 'event["context.versionId"] is required' };
    }
    const updates = parseUpdates(updating.context);
    return updates.ok ? read : { ok: false, reason: updates.reason };
  }

  /** Takes over what a message has opened or closed. */
  follow({ definition, anchor, message }: EventRequest): void {
    if (!anchor) return;
    const others = this.#open.filter(({ type, id }) => type !== anchor.type || id !== anchor.id);
    if (definition.action === 'close') this.#open = others;
    else if (definition.action === 'open') {
      this.#open = [...others, { ...anchor, versionId: message.id, context: message.event.context }];
    }
  }
}

/** Whether a name can only be that of a vendor's own event: it does not begin with a type that FHIR has. */
function isVendors(name: string): boolean {
  const type = name.split('-')[0] ?? '';
  return isVendorEventName(name) && resourceTypeSpelling(type) === undefined;
}

const PARTICIPLES = dialectsOf({ dialects: ['participleNames'] });

/** The event names of a recorded subscription or event. */
function namesOf(message: JsonObject): readonly string[] {
  const event = isObject(message.event) ? message.event['hub.event'] : message['hub.events'];
  const names = typeof event === 'string' ? (isObject(message.event) ? [event] : event.split(',')) : [];
  return names.map((name) => name.trim()).filter((name) => name !== '' && name !== '*');
}

/**
 * Proposes the switches that a client's messages need; never one of several that would do.
 * @param messages what the client sent, oldest first: bodies of events, and subscriptions as objects of their fields
 */
export function proposeSwitches(messages: readonly unknown[]): Proposal {
  const session = new RecordedSession();
  const needed = new Map<string, ProposalNote & { readonly name: string }>();
  const vendor = new Map<string, string>();
  const ambiguous: (ProposalNote & { readonly either: readonly (readonly string[])[] })[] = [];
  const unreadable: ProposalNote[] = [];
  const need = (name: string, message: number, reason: string): void => {
    if (!needed.has(name)) needed.set(name, { name, message, reason });
  };
  for (const [index, body] of messages.entries()) {
    const message = index + 1;
    if (!isObject(body)) {
      unreadable.push({ message, reason: 'it is no JSON object' });
      continue;
    }
    const unknown: string[] = [];
    for (const name of namesOf(body)) {
      if (eventDefinition(name)) continue;
      if (eventDefinition(nameIn(PARTICIPLES, name))) {
        need('participleNames', message, `${name} stands for ${nameIn(PARTICIPLES, name)}`);
      } else if (isVendors(name)) {
        vendor.set(eventKey(name), vendor.get(eventKey(name)) ?? name);
        need(VENDOR, message, `FHIRcast has no event ${name}`);
      } else unknown.push(name);
    }
    if (unknown.length > 0) unreadable.push({ message, reason: `there is no event ${unknown.join(', ')}` });
    const isVendorEvent = namesOf(body).some((name) => vendor.has(eventKey(name)));
    if (!isObject(body.event) || unknown.length > 0 || isVendorEvent) continue;
    const readings = SETS.map((set) => ({ set, read: session.read(body, set) }));
    const good = readings.filter(({ read }) => read.ok);
    const [first] = good;
    const refused = readings[0]?.read;
    if (!first) {
      unreadable.push({ message, reason: refused && !refused.ok ? refused.reason : '' });
      continue;
    }
    if (first.read.ok) session.follow(first.read.value);
    const smallest = good.filter(({ set }) => set.length === first.set.length).map(({ set }) => set);
    const reason = refused && !refused.ok ? refused.reason : '';
    if (smallest.length > 1) ambiguous.push({ message, reason, either: smallest });
    else for (const name of first.set) need(name, message, reason);
  }
  // What another message needs anyway may settle it.
  const open = ambiguous.filter(({ either }) => !either.some((set) => set.every((name) => needed.has(name))));
  const dialects = DIALECTS.map(({ name }) => name).filter((name) => needed.has(name));
  return {
    switches: {
      ...(dialects.length > 0 && { dialects }),
      ...(vendor.size > 0 && { vendorEvents: [...vendor.values()] }),
      ...(needed.has(DRAFTS) && { draftContent: true }),
    },
    needed: [...needed.values()],
    ambiguous: open,
    unreadable,
  };
}
