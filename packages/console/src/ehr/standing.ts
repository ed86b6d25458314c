/**
 * Where the session stands, from all that this window knows: the headline and the applications' chips are read from one account of it,
 * so that neither says what the other denies (HZ-2).
 */
import type { NotFollowing, SyncState } from '@lockstep/client';
import { isShown } from './desk.ts';
import { type Headline, headline, type Known, ownTrouble } from './headline.ts';
import { type Apart, isBehind, isWaiting, type Member, outcomeWords, toldApart } from './roster.ts';

/** What a mark says: `good` follows, `busy` may follow still, `bad` does not follow, `off` claims nothing. */
export type ChipTone = 'good' | 'busy' | 'bad' | 'off';

/** One application as the strip shows it. */
export interface Chip {
  readonly member: Member;
  readonly tone: ChipTone;
  readonly words: string;
}

export interface StripStanding {
  readonly headline: Headline;
  readonly chips: readonly Chip[];
}

export interface Seen extends Known {
  /** Name of this window in the session. */
  readonly name: string;
}

function apartOf({ why, since, reason, shows, ended }: NotFollowing): Apart {
  return {
    why: ended ? 'gone' : why === 'waiting' ? 'undecided' : why,
    since,
    ...(reason !== '' && { reason }),
    ...(shows !== undefined && { shows }),
  };
}

/** An application of which only the Hub's word is known, such as one that was gone before this window came. */
function unseen(told: NotFollowing, number: number): Member {
  const { name } = told;
  return { id: `unseen ${number}`, name, clientId: '', connected: false, times: [], apart: apartOf(told) };
}

/**
 * The members, with what the Hub says of who does not follow. It names applications: where more of one name do not follow than were
 * seen not to, each of the others of that name may be the one.
 */
function withTold(members: readonly Member[], others: readonly NotFollowing[]): readonly Member[] {
  const marks = new Map<string, Apart>();
  const unknown: NotFollowing[] = [];
  for (const name of new Set(others.map((one) => one.name))) {
    const named = members.filter((one) => one.name === name);
    const seen = named.filter(isBehind).length;
    const more = others.filter((one) => one.name === name).slice(seen);
    // What is said of a subscription that has ended is not about those that are there.
    const here = more.filter(({ ended }) => !ended);
    const [first] = here;
    if (first) marks.set(name, apartOf(first));
    unknown.push(...here.slice(named.length - seen), ...more.filter(({ ended }) => ended));
  }
  const marked = members.map((one) => {
    const apart = one.apart ?? marks.get(one.name);
    return apart ? { ...one, apart } : one;
  });
  return [...marked, ...unknown.map(unseen)];
}

/** The members, with who has not answered yet as the Hub says. */
function withAwaited(members: readonly Member[], own: SyncState): readonly Member[] {
  const who = own.status === 'behind' ? own.who : undefined;
  const isIt = ({ name }: Member): boolean => name === who;
  if (who === undefined || members.some((one) => isIt(one) && (isBehind(one) || isWaiting(one)))) return members;
  const waits = ({ outcome }: Member) => ({ eventId: '', event: '', ...outcome, state: 'waiting' }) as const;
  return members.map((one) => (isIt(one) ? { ...one, outcome: waits(one) } : one));
}

/** Whether what was seen of the members is about what is open now. */
function isSettled({ own, desk, accepted, live }: Known): boolean {
  const isCertain = own.status === 'in-sync' || own.status === 'out-of-sync' || ('who' in own && own.who !== undefined);
  return live && isCertain && desk.pending === undefined && (isShown(desk, accepted) || own.status === 'out-of-sync');
}

function toneOf(member: Member, settled: boolean): ChipTone {
  if (isBehind(member)) return 'bad';
  if (member.joining) return 'busy';
  if (!member.connected || !member.outcome) return 'off';
  if (member.outcome.state !== 'followed') return 'busy';
  return settled ? 'good' : 'off';
}

/** @param seen all that this window knows */
export function standing(seen: Seen): StripStanding {
  const { own, name } = seen;
  const told = withTold(seen.members, own.status === 'out-of-sync' ? own.others : []);
  const members = toldApart(withAwaited(told, own));
  const settled = isSettled(seen);
  const trouble = ownTrouble(seen);
  const chipOf = (member: Member): Chip => {
    if (trouble && member.name === name && !isBehind(member)) return { member, tone: 'bad', words: trouble.words };
    return { member, tone: toneOf(member, settled), words: outcomeWords(member) };
  };
  return { headline: headline({ ...seen, members }), chips: members.map(chipOf) };
}
