/** The one line that says whether everybody shows what the session has open: always computed from what is known, never set. */
import type { SyncState } from '@lockstep/client';
import { t } from '../language/language.ts';
import { type Desk, type DeskContext, isShown } from './desk.ts';
import { apartWords, isBehind, isWaiting, type Member, memberWords } from './roster.ts';

export interface Headline {
  readonly status: SyncState['status'];
  /** A few words, complete by themselves. */
  readonly words: string;
  /** More of it: the reason, where it is known. */
  readonly detail?: string;
}

export interface Known {
  /** This window against the Hub, as the SDK tells it. */
  readonly own: SyncState;
  readonly desk: Desk;
  /** The session's current context; undefined when none is open. */
  readonly accepted: DeskContext | undefined;
  /** With what the Hub says of them. */
  readonly members: readonly Member[];
  /** Whether the server reports what the members do. */
  readonly live: boolean;
}

function names(members: readonly Member[]): string {
  const [first, ...others] = members.map((member) => memberWords(member) || t('ehr.someApplication'));
  return others.length === 0 ? `${first}` : t('ehr.andOthers', { first: `${first}`, count: others.length });
}

/** Why this window does not show what is open, and will not by itself; undefined when it may. */
export function ownTrouble({ own, desk: { shown } }: Pick<Known, 'own' | 'desk'>): Headline | undefined {
  if (shown.kind === 'not-in-record') return { status: 'out-of-sync', words: t('ehr.notInThisRecord') };
  if (shown.kind === 'unreadable')
    return { status: 'out-of-sync', words: t('ehr.recordNotRead'), detail: shown.reason };
  if (own.status === 'out-of-sync' && own.us)
    return { status: 'out-of-sync', words: t('ehr.thisWindowDoesNotFollow'), detail: own.reason };
  return undefined;
}

/** The worst of what is known (HZ-2): green means that this window and everybody else show the session's context. */
export function headline(known: Known): Headline {
  const { own, desk, accepted, members, live } = known;
  if (own.status === 'closed') return { status: 'closed', words: t('ehr.notConnected'), detail: own.reason };
  if (own.status === 'connecting') return { status: 'connecting', words: t('ehr.reconnecting') };
  const { pending } = desk;
  if (pending?.state === 'failed') return { status: 'out-of-sync', words: t('ehr.notSent'), detail: pending.what };
  const trouble = ownTrouble(known);
  if (trouble) return trouble;
  const behind = members.filter(isBehind);
  if (behind.length > 0) {
    const [{ apart } = {}] = behind;
    return {
      status: 'out-of-sync',
      words: t('ehr.notFollowing', { names: names(behind) }),
      ...(apart && behind.length === 1 && { detail: apartWords(apart) }),
    };
  }
  if (own.status === 'out-of-sync')
    return {
      status: 'out-of-sync',
      words: t('ehr.notFollowing', { names: own.who ?? t('ehr.someApplication') }),
      detail: own.reason,
    };
  if (!live) return { status: 'behind', words: t('ehr.askingWhoFollows') };
  if (pending) return { status: 'behind', words: t('ehr.sending'), detail: pending.what };
  if (own.status === 'unknown') return { status: 'unknown', words: t('ehr.checking'), detail: own.reason };
  if (own.status === 'behind' && own.who === undefined)
    return { status: 'behind', words: t('ehr.catchingUp'), detail: own.reason };
  if (!isShown(desk, accepted))
    return { status: 'behind', words: t('ehr.catchingUp'), detail: t('ehr.theChartIsAnother') };
  const waiting = members.filter(isWaiting);
  if (waiting.length > 0) return { status: 'behind', words: t('ehr.waitingFor', { names: names(waiting) }) };
  if (own.status === 'behind') return { status: 'behind', words: t('ehr.waitingFor', { names: own.who ?? '' }) };
  return { status: 'in-sync', words: t('ehr.inSync') };
}
