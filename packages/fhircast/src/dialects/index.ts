import type { JsonObject } from '../messages.ts';
import { ballotSelections } from './ballot-selections.ts';
import { type Dialect, type OpenAnchors, rewritten } from './dialect.ts';
import { participleNames } from './participle-names.ts';
import { studyReports } from './study-reports.ts';
import { isVendorEventName, vendorEvents } from './vendor-events.ts';

export { type Dialect, listedAnchors, type OpenAnchor, type OpenAnchors, type RewrittenEvent } from './dialect.ts';
export { VENDOR_PREFIX } from './vendor-events.ts';

/** The dialects that a registration may name in `switches.dialects`. Names come first: the others look at 3.0.0's. */
export const DIALECTS: readonly Dialect[] = [participleNames, ballotSelections, studyReports];

/** What a client's registration says about how it writes and reads. */
export interface DialectSwitches {
  /** Names of dialects: a list, or a text with commas. */
  readonly dialects?: unknown;
  /** Names of a vendor's own events that the client exchanges with others registered for them: a list, or a text with commas. */
  readonly vendorEvents?: unknown;
}

function namesIn(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : typeof value === 'string' ? value.split(',') : [];
  return list.flatMap((one) => (typeof one === 'string' && one.trim() !== '' ? [one.trim()] : []));
}

/** Why these switches cannot be registered, in words for the client's developer; undefined where they can. */
export function dialectProblem({ dialects, vendorEvents: events }: DialectSwitches): string | undefined {
  const unknown = namesIn(dialects).find((name) => !DIALECTS.some((one) => one.name === name));
  if (unknown !== undefined) {
    return `switches.dialects: there is no dialect ${unknown}; there are ${DIALECTS.map(({ name }) => name).join(', ')}`;
  }
  const wrong = namesIn(events).find((name) => !isVendorEventName(name));
  return wrong === undefined ? undefined : `switches.vendorEvents: ${wrong} is no name for an event of a vendor's own`;
}

const chosen = new WeakMap<DialectSwitches, readonly Dialect[]>();

/** The dialects of a client, in the order in which they rewrite what comes in. */
export function dialectsOf(switches: DialectSwitches): readonly Dialect[] {
  let found = chosen.get(switches);
  if (!found) {
    const names = namesIn(switches.dialects);
    const events = namesIn(switches.vendorEvents);
    found = [
      ...DIALECTS.filter(({ name }) => names.includes(name)),
      ...(events.length > 0 ? [vendorEvents(events)] : []),
    ];
    chosen.set(switches, found);
  }
  return found;
}

/** The 3.0.0 name of an event that a client of these dialects subscribes to or publishes. */
export function nameIn(dialects: readonly Dialect[], name: string): string {
  return dialects.reduce((found, dialect) => dialect.nameIn?.(found) ?? found, name);
}

/** The name that a client of these dialects reads. */
export function nameOut(dialects: readonly Dialect[], name: string): string {
  return dialects.reduceRight((found, dialect) => dialect.nameOut?.(found) ?? found, name);
}

/** 3.0.0 names of the events that only clients of these dialects exchange. */
export function ownEvents(dialects: readonly Dialect[]): readonly string[] {
  return dialects.flatMap((dialect) => dialect.ownEvents ?? []);
}

/**
 * The event of a published message in the words of 3.0.0.
 * @param event the `event` of the message, not yet checked
 * @returns the reason, with the dialect and the field, where no rewrite fits
 */
export function fromDialects(
  dialects: readonly Dialect[],
  event: JsonObject,
  open: OpenAnchors,
): { readonly ok: true; readonly event: JsonObject } | { readonly ok: false; readonly reason: string } {
  if (dialects.length === 0) return { ok: true, event };
  const name = event['hub.event'];
  let found = typeof name === 'string' ? { ...event, 'hub.event': nameIn(dialects, name) } : event;
  for (const { name: dialect, incoming } of dialects) {
    const next = incoming?.(found, open) ?? rewritten(found);
    if (!next.ok) return { ok: false, reason: `The dialect ${dialect}: ${next.field}: ${next.reason}` };
    found = next.event;
  }
  return { ok: true, event: found };
}
