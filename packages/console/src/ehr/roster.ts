/** Who is in the session, and who followed the last change of context: made from what the server tells, without I/O. */
import type { SubscriptionView, TimelineEntry } from '../api.ts';

/** How one application took the last change of context that it was sent. */
export interface Outcome {
  readonly eventId: string;
  readonly event: string;
  readonly state: 'waiting' | 'followed' | 'working' | 'refused' | 'failed' | 'silent';
  /** From sending to the answer, which an application gives once it shows the context, ms. */
  readonly ms?: number;
  readonly status?: number;
}

export interface Member {
  readonly id: string;
  readonly name: string;
  readonly clientId: string;
  readonly connected: boolean;
  /** It has subscribed, and is about to connect for the first time. */
  readonly joining?: boolean;
  readonly outcome?: Outcome;
  /** The latest times to follow, oldest first, ms. */
  readonly times: readonly number[];
  /** What the Hub or the application said of why it does not follow. */
  readonly reason?: string;
}

export type Roster = ReadonlyMap<string, Member>;

const KEPT_TIMES = 24;

/** Updates and selections move nothing: only opens and closes are followed. */
function changesContext(event: string | undefined): boolean {
  return event !== undefined && /(-open|-close)$/i.test(event);
}

/** The roster of a session as it was read; what was known of its members stays. */
export function readRoster(subscriptions: readonly SubscriptionView[], known: Roster = new Map()): Roster {
  return new Map(
    subscriptions.map(({ id, name, clientId, connected }) => {
      const { outcome, times = [], reason, joining = false } = known.get(id) ?? {};
      const kept = {
        ...(outcome && { outcome }),
        ...(reason !== undefined && { reason }),
        ...(joining && !connected && { joining }),
      };
      return [id, { id, name, clientId, connected, times, ...kept }];
    }),
  );
}

function outcomeOf(status: number): Outcome['state'] {
  if (status === 202) return 'working';
  if (status >= 200 && status < 300) return 'followed';
  return status >= 500 ? 'failed' : 'refused';
}

function newcomer({ subscription = '', subscriber = '' }: TimelineEntry): Member {
  return { id: subscription, name: subscriber, clientId: '', connected: false, times: [] };
}

function apply(roster: Map<string, Member>, entry: TimelineEntry): void {
  const id = entry.subscription;
  if (id === undefined) return;
  const member = roster.get(id);
  switch (entry.kind) {
    case 'subscribed':
      if (!member) roster.set(id, { ...newcomer(entry), connected: false, joining: true });
      return;
    case 'connected': {
      const { joining: _, ...rest } = member ?? newcomer(entry);
      roster.set(id, { ...rest, connected: true });
      return;
    }
    case 'denied':
      roster.delete(id);
      return;
  }
  if (!member) return;
  const { outcome } = member;
  switch (entry.kind) {
    case 'dropped': {
      const { joining: _, ...rest } = member;
      roster.set(id, { ...rest, connected: false });
      return;
    }
    case 'delivered':
      if (changesContext(entry.event)) {
        const { reason: _, ...rest } = member;
        roster.set(id, {
          ...rest,
          outcome: { eventId: entry.eventId ?? '', event: entry.event ?? '', state: 'waiting' },
        });
      }
      return;
    case 'answered': {
      if (!outcome || outcome.eventId !== entry.eventId) return;
      const { status = 0, ms } = entry;
      const state = outcomeOf(status);
      // A refusal taken back says nothing of how fast the application is.
      const timed = state === 'followed' && outcome.state === 'waiting' && ms !== undefined;
      const times = timed ? [...member.times, ms].slice(-KEPT_TIMES) : member.times;
      roster.set(id, { ...member, times, outcome: { ...outcome, state, status, ...(timed && { ms }) } });
      return;
    }
    case 'unanswered':
      if (outcome && outcome.eventId === entry.eventId)
        roster.set(id, { ...member, outcome: { ...outcome, state: 'silent' } });
      return;
  }
}

/** The roster after some more has happened. */
export function followEntries(roster: Roster, entries: readonly TimelineEntry[]): Roster {
  const next = new Map(roster);
  for (const entry of entries) apply(next, entry);
  return next;
}

const COMINGS = new Set<TimelineEntry['kind']>(['subscribed', 'connected', 'dropped', 'denied']);

/**
 * The roster of a session as it was read, after what was told while it was being read: the answer may be older than that.
 * @param told every entry since the reading began, whether `known` has it or not
 */
export function readBeside(
  subscriptions: readonly SubscriptionView[],
  known: Roster,
  told: readonly TimelineEntry[],
): Roster {
  return followEntries(
    readRoster(subscriptions, known),
    told.filter(({ kind }) => COMINGS.has(kind)),
  );
}

/** A SyncError names its subscriber: what it says is why that one does not follow. */
export function withReason(roster: Roster, name: string, reason: string): Roster {
  const next = new Map(roster);
  for (const member of roster.values()) {
    if (member.name !== name) continue;
    const { outcome } = member;
    const late = outcome?.state === 'working' || outcome?.state === 'waiting';
    next.set(member.id, { ...member, reason, ...(late && { outcome: { ...outcome, state: 'refused' as const } }) });
  }
  return next;
}

/** The application's own reason, where there is one: what the Hub says of itself is in the outcome already. */
export function ownReason(reason: string | undefined): string | undefined {
  return /(?:did not follow|follow it \(\d+\)): (.+?)\.?$/s.exec(reason ?? '')?.[1];
}

/** What a member's chip says, in words. */
export function outcomeWords({ connected, joining, outcome, reason: said }: Member): string {
  const reason = ownReason(said);
  if (joining) return 'joining';
  if (!connected) return 'connection lost';
  if (!outcome) return 'present';
  switch (outcome.state) {
    case 'waiting':
      return 'waiting';
    case 'working':
      return 'still working';
    case 'followed':
      return 'followed';
    case 'refused':
      return reason ?? `did not follow (${outcome.status ?? 'late'})`;
    case 'failed':
      return reason ?? `could not follow (${outcome.status ?? 'late'})`;
    case 'silent':
      return 'no answer';
  }
}

/** Whether the application is, as far as is known, somewhere else than the session. */
export function isBehind({ connected, joining, outcome }: Member): boolean {
  if (joining) return false;
  return !connected || (outcome !== undefined && ['refused', 'failed', 'silent'].includes(outcome.state));
}

/** Whether one of these applications, which did not follow, follows now. */
export function caughtUp(before: Roster, after: Roster, names: readonly string[]): boolean {
  return [...after.values()].some(
    ({ id, name, connected, outcome }) =>
      names.includes(name) &&
      connected &&
      outcome?.state === 'followed' &&
      before.get(id)?.outcome?.state !== 'followed',
  );
}
