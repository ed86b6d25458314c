/** Who is in the session, and who follows it: made from what the server sends, without I/O. */
import { SURVEY_EVENT } from '@lockstep/fhircast';
import type { SubscriptionView, TimelineEntry } from '../api.ts';
import { appWords, wordsApart } from '../language/app-words.ts';
import { t } from '../language/language.ts';
import { reasonWords } from '../language/reasons.ts';

/** How one application took the last change of context that it was sent. */
export interface FollowOutcome {
  readonly eventId: string;
  readonly event: string;
  readonly state: 'waiting' | 'followed' | 'working' | 'refused' | 'failed' | 'silent';
  /** From sending to the answer, which an application gives once it shows the context, ms. */
  readonly ms?: number;
  readonly status?: number;
}

/**
 * Why an application is not where the session is. It lasts until the application follows a later change, or leaves by its own
 * wish (ERR-8).
 */
export interface Apart {
  readonly why: 'refused' | 'failed' | 'silent' | 'undecided' | 'lost' | 'gone' | 'untold';
  /** ms since the epoch, by the server's clock; NaN where it is not known. */
  readonly since: number;
  /** HTTP status of its answer. */
  readonly status?: number;
  /** What the application or the Hub said of it. */
  readonly reason?: string;
  /** What it still shows as the Hub knows it, as `Type/id`; '' for nothing. */
  readonly shows?: string;
}

export interface Member {
  readonly id: string;
  readonly name: string;
  /** What it is called for people, where another member has the same name. */
  readonly words?: string;
  readonly clientId: string;
  readonly connected: boolean;
  /** When it subscribed, where that was seen, ms since the epoch. */
  readonly joinedAt?: number;
  /** It has subscribed, and is about to connect for the first time. */
  readonly joining?: boolean;
  /** It can be asked whether it would follow a change. */
  readonly surveyed?: boolean;
  readonly outcome?: FollowOutcome;
  readonly apart?: Apart;
  /** What a SyncError said of it since it last followed: that may come before the server reports the answer. */
  readonly said?: string;
  /** Id of the last event that it followed. */
  readonly followed?: string;
  /** The latest times to follow, oldest first, ms. */
  readonly times: readonly number[];
}

export type Roster = ReadonlyMap<string, Member>;

const KEPT_TIMES = 24;

/** Reasons of denials by which an application has left of its own wish. */
const CLEAN = new Set(['Unsubscribed', 'The subscriber closed its connection']);

/** Codes of a socket that was closed in the ordinary way (ERR-3). */
const CLEAN_CODES = new Set([1000, 1001]);

/** Updates and selections move nothing: only opens and closes are followed. */
function changesContext(event: string | undefined): boolean {
  return event !== undefined && /(-open|-close)$/i.test(event);
}

/** The roster of a session as it was read; what was known of its members, and of those who are gone, stays. */
export function readRoster(subscriptions: readonly SubscriptionView[], known: Roster = new Map()): Roster {
  const read = subscriptions.map(({ id, name, clientId, connected, events }): [string, Member] => {
    const { joining = false, ...before } = known.get(id) ?? { times: [] };
    const surveyed = events.includes(SURVEY_EVENT);
    return [id, { ...before, id, name, clientId, connected, surveyed, ...(joining && !connected && { joining }) }];
  });
  const gone = [...known].filter(([, { apart }]) => apart?.why === 'gone');
  return new Map([...gone, ...read]);
}

function outcomeOf(status: number): FollowOutcome['state'] {
  if (status === 202) return 'working';
  if (status >= 200 && status < 300) return 'followed';
  return status >= 500 && status <= 599 ? 'failed' : 'refused';
}

function newcomer({ subscription = '', subscriber = '', at }: TimelineEntry): Member {
  return { id: subscription, name: subscriber, clientId: '', connected: false, joinedAt: at, times: [] };
}

/** Who leaves in the ordinary way is not waited for any more: the Hub asks it again when it is back. */
function notAwaited(member: Member): Member {
  const { outcome: _, ...rest } = member;
  return isWaiting(member) ? rest : member;
}

function withoutJoining({ joining: _, ...rest }: Member): Member {
  return rest;
}

/** Not following, for a reason; since the first of the reasons in a row that the server told. */
function apartFor(
  member: Member,
  why: Apart['why'],
  at: number,
  more: Omit<Partial<Apart>, 'why' | 'since'> = {},
): Member {
  // That it is undecided was seen here, by this machine's clock.
  const told = member.apart?.why === 'undecided' ? undefined : member.apart;
  return { ...member, apart: { why, since: told?.since ?? at, ...more } };
}

function following({ apart: _, said: __, ...member }: Member): Member {
  return member;
}

/** Whether the member was started again after the other was gone: it stands where the other stood. */
function replaces({ name, joinedAt = 0, apart }: Member, gone: Member): boolean {
  return !apart && name === gone.name && joinedAt >= (gone.apart?.since ?? Number.POSITIVE_INFINITY);
}

/** The member follows, or has left properly: those whom it replaced are not waited for. */
function forgetReplaced(roster: Map<string, Member>, member: Member): void {
  for (const [id, one] of roster) if (one.apart?.why === 'gone' && replaces(member, one)) roster.delete(id);
}

function apply(roster: Map<string, Member>, entry: TimelineEntry): void {
  if (entry.kind === 'session-ended') roster.clear();
  const id = entry.subscription;
  if (id === undefined) return;
  const member = roster.get(id);
  switch (entry.kind) {
    case 'subscribed':
      // The members may have been read after it came, and before this was told.
      roster.set(id, member ? { joinedAt: entry.at, ...member } : { ...newcomer(entry), joining: true });
      return;
    case 'connected': {
      const here = { ...withoutJoining(member ?? newcomer(entry)), connected: true };
      // Back before anything was sent to it: it has missed nothing.
      const missed = here.outcome !== undefined && here.outcome.state !== 'followed';
      roster.set(id, here.apart?.why === 'lost' && !missed ? following(here) : here);
      return;
    }
    case 'denied':
      deny(roster, member, entry);
      return;
  }
  if (!member) return;
  switch (entry.kind) {
    case 'dropped': {
      const there = { ...withoutJoining(member), connected: false };
      const lost = !CLEAN_CODES.has(entry.code ?? 1006);
      roster.set(id, lost ? apartFor(there, 'lost', entry.at) : notAwaited(there));
      return;
    }
    case 'delivered':
      // Who closes something else shows what it showed.
      if (changesContext(entry.event) && !entry.keepsCurrent)
        roster.set(id, {
          // What is sent to it has arrived: a callback never connects.
          ...withoutJoining(member),
          connected: true,
          outcome: { eventId: entry.eventId ?? '', event: entry.event ?? '', state: 'waiting' },
        });
      return;
    case 'answered':
      answer(roster, member, entry);
      return;
    case 'unanswered':
      if (member.outcome && member.outcome.eventId === entry.eventId)
        roster.set(id, apartFor({ ...member, outcome: { ...member.outcome, state: 'silent' } }, 'silent', entry.at));
      return;
  }
}

function answer(
  roster: Map<string, Member>,
  member: Member,
  { eventId = '', status = 0, ms, at }: TimelineEntry,
): void {
  const { outcome, id } = member;
  if (!outcome || outcome.eventId !== eventId) return;
  const state = outcomeOf(status);
  // A refusal taken back says nothing of how fast the application is.
  const timed = state === 'followed' && outcome.state === 'waiting' && ms !== undefined;
  const times = timed ? [...member.times, ms].slice(-KEPT_TIMES) : member.times;
  const answered = { ...member, times, outcome: { ...outcome, state, status, ...(timed && { ms }) } };
  if (state === 'followed') {
    const here = { ...following(answered), followed: eventId };
    roster.set(id, here);
    forgetReplaced(roster, here);
  } else if (state === 'working') roster.set(id, answered);
  else {
    const reason = member.said !== undefined && { reason: member.said };
    roster.set(id, apartFor(answered, state === 'failed' ? 'failed' : 'refused', at, { status, ...reason }));
  }
}

/** Its subscription has ended. One that was not following then may go on showing what it showed. */
function deny(roster: Map<string, Member>, member: Member | undefined, entry: TimelineEntry): void {
  if (!member) return;
  roster.delete(member.id);
  const { reason = '' } = entry;
  if (CLEAN.has(reason)) {
    forgetReplaced(roster, following(member));
    return;
  }
  if (!isBehind(member) && !isWaiting(member)) return;
  const gone = apartFor({ ...member, connected: false }, 'gone', entry.at, { reason });
  const replaced = [...roster.values()].some((one) => one.outcome?.state === 'followed' && replaces(one, gone));
  if (!replaced) roster.set(member.id, gone);
}

/** The roster after some more has happened. */
export function followEntries(roster: Roster, entries: readonly TimelineEntry[]): Roster {
  const next = new Map(roster);
  for (const entry of entries) apply(next, entry);
  return next;
}

const COMINGS = new Set<TimelineEntry['kind']>(['subscribed', 'connected', 'dropped', 'denied']);

/**
 * The roster of a session as it was read, after what came while it was being read: the answer may be older than that.
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

/** A SyncError names its subscriber: what it says is why that one does not follow. @param at ms since the epoch */
export function withReason(roster: Roster, name: string, reason: string, at: number): Roster {
  const next = new Map(roster);
  for (const member of roster.values()) {
    if (member.name !== name) continue;
    const { outcome, apart } = member;
    const late = outcome?.state === 'working' || outcome?.state === 'waiting';
    const told = { ...member, said: reason };
    if (apart) next.set(member.id, { ...told, apart: { ...apart, reason } });
    else next.set(member.id, late ? apartFor(told, 'undecided', at, { reason }) : told);
  }
  return next;
}

/** Events that applications were sent and have not decided about, by subscription. */
export function undecided(roster: Roster): ReadonlyMap<string, string> {
  return new Map(
    [...roster.values()].flatMap(({ id, outcome, apart }) =>
      !apart && (outcome?.state === 'waiting' || outcome?.state === 'working') ? [[id, outcome.eventId] as const] : [],
    ),
  );
}

/** An application has not decided about an event in time: it counts as not following (2.5). @param at ms since the epoch */
export function withLate(roster: Roster, id: string, eventId: string, at: number): Roster {
  const member = roster.get(id);
  if (!member || undecided(new Map([[id, member]])).get(id) !== eventId) return roster;
  return new Map(roster).set(id, apartFor(member, 'undecided', at));
}

/** The application's own reason, where there is one: what the Hub says of itself is in the outcome already. */
export function ownReason(reason: string | undefined): string | undefined {
  return /(?:did not follow|follow it \(\d+\)): (.+?)\.?$/s.exec(reason ?? '')?.[1];
}

/** Why an application does not follow, in words. */
export function apartWords({ why, status, reason }: Apart): string {
  const said = ownReason(reason);
  const own = said === undefined ? undefined : reasonWords(said);
  switch (why) {
    case 'refused':
      return own ?? t('ehr.didNotFollow', { status: status ?? t('ehr.late') });
    case 'failed':
      return own ?? t('ehr.couldNotFollow', { status: status ?? t('ehr.late') });
    case 'silent':
      return t('ehr.noAnswer');
    case 'undecided':
      return own ?? t('ehr.hasNotDecided');
    case 'lost':
      return t('ehr.connectionLost');
    case 'untold':
      return t('ehr.isNotTold');
    case 'gone':
      return t('ehr.outOfTheSession', { reason: reason ? reasonWords(reason) : t('ehr.noReasonGiven') });
  }
}

/** What a member is called, for people; '' for one without a name. */
export function memberWords({ name, words }: Member): string {
  return words ?? appWords(name);
}

/** The members, those of one name told apart. Who is gone has a number after those who are there. */
export function toldApart(members: readonly Member[]): readonly Member[] {
  const isGone = ({ apart }: Member): number => (apart?.why === 'gone' ? 1 : 0);
  const ordered = [...members].sort((a, b) => isGone(a) - isGone(b));
  const words = wordsApart(ordered.map(({ name }) => name));
  return members.map((one) => ({ ...one, words: words[ordered.indexOf(one)] ?? '' }));
}

/** What a member's chip says, in words. */
export function outcomeWords({ connected, joining, outcome, apart }: Member): string {
  if (apart) return apartWords(apart);
  if (joining) return t('ehr.joining');
  if (!connected) return t('ehr.connectionClosed');
  if (!outcome) return t('ehr.present');
  switch (outcome.state) {
    case 'working':
      return t('ehr.stillWorking');
    default:
      return t(`ehr.${outcome.state}`);
  }
}

/** Whether the application is, as far as is known, somewhere else than the session. */
export function isBehind({ apart }: Member): boolean {
  return apart !== undefined;
}

/** Whether the application may still follow what it was sent. */
export function isWaiting({ apart, outcome }: Member): boolean {
  return !apart && (outcome?.state === 'waiting' || outcome?.state === 'working');
}
