/** The timeline's rows: what each entry says, and which rows a filter keeps. */
import type { TimelineEntry } from '../api.ts';
import { appWords } from '../language/app-words.ts';
import { date, t } from '../language/language.ts';
import { reasonWords } from '../language/reasons.ts';

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

/** A time of the day. @param ms since the epoch */
function clock(ms: number): string {
  return date(new Date(ms), { timeStyle: 'medium' });
}

/** @param names of clients, by id */
function clientName(id: string, names: ReadonlyMap<string, string>): string {
  const [, administrator] = /^lockstep-composer\/(.+)$/.exec(id) ?? [];
  return administrator === undefined ? (names.get(id) ?? id) : t('sessions.theComposerOf', { administrator });
}

/**
 * What happened, and to whom.
 * @param names of clients, by id
 */
export function describe(
  entry: TimelineEntry,
  names: ReadonlyMap<string, string> = new Map(),
): { readonly what: string; readonly detail: string } {
  const { event = '', clientId = '' } = entry;
  const subscriber = appWords(entry.subscriber ?? '');
  const client = clientName(clientId, names);
  switch (entry.kind) {
    case 'session-started':
      return { what: t('sessions.sessionStarted'), detail: '' };
    case 'session-ended':
      return { what: t('sessions.sessionEnded'), detail: reasonWords(entry.reason ?? '') };
    case 'published':
      return { what: event, detail: client === '' ? t('sessions.byTheHub') : t('sessions.by', { client }) };
    case 'refused':
      return {
        what: t('sessions.refused', { status: entry.status ?? '', event }).trim(),
        detail: t('sessions.refusedFor', { reason: entry.reason ?? '', client }),
      };
    case 'subscribed':
      return {
        what: t('sessions.subscribed'),
        detail: t('sessions.eventsUntil', {
          subscriber,
          events: entry.events?.join(', ') ?? '',
          until: clock(entry.expiresAt ?? entry.at),
        }),
      };
    case 'renewed':
      return {
        what: t('sessions.leaseRenewed'),
        detail: t('sessions.until', { subscriber, until: clock(entry.expiresAt ?? entry.at) }),
      };
    case 'connected':
      return {
        what: t('sessions.connected'),
        detail: t('sessions.leaseUntil', { subscriber, until: clock(entry.expiresAt ?? entry.at) }),
      };
    case 'delivered':
      return { what: t('sessions.sent'), detail: t('sessions.to', { event, subscriber }) };
    case 'answered':
      return { what: t('sessions.answer', { status: entry.status ?? '' }), detail: subscriber };
    case 'unanswered':
      return { what: t('sessions.noAnswer'), detail: subscriber };
    case 'dropped':
      return { what: t('sessions.disconnected', { code: entry.code ?? '' }), detail: subscriber };
    case 'denied':
      return {
        what: t('sessions.denied'),
        detail: t('sessions.colon', { subscriber, what: reasonWords(entry.reason ?? '') }),
      };
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
 * events be sent stands before their sending, though the Hub reports both in the same moment.
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
