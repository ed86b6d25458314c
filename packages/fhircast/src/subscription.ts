import { eventDefinition } from './catalog.ts';
import { type Dialect, nameIn, ownEvents } from './dialects/index.ts';
import { type Parsed, parsed, refused } from './messages.ts';
import { eventKey } from './names.ts';
import { isPlainText, MISLEADING_NAME } from './plain-text.ts';
import type { Scopes } from './scopes.ts';

export type ChannelType = 'websocket' | 'webhook';

/** A subscription or unsubscription request, read from its form (2.4, SUB-1). */
export interface SubscriptionRequest {
  readonly mode: 'subscribe' | 'unsubscribe';
  readonly channel: ChannelType;
  /** The version that the form shows its writer to follow: STU1 knew no channel types (WEB-1). */
  readonly version?: 'STU1';
  readonly topic: string;
  /** As asked for, in the catalog's spelling; `*` asks for everything. Empty for an unsubscription. */
  readonly events: readonly string[];
  /** Seconds. */
  readonly leaseSeconds?: number;
  /** The WebSocket URL of an existing subscription. */
  readonly endpoint?: string;
  readonly subscriberName?: string;
  /** STU1 and STU2 webhooks. */
  readonly callback?: string;
  readonly secret?: string;
}

const FIELDS = [
  'hub.channel.type',
  'hub.mode',
  'hub.topic',
  'hub.events',
  'hub.lease_seconds',
  'hub.lease',
  'hub.channel.endpoint',
  'endpoint',
  'subscriber.name',
  'hub.subscriber',
  'hub.callback',
  'hub.secret',
] as const;
type Field = (typeof FIELDS)[number];

const MAX_EVENTS = 500;
const MAX_NAME_LENGTH = 256;
/** Bytes (WEB-2). */
const MAX_SECRET = 200;

/**
 * Event names as asked for: spelt as in the catalog, each once (SUB-3). Names that are no FHIRcast event are left out, as
 * clients of older drafts ask for some; the confirmation says what was granted.
 * @param dialects of the client: its names for events are known, and `*` asks for its own events too
 */
export function parseEventList(text: string, dialects: readonly Dialect[] = []): readonly string[] {
  const names = new Map<string, string>();
  for (const part of text.split(',').slice(0, MAX_EVENTS)) {
    const name = nameIn(dialects, part.trim());
    if (name === '*') names.set('*', '*');
    const known = eventDefinition(name);
    if (known && !names.has(eventKey(known.name))) names.set(eventKey(known.name), known.name);
  }
  return names.has('*') ? ['*', ...ownEvents(dialects)] : [...names.values()];
}

function parseLease(text: string): number | undefined {
  return /^[0-9]+$/.test(text) && Number(text) > 0 ? Math.min(Number(text), Number.MAX_SAFE_INTEGER) : undefined;
}

/**
 * Reads a subscription form.
 * @param fields name and value pairs in order of appearance, so that repeated fields show; unknown names are ignored. Values
 *   are strings, or what JSON has in their place: numbers, and null for a field that is left out
 * @param dialects of the client that sends it
 */
export function parseSubscription(
  fields: Iterable<readonly [string, unknown]>,
  dialects: readonly Dialect[] = [],
): Parsed<SubscriptionRequest> {
  const form = new Map<Field, string>();
  const seen = new Set<Field>();
  for (const [name, value] of fields) {
    const field = FIELDS.find((one) => one === name);
    if (!field) continue;
    if (seen.has(field)) return refused(`${field} appears more than once`);
    seen.add(field);
    if (value === null || value === undefined) continue;
    if (typeof value !== 'string' && typeof value !== 'number') return refused(`${field} must be a string`);
    const text = String(value);
    // An empty value says no more than a missing one. A secret is a key: every byte of it counts (WEB-2).
    if (text.trim() !== '') form.set(field, field === 'hub.secret' ? text : text.trim());
  }
  const mode = form.get('hub.mode');
  if (!mode) return refused('hub.mode is missing');
  if (mode !== 'subscribe' && mode !== 'unsubscribe') return refused('hub.mode must be subscribe or unsubscribe');
  const topic = form.get('hub.topic');
  if (!topic) return refused('hub.topic is missing');
  const callback = form.get('hub.callback');
  // STU1 knew webhooks only and had no channel type (WEB-1).
  const channel = form.get('hub.channel.type') ?? (callback ? 'webhook' : undefined);
  if (!channel) return refused('hub.channel.type is missing');
  if (channel !== 'websocket' && channel !== 'webhook') {
    return refused('hub.channel.type must be websocket or webhook');
  }
  // STU2: in an unsubscription it "MUST be ignored".
  const lease = mode === 'subscribe' ? (form.get('hub.lease_seconds') ?? form.get('hub.lease')) : undefined;
  const leaseSeconds = lease === undefined ? undefined : parseLease(lease);
  if (lease !== undefined && leaseSeconds === undefined) {
    return refused('hub.lease_seconds must be a positive decimal integer');
  }
  // medplum 4.5.2 sends "endpoint" (SUB-9).
  const endpoint = form.get('hub.channel.endpoint') ?? form.get('endpoint');
  // Connectors of the PowerCast family send "hub.subscriber".
  const subscriberName = form.get('subscriber.name') ?? form.get('hub.subscriber');
  if (subscriberName !== undefined && subscriberName.length > MAX_NAME_LENGTH) {
    return refused(`subscriber.name must not be longer than ${MAX_NAME_LENGTH} characters`);
  }
  if (subscriberName !== undefined && !isPlainText(subscriberName)) {
    return refused(`subscriber.name ${MISLEADING_NAME}`);
  }
  const secret = form.get('hub.secret');
  if (channel === 'webhook') {
    if (!callback) return refused('hub.callback is missing');
    if (secret !== undefined && new TextEncoder().encode(secret).length >= MAX_SECRET) {
      return refused(`hub.secret must be under ${MAX_SECRET} bytes`);
    }
  }
  const asked = form.get('hub.events');
  if (mode === 'subscribe' && !asked) return refused('hub.events is missing');
  const events = mode === 'subscribe' && asked ? parseEventList(asked, dialects) : [];
  if (mode === 'subscribe' && events.length === 0) return refused('hub.events names no FHIRcast event');
  return parsed({
    mode,
    channel,
    ...(form.has('hub.channel.type') ? undefined : { version: 'STU1' as const }),
    topic,
    events,
    ...(leaseSeconds === undefined ? undefined : { leaseSeconds }),
    ...(endpoint === undefined ? undefined : { endpoint }),
    ...(subscriberName === undefined ? undefined : { subscriberName }),
    ...(callback === undefined ? undefined : { callback }),
    ...(secret === undefined ? undefined : { secret }),
  });
}

/**
 * The events granted out of those asked for: what the token's scopes let it receive (SUB-4). For `*`, everything that the
 * scopes allow. Events of vendors' own are granted by a scope for every event alone: their names are not the client's.
 */
export function grantEvents(asked: readonly string[], scopes: Scopes): readonly string[] {
  if (!asked.includes('*')) return asked.filter((event) => scopes.mayReceive(event));
  if (scopes.mayReceive('*')) return asked;
  const names = scopes.list.flatMap((scope) => (scope.kind === 'fhircast' && scope.read ? [scope.event] : []));
  return [...new Map(names.map((name) => [eventKey(name), name])).values()];
}
