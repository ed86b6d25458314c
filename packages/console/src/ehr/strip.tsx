/** The desktop's warner: what is open, who is in the session, who follows and who does not, and how long it took. */

import { useCurrentContext, useSyncState } from '@lockstep/client/react';
import { Button } from '@mantine/core';
import type { ReactNode } from 'react';
import { timeOf } from '../fhir.ts';
import { ForeignName } from '../foreign-text.tsx';
import { t } from '../language/language.ts';
import { reasonWords } from '../language/reasons.ts';
import { Rich } from '../language/rich.tsx';
import { useStore } from '../store.ts';
import markStyles from '../ui/mark.module.css';
import { median, Sparkline } from '../ui/sparkline.tsx';
import { openedText } from './following.ts';
import type { Headline } from './headline.ts';
import { OpenContext } from './open-context.tsx';
import { apartWords, isBehind, type Member, memberWords } from './roster.ts';
import type { EhrSession } from './session.ts';
import { type Chip, type ChipTone, type StripStanding, standing } from './standing.ts';
import styles from './strip.module.css';

/** One shape for each, so that color is never all there is. */
const MARKS: Readonly<Record<Headline['status'], { readonly sign: string; readonly tone: ChipTone }>> = {
  'in-sync': { sign: '✓', tone: 'good' },
  unknown: { sign: '?', tone: 'busy' },
  behind: { sign: '…', tone: 'busy' },
  connecting: { sign: '◌', tone: 'busy' },
  'out-of-sync': { sign: '!', tone: 'bad' },
  closed: { sign: '×', tone: 'off' },
};

function signOf({ member, tone }: Chip): string {
  switch (tone) {
    case 'good':
      return '✓';
    case 'busy':
      return '…';
    case 'bad':
      return member.connected ? '!' : '×';
    case 'off':
      return member.connected ? '·' : '×';
  }
}

function MemberChip({ chip }: { chip: Chip }) {
  const { member, tone, words } = chip;
  const { outcome, times } = member;
  const middle = median(times);
  const name = memberWords(member);
  return (
    <li className={styles.member} data-tone={tone} data-member={member.name}>
      <span className={markStyles.mark} aria-hidden="true">
        {signOf(chip)}
      </span>
      <bdi className={styles.name} title={name}>
        {name}
      </bdi>
      <span className={styles.outcome} title={words}>
        {words}
        {tone !== 'bad' && outcome?.state === 'followed' && outcome.ms !== undefined && (
          <b className={styles.ms} data-testid="ms">
            {' '}
            {t('ehr.ms', { ms: outcome.ms })}
          </b>
        )}
      </span>
      {middle !== undefined && times.length > 1 && (
        <Sparkline values={times} label={t('ehr.timesToFollow', { name, count: times.length, ms: middle })} />
      )}
    </li>
  );
}

/** What the EHR claims of the session, computed from all that it knows. */
export function useStanding(session: EhrSession): StripStanding {
  const own = useSyncState(session.subscriber);
  const accepted = useCurrentContext(session.subscriber);
  const desk = useStore(session.book.desk);
  const roster = useStore(session.members.roster);
  const live = useStore(session.members.live);
  return standing({ name: session.name, own, desk, accepted, members: [...roster.values()], live });
}

function Warner({ children, actions }: { children: ReactNode; actions: ReactNode }) {
  return (
    <div className={styles.warner} role="alert">
      <span className={markStyles.mark} aria-hidden="true">
        !
      </span>
      <span>{children}</span>
      {actions}
    </div>
  );
}

function AskAgain({ session }: { session: EhrSession }) {
  return (
    <Button variant="default" onClick={() => void session.publishing.askAgain()}>
      {t('ehr.askAgain')}
    </Button>
  );
}

interface DoesNotFollowProps {
  /** For people; '' where it has none. */
  readonly name: string;
  /** ms since the epoch; NaN where it is not known. */
  readonly since: number;
  readonly reason: string;
  /** What it still shows, where that is known. */
  readonly shows: string | undefined;
}

/** Who does not follow, since when and why, in a sentence. */
function DoesNotFollow({ name, since, reason, shows }: DoesNotFollowProps) {
  const values = {
    name: <ForeignName text={name || t('ehr.anApplication')} />,
    reason: <ForeignName text={reason} />,
    shows: shows ? t('ehr.itStillShows', { shows }) : t('ehr.itMayStillShowSomethingElse'),
  };
  if (Number.isNaN(since)) return <Rich id="ehr.doesNotFollow" values={values} />;
  return <Rich id="ehr.doesNotFollowSince" values={{ ...values, since: timeOf(since) }} />;
}

/** An application that does not follow: why, since when, and what it still shows where that is known. */
function NotFollowing({ session, member }: { session: EhrSession; member: Member }) {
  const all = useStore(session.following.opened);
  const { apart, followed } = member;
  if (!apart) return null;
  // The Hub names what it knows by its id.
  const opened = all.get(followed ?? '') ?? all.get(apart.shows ?? '');
  const shows = opened ? openedText(opened) : apart.shows;
  return (
    <Warner actions={<AskAgain session={session} />}>
      <DoesNotFollow name={memberWords(member)} since={apart.since} reason={apartWords(apart)} shows={shows} />
    </Warner>
  );
}

export function Strip({ session }: { session: EhrSession }) {
  const live = useStore(session.members.live);
  const { pending } = useStore(session.book.desk);
  const state = useSyncState(session.subscriber);
  const { headline: now, chips } = useStanding(session);
  const { sign, tone } = MARKS[now.status];
  const behind = chips.map(({ member }) => member).filter(isBehind);

  return (
    <section className={styles.strip} aria-label={t('ehr.session')}>
      <div className={styles.row} data-testid="strip">
        <span
          className={styles.own}
          data-testid="own-status"
          role="status"
          data-status={now.status}
          data-tone={tone}
          title={now.detail === undefined ? undefined : reasonWords(now.detail)}
        >
          <span className={markStyles.mark} aria-hidden="true">
            {sign}
          </span>
          <span className={styles.words} data-testid="own-words">
            {now.words}
          </span>
        </span>
        {state.status === 'closed' && state.reason !== 'the page was left' && (
          // The server opens the session again under its old topic.
          <Button onClick={() => location.reload()}>{t('ehr.rejoin')}</Button>
        )}
        <span className={styles.open} data-testid="context">
          <OpenContext session={session} />
        </span>
        <ul className={styles.members} aria-label={t('ehr.applicationsInTheSession')}>
          {chips.map((chip) => (
            <MemberChip key={chip.member.id} chip={chip} />
          ))}
        </ul>
        {!live && state.status !== 'connecting' && <span className={styles.note}>{t('ehr.liveViewInterrupted')}</span>}
      </div>
      {pending?.state === 'failed' && (
        <Warner
          actions={
            <>
              <Button onClick={() => void session.publishing.sendAgain()}>{t('ehr.sendAgain')}</Button>
              <Button variant="default" onClick={() => session.publishing.goBack()}>
                {t('ehr.goBack')}
              </Button>
            </>
          }
        >
          {t('ehr.notSentReason', { what: pending.what, reason: pending.reason ?? '' })}
        </Warner>
      )}
      {behind.map((member) => (
        <NotFollowing key={member.id} session={session} member={member} />
      ))}
    </section>
  );
}
