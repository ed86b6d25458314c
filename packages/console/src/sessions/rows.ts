/** The timeline's rows: what each entry says, and which rows a filter keeps. */
import type { TimelineEntry } from '../api.ts';

export const FILTERS = ['all', 'events', 'answers', 'subscriptions', 'problems'] as const;
export type Filter = (typeof FILTERS)[number];

export type Tone = 'event' | 'good' | 'busy' | 'bad' | 'quiet';

const SUBSCRIPTIONS = new Set<TimelineEntry['kind']>([
  'subscribed',
  'renewed',
  'connected',
  'dropped',
  'denied',
  'session-started',
  'session-ended',
]);

export function isProblem(entry: TimelineEntry): boolean {
  switch (entry.kind) {
    case 'answered':
      return (entry.status ?? 0) >= 300;
    case 'published':
      return entry.event === 'SyncError';
    case 'refused':
    case 'unanswered':
      return true;
    case 'dropped':
      return entry.code !== 1000 && entry.code !== 1001;
    default:
      return false;
  }
}

export function keeps(filter: Filter, entry: TimelineEntry): boolean {
  switch (filter) {
    case 'all':
      return true;
    case 'events':
      return entry.kind === 'published' || entry.kind === 'refused';
    case 'answers':
      return entry.kind === 'answered' || entry.kind === 'unanswered';
    case 'subscriptions':
      return SUBSCRIPTIONS.has(entry.kind);
    case 'problems':
      return isProblem(entry);
  }
}

export function toneOf(entry: TimelineEntry): Tone {
  if (isProblem(entry)) return 'bad';
  switch (entry.kind) {
    case 'published':
      return 'event';
    case 'answered':
      return entry.status === 202 ? 'busy' : 'good';
    default:
      return 'quiet';
  }
}

function until(ms: number | undefined): string {
  return ms === undefined ? '' : ` until ${new Date(ms).toLocaleTimeString('en-GB')}`;
}

/** @param names of clients, by id */
function clientName(id: string, names: ReadonlyMap<string, string>): string {
  const [, administrator] = /^lockstep-composer\/(.+)$/.exec(id) ?? [];
  return administrator === undefined ? (names.get(id) ?? id) : `the composer of ${administrator}`;
}

/**
 * What happened, and to whom.
 * @param names of clients, by id
 */
export function describe(
  entry: TimelineEntry,
  names: ReadonlyMap<string, string> = new Map(),
): { readonly what: string; readonly detail: string } {
  const { subscriber = '', event = '', clientId = '' } = entry;
  const client = clientName(clientId, names);
  switch (entry.kind) {
    case 'session-started':
      return { what: 'session started', detail: '' };
    case 'session-ended':
      return { what: 'session ended', detail: entry.reason ?? '' };
    case 'published':
      return { what: event, detail: client === '' ? 'by the Hub' : `by ${client}` };
    case 'refused':
      return {
        what: `refused ${entry.status}${event === '' ? '' : ` ${event}`}`,
        detail: `${entry.reason} (${client})`,
      };
    case 'subscribed':
      return { what: 'subscribed', detail: `${subscriber}: ${entry.events?.join(', ')}${until(entry.expiresAt)}` };
    case 'renewed':
      return { what: 'lease renewed', detail: `${subscriber}${until(entry.expiresAt)}` };
    case 'connected':
      return { what: 'connected', detail: `${subscriber}, lease${until(entry.expiresAt)}` };
    case 'delivered':
      return { what: 'sent', detail: `${event} to ${subscriber}` };
    case 'answered':
      return { what: `answer ${entry.status}`, detail: subscriber };
    case 'unanswered':
      return { what: 'no answer', detail: subscriber };
    case 'dropped':
      return { what: `disconnected ${entry.code}`, detail: subscriber };
    case 'denied':
      return { what: 'denied', detail: `${subscriber}: ${entry.reason}` };
  }
}

/** Whether an event was sent because of this: it was published, or the subscriber has just connected. */
function caused(cause: TimelineEntry, sent: TimelineEntry): boolean {
  if (cause.kind === 'published') return sent.eventId === cause.eventId;
  return cause.kind === 'connected' && sent.subscription === cause.subscription;
}

/** The greatest number: of the last row, or of what stands before the deliveries that it caused. */
function newestOf(rows: readonly TimelineEntry[]): number {
  let newest = 0;
  for (let at = rows.length - 1; at >= 0; at--) {
    newest = Math.max(newest, rows[at]!.seq);
    if (rows[at]!.kind !== 'delivered') break;
  }
  return newest;
}

/**
 * Adds entries that are new, in the order of their numbers: another node's may arrive later than they happened. What makes
 * events be sent stands before their sending, though the Hub tells of both in the same moment.
 */
export function withEntries(
  known: readonly TimelineEntry[],
  more: readonly TimelineEntry[],
  most: number,
): readonly TimelineEntry[] {
  const all = [...known];
  // Ten thousand rows are looked through only for what may be among them already.
  let numbers: Set<number> | undefined;
  for (const entry of more) {
    if (entry.seq <= newestOf(all)) {
      numbers ??= new Set(all.map(({ seq }) => seq));
      if (numbers.has(entry.seq)) continue;
    }
    numbers?.add(entry.seq);
    let at = all.length;
    while (at > 0 && (all[at - 1]?.seq ?? 0) > entry.seq) at -= 1;
    for (let before = at - 1; all[before]?.kind === 'delivered'; before--) {
      if (caused(entry, all[before]!)) at = before;
    }
    all.splice(at, 0, entry);
  }
  return all.length > most ? all.slice(-most) : all;
}
